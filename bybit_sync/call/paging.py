"""How an endpoint hands out more rows than one answer holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

PagingKind = Literal["cursor", "page", "time"]
"""``cursor`` goes on with a token from the answer, ``page`` counts pages, ``time`` walks back."""

_NO_LIMITS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """One endpoint's way; ``api._paging`` holds one for each that has pages."""

    kind: PagingKind
    rows: str
    """The field of the result that holds the rows; "" where the result is the list."""
    cursor_param: str = ""
    next_field: str = ""
    page_param: str = ""
    limit_param: str = ""
    limit_max: int | None = None
    limit_by_category: Mapping[str, int] = field(default_factory=lambda: _NO_LIMITS, hash=False)
    """Where the most rows of a page depend on the product line."""
    start_param: str = ""
    end_param: str = ""
    """The window of time, both ends included; "" where there is none that can be split."""
    unit_ms: int = 1
    """Milliseconds in one unit of the window's ends."""
    max_span_ms: int | None = None
    """The widest window that one call may ask for."""
    is_oldest_first: bool = False
    time_field: str | int | None = None
    """Where a row tells its time, in milliseconds."""
    unique: str = ""
    """The field whose value no two rows share: the docs tell to drop repeated ones."""

    def most_rows(self, category: object = None) -> int | None:
        """The most rows that a page may have, as far as the docs tell."""
        return self.limit_by_category.get(str(category), self.limit_max or 0) or None
