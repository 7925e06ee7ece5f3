"""The status page: one document without outside parts, and the policy that forbids any."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

_SCRIPTS = ("history.js", "elements.js", "page.js")


@cache
def page() -> tuple[bytes, str]:
    """The page as bytes of UTF-8, and its Content-Security-Policy.

    The page holds no figures: it fetches them, and writes them as text. The policy lets its own
    style and script run, known by their hashes, and fetch from where the page came from.
    """
    data = files(__package__) / "data"
    style = (data / "page.css").read_text("utf-8")
    script = "\n".join((data / name).read_text("utf-8") for name in _SCRIPTS)
    frame = (data / "page.html").read_text("utf-8")
    text = frame.replace("/*style*/", style).replace("/*script*/", script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return text.encode(), policy


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
