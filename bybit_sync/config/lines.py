"""On which line of a TOML text each key stands; the parser does not tell."""

from __future__ import annotations

import re

Path = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\[?\s*(?P<name>{_NAME})\s*\]")
_KEY = re.compile(rf"\s*(?P<name>{_NAME})\s*=(?P<value>.*)")
_PARTS = re.compile(_PART)
_MOST_LISTS = 20
_LONG_QUOTE = re.compile(r"\"\"\"|'''")


class KeyLines:
    """The line of every table and key, by its path; the first one where there are several.

    ``overloaded`` is the line on which the text has opened more lists than a config has any use
    for, or None. The parser takes seconds over some of them.
    """

    def __init__(self, text: str) -> None:
        self.overloaded: int | None = None
        self._lines: dict[Path, int] = {}
        self._paths: dict[int, Path] = {}
        self._scan(text)

    def of(self, path: Path) -> int | None:
        """The line of a key, or else of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def at(self, line: int) -> Path:
        """What stands on a line; empty where that is neither a table nor a key."""
        return self._paths.get(line, ())

    def _scan(self, text: str) -> None:
        table: Path = ()
        closing = ""  # the quotes that end the text of several lines in which we are
        lists = 0
        for number, line in enumerate(text.split("\n"), start=1):
            if closing:
                closing = "" if closing in line else closing
            elif header := _HEADER.match(line):
                table = _split(header["name"])
                self._note(table, number)
                continue
            elif key := _KEY.match(line):
                self._note((*table, *_split(key["name"])), number)
                closing = _left_open(key["value"])
            lists += 0 if line.lstrip().startswith("#") else line.count("[")
            if lists > _MOST_LISTS and self.overloaded is None:
                self.overloaded = number

    def _note(self, path: Path, line: int) -> None:
        self._lines.setdefault(path, line)
        self._paths[line] = path


def _split(name: str) -> Path:
    return tuple(part.strip("\"'") for part in _PARTS.findall(name))


def _left_open(value: str) -> str:
    opening = _LONG_QUOTE.match(value.lstrip())
    if opening is None or value.count(opening[0]) > 1:
        return ""
    return opening[0]
