"""Machine instructions of one call, counted by valgrind: exact to a percent, whatever else runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import BenchmarkError

_FEW, _MANY = 200, 1200
_TOTAL = re.compile(r"Collected : (\d+)")
_ROOT = Path(__file__).parents[2]
_PATIENCE = 600.0


def instructions() -> int:
    """What one more call takes: a long run less a short one.

    Raises:
        BenchmarkError: there is no valgrind, or it failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise BenchmarkError("valgrind is not installed (Debian: apt-get install valgrind)")
    _run([], 1)  # so that no run compiles
    few, many = (_total(_run(_counting(valgrind), calls)) for calls in (_FEW, _MANY))
    return (many - few) // (_MANY - _FEW)


def _counting(valgrind: str) -> list[str]:
    return [valgrind, "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]


def _run(prefix: list[str], calls: int) -> str:
    command = [*prefix, sys.executable, "-m", "benchmarks.path.run", str(calls)]
    done = subprocess.run(  # noqa: S603 - our own module
        command,
        cwd=_ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"counting failed: {done.stderr[-500:]}")
    return done.stderr


def _total(told: str) -> int:
    found = _TOTAL.search(told)
    if found is None:
        raise BenchmarkError(f"valgrind told no total: {told[-500:]}")
    return int(found[1])
