"""The error for a keyword that an endpoint does not know, naming the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable

from .records import Endpoint

_ALWAYS = ("options", "extra")


def unknown_keyword(endpoint: Endpoint, unknown: Iterable[str]) -> TypeError:
    """The TypeError to raise; it names the nearest parameter of each and lists them all."""
    known = [*endpoint.by_name, *_ALWAYS]
    told = ", ".join(f"{name!r} (nearest: {nearest(name, known)!r})" for name in unknown)
    return TypeError(
        f"{endpoint.key}() takes no {told}. It takes {', '.join(known)}; "
        "what the table does not know yet goes into extra={...}"
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that is most like `name`; case and underscores do not count.

    ``start_time`` is nearest to ``startTime``, as it is wherever people come from snake_case.
    """
    from difflib import SequenceMatcher  # slow to import, and needed by mistakes only

    matcher = SequenceMatcher(b=_plain(name))

    def likeness(candidate: str) -> float:
        matcher.set_seq1(_plain(candidate))
        return matcher.ratio()

    return max(known, key=likeness)


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()
