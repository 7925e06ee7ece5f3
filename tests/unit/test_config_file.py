"""Files and dicts of settings: every fault is found, placed and explained."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bybit_sync.config import Config, ConfigWarning, ConnectionPoolConfig, RetryConfig
from bybit_sync.exceptions import ConfigError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a config file that only its owner may read."""

    def writer(content: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "config.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return writer


def faults_of(path: Any) -> list[str]:
    """What is told of a file, one line each, without the name of its folder."""
    with pytest.raises(ConfigError) as refused:
        Config.load(path)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    folder = f"{Path(path).parent}{os.sep}" if isinstance(path, (str, Path)) else ""
    return str(refused.value).replace(folder, "").splitlines()


def test_a_file_gives_what_it_names_and_leaves_the_rest(write: Write) -> None:
    path = write("[connection_pool]\nlimit = 1_0\ntotal_timeout = 5\n\n[retry]\nattempts = 1\n")

    made = Config.load(path)

    assert made == Config(
        connection_pool=ConnectionPoolConfig(limit=10, total_timeout=5.0),
        retry=RetryConfig(attempts=1),
    )
    assert Config.load(str(path)) == Config.load(os.fsencode(path)) == made  # type: ignore[arg-type]


def test_an_empty_file_is_all_defaults(write: Write) -> None:
    assert Config.load(write("")) == Config.load(write("# nothing\n[tls]\n")) == Config()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf[retry]\nattempts = 2\n",
        b"[retry]\r\nattempts = 2\r\n",
        b"[retry] # here\nattempts=2 # twice",
        b"retry.attempts = 2\n",
        b"retry = { attempts = 2 }\n",
        b'["retry"]\n"attempts" = 2\n',
    ],
)
def test_every_way_of_writing_it_is_read(write: Write, content: bytes) -> None:
    assert Config.load(write(content)).retry.attempts == 2


@pytest.mark.row(114)
def test_all_faults_are_told_at_once_each_with_its_line(write: Write) -> None:
    path = write(
        "[conection_pool]\n"
        "limit = 3\n"
        "[client]\n"
        'api_secrt = "abc"\n'
        'environment = "prod"\n'
        "[rate_limit.endpoint_limits]\n"
        '"/v5/order/create" = -1\n'
        "[connection_pool]\n"
        "# a comment = 5\n"
        "limit = 10\n"
        "limit_per_host = 11\n"
        "max_age = true\n"
        "enabled = true\n"
        "sock_read_timeout = nan\n"
        "connect_timeout = -inf\n"
    )

    assert faults_of(path) == [
        "9 faults in config.toml",
        "config.toml:1: conection_pool: there is no such table; did you mean [connection_pool]?",
        "config.toml:4: client.api_secrt: there is no such key; did you mean client.api_secret?",
        "config.toml:5: client.environment: 'prod' is not one of mainnet, testnet, demo, "
        "demo-testnet",
        'config.toml:7: rate_limit.endpoint_limits."/v5/order/create": -1 is not a number above 0 '
        "and up to 1000000",
        "config.toml:11: connection_pool.limit_per_host: 11 is above connection_pool.limit; "
        "allowed is 1 to 10",
        "config.toml:12: connection_pool.max_age: True is not a number from 0 to 31536000",
        "config.toml:13: connection_pool.enabled: there is no such key; did you mean "
        "tcp_keepalive.enabled?",
        "config.toml:14: connection_pool.sock_read_timeout: nan is not a number above 0 and up to "
        "86400",
        "config.toml:15: connection_pool.connect_timeout: -inf is not a number above 0 and up to "
        "86400",
    ]


def test_headers_that_are_commented_out_are_no_lists(write: Write) -> None:
    assert Config.load(write("# [[client]]\n" * 30)) == Config()


def test_lines_inside_a_long_text_are_not_taken_for_keys(write: Write) -> None:
    path = write('[orders]\njournal = """\n[retry]\nattempts = 5\n"""\n[retry]\nattempts = 0\n')

    assert [line.split(": ")[0] for line in faults_of(path)[1:]] == [
        "config.toml:2",
        "config.toml:7",
    ]


