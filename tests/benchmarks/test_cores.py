"""Cores that are kept awake while something is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cores
from benchmarks.measure import BenchmarkError


def test_the_cores_are_asked_to_wake_up_within_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "cpu_dma_latency"
    switch.touch()
    monkeypatch.setattr(cores, "_LATENCY", switch)

    with cores.awake():
        assert switch.read_bytes() == bytes(4)


def test_where_they_cannot_be_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_LATENCY", tmp_path / "missing")

    with pytest.raises(BenchmarkError, match="kept awake"), cores.awake():
        pass
