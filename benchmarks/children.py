"""Measurements that need a process to themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .measure import BenchmarkError

_ROOT = Path(__file__).parents[1]
_PATIENCE = 60.0


# An installed package has its byte code: a child that may not keep any would compile our modules
# each time, and those of nobody else.
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


def run_python(*arguments: str) -> Any:
    """Run an interpreter with these arguments; returns the JSON that it prints.

    Raises:
        BenchmarkError: it failed, or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, *arguments],
            cwd=_ROOT,
            env=_ENVIRONMENT,
            timeout=_PATIENCE,
            check=True,
            stdout=subprocess.PIPE,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"python {arguments[0]} failed: {error}") from error
    return json.loads(done.stdout)
