"""Text that is shown only on demand."""

from __future__ import annotations

from typing import TypeVar

from bybit_sync.exceptions import ConfigError

_T = TypeVar("_T")
_SHOWN = 4
_MASK = "***"


class Secret:
    """A credential that is not seen in a repr, a log, a traceback or a pickle.

    Falsy when empty; equal to any text of the same value. ``shown=True`` lets the first four
    characters be seen, enough to tell one API key from another.
    """

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str | Secret = "", *, shown: bool = False) -> None:
        self._text: str = text._text if isinstance(text, Secret) else text
        self._shown = shown

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        # None is no text and False no secret, but both were given, and are refused later.
        return self._text != ""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self._text == other._text
        return self._text == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        if not self:
            return ""
        long_enough = self._shown and isinstance(self._text, str) and len(self._text) >= 2 * _SHOWN
        return f"{self._text[:_SHOWN]}…" if long_enough else _MASK

    def __repr__(self) -> str:
        return f"'{self}'"

    def __copy__(self: _T) -> _T:
        return self

    def __deepcopy__(self: _T, memo: object) -> _T:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[Secret], tuple[str]]:
        if not self:
            return Secret, ("",)
        raise ConfigError(
            "a config that holds an API key or secret cannot be pickled: pass the keys by "
            "BYBIT_API_KEY and BYBIT_API_SECRET, or by a config file, where they are needed"
        )
