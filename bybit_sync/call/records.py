"""The frozen records that one call hands from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from bybit_sync.exceptions import ConfigError

from .list_text import TakeList

if TYPE_CHECKING:
    from .reply import Reply

Method = Literal["GET", "POST"]
Auth = Literal["required", "none", "optional"]
Repeat = Literal["always", "if_unsent"]
Envelope = Literal["v5", "p2p", "none"]
Kind = Literal[
    "string", "decimal", "integer", "number", "boolean", "array", "object", "time_ms", "file"
]
"""What a parameter is on the wire; ``decimal`` is a number sent as text, ``time_ms`` a moment."""
Params = Mapping[str, Any]

_NO_PARAMS: Params = MappingProxyType({})
_NO_CATEGORIES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limit:
    """How often an endpoint may be called: calls per `window` seconds.

    ``scope`` is ``uid`` (counted per account and endpoint) or ``ip`` (only the shared budget of
    the address applies).
    """

    calls: float
    window: float = 1.0
    scope: Literal["uid", "ip"] = "uid"
    by_category: Mapping[str, float] = field(default_factory=lambda: _NO_CATEGORIES, hash=False)


class Param(NamedTuple):
    """One parameter of an endpoint, as its row in the table says."""

    name: str
    kind: Kind
    required: bool = False
    allowed: tuple[str | int, ...] = ()
    """Every value that the documentation allows; empty where it names none."""
    fields: tuple[Param, ...] = ()
    """The parameters of an object, or of each object in an array."""
    joined: bool = False
    """True where several values go as one text with commas between."""
    bounds: tuple[float | None, float | None] | None = None
    """The least and the greatest number that the documentation allows; None where it names none."""
    longest: int | None = None
    """The most characters that a text may have."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the endpoint table; `api` holds one constant per endpoint."""

    group: str
    name: str
    method: Method
    path: str
    auth: Auth = "required"
    repeat: Repeat = "if_unsent"
    limit: Limit | None = None
    params: tuple[Param, ...] = ()
    idempotency: str | None = None
    """The parameter that names this call for ever (``orderLinkId``), where there is one."""
    envelope: Envelope = "v5"
    key: str = field(init=False, repr=False, compare=False)
    """``group.name``: the label in metrics, logs and errors."""
    by_name: Mapping[str, Param] = field(init=False, repr=False, compare=False)
    """``params`` by their names."""
    required: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of those that a call must give."""
    written: dict[tuple[Any, ...], Request] = field(init=False, repr=False, compare=False)
    """What `encode` has checked and made of questions that were asked before."""

    def __post_init__(self) -> None:
        # Worked out here because every call reads them.
        key = f"{self.group}.{self.name}" if self.name else self.group
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "by_name", {param.name: param for param in self.params})
        names = tuple(param.name for param in self.params if param.required)
        object.__setattr__(self, "required", names)
        object.__setattr__(self, "written", {})

    @property
    def changes_something(self) -> bool:
        """True where a second call may act a second time."""
        return self.repeat != "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What may differ for one call. None takes the client's setting."""

    timeout: float | None = None
    """Seconds for the whole call, in place of ``total_timeout``."""
    attempts: int | None = None
    """How often the call may be tried, in place of ``[retry] attempts``."""
    recv_window_ms: int | None = None
    """Milliseconds for which Bybit accepts the signature."""
    on_sign: Callable[[int], None] | None = None
    """Told the timestamp (ms) of every attempt when it is signed, before its first byte leaves."""
    take_list: TakeList | None = None
    """Offered the text of the result's list, in place of its rows; see `call.list_text`."""

    def __post_init__(self) -> None:
        _check("timeout", self.timeout, float, 0.001, 86_400.0)
        _check("attempts", self.attempts, int, 1, 100)
        _check("recv_window_ms", self.recv_window_ms, int, 1, 60_000)
        if self.on_sign is not None and not callable(self.on_sign):
            raise ConfigError(f"options.on_sign: {self.on_sign!r} is not a function"[:200])
        if self.take_list is not None and not callable(self.take_list):
            raise ConfigError(f"options.take_list: {self.take_list!r} is not a function"[:200])


def _check(name: str, value: Any, kind: type, low: float, high: float) -> None:
    if value is None:
        return
    kinds = (int,) if kind is int else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, kinds)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        article = "a whole number" if kind is int else "a number"
        raise ConfigError(f"options.{name}: {value!r} is not {article} from {low:g} to {high:g}")


DEFAULT_OPTIONS = CallOptions()


class Request:
    """A call as it goes on the wire, before it is signed; nothing changes it."""

    __slots__ = ("body", "content_type", "method", "params", "path", "payload", "query", "target")

    def __init__(
        self,
        method: Method,
        path: str,
        query: str = "",
        body: bytes = b"",
        content_type: str = "",
        params: Params = _NO_PARAMS,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.content_type = content_type
        self.params = params
        self.target = f"{path}?{query}" if query else path
        """Path and query, as in the request line."""
        self.payload = query.encode("ascii") if method == "GET" else body
        """The bytes that the signature covers: the query exactly as sent, or the body."""


class Call(Protocol):
    """What a group of endpoints holds: one bound function that makes a call."""

    def __call__(
        self,
        endpoint: Endpoint,
        params: dict[str, Any],
        options: CallOptions | None = None,
        extra: Params | None = None,
    ) -> Reply[Any]:
        """Make the call and return the whole answer."""
        ...
