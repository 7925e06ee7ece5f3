"""``python -m bybit_sync top``: a running program, seen through its exporter."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import click

from bybit_sync.clock import SYSTEM_CLOCK

from .output import is_terminal, json_option, out, print_json
from .reading import Reading, Span, address, scrape
from .view import View, view_of

_WINDOW = 10.0
_HISTORY = 40


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:9100/metrics",
    show_default=True,
    callback=address,
    help="The program's exporter ([metrics] port), or its port alone.",
)
@click.option(
    "--interval",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 60.0),
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look for one interval, print, and end.")
@json_option("Print one look as JSON, and end.")
def top(url: str, interval: float, *, once: bool, as_json: bool) -> int:
    """Watch pool, limits, slowest endpoints and errors of a running program.

    Rates and latencies are those of the last ten seconds, errors those since its start. q or
    Ctrl-C ends it; where stdout is no terminal it looks once.

    \b
    Example: python -m bybit_sync top --url http://127.0.0.1:9100/metrics
    """
    watch = _Watch(url)
    watch.look()
    if as_json or once or not is_terminal():
        SYSTEM_CLOCK.sleep(interval)
        watch.look()
        _print(watch.views(), as_json=as_json)
        return 0
    with suppress(KeyboardInterrupt):
        _live(watch, interval)
    return 0


@dataclass(slots=True)
class _Watch:
    """The looks of the last seconds, and the median latencies of each."""

    url: str
    looks: deque[Reading] = field(default_factory=deque)
    history: dict[str, deque[float]] = field(default_factory=dict)
    trouble: str = ""

    def look(self) -> None:
        """Look once more.

        Raises:
            click.ClickException: the exporter does not answer.
        """
        reading = scrape(self.url)
        while len(self.looks) > 1 and reading.at - self.looks[1].at >= _WINDOW:
            self.looks.popleft()
        if self.looks:
            for name in reading.exchanges():
                median = view_of(Span(name, self.looks[-1], reading)).p50_ms
                self.history.setdefault(name, deque(maxlen=_HISTORY)).append(median)
        self.looks.append(reading)

    def try_to_look(self) -> None:
        """Look once more; what is in the way is shown, for the program may come back."""
        try:
            self.look()
            self.trouble = ""
        except click.ClickException as error:
            self.trouble = error.format_message()

    def views(self) -> list[View]:
        """Every client as it is now."""
        first, last = self.looks[0], self.looks[-1]
        return [view_of(Span(name, first, last)) for name in last.exchanges()]


def _print(views: list[View], *, as_json: bool) -> None:
    if as_json:
        print_json({view.exchange: view.figures() for view in views})
        return
    from .screen import panel

    console = out()
    for view in views:
        console.print(panel(view))


def _live(watch: _Watch, interval: float) -> None:
    from rich.live import Live

    from .keys import keys
    from .screen import screen

    with keys() as wait, Live(console=out(), screen=True, auto_refresh=False) as live:
        while True:
            foot = watch.trouble or f"{watch.url} every {interval:g} s; q ends"
            live.update(screen(watch.views(), watch.history, foot), refresh=True)
            if wait(interval).lower() == "q":
                return
            watch.try_to_look()
