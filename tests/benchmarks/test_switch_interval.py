"""The figures of docs/threads.md can be measured anew, and the process is left as it was."""

from __future__ import annotations

import re
import sys

import pytest

from benchmarks import switch_interval


def test_every_pair_is_measured_and_the_interval_is_put_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch_interval, "INTERVALS", (0.005, 0.0005))
    monkeypatch.setattr(switch_interval, "BUSY", (0, 1))
    before = sys.getswitchinterval()

    switch_interval.main(["--threads", "2", "--seconds", "0.4", "--latency", "0.01"])

    rows = re.findall(
        r"^\| (\S+) ms \| (\d) \| (\S+) ms \| (\S+) ms \| (\S+) /s \|$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert [row[:2] for row in rows] == [("5", "0"), ("0.5", "0"), ("5", "1"), ("0.5", "1")]
    assert all(float(p50) >= 10.0 for _, _, p50, _, _ in rows)  # no less than the round trip
    assert [rounds == "0" for *_, rounds in rows] == [True, True, False, False]
    assert sys.getswitchinterval() == before
