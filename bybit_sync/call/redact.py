"""Keeps secrets out of messages: of errors, of logs, of pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"
_LONGEST_QUOTE = 200
# Values of fields that are secrets wherever they stand, and hex signatures. The end quote may be
# missing: the text may be cut.
_SECRET_FIELDS = re.compile(
    r"""(["']?(?:\w*secret\w*|api_?key|x-bapi-\w[\w-]*|sign(?:ature)?|password|token)["']?\s*[:=]\s*)"""
    r"""(?:"[^"]*"?|'[^']*'?|[^\s,&}\]]+)""",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"\b[0-9a-fA-F]{64}\b")
_NOT_SHOWN = re.compile(r"[^\x20-\x7e]+")


def redact(text: str, hidden: Iterable[str] = ()) -> str:
    """The text without the `hidden` ones, without signatures and without fields named secret."""
    for secret in hidden:
        if secret:
            text = text.replace(secret, MASK)
    return _SIGNATURE.sub(MASK, _SECRET_FIELDS.sub(rf"\1{MASK}", text))


def quote_answer(body: bytes | bytearray, hidden: Iterable[str] = ()) -> str:
    """At most 200 characters of an answer, fit for a message."""
    text = redact(body[:4096].decode("utf-8", "replace"), hidden)
    text = _NOT_SHOWN.sub(" ", text).strip()
    if not text:
        return "(empty)"
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
