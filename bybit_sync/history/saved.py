"""What a download into a file returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bybit_sync.call.moments import to_iso


@dataclass(frozen=True, slots=True)
class Saved:
    """A finished file."""

    path: Path
    rows: int
    """In the whole file."""
    start_ms: int
    until_ms: int | None
    """The file holds every row from the start up to, not including, this moment."""
    new_rows: int = 0
    """Of this download; the rest was there already."""
    calls: int = 0
    """Requests that this download made, at least."""
    seconds: float = 0.0

    def with_facts(self, *, new_rows: int, calls: int, seconds: float) -> Saved:
        """This and what the download took."""
        return replace(self, new_rows=new_rows, calls=calls, seconds=seconds)

    def __str__(self) -> str:
        return f"{self.path}: {extent(self.rows, self.start_ms, self.until_ms)}"


def extent(rows: int, start_ms: int, until_ms: int | None) -> str:
    """How much there is, for people."""
    if until_ms is None:
        return "nothing yet"
    return f"{rows:,} row{'' if rows == 1 else 's'} from {to_iso(start_ms)} to {to_iso(until_ms)}"


class DownloadInterrupted(KeyboardInterrupt):
    """Ctrl-C during a download; the message says what is kept. Connections and threads are given
    back by then."""
