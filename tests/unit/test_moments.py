"""Moments, as people write them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from bybit_sync.call.moments import to_iso, to_ms
from bybit_sync.exceptions import ConfigError

NEW_YEAR = 1_704_067_200_000
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    "value",
    [
        NEW_YEAR,
        str(NEW_YEAR),
        "2024-01-01",
        "2024-01-01T00:00",
        "2024-01-01 00:00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01T09:00:00+09:00",
        " 2024-01-01 ",
        date(2024, 1, 1),
        datetime(2024, 1, 1, tzinfo=timezone.utc),
        datetime(2024, 1, 1, 9, tzinfo=TOKYO),
    ],
)
def test_one_moment_has_many_spellings(value: Any) -> None:
    assert to_ms("start", value) == NEW_YEAR


def test_pandas_timestamps_are_moments() -> None:
    pandas = pytest.importorskip("pandas")

    assert to_ms("start", pandas.Timestamp("2024-01-01", tz="UTC")) == NEW_YEAR
    with pytest.raises(ConfigError, match="start"):
        to_ms("start", pandas.NaT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime(2024, 1, 1), "no time zone"),
        ("yesterday", "ISO text"),
        ("", "ISO text"),
        (1_704_067_200, "from 2001 to 2286"),  # seconds
        (1_704_067_200_000_000_000, "from 2001 to 2286"),  # nanoseconds
        (True, "not allowed"),
        (1.5, "not allowed"),
        (None, "not allowed"),
    ],
)
def test_what_is_no_moment_is_told_with_its_name(value: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match="since") as caught:
        to_ms("since", value)
    assert reason in str(caught.value)


def test_a_moment_is_shown_as_iso_text() -> None:
    assert to_iso(NEW_YEAR) == "2024-01-01T00:00:00Z"
    assert to_iso(NEW_YEAR + 7) == "2024-01-01T00:00:00.007Z"
