"""A moment, as people write it, in unix milliseconds."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from numbers import Integral
from typing import Any, TypeAlias

from bybit_sync.exceptions import ConfigError

Moment: TypeAlias = datetime | date | int | str
"""A datetime with time zone, a date, unix milliseconds, or ISO text; what has no zone is UTC
where it is a date or a text, and refused where it is a datetime."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS, _LAST_MS = 1_000_000_000_000, 9_999_999_999_999  # 2001 to 2286: else it is another unit
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)
_ALLOWED = (
    "unix milliseconds, a datetime with time zone, a date, or ISO text such as 2024-01-31 or "
    "2024-01-31T12:00:00Z"
)


def to_ms(name: str, value: Any) -> int:
    """The moment in unix milliseconds; `name` is what an error calls it.

    Raises:
        ConfigError: it is no moment, has no time zone, or is in another unit.
    """
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value.strip()):
            return _in_range(name, value, _from_iso(name, value.strip()))
        value = int(value)
    if isinstance(value, datetime):
        return _in_range(name, value, _from_datetime(name, value))
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
        return _in_range(name, value, (midnight - _EPOCH) // _MILLISECOND)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return _in_range(name, value, int(value))
    raise ConfigError(f"{name}: {value!r} is not allowed: {_ALLOWED}"[:400])


def to_iso(ms: int) -> str:
    """The moment as people read it, UTC."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")[:-6] + "Z"


def _from_iso(name: str, text: str) -> int:
    try:
        # Python 3.10 does not read the Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "Zz" else text)
    except ValueError as error:
        raise ConfigError(f"{name}: {text!r} is not allowed: {_ALLOWED}"[:400]) from error
    return _from_datetime(name, moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def _from_datetime(name: str, moment: datetime) -> int:
    # pandas' NaT is a datetime too, and naive.
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ConfigError(f"{name}: {moment} has no time zone: give it one (tzinfo)")
    return (moment - _EPOCH) // _MILLISECOND


def _in_range(name: str, value: Any, ms: int) -> int:
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise ConfigError(f"{name}: {value!r} is not from 2001 to 2286; {_ALLOWED}"[:400])
    return ms
