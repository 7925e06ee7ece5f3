"""The records: what they hold, what they refuse, and how they say so."""

from __future__ import annotations

import copy
import dataclasses
import enum
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

import bybit_sync.config as house
from bybit_sync.config import (
    ClientConfig,
    ClockConfig,
    Config,
    ConnectionPoolConfig,
    MetricsConfig,
    OrdersConfig,
    RateLimitConfig,
    RetryConfig,
    TcpKeepaliveConfig,
    TlsConfig,
)
from bybit_sync.config.mappings import PathLimits
from bybit_sync.exceptions import ConfigError

TABLES = [
    ClientConfig,
    ConnectionPoolConfig,
    TcpKeepaliveConfig,
    TlsConfig,
    RetryConfig,
    RateLimitConfig,
    ClockConfig,
    OrdersConfig,
    MetricsConfig,
]

BOUNDS: list[tuple[Any, str, list[Any], list[Any]]] = [
    (ClientConfig, "recv_window_ms", [1, 60_000], [0, 60_001, 5000.0]),
    (ClientConfig, "max_answer_bytes", [1024, 2**30], [1023, 2**30 + 1]),
    (ConnectionPoolConfig, "limit", [1, 100_000], [0, -1, 100_001, 1.0, 10**9]),
    (ConnectionPoolConfig, "limit_per_host", [1, 100], [0, -1, 101, 10**9]),
    (ConnectionPoolConfig, "connect_timeout", [0.001, 1, 86_400], [0, -0.1, 86_401, 10**400]),
    (ConnectionPoolConfig, "sock_read_timeout", [0.001, 1, 86_400], [0, -0.1, 86_401]),
    (ConnectionPoolConfig, "total_timeout", [0.001, 1, 86_400], [0, 0.0, -0.1, 86_401]),
    (ConnectionPoolConfig, "ttl_dns_cache", [0, 0.5, 604_800], [-1, 604_801]),
    (ConnectionPoolConfig, "keepalive_timeout", [0, 0.5, 86_400], [-0.1, 86_401]),
    (ConnectionPoolConfig, "max_age", [0, 1, 31_536_000], [-1, 10**9]),
    (ConnectionPoolConfig, "ping_interval", [0, 1, 29], [-1, 10**9]),
    (ConnectionPoolConfig, "max_waiting", [0, 1_000_000], [-1, 1_000_001]),
    (TcpKeepaliveConfig, "idle", [1, 32_767], [0, 32_768]),
    (TcpKeepaliveConfig, "interval", [1, 32_767], [0, 32_768]),
    (TcpKeepaliveConfig, "count", [1, 127], [0, 128]),
    (TcpKeepaliveConfig, "user_timeout", [0, 0.5, 86_400], [-1, 86_401]),
    (RetryConfig, "attempts", [1, 100], [0, 101, 2.0]),
    (RetryConfig, "base_delay", [0, 0.5, 3600], [-0.1, 3601]),
    (RetryConfig, "max_delay", [0, 0.5, 3600], [-0.1, 3601]),
    (RetryConfig, "budget", [0, 1_000_000], [-1, 1_000_001]),
    (RateLimitConfig, "ip_limit", [1, 1_000_000], [0, 1_000_001]),
    (RateLimitConfig, "ip_window", [0.1, 3600], [0, -1, 3601]),
    (ClockConfig, "interval", [0.1, 86_400], [0, -1, 86_401]),
    (OrdersConfig, "recv_window_ms", [1, 60_000], [0, 60_001]),
    (OrdersConfig, "query_lag", [0, 3600], [-0.1, 3601]),
    (MetricsConfig, "port", [0, 65_535], [-1, 65_536]),
]
NO_NUMBERS: list[Any] = [True, False, "3", None, math.nan, math.inf, -math.inf, [3], {"a": 1}, b"3"]


def fault_of(record: Any, key: str, value: Any) -> str:
    """What the record says about the value; it must name the key in full."""
    with pytest.raises(ConfigError) as refused:
        record(**{key: value})
    assert str(refused.value).startswith(f"{record.table}.{key}")
    return str(refused.value)


