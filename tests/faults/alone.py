"""A test in a network of its own: loopback only, its own mounts and processes, gone at its end.

The test is run once more by a pytest inside ``unshare``; what it does to interfaces, packet
filters, ``/etc/resolv.conf`` and kernel settings is seen by nobody else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import pytest

_INSIDE = "BYBIT_SYNC_ALONE"
_SECONDS = 90
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
_WITH_LOOPBACK = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def is_inside() -> bool:
    """True in the process that has the network to itself."""
    return _INSIDE in os.environ


@cache
def _refusal() -> str:
    """Why there can be no network of one's own here, or ""."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root, for a network of its own"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "needs the programs unshare and ip"
    trial = subprocess.run([*_UNSHARE, *_WITH_LOOPBACK, "true"], capture_output=True)
    return "" if trial.returncode == 0 else f"no network of its own: {trial.stderr.decode()}"


def run(item: pytest.Item, programs: Sequence[str]) -> None:
    """Run this test in a child and fail or skip as it does there."""
    missing = [program for program in programs if shutil.which(program) is None]
    reason = _refusal() or (f"needs {', '.join(missing)}" if missing else "")
    if reason:
        pytest.skip(reason)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
    ]
    child = subprocess.run(
        [*_UNSHARE, *_WITH_LOOPBACK, *command, item.nodeid],
        cwd=item.config.rootpath,
        env={**os.environ, _INSIDE: "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if child.returncode != 0:
        pytest.fail(f"{child.stdout[-6000:]}{child.stderr[-2000:]}", pytrace=False)
    if "1 skipped" in child.stdout:
        pytest.skip(child.stdout.partition("SKIPPED")[2].strip())
    assert "1 passed" in child.stdout, child.stdout
