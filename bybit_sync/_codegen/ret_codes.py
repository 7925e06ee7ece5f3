"""Which error a retCode becomes, as the table of the ``call`` floor says."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import toml

_TABLE = Path(__file__).parents[1] / "call" / "data" / "errors.toml"
_CLASSES = {
    "auth": "AuthError",
    "permission": "PermissionDeniedError",
    "clock": "ClockError",
    "rate_limit": "RateLimitedError",
    "parameter": "ParameterError",
    "order": "OrderError",
    "funds": "InsufficientFundsError",
    "busy": "ExchangeBusyError",
}


def error_class(code: int) -> str:
    """The name of the class in ``bybit_sync.exceptions``."""
    return _by_code().get(code, "ApiError")


@lru_cache(maxsize=1)
def _by_code() -> dict[int, str]:
    table = toml.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        code: _CLASSES.get(name, "ApiError")
        for name, rules in table.items()
        for codes in rules.values()
        for code in codes
    }