def test_defaults_are_those_of_the_contract() -> None:
    assert dataclasses.asdict(ConnectionPoolConfig()) == {
        "limit": 100,
        "limit_per_host": 30,
        "connect_timeout": 10.0,
        "sock_read_timeout": 30.0,
        "total_timeout": 60.0,
        "ttl_dns_cache": 300,
        "keepalive_timeout": 30.0,
        "enable_cleanup_closed": True,
        "force_close": False,
        "max_age": 600.0,
        "max_waiting": 0,
        "source_address": "",
        "ping_interval": 0.0,
    }
    assert dataclasses.astuple(TcpKeepaliveConfig()) == (True, 30, 10, 3, 30)
    assert dataclasses.astuple(TlsConfig()) == ("", "", "", "TLSv1.2")
    assert dataclasses.astuple(RetryConfig()) == (3, 0.1, 2.0, 100)
    assert dataclasses.astuple(RateLimitConfig()) == ("wait", 600, 5.0, "", {})
    assert dataclasses.astuple(ClockConfig()) == ("passive", 60.0)
    assert dataclasses.astuple(OrdersConfig()) == ("", 2000, 5.0)
    assert dataclasses.astuple(MetricsConfig()) == (True, "127.0.0.1", 0)
    client = ("mainnet", "", "", "", 5000, "", "bybit", 8_388_608, True)
    assert dataclasses.astuple(ClientConfig()) == client


def test_the_written_out_constructor_has_the_defaults_of_its_fields() -> None:
    made = ClientConfig()
    for field in dataclasses.fields(ClientConfig):
        assert getattr(made, field.name) == field.default, field.name


@pytest.mark.row(114)
@pytest.mark.parametrize(("record", "key", "good", "bad"), BOUNDS)
def test_numbers_keep_to_their_bounds(
    record: Any, key: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        assert getattr(record(**{key: value}), key) == value
    for value in bad:
        assert "is not a" in fault_of(record, key, value) or "is above" in fault_of(
            record, key, value
        )


@pytest.mark.row(114)
@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize(("record", "key"), [bound[:2] for bound in BOUNDS])
def test_what_merely_looks_like_a_number_is_none(record: Any, key: str, value: Any) -> None:
    assert "is not a" in fault_of(record, key, value)


def test_every_numeric_key_is_in_the_table_of_bounds() -> None:
    checked = {(record, key) for record, key, _, _ in BOUNDS}
    for record in TABLES:
        for field in dataclasses.fields(record):
            is_number = type(field.default) is not bool and isinstance(field.default, (int, float))
            assert not is_number or (record, field.name) in checked


def test_an_int_for_a_float_becomes_one_and_a_subclass_of_int_does_not_stay() -> None:
    class Seconds(enum.IntEnum):
        TEN = 10

    made = ConnectionPoolConfig(total_timeout=Seconds.TEN, limit=Seconds.TEN)

    assert (type(made.total_timeout), type(made.limit)) == (float, int)


@pytest.mark.parametrize("value", [0, 1, "true", None])
@pytest.mark.parametrize(
    ("record", "key"),
    [
        (ClientConfig, "compression"),
        (ConnectionPoolConfig, "force_close"),
        (ConnectionPoolConfig, "enable_cleanup_closed"),
        (TcpKeepaliveConfig, "enabled"),
        (MetricsConfig, "enabled"),
    ],
)
def test_a_switch_is_true_or_false(record: Any, key: str, value: Any) -> None:
    assert "is not true or false" in fault_of(record, key, value)


@pytest.mark.parametrize(
    ("record", "key", "names"),
    [
        (ClientConfig, "environment", ["mainnet", "testnet", "demo", "demo-testnet"]),
        (TlsConfig, "minimum_version", ["TLSv1.2", "TLSv1.3"]),
        (RateLimitConfig, "mode", ["wait", "raise", "off"]),
        (ClockConfig, "mode", ["passive", "active", "off"]),
    ],
)
def test_a_word_is_one_of_those_that_are_known(record: Any, key: str, names: list[str]) -> None:
    for name in names:
        assert getattr(record(**{key: name}), key) == name
    for wrong in ("", names[0].upper(), f"{names[0]} ", 1, None, [names[0]]):
        assert f"is not one of {', '.join(names)}" in fault_of(record, key, wrong)


def test_time_outs_of_a_part_may_be_longer_than_that_of_the_whole() -> None:
    made = ConnectionPoolConfig(total_timeout=1, connect_timeout=5, sock_read_timeout=7)

    assert (made.total_timeout, made.connect_timeout, made.sock_read_timeout) == (1, 5, 7)


# --- limit and limit_per_host -------------------------------------------------------------


def test_a_share_that_is_not_given_yields_to_the_limit() -> None:
    assert ConnectionPoolConfig(limit=10).limit_per_host == 10
    assert ConnectionPoolConfig(limit=200).limit_per_host == 30
    assert Config.from_dict({"connection_pool": {"limit": 10}}).connection_pool.limit_per_host == 10


def test_a_given_share_above_the_limit_is_a_fault_that_names_both() -> None:
    fault = fault_of(ConnectionPoolConfig, "limit_per_host", 101)

    assert "101 is above connection_pool.limit; allowed is 1 to 100" in fault
    with pytest.raises(ConfigError, match="30 is above"):
        ConnectionPoolConfig(limit=10, limit_per_host=30)


def test_replace_keeps_the_share_that_nobody_gave_a_default() -> None:
    narrow = dataclasses.replace(ConnectionPoolConfig(), limit=10)

    assert narrow.limit_per_host == 10
    assert dataclasses.replace(narrow, limit=50).limit_per_host == 30
    given = ConnectionPoolConfig(limit=100, limit_per_host=20)
    with pytest.raises(ConfigError):
        dataclasses.replace(given, limit=10)


# --- hosts and files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("https://api.bybit.com", "https://api.bybit.com"),
        ("HTTPS://API.Bybit.com:8443/", "https://api.bybit.com:8443"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_a_base_url_is_a_scheme_and_a_host(given: str, kept: str) -> None:
    assert ClientConfig(base_url=given).base_url == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "api.bybit.com",
        "http://api.bybit.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://0.0.0.0:80",
        "ftp://127.0.0.1",
        "https://",
        "https:///v5",
        "https://api.bybit.com/v5",
        "https://api.bybit.com?x=1",
        "https://api.bybit.com#x",
        "https://api.bybit.com:0",
        "https://api.bybit.com:65536",
        "https://api.bybit.com:",
        "https://user:hunter2@api.bybit.com",
        "https://api.bybit.com\\@evil.com",
        "https://api.bybit.com\n",
        "https://api.bybit.com\r\nX: y",
        "https://api bybit.com",
        "https://api.býbit.com",
        "https://api..bybit.com",
        "https://[::1",
        "https://[1:2]",
        "https://" + "a" * 500,
        b"https://api.bybit.com",
        None,
        5,
    ],
)
def test_a_base_url_with_anything_else_is_refused(wrong: Any) -> None:
    fault = fault_of(ClientConfig, "base_url", wrong)

    assert "https://host" in fault or "http is for this machine only" in fault
    assert "hunter2" not in fault
    assert "\n" not in fault


