"""``python -m benchmarks``: measures, prints a table or JSON; 1 where the guard is alarmed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from .machine import headline
from .measure import BenchmarkError
from .options import FULL, GUARD, QUICK, Options
from .results import alarming
from .run import Report, run
from .server import ServerError
from .table import render
from .workloads import ALL


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    given = _parser().parse_args(arguments)
    wanted = [each for each in ALL if not given.only or each.name in given.only]
    try:
        report = run(wanted, _options(given), _tell)
    except (BenchmarkError, ServerError) as error:
        _tell(f"failed: {error}")
        return 1
    text = json.dumps(report.to_dict(), indent=2) + "\n" if given.json else _as_text(report)
    sys.stdout.write(text)
    return _guard(report) if given.guard else 0


def _guard(report: Report) -> int:
    alarms = alarming(report.results)
    for each in alarms:
        _tell(f"worse than twice its floor: {each}")
    return 1 if alarms else 0


def _as_text(report: Report) -> str:
    left_out = f"not installed, left out: {', '.join(report.missing)}\n" if report.missing else ""
    return f"{headline(report.machine)}\n{left_out}\n{render(report.results)}"


def _options(given: argparse.Namespace) -> Options:
    options = GUARD if given.guard else QUICK if given.quick else FULL
    if given.rounds is not None:
        options = replace(options, rounds=given.rounds)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and calls")
    parser.add_argument(
        "--guard", action="store_true", help="short; exit 1 if worse than twice a floor"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--rounds", type=_positive, help="how often the contenders take turns")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[each.name for each in ALL],
        help=f"one workload, or several: {', '.join(each.name for each in ALL)}",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("1 to 1000 rounds")
    return number


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
