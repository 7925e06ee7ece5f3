"""What `HTTP` raises: our errors, which pybit's users catch and read as they did pybit's.

Where pybit lets an exception of requests through (a time-out, a lost connection), ours is one of
that class, too. ``message`` is Bybit's alone, and the text is laid out as pybit's, for many scripts
look in it for ``ErrCode: 110043``.
"""

from __future__ import annotations

from typing import Any

import requests

from bybit_sync.exceptions import ApiError, BybitError, FailedRequestError, TransportError
from bybit_sync.net.adapter import as_requests_error

_Kinds = tuple[type[BybitError], type[requests.RequestException] | None]
_classes: dict[_Kinds, type[BybitError]] = {}
_NO_ANSWER = "Bad Request. Retries exceeded maximum."


class PybitStyledError(BybitError):
    """An error with pybit's text; mixed into the class of the error itself."""

    def __str__(self) -> str:
        code = "" if self.status_code is None else f" (ErrCode: {self.status_code})"
        text = f"{self.message}{code} (ErrTime: {self.time})"
        if self.request is None:
            return text
        return f"{text}.\nRequest → {self.request}: {dict(self.request.params)}."

    def __reduce__(self) -> tuple[Any, ...]:
        # The mixed class has no place of its own to be found at.
        _, kind, *others = type(self).__bases__
        return _told, (kind, others[0] if others else None, self.args, self.__dict__)


def as_pybit_tells(error: BybitError) -> BybitError:
    """The same error, of the same class and more, to be raised in its place."""
    facts = dict(error.__dict__)
    if isinstance(error, ApiError):
        facts["message"] = error.ret_msg or error.message
    kind = None
    if isinstance(error, TransportError):
        kind = type(as_requests_error(error, None))
        facts["response"] = None
    told = _told(type(error), kind, error.args, facts)
    told.__cause__ = error.__cause__
    told.__suppress_context__ = True
    return told.with_traceback(error.__traceback__)


def retries_exceeded(last: ApiError) -> FailedRequestError:
    """What pybit raises when every attempt brought a retCode that is worth another."""
    error = FailedRequestError(
        f"{_NO_ANSWER} The last answer: {last.message}",
        request=last.request,
        status_code=400,
        resp_headers=last.resp_headers,
        effect_unknown=last.effect_unknown,
    )
    error.transient = last.transient
    error.__cause__ = last
    return error


def _told(
    kind: type[BybitError],
    requests_kind: type[requests.RequestException] | None,
    args: tuple[Any, ...],
    facts: dict[str, Any],
) -> BybitError:
    cls = _mixed(kind, requests_kind)
    error = cls.__new__(cls, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(facts)
    return error


def _mixed(
    kind: type[BybitError], requests_kind: type[requests.RequestException] | None
) -> type[BybitError]:
    known = _classes.get((kind, requests_kind))
    if known is not None:
        return known
    bases = (
        (PybitStyledError, kind)
        if requests_kind is None
        else (PybitStyledError, kind, requests_kind)
    )
    facts = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__qualname__": kind.__name__}
    made = type(kind.__name__, bases, facts)
    return _classes.setdefault((kind, requests_kind), made)
