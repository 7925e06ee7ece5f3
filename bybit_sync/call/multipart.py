"""A file as a multipart/form-data body, for the one endpoint that takes uploads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from bybit_sync.exceptions import ConfigError

from .scalars import ValueFaultError, checked_text
from .values import query_text

# Not `mimetypes`: its answers depend on the files of the machine it runs on.
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".heic": "image/heic",
    ".pdf": "application/pdf",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".txt": "text/plain",
    ".zip": "application/zip",
}
FILE_NAME = "filename"
"""The parameter that names the file where its content comes as bytes; it is not sent itself."""


def multipart(where: str, field: str, params: Mapping[str, Any]) -> tuple[bytes, str]:
    """The body and its content type.

    ``params[field]`` is the content as bytes (``params["filename"]`` names it), a pair
    ``(filename, bytes)``, a path, or an open binary file. Every other parameter becomes a text
    field in front of it.

    Raises:
        ConfigError: the file cannot be read, has no name, or a field is not allowed.
    """
    content, filename = _content(f"{where}.{field}", params[field], params.get(FILE_NAME))
    parts = [
        (f'name="{_quoted(where, name)}"', "", _text(where, name, value))
        for name, value in params.items()
        if name not in (field, FILE_NAME)
    ]
    safe_name = _quoted(where, filename)
    parts.append((f'name="{field}"; filename="{safe_name}"', content_type(filename), content))
    boundary = _boundary(content)
    lines: list[bytes] = []
    for disposition, kind, data in parts:
        head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"
        head += f"Content-Type: {kind}\r\n\r\n" if kind else "\r\n"
        lines += [head.encode(), data, b"\r\n"]
    lines.append(f"--{boundary}--\r\n".encode())
    return b"".join(lines), f"multipart/form-data; boundary={boundary}"


def content_type(filename: str) -> str:
    """The media type that the file's name tells; bytes of no known kind otherwise."""
    return _TYPES.get(os.path.splitext(filename)[1].lower(), "application/octet-stream")


def _content(where: str, source: Any, filename: Any) -> tuple[bytes, str]:
    if isinstance(source, tuple) and len(source) == 2:
        filename, source = source
    try:
        if isinstance(source, str | os.PathLike):
            filename = filename or os.path.basename(os.fspath(source))
            with open(source, "rb") as file:
                source = file.read()
        elif hasattr(source, "read"):
            filename = filename or getattr(source, "name", None)
            source = source.read()
    except OSError as error:
        raise ConfigError(f"{where}: the file cannot be read: {error.strerror}") from error
    if not isinstance(source, bytes | bytearray | memoryview):
        raise ConfigError(f"{where}: {type(source).__name__} is not allowed: bytes, path or file")
    if not isinstance(filename, str) or not os.path.basename(filename):
        raise ConfigError(f"{where}: bytes need a {FILE_NAME}, whose ending tells their type")
    return bytes(source), os.path.basename(filename)


def _text(where: str, name: str, value: Any) -> bytes:
    try:
        return query_text(None, value).encode()
    except ValueFaultError as fault:
        raise ConfigError(f"{where}.{name}: {fault.reason}") from fault


def _quoted(where: str, name: str) -> str:
    try:
        return checked_text(name).replace('"', "%22")
    except ValueFaultError as fault:
        raise ConfigError(f"{where}.{FILE_NAME}: {fault.reason}") from fault


def _boundary(content: bytes) -> str:
    while True:
        boundary = secrets.token_hex(16)
        if boundary.encode() not in content:
            return boundary
