"""Where rows go: what every sink does, and what all files share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from bybit_sync.exceptions import ConfigError

from .fetch import Row
from .lines import Lines, Reader

FORMAT = 1
"""Of the descriptions; a file of another one is refused, not guessed at."""


Rows = Sequence[Row] | Lines
"""The rows of a window as they were fetched."""


class Packed(NamedTuple):
    """A window's rows, packed by the sink that will take them."""

    rows: int
    data: Any


class Sink(Protocol):
    """Takes windows of rows, in order."""

    outlives: bool
    """Whether the rows are there when the program is not."""

    @property
    def reader(self) -> Reader[Lines | Packed] | None:
        """What makes a window of an answer's text, which costs less than rows; any thread may call
        it. None where nothing does."""
        ...

    @property
    def until_ms(self) -> int | None:
        """Everything before it is here; None where nothing is."""
        ...

    @property
    def rows(self) -> int:
        """How many rows are here."""
        ...

    def pack(self, rows: Rows) -> Packed:
        """The rows of a window in the form in which they are kept; any thread may call it."""
        ...

    def add(self, packed: Packed, until_ms: int) -> None:
        """Take the next window, which ends at `until_ms`."""
        ...

    def keep(self) -> None:
        """Make what has been taken last, before an end that was not meant."""
        ...

    def finish(self) -> Any:
        """Nothing more comes; returns what the caller of the download gets."""
        ...

    def close(self) -> None:
        """Let go of files; twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Description:
    """What a file holds: two downloads may share one only if this is the same."""

    series: str
    params: Mapping[str, Any]
    place: str
    """The environment, or "" for a base URL."""
    start_ms: int
    decimals: str = "float"

    def state(self, **facts: Any) -> dict[str, Any]:
        """This and some facts, as they are written beside or into a file."""
        return {"format": FORMAT, "download": asdict(self), **facts}

    def check(self, path: Path, state: Any) -> dict[str, Any]:
        """The facts of a state that was read from a file.

        Raises:
            ConfigError: it was written by another download.
        """
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ConfigError(f"{path}: was not written by this version; choose another name")
        wanted = json.loads(json.dumps(asdict(self)))
        found = state.get("download")
        if found != wanted:
            raise ConfigError(
                f"{path}: holds another download ({_difference(found, wanted)}); "
                "choose another name, or remove it"
            )
        return state


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return "unreadable"
    names = [name for name in wanted if found.get(name) != wanted[name]]
    return ", ".join(f"{name} {found.get(name)!r}, not {wanted[name]!r}" for name in names)[:300]


def is_about(path: Path) -> ConfigError:
    """The error about a file in the way."""
    return ConfigError(
        f"{path}: is there already, and no download has left word how far it got; "
        "choose another name, or remove it"
    )


# --- files that outlive a crash -----------------------------------------------------------


def write_safely(path: Path, text: str) -> None:
    """Replace a small file at once and for good: after a crash it is the old one or the new one."""
    beside = path.with_name(path.name + ".tmp")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last; systems that cannot need not."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_state(path: Path) -> Any:
    """What `write_safely` wrote, as JSON; None where there is nothing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path}: cannot be read ({error}); remove it") from error


def lock(file: IO[Any], path: Path) -> None:
    """Hold a file for this process alone, until it is closed.

    Raises:
        ConfigError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows: there two downloads into one file are the caller's affair
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigError(f"{path}: another download is writing it") from error


@contextmanager
def told_as_config_error(path: Path) -> Iterator[None]:
    """What a file system refuses when a file is opened, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
