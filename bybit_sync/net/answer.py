"""What goes down to the transport and what comes back: no word about requests or urllib3."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import httptools

from bybit_sync.exceptions import ConfigError

_BAD_NAME = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]|^\s|\s$")
_PLAIN = re.compile(r"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+\n(?:[!-~](?:[\t -~]*[!-~])?)?(?:\n|\Z))*")


class HeaderBlock(Mapping[str, str]):
    """Request headers that never change, checked and encoded once. ``raw`` is their wire form."""

    __slots__ = ("_fields", "raw")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)
        self.raw = encode_headers(self._fields)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def encode_headers(fields: Mapping[str, str]) -> bytes:
    """The wire form of header fields.

    Raises:
        ConfigError: a name or value could smuggle another header; the value is not quoted.
    """
    if not are_plain(fields.items()):
        _check_each(fields)
    return "".join([f"{name}: {value}\r\n" for name, value in fields.items()]).encode("latin-1")


def are_plain(fields: Collection[tuple[str, str]]) -> bool:
    """Whether header fields are of printable ASCII, as nearly all are: then nothing in them can
    smuggle anything. One look at all of them costs a fraction of a look at each."""
    try:
        text = "\n".join(chain.from_iterable(fields))
    except TypeError:  # bytes, or a number
        return False
    return text.count("\n") == 2 * len(fields) - 1 and _PLAIN.fullmatch(text) is not None


def _check_each(fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        if not name or _BAD_NAME.search(name):
            raise ConfigError(f"header name {name!r} holds a character that HTTP does not allow")
        if _BAD_VALUE.search(value):
            raise ConfigError(f"the value of header {name} holds a character that HTTP forbids")


def lowered(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The same fields with their names in lower case."""
    return dict(zip(map(bytes.lower, fields), fields.values(), strict=True))


class _Fields:
    """What llhttp finds in a head; the last one of each name."""

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.on_header = self.fields.__setitem__


def _fields_in(head: bytes) -> Collection[tuple[bytes, bytes]]:
    found = _Fields()
    httptools.HttpResponseParser(found).feed_data(head)
    return found.fields.items()


class Headers(Mapping[str, str]):
    """The headers of an answer, compared without regard to case; read when somebody asks.

    They come as fields that were parsed, or as the `head` of an answer that llhttp has checked.
    """

    __slots__ = ("_by_name", "_fields", "_head", "_raw", "lower_head")

    def __init__(
        self,
        raw: Collection[tuple[bytes, bytes]] | None = None,
        by_name: dict[bytes, bytes] | None = None,
        head: bytes = b"",
    ) -> None:
        self._raw = raw
        self._by_name = by_name
        self._head = head
        self.lower_head = head.lower()
        """The whole head in lower case, where it has not been parsed; else empty."""
        self._fields: dict[str, tuple[str, str]] | None = None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Headers:
        """Headers that came decoded, from a mock or from requests."""
        return cls([(k.encode("latin-1"), v.encode("latin-1")) for k, v in fields.items()])

    @property
    def raw(self) -> Collection[tuple[bytes, bytes]]:
        """The fields as they came."""
        if self._raw is None:
            self._raw = _fields_in(self._head)
        return self._raw

    @property
    def by_name(self) -> dict[bytes, bytes]:
        """The last value of each name, the name in lower case."""
        if self._by_name is None:
            self._by_name = lowered(dict(self.raw))
        return self._by_name

    def _decoded(self) -> dict[str, tuple[str, str]]:
        if self._fields is None:
            fields: dict[str, tuple[str, str]] = {}
            for raw_name, raw_value in self.raw:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
                first = fields.get(name.lower())
                fields[name.lower()] = (name, f"{first[1]}, {value}" if first else value)
            self._fields = fields
        return self._fields

    def __getitem__(self, name: str) -> str:
        return self._decoded()[name.lower()][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._decoded()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._decoded().values())

    def __len__(self) -> int:
        return len(self._decoded())

    def __repr__(self) -> str:
        return f"Headers({dict(self)})"

    def __reduce__(self) -> tuple[type[Headers], tuple[list[tuple[bytes, bytes]]]]:
        # `raw` may be a view of the parser's dict, which does not travel.
        return Headers, (list(self.raw),)


@dataclass(slots=True)
class Answer:
    """One HTTP answer, read to its end: its connection is back in the pool already."""

    status: int
    headers: Headers
    body: bytes | bytearray = field(repr=False)
    """Decoded where it came compressed; not shown, for it may hold a secret (createApiKey)."""
    elapsed: float
    """Seconds from the first byte sent to the last byte read: the wire, no queueing."""
