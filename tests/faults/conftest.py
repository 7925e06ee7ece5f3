"""What every row of the fault matrix gets: scripted servers, a network of its own, a clean end.

``MATRIX_ORDER=random`` (or a seed) in the environment runs the rows in random order; the seed is
printed, and the same seed gives the same order.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.net.conftest import (  # noqa: F401  # fixtures are found by their names here
    _no_name_server,
    hasty,
    make_adapter,
    make_plain,
    make_session,
    plain,
    serve,
    session,
    tally,
    trust,
)

from . import alone
from .leaks import nothing_left  # noqa: F401


def pytest_configure(config: pytest.Config) -> None:
    """Register what only the matrix uses."""
    config.addinivalue_line(
        "markers", "alone(*programs): runs in a network and file system view of its own, as root"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the rows where that was asked for."""
    wish = os.environ.get("MATRIX_ORDER")
    if not wish:
        return
    seed = random.randrange(10**6) if wish == "random" else int(wish)
    print(f"\nMATRIX_ORDER={seed}")  # noqa: T201  # whoever meets a failure has to repeat it
    random.Random(seed).shuffle(items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run a test that is marked ``alone`` in a child of its own."""
    marker = pyfuncitem.get_closest_marker("alone")
    if marker is None or alone.is_inside():
        return None
    alone.run(pyfuncitem, marker.args)
    return True
