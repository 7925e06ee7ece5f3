"""The endpoint tables as frozen records, one per group, row and parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bybit_sync.call.records import Auth, Envelope, Kind, Method, Repeat

from .answers import Answers

Value = str | int | float | bool


class SpecError(Exception):
    """The tables cannot be used; the message lists every fault with its file and row."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamRow:
    """One parameter, or one field of an object."""

    name: str
    type: Kind
    summary: str
    required: bool = False
    digits: bool = False
    """A whole number that goes as text: callers may give an int."""
    joined: bool = False
    """Several values with commas between."""
    enum: tuple[str | int, ...] = ()
    enum_name: str = ""
    """The name in ``[enums]`` where the values are too many for a signature."""
    item_enum: tuple[str | int, ...] = ()
    default: Value | None = None
    """What Bybit takes when the parameter is absent; we send nothing then."""
    min: float | None = None
    max: float | None = None
    max_by_category: Mapping[str, float] = field(default_factory=dict)
    default_by_category: Mapping[str, float] = field(default_factory=dict)
    range_by_type: Mapping[str, list[float]] = field(default_factory=dict)
    max_decimals: int | None = None
    max_length: int | None = None
    max_items: int | None = None
    max_items_by_category: Mapping[str, int] = field(default_factory=dict)
    max_span: str = ""
    """The widest window that start and end may leave, such as ``7d``."""
    fields: tuple[ParamRow, ...] = ()

    @property
    def has_bounds(self) -> bool:
        """Whether the documentation bounds the number, whatever the category."""
        return self.min is not None or self.max is not None

    @property
    def allowed(self) -> tuple[str | int, ...]:
        """The values that the documentation lists, of the parameter or of each item."""
        return self.enum or self.item_enum


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """How often an endpoint may be called."""

    calls: float
    window: float = 1
    scope: str = "uid"
    by_category: Mapping[str, float] = field(default_factory=dict)
    upgradable: bool | None = None
    """Whether accounts may have a higher one; None where the docs do not say."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """One ``[[endpoint]]``."""

    name: str
    summary: str
    method: Method
    path: str
    auth: Auth
    repeat: Repeat
    aliases: tuple[str, ...] = ()
    sets_a_target: bool = False
    """A second call with the same values changes nothing more."""
    idempotency: str = ""
    single_use_token: str = ""
    envelope: Envelope = "v5"
    limit: LimitRow | None = None
    paging: Mapping[str, Any] = field(default_factory=dict)
    deprecated: str = ""
    """Why nobody should begin to use it; empty where people may."""
    demo: bool = False
    demo_categories: tuple[str, ...] = ()
    doc: str = ""
    """The documentation page below the docs' root."""
    also_doc: tuple[str, ...] = ()
    pybit: bool = True
    """Whether pybit has a method of this name."""
    pybit_class: str = ""
    """The class of pybit that knows the endpoint, where no page does."""
    pybit_quirks: Mapping[str, Any] = field(default_factory=dict)
    """What pybit does that the documentation does not say."""
    note: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    """The refusals that a caller should expect: retCode and what it means here."""
    params: tuple[ParamRow, ...] = ()

    @property
    def constant(self) -> str:
        """The name of the endpoint's constant."""
        return self.name.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """One file of ``spec/``."""

    name: str
    class_name: str
    summary: str
    enums: Mapping[str, tuple[str | int, ...]]
    endpoints: tuple[EndpointRow, ...]
    answers: Answers = field(default_factory=Answers)
