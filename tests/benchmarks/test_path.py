"""What one call takes, counted: a longer path is seen in review."""

from __future__ import annotations

import platform

import pytest

from benchmarks.path.counts import counted, kept


def test_one_call_takes_no_more_than_the_counts_that_are_kept() -> None:
    """Shorter is always welcome; `python -m benchmarks.path --keep` then keeps the new counts."""
    known = kept()
    if not known:
        pytest.skip(f"no counts are kept for Python {platform.python_version()}")

    found = counted()

    for name, count in found.items():
        assert count <= known[name] * 1.03 + 2, f"{name}: {count} against {known[name]} kept"