@pytest.mark.parametrize("key", ["verify", "verify_ssl", "check_hostname", "ssl"])
@pytest.mark.parametrize("table", ["[tls]", "[client]", "[connection_pool]", ""])
def test_a_switch_against_verification_is_refused_as_such(
    write: Write, table: str, key: str
) -> None:
    (fault,) = faults_of(write(f"{table}\n{key} = false\n"))

    assert "there is no such switch: certificates are always verified" in fault


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("limit = 3\n", "limit: this key stands outside of its table; it belongs to [conn"),
        ("client = 3\n", "client: 3 is not a table"),
        ('client = "abc"\n', "client: text is not a table"),
        ("[[client]]\napi_key = 'abc'\n", "client: something of type list is not a table"),
        ("\n[[retry]]\n\n[[retry]]\n", "config.toml:2: retry: something of type list"),
        ("[zzzz]\n", "zzzz: there is no such table; known are client, connection_pool, "),
        ("[retry]\nzzzz = 1\n", "retry.zzzz: there is no such key; known are attempts, "),
        ('["a b"]\n', "a b: there is no such table"),
        ("[orders]\njournal = 2024-01-01\n", "orders.journal: something of type date is not"),
        ("[retry]\nattempts = " + "9" * 60 + "\n", "retry.attempts: a number of more than 30"),
    ],
)
def test_what_stands_in_the_wrong_place_is_explained(write: Write, content: str, told: str) -> None:
    (fault,) = faults_of(write(content))

    assert told in fault


@pytest.mark.row(115)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[retry]\nattempts = 1\nattempts = 2\n", "config.toml:3: retry.attempts: the key is giv"),
        ("[retry]\nattempts = 1\n\n[retry]\n", "config.toml:4: retry: the table is given twice"),
        ("[retry]\n# x\nattempts =\n", "config.toml:3: retry.attempts: the key has no value"),
        ("[client]\napi_key = 'a\n", "config.toml:2: client.api_key: a text is not closed"),
        ("[client]\r\n\r\napi_key = abc\r\n", "config.toml:3: client.api_key: this is not valid"),
        ("[retry]\nattempts = True\n", "config.toml:2: retry.attempts: true and false are"),
        ("[retry\nattempts = 1\n", "config.toml:1: this is not valid TOML"),
        ("[retry]\nattempts\n", "config.toml:2: "),
        ("[retry]\nattempts = " + "[" * 20_000, "config.toml:2: retry.attempts: too many lists"),
        ("x = 1\ny = " + "[\n" * 15_000, "config.toml:22: too many lists"),
        (b"[retry]\nattempts = 1 # \xff\n", "config.toml:2: byte 0xff is not UTF-8"),
        ("[retry]\n".encode("utf-16"), "config.toml:1: byte 0xff is not UTF-8"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(
    write: Write, content: str | bytes, told: str
) -> None:
    (fault,) = faults_of(write(content))

    assert fault.startswith(told)


@pytest.mark.row(115)
def test_what_is_no_file_is_told_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))

    assert faults_of(tmp_path / "missing.toml") == ["config file 'missing.toml' is not there"]
    assert "is not there" in faults_of(tmp_path / "no" / "folder.toml")[0]
    assert faults_of(tmp_path)[0].endswith("is a directory")
    assert faults_of(tmp_path / "fifo") == ["config file 'fifo' is not a regular file"]
    assert faults_of("/dev/zero") == ["config file 'zero' is not a regular file"]
    assert faults_of(tmp_path / "loop")[0].startswith("config file 'loop': ")
    assert faults_of(tmp_path / "socket")[0].startswith("config file 'socket': ")
    for wrong in ("", "a\0b", 5, None, object(), "x" * 5000):
        assert faults_of(wrong)


@pytest.mark.row(115)
def test_a_file_as_large_as_no_config_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with path.open("wb") as file:
        file.truncate(1 << 30)

    assert faults_of(path) == ["config file 'config.toml' is larger than 32 KiB"]


def test_the_largest_file_full_of_unknown_keys_is_told_in_full(write: Write) -> None:
    names = [f"limit{number}" for number in range(2_500)]
    told = faults_of(write("[connection_pool]\n" + "".join(f"{name}=1\n" for name in names)))

    assert len(told) == 2_501
    assert told[-1].startswith("config.toml:2501: connection_pool.limit2499: ")