def test_a_proxy_is_http_with_a_port() -> None:
    assert ClientConfig(proxy="http://proxy.lan:3128/").proxy == "http://proxy.lan:3128"
    for wrong in (
        "proxy:3128",
        "http://proxy",
        "https://proxy:3128",
        "http://a:b@proxy:1",
        5,
        None,
    ):
        assert "is not http://host:port" in fault_of(ClientConfig, "proxy", wrong)
    assert "hunter2" not in fault_of(ClientConfig, "proxy", "http://me:hunter2@proxy:1")
    assert "SOCKS" in fault_of(ClientConfig, "proxy", "socks5h://proxy:1080")


def test_a_source_address_is_an_address() -> None:
    for good in ("", "192.0.2.7", "2001:db8::7"):
        assert ConnectionPoolConfig(source_address=good).source_address == good
    for wrong in ("host", "1.2.3", "1.2.3.4:80", " 1.2.3.4", 5, None):
        assert "is not an IP address" in fault_of(ConnectionPoolConfig, "source_address", wrong)


def test_a_store_is_a_redis_without_a_password() -> None:
    for good in ("", "redis://127.0.0.1", "redis://redis.lan:6379/0", "rediss://[::1]:6380/12"):
        assert RateLimitConfig(store=good).store == good
    for wrong in (
        "redis://",
        "redis:///0",
        "redis://host:99999/0",
        "redis://host/zero",
        "redis://host?db=1",
        "http://host",
        "memory",
        5,
        None,
    ):
        assert "is not redis://host:port" in fault_of(RateLimitConfig, "store", wrong)
    fault = fault_of(RateLimitConfig, "store", "redis://:hunter2@host:6379/0")
    assert "BYBIT_REDIS_PASSWORD" in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize("wrong", ["", " bybit", "a\nb", "x" * 65, "by bit", "_x", 'a"', 7, None])
def test_an_exchange_label_is_fit_for_a_metric(wrong: Any) -> None:
    assert ClientConfig(exchange_label="bybit-2.eu_a").exchange_label == "bybit-2.eu_a"
    assert "is not 1 to 64 letters" in fault_of(ClientConfig, "exchange_label", wrong)


@pytest.mark.parametrize("good", ["127.0.0.1", "::1", "0.0.0.0", "localhost", "a-b.example.com"])
def test_the_exporter_listens_on_a_host(good: str) -> None:
    assert MetricsConfig(host=good).host == good
    for wrong in ("", "a b", "http://x", "-x", "x:80", "a\n", "fe80::1%eth0", 1, None):
        assert "is not the name or address" in fault_of(MetricsConfig, "host", wrong)


