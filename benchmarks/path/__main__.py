"""``python -m benchmarks.path``: counts one call and compares with what is kept.

``--keep`` writes the counts to the file; ``--instructions`` counts those of the machine, too.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.measure import BenchmarkError

from .counts import counted, keep, kept
from .instructions import instructions


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write the counts to the file")
    parser.add_argument("--instructions", action="store_true", help="with valgrind; a minute")
    given = parser.parse_args()
    counts, before = counted(), kept()
    if given.instructions:
        try:
            counts["instructions"] = instructions()
        except BenchmarkError as error:
            sys.stderr.write(f"failed: {error}\n")
            return 1
    for name, count in counts.items():
        known = f"{before[name]:,} kept" if name in before else "none kept"
        sys.stdout.write(f"{name:14s}{count:>10,}   ({known})\n")
    if given.keep:
        keep({**before, **counts})
    return 0


if __name__ == "__main__":
    sys.exit(main())