# --- warnings -----------------------------------------------------------------------------


@pytest.mark.row(116)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666])
@pytest.mark.parametrize("key", ["api_key", "api_secret"])
def test_keys_in_a_file_that_is_open_to_others_draw_one_warning(
    write: Write, mode: int, key: str
) -> None:
    path = write(f'[client]\n{key} = "abcdefghijkl"\n', mode)

    with warnings.catch_warnings(record=True) as drawn:
        warnings.simplefilter("always")
        Config.load(path)

    (warning,) = drawn
    assert issubclass(warning.category, ConfigWarning)
    assert f"mode {mode:o}: chmod 600" in str(warning.message)
    assert "abcdefghijkl" not in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.row(116)
def test_a_link_is_judged_by_the_file_it_leads_to(write: Write, tmp_path: Path) -> None:
    target = write('[client]\napi_key = "abc"\n', 0o644)
    (link := tmp_path / "link.toml").symlink_to(target)

    with pytest.warns(ConfigWarning, match=r"link\.toml holds API keys"):
        Config.load(link)


@pytest.mark.row(116)
def test_keys_in_a_file_of_another_user_draw_a_warning(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('[client]\napi_key = "abc"\n', 0o600)
    if path.stat().st_uid == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.warns(ConfigWarning, match="belongs to another user"):
        Config.load(path)


def test_a_file_without_keys_may_be_open(write: Write) -> None:
    assert Config.load(write('[client]\napi_key = ""\n', 0o666)) == Config()


def test_force_close_beside_a_given_keepalive_draws_a_warning(write: Write) -> None:
    pool = "[connection_pool]\nforce_close = true\n"
    Config.load(write(pool))
    Config.load(write("[connection_pool]\nforce_close = false\nkeepalive_timeout = 5\n"))

    with pytest.warns(ConfigWarning, match="force_close .* keepalive_timeout has no effect"):
        assert Config.load(write(f"{pool}keepalive_timeout = 5\n")).connection_pool.force_close


# --- dicts --------------------------------------------------------------------------------


def test_a_dict_is_checked_as_a_file_is() -> None:
    tables: Any = {"tsl": {}, 3: {}, "tls": {"verify": False, None: 1}, "clock": 5}
    with pytest.raises(ConfigError) as refused:
        Config.from_dict(tables)

    assert str(refused.value).splitlines() == [
        "5 faults in dict",
        "dict: tsl: there is no such table; did you mean [tls]?",
        "dict: 3: there is no such table; known are client, connection_pool, tcp_keepalive, tls, "
        "retry, rate_limit, clock, orders, metrics",
        "dict: tls.verify: there is no such switch: certificates are always verified; a CA of "
        "your own goes into tls.ca_file",
        "dict: tls.None: there is no such key; known are ca_file, client_cert, client_key, "
        "minimum_version",
        "dict: clock: 5 is not a table",
    ]
    others: list[Any] = [None, [], "client", 5]
    for other in others:
        with pytest.raises(ConfigError, match="is not a mapping of tables"):
            Config.from_dict(other)


def test_a_dict_is_not_kept() -> None:
    tables: dict[str, dict[str, Any]] = {"retry": {"attempts": 2}}
    made = Config.from_dict(tables)
    tables["retry"]["attempts"] = 7

    assert made.retry.attempts == 2
    assert Config.from_dict({}) == Config()


# --- whatever is written ------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        *("[", "]", "{", "}", "=", '"', "'", '"""', "'''", "\\", "\\u", ",", ".", "#", "-", "+"),
        *("\n", "\r\n", " ", "\t", "\x00", "_", "1", "e9", "0x", "nan", "true", "é", "a.b"),
        *("[client]", "[[a]]", "retry", "attempts", "2024-01-01", "T12:00:00Z"),
    ]
)


@pytest.mark.row(118)
@settings(max_examples=600, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.lists(FRAGMENTS, max_size=30).map("".join)))
def test_whatever_a_file_holds_it_is_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = tmp_path_factory.getbasetemp() / "generated.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        outcome: Config | str = Config.load(path)
    except ConfigError as error:
        outcome = str(error)

    assert isinstance(outcome, Config) or "generated.toml" in outcome
