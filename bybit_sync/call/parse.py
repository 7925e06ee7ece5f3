"""An answer's bytes as Bybit's envelope, or the error that they are.

Strict about what decides (status, JSON, retCode), lenient about the rest: in Bybit's own examples
``time`` is missing, ``retExtInfo`` is a text and ``result`` is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from bybit_sync.clock import Clock
from bybit_sync.exceptions import (
    ApiError,
    AuthError,
    BadAnswerError,
    BybitError,
    IpBannedError,
    PermissionDeniedError,
    RateLimitedError,
    TooManyRequestsError,
)
from bybit_sync.net.answer import Answer

from .breaker import BAN_SECONDS, clock_time
from .list_text import TakeList, cut_list, is_cut
from .rate_limit import rate_limit_in
from .records import Endpoint
from .redact import quote_answer, redact
from .ret_codes import is_listed, verdict

Body = dict[str, Any]

_NAMES = (("retCode", "ret_code"), ("ret_code", "retCode"))  # the expected one, and the other
# Where the second of two retCodes can stand: the envelope's own keys come before and after the
# result, and to search all of a large result would cost more than a tenth of parsing it.
_HEAD_BYTES, _TAIL_BYTES = 16_384, 8_192
_ZERO = 0  # one object in CPython; elsewhere the usual answer only takes the longer way
_CODE_TEXT = re.compile(r"-?[0-9]{1,15}")
_LONGEST_MESSAGE = 500  # characters of retMsg in an error's own message; ret_msg has all of them
_REGION_WORDS = (b"country", b"region", b"jurisdiction")


class Parser:
    """Turns the answers of `host` into envelopes. `hidden` are texts that no message may hold."""

    __slots__ = ("_clock", "_hidden", "_host")  # vars() would show the hidden ones

    def __init__(self, clock: Clock, hidden: Sequence[str] = (), host: str = "Bybit") -> None:
        self._clock = clock
        self._host = host
        self._hidden = tuple(hidden)

    def parse(self, endpoint: Endpoint, answer: Answer, take_list: TakeList | None = None) -> Body:
        """The envelope of an answer that says yes; its list may be taken as text.

        Raises:
            ApiError: Bybit says no; the class tells why.
            IpBannedError: HTTP 403.
            BadAnswerError: the answer is not Bybit's envelope.
        """
        if not 200 <= answer.status < 300:
            raise self._http_error(endpoint, answer)
        if take_list is not None:
            body = self._without_list(endpoint, answer, take_list)
            if body is not None:
                return body
        raw = answer.body
        body, fault = _loads(raw)
        if (  # the usual answer, told by the least that tells it
            type(body) is dict
            and body.get("retCode") is _ZERO
            and "ret_code" not in body
            and len(raw) <= _HEAD_BYTES
            and raw.count(b'"retCode"') == 1
        ):
            return body
        if not isinstance(body, dict):
            raise self._unreadable(endpoint, answer, fault or "no JSON object")
        ret_code = self._ret_code(endpoint, answer, body)
        if ret_code == 0:
            return body
        raise self._api_error(endpoint, answer, body, ret_code)

    def _without_list(self, endpoint: Endpoint, answer: Answer, take_list: TakeList) -> Body | None:
        """The envelope of an answer whose list was taken; None if it is to be parsed as a whole."""
        cut = cut_list(answer.body)
        if cut is None:
            return None
        rest, text = cut
        try:
            body = self.parse(endpoint, Answer(answer.status, answer.headers, rest, answer.elapsed))
        except BybitError:
            return None  # the whole answer tells what is wrong, and is quoted
        return body if is_cut(body) and take_list(text) else None

    # --- the envelope ---------------------------------------------------------------------

    def _ret_code(self, endpoint: Endpoint, answer: Answer, body: Body) -> int:
        name, other = _NAMES[endpoint.envelope == "p2p"]
        if name not in body and other in body:
            name, other = other, name
        if name not in body:
            if endpoint.envelope == "none":
                return 0
            raise self._unreadable(endpoint, answer, "an answer without retCode")
        ret_code = _as_code(body[name])
        if ret_code is None or (other in body and _as_code(body[other]) != ret_code):
            raise self._unreadable(endpoint, answer, "an answer whose retCode is no whole number")
        if _may_stand_twice(answer.body, name) and _stands_twice(answer.body, name):
            raise self._unreadable(endpoint, answer, f"an answer with two {name}s")
        return ret_code

    def _api_error(self, endpoint: Endpoint, answer: Answer, body: Body, ret_code: int) -> ApiError:
        found = verdict(ret_code)
        kind = found.error
        if answer.status == 401 and not is_listed(ret_code):
            kind = AuthError
        ret_msg = self._clean_message(body)
        facts: dict[str, Any] = {
            "ret_code": ret_code,
            "ret_msg": ret_msg,
            "body": body,
            "resp_headers": answer.headers,
            "effect_unknown": found.maybe_executed and endpoint.changes_something,
        }
        if kind is RateLimitedError:
            seen = rate_limit_in(answer.headers)
            facts["reset_ms"] = seen.reset_ms if seen else None
        told = ret_msg[:_LONGEST_MESSAGE] or "refused"
        error = kind(f"{told} (retCode {ret_code})", **facts)
        error.transient = found.transient
        return error

    def _clean_message(self, body: Body) -> str:
        """Bybit's message, in place: the one for a bad signature quotes the API key."""
        name = "retMsg" if "retMsg" in body else "ret_msg"
        message = body.get(name)
        if not isinstance(message, str):
            return ""
        clean = redact(message, self._hidden)
        if clean != message:
            body[name] = clean
        return clean

    def _unreadable(self, endpoint: Endpoint, answer: Answer, what: str) -> BadAnswerError:
        return BadAnswerError(
            f"{self._host} answered after {answer.elapsed:.3f} s: HTTP {answer.status}, {what}: "
            f"{quote_answer(answer.body, self._hidden)}",
            status_code=answer.status,
            resp_headers=answer.headers,
            effect_unknown=endpoint.changes_something,
        )

    # --- HTTP statuses --------------------------------------------------------------------

    def _http_error(self, endpoint: Endpoint, answer: Answer) -> BadAnswerError | ApiError:
        status = answer.status
        if status == 403:
            return self._forbidden(endpoint, answer)
        if status == 401 and (refusal := self._refusal_in(answer)) is not None:
            return self._api_error(endpoint, answer, *refusal)
        if status == 429:
            return self._too_many(endpoint, answer)
        quoted = quote_answer(answer.body, self._hidden)
        if 300 <= status < 400:
            quoted = f"a redirect to {_host_of(answer.headers.get('Location', ''))}, not followed"
        elif status == 404:
            quoted = f"no such path, or not for this kind of account: {quoted}"
        error = BadAnswerError(
            f"{self._host} answered after {answer.elapsed:.3f} s: HTTP {status}: {quoted}",
            status_code=status,
            resp_headers=answer.headers,
            # Every 4xx is a refusal, save 408: the server gave up waiting for what it had.
            effect_unknown=endpoint.changes_something
            and (status >= 500 or status < 400 or status == 408),
        )
        error.transient = status >= 500 or status == 408
        return error

    def _too_many(self, endpoint: Endpoint, answer: Answer) -> ApiError:
        """HTTP 429, with an envelope or without: nothing was executed."""
        body, ret_code = self._refusal_in(answer) or ({}, 429)
        seen = rate_limit_in(answer.headers)
        quoted = quote_answer(answer.body, self._hidden)
        error = TooManyRequestsError(
            f"{self._host} answered after {answer.elapsed:.3f} s: HTTP 429: {quoted}",
            ret_code=ret_code,
            ret_msg=self._clean_message(body),
            body=body,
            reset_ms=seen.reset_ms if seen else None,
            resp_headers=answer.headers,
            effect_unknown=False,
        )
        error.status_code = 429
        return error

    def _forbidden(self, endpoint: Endpoint, answer: Answer) -> BadAnswerError | ApiError:
        if (refusal := self._refusal_in(answer)) is not None:
            error = self._api_error(endpoint, answer, *refusal)
            if isinstance(error, PermissionDeniedError | AuthError):
                return error
        quoted = quote_answer(answer.body, self._hidden)
        if any(word in answer.body[:4096].lower() for word in _REGION_WORDS):
            return BadAnswerError(
                f"HTTP 403, Bybit does not serve this region: {quoted}",
                status_code=403,
                resp_headers=answer.headers,
                effect_unknown=False,
            )
        until = self._clock.wall() + BAN_SECONDS
        return IpBannedError(
            f"HTTP 403, Bybit has shut this address out until {clock_time(until)}: {quoted}",
            until=until,
            status_code=403,
            resp_headers=answer.headers,
            effect_unknown=False,
        )

    def _refusal_in(self, answer: Answer) -> tuple[Body, int] | None:
        """The envelope that an HTTP error carries, where it is one that says no."""
        body, _ = _loads(answer.body)  # error pages need not be JSON
        if not isinstance(body, dict):
            return None
        ret_code = _as_code(body.get("retCode", body.get("ret_code")))
        return (body, ret_code) if ret_code else None