def test_tls_files_must_be_there(tmp_path: Path) -> None:
    (there := tmp_path / "cert.pem").write_text("x")

    assert TlsConfig(ca_file=str(tmp_path)).ca_file == str(tmp_path)
    made = TlsConfig(ca_file=there, client_cert=there, client_key=there)  # type: ignore[arg-type]
    assert made.client_cert == made.client_key == made.ca_file == str(there)
    for key in ("ca_file", "client_cert", "client_key"):
        fault = fault_of(TlsConfig, key, str(tmp_path / "missing.pem"))
        assert "missing.pem' is not a file" in fault
    assert "is not a file that exists" in fault_of(TlsConfig, "client_cert", str(tmp_path))
    for wrong in ("a\0b", "a\nb", 3, None, b"x", "x" * 5000):
        fault_of(TlsConfig, "ca_file", wrong)


def test_a_client_key_without_its_certificate_is_a_fault(tmp_path: Path) -> None:
    (there := tmp_path / "key.pem").write_text("x")

    assert "without tls.client_cert" in fault_of(TlsConfig, "client_key", str(there))


def test_no_argument_turns_verification_off() -> None:
    with pytest.raises(TypeError, match="verify"):
        TlsConfig(verify=False)  # type: ignore[call-arg]


def test_a_journal_need_not_be_there_yet() -> None:
    assert OrdersConfig(journal="new/orders.journal").journal == "new/orders.journal"
    for wrong in ("a\0b", "a\nb", 3, None, True):
        assert "is not" in fault_of(OrdersConfig, "journal", wrong)


# --- limits of endpoints ------------------------------------------------------------------


def test_limits_of_endpoints_are_a_copy_that_nobody_changes() -> None:
    given = {"/v5/order/create": 20}
    made = RateLimitConfig(endpoint_limits=given)
    given["/v5/order/create"] = 1

    assert made.endpoint_limits == {"/v5/order/create": 20.0}
    assert made.endpoint_limits["/v5/order/create"] == 20
    with pytest.raises(TypeError):
        made.endpoint_limits["/v5/order/create"] = 3  # type: ignore[index]


def test_path_limits_keep_no_hold_of_what_they_were_made_from() -> None:
    given = {"/v5/a": 1.0}
    made = PathLimits(given)
    given["/v5/b"] = 2.0

    assert list(made) == ["/v5/a"]
    assert repr(made) == "{'/v5/a': 1.0}"


def test_every_wrong_limit_of_an_endpoint_is_told() -> None:
    wrong = {"v5/x": 1, "/v5/y": 0, "/v5/z": "3", 5: 1, "/v5/a b": 1, "/v5/ok": 2}
    with pytest.raises(ConfigError) as refused:
        RateLimitConfig(endpoint_limits=wrong)  # type: ignore[arg-type]

    told = str(refused.value).splitlines()
    assert len(told) == 5
    assert told[1] == (
        'rate_limit.endpoint_limits."/v5/y": 0 is not a number above 0 and up to 1000000'
    )
    assert "is not a table" in fault_of(RateLimitConfig, "endpoint_limits", [1])


# --- records as such ----------------------------------------------------------------------


def test_all_faults_of_a_record_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        ConnectionPoolConfig(limit=0, total_timeout=math.nan, force_close="no")  # type: ignore[arg-type]

    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "connection_pool.limit",
        "connection_pool.total_timeout",
        "connection_pool.force_close",
    ]


@pytest.mark.parametrize("record", TABLES)
def test_records_are_frozen_small_and_named_only(record: Any) -> None:
    made = record()

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(record)[0].name, 1)
    with pytest.raises(TypeError):
        vars(made)
    with pytest.raises(TypeError):
        record(1)
    with pytest.raises(TypeError):
        record(no_such_key=1)


@pytest.mark.parametrize("record", [*TABLES, Config])
def test_records_are_compared_hashed_copied_and_pickled_by_value(record: Any) -> None:
    made = record()
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert twin == made
        assert hash(twin) == hash(made)
    assert dataclasses.replace(made) == made


def test_limits_of_endpoints_survive_copy_and_pickle() -> None:
    made = RateLimitConfig(endpoint_limits={"/v5/order/create": 20})
    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert twin == made
        assert hash(twin) == hash(made)
    assert dataclasses.asdict(made)["endpoint_limits"] == {"/v5/order/create": 20.0}


def test_a_config_takes_records_and_fills_in_the_rest() -> None:
    made = Config(connection_pool=ConnectionPoolConfig(limit=4))

    assert (made.connection_pool.limit, made.retry) == (4, RetryConfig())
    assert dataclasses.replace(made, retry=RetryConfig(attempts=1)).connection_pool.limit == 4


def test_a_config_refuses_what_is_no_record_of_that_table() -> None:
    with pytest.raises(ConfigError) as refused:
        Config(client={"environment": "demo"}, retry=ClockConfig())  # type: ignore[arg-type]

    assert "client: something of type dict is not a ClientConfig" in str(refused.value)
    assert "retry: something of type ClockConfig is not a RetryConfig" in str(refused.value)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(house, name) for name in house.__all__)
