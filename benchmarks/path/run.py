"""``python -m benchmarks.path.run N``: makes N calls and no more; for a counting machine."""

from __future__ import annotations

import gc
import sys

from .wire import canned_call


def main(calls: int) -> None:
    """Make the calls."""
    with canned_call() as call:
        gc.disable()
        for _ in range(calls):
            call()


if __name__ == "__main__":
    main(int(sys.argv[1]))
