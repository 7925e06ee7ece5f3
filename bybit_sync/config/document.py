"""A config file as text, and as the tables it holds.

Nothing here quotes the file: a line that cannot be read may be the one with the secret.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bybit_sync.exceptions import ConfigError

from .checks import quoted
from .lines import KeyLines

_LARGEST = 32 * 1024
"""Bytes. The parser takes quadratic time over some texts: half a minute for one MiB of escapes,
less than a tenth of a second for this much, also on a busy machine. Every key, with a limit for
every endpoint, comes to 23 kB."""

_REASONS = {
    "Duplicate keys!": "the key is given twice",
    "What?": "the table is given twice, or has the name of a key",
    "Unbalanced quotes": "a text is not closed on its line",
    "Unterminated string": "a text is not closed",
    "Empty value": "the key has no value",
    "Key name found without value": "a key has no value",
    "Only all lowercase": "true and false are written in small letters",
    "Not a homogeneous array": "the list mixes types",
}
"""The parser's own words may quote the file, so that they are replaced and not passed on."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file's name as it may be shown, and who may read it (None where that is unknown)."""

    name: str
    mode: int | None
    owner: int | None


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds."""

    file: FileFacts
    tables: Mapping[str, Any] = field(repr=False)
    lines: KeyLines = field(repr=False)


def read_document(path: str | os.PathLike[str]) -> Document:
    """The tables of a file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    source = _source(path)
    data, status = _read(source)
    file = _facts(source, status)
    text = _decode(data, file.name)
    lines = KeyLines(text)
    return Document(file, _parse(text, lines, file.name), lines)


def _facts(source: str, status: os.stat_result) -> FileFacts:
    name = source if source.isprintable() else repr(source)
    if os.name != "posix":  # elsewhere the bits say nothing about other users
        return FileFacts(name, None, None)
    return FileFacts(name, stat.S_IMODE(status.st_mode), status.st_uid)


def _source(path: str | os.PathLike[str]) -> str:
    try:
        source = os.fsdecode(path)
    except TypeError:
        raise ConfigError(f"{quoted(path)} is not the path of a config file") from None
    if "\0" in source:
        raise ConfigError(f"{quoted(source)} is not the path of a config file")
    return source


def _read(source: str) -> tuple[bytes, os.stat_result]:
    # Without waiting, as the open of a FIFO otherwise does until somebody writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if os.path.isdir(source):
            raise ConfigError(f"config file {quoted(source)} is a directory")
        handle = os.open(source, flags)
    except FileNotFoundError:
        raise ConfigError(f"config file {quoted(source)} is not there") from None
    except OSError as error:
        raise ConfigError(f"config file {quoted(source)}: {error.strerror or error}") from error
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"config file {quoted(source)} is not a regular file")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError(f"config file {quoted(source)} is larger than {_LARGEST // 1024} KiB")
    return data, status


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        bad = data[error.start]
        raise ConfigError(
            f"{source}:{line}: byte {bad:#04x} is not UTF-8; save the file as UTF-8"
        ) from None


def _parse(text: str, lines: KeyLines, source: str) -> dict[str, Any]:
    import toml  # here, because a client without a file needs none of it

    if lines.overloaded is not None:
        raise ConfigError(_placed("too many lists", lines.overloaded, lines, source))
    try:
        return toml.loads(text)
    except Exception as error:  # it lets IndexError and others out as well
        # `_read` in config.py cuts this chain: the error quotes the file.
        line = getattr(error, "lineno", None)
        raise ConfigError(_syntax_fault(str(error), line, lines, source)) from error


def _syntax_fault(message: str, line: int | None, lines: KeyLines, source: str) -> str:
    reason = next(
        (ours for theirs, ours in _REASONS.items() if message.startswith(theirs)),
        "this is not valid TOML",
    )
    return f"{source}: {reason}" if line is None else _placed(reason, line, lines, source)


def _placed(reason: str, line: int, lines: KeyLines, source: str) -> str:
    name = ".".join(lines.at(line))
    name = name if name.isprintable() else repr(name)
    return f"{source}:{line}: {name}: {reason}" if name else f"{source}:{line}: {reason}"
