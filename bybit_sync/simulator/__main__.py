"""``python -m bybit_sync.simulator``: a local exchange of its own, until it is stopped."""

from __future__ import annotations

import argparse
import json
import os
import sys

from .errors import SimulatorError
from .foreground import serve
from .ready import Ready
from .settings import Settings

PROGRAM = "python -m bybit_sync.simulator"


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; 0 done, 1 failed, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.child is not None:
        return _run_child(options.child, options.directory)
    try:
        settings = _settings(options)
    except ValueError as error:
        parser.error(str(error))
    style = "as_json" if options.json else "as_env" if options.env else "as_text"
    try:
        serve(settings, lambda ready: _say(getattr(ready, style)()))
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run_child(settings: str, directory: str) -> int:
    """What `LocalExchange` starts: one line of JSON, then silence."""
    try:
        serve(Settings.from_json(settings), _tell_parent, directory=directory, child=True)
    except SimulatorError as error:
        _say(json.dumps({"error": str(error)}))
        return 1
    return 0


def _tell_parent(ready: Ready) -> None:
    _say(ready.as_json())
    # Nobody reads on: what is still written goes where errors go.
    os.dup2(2, 1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        latency=options.latency_ms / 1000,
        tls=not options.no_tls,
        port=options.port,
        seed=options.seed,
        state=options.state,
        limits=not options.no_limits,
        ip_limit=None if options.no_limits else Settings().ip_limit,
        world=options.world,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="A local Bybit, until Ctrl-C.")
    add = parser.add_argument
    add("--seed", type=int, default=0, help="of the market: the same seed, the same prices")
    add("--latency-ms", type=float, default=0.0, metavar="MS", help="of a round trip")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--state", metavar="FILE", help="keep accounts and orders in FILE")
    add("--no-tls", action="store_true", help="plain HTTP")
    add("--no-limits", action="store_true", help="any number of calls")
    style = parser.add_mutually_exclusive_group()
    style.add_argument("--json", action="store_true", help="print one line of JSON")
    style.add_argument("--env", action="store_true", help="print lines that a shell can source")
    add("--world", default=Settings().world, metavar="MODULE:CLASS", help=argparse.SUPPRESS)
    add("--child", metavar="SETTINGS", help=argparse.SUPPRESS)
    add("--directory", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
