"""What has changed since the state file was written, call by call.

The file holds everything, so that it takes a while to write and is written now and then; the diary
beside it is written before each answer. After a kill the market does again what the diary says, at
the times that it says: nothing that a client was told is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

Entry = list[Any]


class Diary:
    """The entries after one writing of the state file, its `generation`."""

    def __init__(self, state: Path) -> None:
        self._path = state.with_name(f"{state.name}.diary")
        self._descriptor: int | None = None

    def entries(self, generation: int) -> Iterator[Entry]:
        """What was noted after that generation was written, oldest first."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        # Of another generation: a kill came between the file and the emptying of the diary.
        if not lines or orjson.loads(lines[0]) != generation:
            return
        for line in lines[1:]:
            if line.endswith(b"\n"):  # the last one may be cut; then nobody was answered
                yield orjson.loads(line)

    def restart(self, generation: int) -> None:
        """Forget everything: it is in the state file now."""
        self._close()
        # Nobody else may read it: there are keys in it.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._descriptor = os.open(self._path, flags, 0o600)
        self._write(generation)

    def note(self, *entry: Any) -> None:
        """Keep an entry; a kill of this process does not lose it once this returns."""
        self._write(list(entry))

    def end(self) -> None:
        """Remove it."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _write(self, value: Any) -> None:
        assert self._descriptor is not None
        line = orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE)
        if os.write(self._descriptor, line) != len(line):
            raise OSError(f"{self._path}: no room")

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
