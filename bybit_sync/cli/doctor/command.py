"""The command: gathers evidence from an exporter or by a probe, and tells what the rules find."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from bybit_sync.cli.output import json_option, note, out, print_json
from bybit_sync.cli.place import Place, with_place
from bybit_sync.cli.reading import Reading, address, scrape
from bybit_sync.clock import SYSTEM_CLOCK

from .evidence import Evidence, Finding, plural
from .rules import RULES, findings

if TYPE_CHECKING:
    from rich.console import Console

_LOOKS = 20


@click.command()
@click.option(
    "--url",
    callback=address,
    help="The exporter of a running program: http://127.0.0.1:9100/metrics, or its port alone.",
)
@click.option(
    "--seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.2, 3600.0),
    help="How long to look; a probe leaves a connection unused for so long.",
)
@json_option()
@with_place
def doctor(place: Place, url: str | None, seconds: float, *, as_json: bool) -> int:
    """Find out what is wrong: symptom, evidence, the knob to turn and a value for it.

    With --url it watches a running program through its exporter ([metrics] port); --config then
    names the file that the program was started with, so that values can be suggested better.
    Without it, it makes a few calls of its own, none of which changes anything. Exit code 1 where
    something is wrong.

    \b
    Example: python -m bybit_sync doctor --url http://127.0.0.1:9100/metrics
    Example: python -m bybit_sync doctor --environment testnet --seconds 40
    """
    if url is None and not place.is_named:
        raise click.UsageError(
            "say what to look at: --url of a running program's exporter, or --environment, "
            "--base-url, --config or --local for a probe"
        )
    patients = _watch(url, place, seconds) if url is not None else _probe(place, seconds)
    found = [(each, findings(each)) for each in patients]
    _report(found, as_json=as_json)
    return 1 if any(each.is_certain for _, listed in found for each in listed) else 0


def _watch(url: str, place: Place, seconds: float) -> list[Evidence]:
    settings = place.settings() if place.config is not None else None
    note(f"watching {url} for {seconds:g} s")
    looks: list[Reading] = [scrape(url)]
    end = looks[0].at + seconds
    while (left := end - SYSTEM_CLOCK.monotonic()) > 0:
        SYSTEM_CLOCK.sleep(min(left, max(0.1, seconds / _LOOKS)))
        looks.append(scrape(url))
    return [
        Evidence(exchange=name, looks=looks, settings=settings) for name in looks[-1].exchanges()
    ]


def _probe(place: Place, seconds: float) -> list[Evidence]:
    from .probe import probe

    note(f"probing, with a connection left unused for {seconds:g} s")
    evidence = probe(place, seconds)
    errors = evidence.probed.errors if evidence.probed is not None else ()
    for error in errors:
        note(f"seen: {type(error).__name__}: {error}")
    if errors and not findings(evidence):  # no rule knows it, but it is no health either
        raise errors[0]
    return [evidence]


# --- telling ------------------------------------------------------------------------------


def _report(found: list[tuple[Evidence, list[Finding]]], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                evidence.exchange: {
                    "seconds": round(evidence.span.seconds, 3),
                    "calls": evidence.calls(),
                    "findings": [finding.figures() for finding in listed],
                }
                for evidence, listed in found
            }
        )
        return
    for evidence, listed in found:
        _tell(evidence, listed)


def _tell(evidence: Evidence, listed: list[Finding]) -> None:
    from rich.markup import escape

    console = out()
    span = evidence.span
    head = f"{evidence.exchange}: {plural(evidence.calls(), 'call')} in {span.seconds:.1f} s"
    if not listed:
        console.print(f"[green]{escape(head)}; nothing is wrong[/] ({len(RULES)} rules)")
        return
    console.print(escape(head))
    for number, each in enumerate(listed, start=1):
        colour = "red" if each.is_certain else "yellow"
        console.print(f"\n[bold {colour}]{number}. {escape(each.name)}[/]: {escape(each.symptom)}")
        _tell_parts(console, each)


def _tell_parts(console: Console, finding: Finding) -> None:
    """Aligned on a terminal; in a pipe each part is one line, however long."""
    from rich.markup import escape
    from rich.table import Table

    parts = {
        "evidence": finding.evidence,
        "knob": finding.knob,
        "set": _values(finding),
        "do": finding.advice,
    }
    grid = Table.grid(padding=(0, 1))
    for label, text in parts.items():
        if text and console.is_terminal:
            grid.add_row("  ", f"[dim]{label}[/]", escape(text))
        elif text:
            console.print(f"   {label:9}{escape(text)}", soft_wrap=True)
    if grid.row_count:
        console.print(grid)


def _values(finding: Finding) -> str:
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in finding.suggestion.items())
