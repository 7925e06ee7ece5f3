"""``python -m bybit_sync``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    try:
        from bybit_sync.cli import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write('The commands need the package click: pip install "bybit-sync[cli]"\n')
        return 2
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
