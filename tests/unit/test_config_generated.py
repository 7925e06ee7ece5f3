"""Whatever a dict holds, it makes a config or a ConfigError, and the same one each time."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bybit_sync.config import Config
from bybit_sync.exceptions import ConfigError

DEFAULTS = dataclasses.asdict(Config())
TABLES = list(DEFAULTS)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.integers(),
    st.sampled_from([10**9, 10**400, -(10**400), 2**63]),
    st.floats(),
    st.floats(0, 100),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.dates(max_value=date(2030, 1, 1)),
    st.sampled_from(
        [
            *("mainnet", "demo", "wait", "raise", "off", "active", "passive", "TLSv1.3"),
            *("https://x.com", "http://[::1]:1", "::1"),
        ]
    ),
    st.sampled_from(
        ["http://127.0.0.1:1/", "https://[", "https://x:99999", "-----BEGIN", "\ud800"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=8), st.just("/v5/a")), inner, max_size=3),
    ),
    max_leaves=5,
)
STRANGE_KEYS = st.one_of(st.text(max_size=12), st.integers(), st.none(), st.tuples(st.integers()))


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`usual` nine times in ten, so that what lies behind the first fault is reached."""
    return st.integers(0, 9).flatmap(lambda number: other if number == 0 else usual)


def table_of(name: str) -> st.SearchStrategy[Any]:
    known = {key: mostly(st.just(value), VALUES) for key, value in DEFAULTS[name].items()}
    plain = st.fixed_dictionaries({}, optional=known)
    strange = st.builds(
        lambda table, more: {**table, **more},
        plain,
        st.dictionaries(STRANGE_KEYS, VALUES, max_size=2),
    )
    return mostly(mostly(plain, strange), VALUES)


DICTS = mostly(
    st.builds(
        lambda known, strange: {**strange, **known},
        st.fixed_dictionaries({}, optional={name: table_of(name) for name in TABLES}),
        mostly(st.just({}), st.dictionaries(STRANGE_KEYS, VALUES, max_size=2)),
    ),
    VALUES,
)


def outcome(tables: Any) -> Config | str:
    try:
        return Config.from_dict(tables)
    except ConfigError as error:
        return str(error)


@pytest.mark.row(118)
@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables=DICTS)
def test_a_dict_makes_a_config_or_a_config_error_and_never_another(tables: Any) -> None:
    made = outcome(tables)

    assert made
    assert outcome(tables) == made
    if isinstance(made, Config):
        assert dataclasses.replace(made) == made
        assert Config.from_dict(dataclasses.asdict(made)) == made


def test_both_outcomes_are_generated() -> None:
    seen: dict[type, int] = {Config: 0, str: 0}

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(tables=DICTS)
    def count(tables: Any) -> None:
        seen[type(outcome(tables))] += 1

    count()

    assert min(seen.values()) > 30
