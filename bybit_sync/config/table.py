"""What the records of all tables have in common: every one is checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar

from bybit_sync.exceptions import ConfigError

from .checks import Check, RefusedError

_T = TypeVar("_T")


class Fault(NamedTuple):
    """What is wrong with one key of a table, below the table's own name."""

    key: tuple[str, ...]
    text: str


def setting(default: _T, check: Check) -> _T:
    """A field with its default and the check that its value must pass."""
    # Declared as what the field holds, as `dataclasses.field` is, so that types stay true.
    made: _T = field(default=default, metadata={"check": check})
    return made


class Table:
    """Base of the records; `table` is its name in the file."""

    __slots__ = ()
    table: ClassVar[str]

    def __post_init__(self) -> None:
        given = {key: getattr(self, key) for key in self.key_names()}
        for key, value in self._checked(given).items():
            object.__setattr__(self, key, value)

    @classmethod
    def key_names(cls) -> tuple[str, ...]:
        """The keys that the table knows, in the order of the file."""
        return tuple(one.name for one in fields(cls))  # type: ignore[arg-type]

    @classmethod
    def settle(cls, given: Mapping[str, object]) -> tuple[dict[str, Any], list[Fault]]:
        """The values of all keys in their plain form, defaults filled in, and what is wrong.

        A key at fault is among the faults and not among the values.
        """
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for one in fields(cls):  # type: ignore[arg-type]
            try:
                values[one.name] = one.metadata["check"](given.get(one.name, one.default))
            except RefusedError as refused:
                faults += [
                    Fault((one.name, below) if below else (one.name,), text)
                    for below, text in refused.faults
                ]
        faults += cls._settle_together(values)
        return values, faults

    @classmethod
    def _settle_together(cls, values: dict[str, Any]) -> Iterable[Fault]:
        """Faults of keys that are allowed alone, but not beside each other.

        It may fill in what follows from another key. Keys at fault are missing in `values`.
        """
        return ()

    @classmethod
    def _checked(cls, given: Mapping[str, object]) -> dict[str, Any]:
        values, faults = cls.settle(given)
        if faults:
            raise ConfigError("\n".join(told(cls.table, fault) for fault in faults))
        return values


def told(table: str, fault: Fault) -> str:
    """The fault in one line, with the full name of its key."""
    return f"{'.'.join((table, *fault.key))}: {fault.text}"
