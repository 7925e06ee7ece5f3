"""From tables of plain values to records, with every fault told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bybit_sync.exceptions import ConfigError

from .checks import quoted
from .table import Fault, Table
from .tables import (
    ClientConfig,
    ClockConfig,
    ConnectionPoolConfig,
    MetricsConfig,
    OrdersConfig,
    RateLimitConfig,
    RetryConfig,
    TcpKeepaliveConfig,
    TlsConfig,
)

TABLES: Mapping[str, type[Table]] = {
    cls.table: cls
    for cls in (
        ClientConfig,
        ConnectionPoolConfig,
        TcpKeepaliveConfig,
        TlsConfig,
        RetryConfig,
        RateLimitConfig,
        ClockConfig,
        OrdersConfig,
        MetricsConfig,
    )
}
"""The record of every table, in the order of the file."""

_UNVERIFIED = (
    "verify",
    "verify_ssl",
    "ssl_verify",
    "verify_tls",
    "ssl",
    "check_hostname",
    "insecure",
)
"""What other libraries call the switch that is not here."""

_MOST_HINTS = 50

LineOf = Callable[[tuple[str, ...]], "int | None"]


def _no_line(path: tuple[str, ...]) -> int | None:
    return None


class Draft:
    """What a file or a dict asks for, gathered with its faults before anything is made of it."""

    def __init__(self, tables: object, source: str, line_of: LineOf = _no_line) -> None:
        self._source = source
        self._line_of = line_of
        self._values: dict[str, dict[str, object]] = {}
        self._faults: list[tuple[int, str]] = []
        self._gather(tables)

    def has(self, table: str, key: str) -> bool:
        """True where the key was given."""
        return key in self._values.get(table, {})

    def records(self) -> dict[str, Any]:
        """The record of every table that was given, by its name.

        Raises:
            ConfigError: a line for each fault, in the order of the file.
        """
        if self._faults:
            lines = [text for _, text in sorted(self._faults, key=lambda fault: fault[0])]
            if len(lines) > 1:
                lines.insert(0, f"{len(lines)} faults in {self._source}")
            raise ConfigError("\n".join(lines))
        return {name: TABLES[name](**values) for name, values in self._values.items()}

    def _gather(self, tables: object) -> None:
        if not isinstance(tables, Mapping):
            self._tell((), f"{quoted(tables)} is not a mapping of tables")
            return
        for name, table in tables.items():
            if not isinstance(name, str) or name not in TABLES:
                self._tell((name,), self._hint(_unknown_table, name, table))
            elif not isinstance(table, Mapping):
                self._tell((name,), f"{_unless_secret(table)} is not a table")
            else:
                self._gather_table(TABLES[name], table)

    def _gather_table(self, record: type[Table], table: Mapping[object, object]) -> None:
        known: dict[str, object] = {}
        for key, value in table.items():
            if isinstance(key, str) and key in record.key_names():
                known[key] = value
            else:
                self._tell((record.table, key), self._hint(_unknown_key, record, key))
        self._values[record.table] = known
        for fault in record.settle(known)[1]:
            self._tell_fault(record.table, fault)

    def _hint(self, words: Callable[..., str], *names: object) -> str:
        # A search among all names for each of ten thousand would take seconds.
        return words(*names) if len(self._faults) < _MOST_HINTS else "there is no such name"

    def _tell_fault(self, table: str, fault: Fault) -> None:
        self._tell((table, *fault.key), fault.text)

    def _tell(self, path: tuple[object, ...], text: str) -> None:
        name = ".".join(_shown_key(part) for part in path)
        line = self._line_of(tuple(part.strip("'\"") for part in path if isinstance(part, str)))
        where = self._source if line is None else f"{self._source}:{line}"
        self._faults.append((line or 0, ": ".join(part for part in (where, name, text) if part)))


def _shown_key(key: object) -> str:
    plain = isinstance(key, str) and len(key) <= 200 and key.isprintable()
    return str(key) if plain and key else quoted(key)


def _unless_secret(value: object) -> str:
    # Text where a table should be may be anything that was pasted there.
    return "text" if isinstance(value, (str, bytes)) else quoted(value)


# --- unknown names: the values beside them are not shown, they may be a secret's -------------


def _unknown_table(name: object, value: object) -> str:
    if not isinstance(value, Mapping) and isinstance(name, str):
        homes = [f"[{table}]" for table, record in TABLES.items() if name in record.key_names()]
        if homes:
            return f"this key stands outside of its table; it belongs to {' or '.join(homes)}"
        if name in _UNVERIFIED:
            return _unknown_key(TABLES["tls"], name)
    near = _nearest(name, TABLES)
    if near:
        return f"there is no such table; did you mean [{near}]?"
    return f"there is no such table; known are {', '.join(TABLES)}"


def _unknown_key(record: type[Table], key: object) -> str:
    if key in _UNVERIFIED:
        return (
            "there is no such switch: certificates are always verified; "
            "a CA of your own goes into tls.ca_file"
        )
    near = next(_nearest_names(record, key), None)
    if near:
        return f"there is no such key; did you mean {near}?"
    return f"there is no such key; known are {', '.join(record.key_names())}"


def _nearest_names(record: type[Table], key: object) -> Iterator[str]:
    if not isinstance(key, str):
        return
    for table, other in TABLES.items():
        if key in other.key_names():
            yield f"{table}.{key}"
    near = _nearest(key, record.key_names())
    if near:
        yield f"{record.table}.{near}"
    everything = {name: table for table, other in TABLES.items() for name in other.key_names()}
    near = _nearest(key, everything)
    if near:
        yield f"{everything[near]}.{near}"


def _nearest(name: object, known: Mapping[str, object] | tuple[str, ...]) -> str | None:
    if not isinstance(name, str) or len(name) > 100:
        return None
    import difflib  # slow to import, and needed by mistakes only

    found = difflib.get_close_matches(name.lower(), known, n=1)
    return found[0] if found else None
