"""The fixture ``bybit_exchange`` for everybody's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .exchange import LocalExchange


@pytest.fixture
def bybit_exchange() -> Iterator[LocalExchange]:
    """A local exchange of this test's own, without limits; stopped at its end."""
    with LocalExchange(limits=False, ip_limit=None) as exchange:
        yield exchange
