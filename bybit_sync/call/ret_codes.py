"""What a retCode means: which error it is, and whether the call may have been executed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from bybit_sync.exceptions import (
    ApiError,
    AuthError,
    ClockError,
    ExchangeBusyError,
    InsufficientFundsError,
    OrderError,
    ParameterError,
    PermissionDeniedError,
    RateLimitedError,
)

_CLASSES: Mapping[str, type[ApiError]] = {
    "auth": AuthError,
    "permission": PermissionDeniedError,
    "clock": ClockError,
    "rate_limit": RateLimitedError,
    "parameter": ParameterError,
    "order": OrderError,
    "funds": InsufficientFundsError,
    "busy": ExchangeBusyError,
    "other": ApiError,
}


class Verdict(NamedTuple):
    """What a retCode says about the call."""

    error: type[ApiError]
    transient: bool
    maybe_executed: bool


_REFUSED = Verdict(ApiError, transient=False, maybe_executed=False)


@cache
def _table() -> Mapping[int, Verdict]:
    # Read at the first error: most programs start, trade and end without one.
    import toml

    text = resources.files(__package__).joinpath("data/errors.toml").read_text(encoding="utf-8")
    return {
        code: Verdict(_CLASSES[kind], repeat != "never", repeat == "unknown")
        for kind, by_repeat in toml.loads(text).items()
        for repeat, codes in by_repeat.items()
        for code in codes
    }


def is_listed(ret_code: int) -> bool:
    """True for a code that the table knows."""
    return ret_code in _table()


def verdict(ret_code: int) -> Verdict:
    """The verdict on a code; a code that nobody has described is a plain refusal."""
    return _table().get(ret_code, _REFUSED)
