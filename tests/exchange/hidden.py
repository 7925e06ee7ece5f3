"""Looks for secrets wherever a person, a log or an error tracker could see them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from bybit_sync.call.sign import HmacSigner, SignedHeaders
from bybit_sync.simulator import LocalExchange


class Hidden:
    """The texts that nobody may see: key, secret, and every signature made meanwhile."""

    def __init__(self, owner: LocalExchange | Any, patch: pytest.MonkeyPatch) -> None:
        self._texts = {owner.api_key, owner.api_secret}
        sign = HmacSigner.sign

        def spying(signer: HmacSigner, *args: Any) -> SignedHeaders:
            headers = sign(signer, *args)
            self._texts.add(headers["X-BAPI-SIGN"])
            return headers

        patch.setattr(HmacSigner, "sign", spying)

    @property
    def signatures(self) -> int:
        """How many were made."""
        return len(self._texts) - 2

    def is_in(self, shown: str) -> bool:
        """True if any of them stands in a text."""
        return any(text in shown for text in self._texts)

    def check_error(self, error: BaseException) -> None:
        """Assert that an error shows none, however closely one looks."""
        for shown in shows(error):
            assert not self.is_in(shown), shown[:2000]


def shows(error: BaseException) -> Iterator[str]:
    """Everything that trackers and tracebacks show of an error and of what led to it."""
    yield from map(str, (error, repr(error), error.args))
    yield repr(contents(error))
    yield "".join(traceback.format_exception(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield from map(_shown, frame.f_locals.values())
    for earlier in (error.__cause__, error.__context__):
        if earlier is not None:
            yield from shows(earlier)


def _shown(value: Any) -> str:
    """As error trackers show a local variable: some are half-built and have no repr yet."""
    try:
        return repr(value)
    except AttributeError:
        return ""


def contents(thing: Any, depth: int = 8, met: set[int] | None = None) -> Any:
    """The attributes of a thing, those of its attributes and so on, where `vars` finds them."""
    met = set() if met is None else met
    if depth == 0 or id(thing) in met:
        return repr(thing)
    met.add(id(thing))
    if isinstance(thing, dict):
        return {repr(key): contents(value, depth - 1, met) for key, value in thing.items()}
    if isinstance(thing, list | tuple | set | frozenset):
        return [contents(each, depth - 1, met) for each in thing]
    inside = dict(vars(thing)) if hasattr(thing, "__dict__") else {}
    if isinstance(thing, BaseException):
        inside["args"] = thing.args
    elif not type(thing).__module__.startswith(("bybit_sync", "requests", "urllib3")):
        return repr(thing)
    return (repr(thing), str(thing), contents(inside, depth - 1, met))
