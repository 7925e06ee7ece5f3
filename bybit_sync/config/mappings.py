"""A mapping that a frozen record may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class PathLimits(Mapping[str, float]):
    """Calls per second by path; nobody can change it, and it is hashed, copied and pickled."""

    __slots__ = ("_limits",)

    def __init__(self, limits: Mapping[str, float] | None = None) -> None:
        self._limits = dict(limits or {})

    def __getitem__(self, path: str) -> float:
        return self._limits[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._limits)

    def __len__(self) -> int:
        return len(self._limits)

    def __hash__(self) -> int:
        return hash(frozenset(self._limits.items()))

    def __repr__(self) -> str:
        return repr(self._limits)
