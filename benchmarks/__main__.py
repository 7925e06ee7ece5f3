"""``python -m benchmarks``: measures, prints a table or JSON; 1 where the guard is alarmed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .chart import draw
from .machine import headline
from .measure import BenchmarkError
from .options import FULL, GUARD, QUICK, Options
from .results import alarming
from .run import Report, run
from .server import ServerError
from .table import markdown, render
from .workloads import ALL, ON_REQUEST


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0 done, 1 failed, 2 wrong usage."""
    given = _parser().parse_args(arguments)
    known = [*ALL, *ON_REQUEST] if given.only else ALL
    wanted = [each for each in known if not given.only or each.name in given.only]
    try:
        report = run(wanted, _options(given), _tell)
        if given.chart:
            draw(report.results, headline(report.machine), Path(given.chart))
    except (BenchmarkError, ServerError) as error:
        _tell(f"failed: {error}")
        return 1
    sys.stdout.write(_shown(report, given))
    return _guard(report) if given.guard else 0


def _guard(report: Report) -> int:
    alarms = alarming(report.results)
    for each in alarms:
        _tell(f"worse than twice its floor: {each}")
    return 1 if alarms else 0


def _shown(report: Report, given: argparse.Namespace) -> str:
    if given.json:
        return json.dumps(report.to_dict(), indent=2) + "\n"
    if given.markdown:
        return f"{headline(report.machine)}\n\n{markdown(report.results)}"
    return _as_text(report)


def _as_text(report: Report) -> str:
    left_out = f"not installed, left out: {', '.join(report.missing)}\n" if report.missing else ""
    return f"{headline(report.machine)}\n{left_out}\n{render(report.results)}"


def _options(given: argparse.Namespace) -> Options:
    options = GUARD if given.guard else QUICK if given.quick else FULL
    if given.rounds is not None:
        options = replace(options, rounds=given.rounds, small_rounds=given.rounds)
    return replace(options, keeps_awake=given.awake)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and calls")
    parser.add_argument(
        "--guard", action="store_true", help="short; exit 1 if worse than twice a floor"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    parser.add_argument("--chart", metavar="FILE", help="write a picture as well (PNG)")
    parser.add_argument("--rounds", type=_positive, help="how often the contenders take turns")
    parser.add_argument(
        "--awake",
        action="store_true",
        help="keep the cores from sleeping (Linux, root), for what is left without their waking up",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[each.name for each in (*ALL, *ON_REQUEST)],
        help=f"one workload, or several: {', '.join(each.name for each in ALL)}; only when named: "
        f"{', '.join(each.name for each in ON_REQUEST)}",
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