def _loads(raw: bytes | bytearray) -> tuple[Any, str]:
    """What the JSON holds, or None and what is wrong with it."""
    # Told, not raised: as a cause or context, orjson's error would carry the whole answer along.
    try:
        return orjson.loads(raw), ""
    except orjson.JSONDecodeError as error:
        return None, f"not JSON ({error.msg})"


def _as_code(value: Any) -> int | None:
    """A retCode as a number; a text of digits is taken as one, true, null and 0.0 are not."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _CODE_TEXT.fullmatch(value):
        return int(value)
    return None


def _may_stand_twice(raw: bytes | bytearray, name: str) -> bool:
    key = f'"{name}"'.encode()
    if len(raw) <= _HEAD_BYTES + _TAIL_BYTES:
        return raw.count(key) > 1
    return raw.count(key, 0, _HEAD_BYTES) + raw.count(key, len(raw) - _TAIL_BYTES) > 1


def _stands_twice(raw: bytes | bytearray, name: str) -> bool:
    """True if an object holds the key twice: then a reader that takes the last is deceived."""
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or sum(key == name for key, _ in pairs) > 1

    try:
        json.loads(raw, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return True  # what one reader takes and another does not is not to be trusted
    return found


def _host_of(location: str) -> str:
    try:
        return urlsplit(location).hostname or "the same host"
    except ValueError:
        return "a place that is no address"
