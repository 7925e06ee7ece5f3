"""Keys and secrets: one pair from one place, and in nobody's sight."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
import io
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bybit_sync.config import ClientConfig, Config, Credentials, Secret, resolve_credentials
from bybit_sync.exceptions import BybitError, ConfigError

KEY = "KeyOfAnAccount1234"
SECRET = "SecretOfTheSameAccount5678abcdefghij"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq/+=\n-----END PRIVATE KEY-----\n"
HIDDEN = "PlainTextThatNobodySees"


@pytest.fixture
def config() -> Config:
    """A config that holds a pair."""
    return Config(client=ClientConfig(api_key=KEY, api_secret=SECRET))


def test_a_secret_is_told_to_who_asks_for_it() -> None:
    made = ClientConfig(api_key=KEY, api_secret=SECRET)

    assert (made.api_key.reveal(), made.api_secret.reveal()) == (KEY, SECRET)
    assert made.api_secret == SECRET == Secret(SECRET)
    assert made.api_secret != made.api_key
    assert made.api_secret != 5
    assert not ClientConfig().api_secret
    assert hash(Secret(SECRET)) == hash(SECRET)
    assert Secret(Secret(SECRET)).reveal() == SECRET


SHOWS: list[Callable[[Any], str]] = [
    repr,
    str,
    "{}".format,
    pprint.pformat,
    lambda config: repr(dataclasses.asdict(config)),
    lambda config: str(dataclasses.astuple(config)),
    lambda config: repr(copy.deepcopy(config)),
    lambda config: repr(copy.copy(config.client)),
    lambda config: repr(dataclasses.replace(config.client, recv_window_ms=1)),
    lambda config: f"{config.client.api_key!r} {config.client.api_secret!s:>40} {config.client}",
    lambda config: "%s" % config.client.api_secret,  # noqa: UP031
    lambda config: config.to_toml(),
    lambda config: logging.makeLogRecord({"msg": "%r", "args": (config,)}).getMessage(),
    lambda config: repr([getattr(config.client, f.name) for f in dataclasses.fields(ClientConfig)]),
    lambda config: repr(resolve_credentials(config, environ={})),
]


@pytest.mark.row(120)
@pytest.mark.parametrize("show", SHOWS)
def test_nothing_that_shows_a_config_shows_the_secret(
    config: Config, show: Callable[[Any], str]
) -> None:
    shown = show(config)

    assert SECRET not in shown
    assert KEY not in shown


def test_a_key_is_known_by_its_first_characters_and_a_short_one_is_not_given_away() -> None:
    assert str(ClientConfig(api_key=KEY).api_key) == "KeyO…"
    assert str(ClientConfig(api_key="abcdefg").api_key) == "***"
    assert str(ClientConfig(api_secret=SECRET).api_secret) == "***"
    assert str(ClientConfig().api_key) == ""


@pytest.mark.row(121)
def test_a_config_with_a_pair_is_not_pickled_and_says_what_to_do(config: Config) -> None:
    for held in (config, config.client, config.client.api_secret, config.client.api_key):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(ConfigError, match="BYBIT_API_SECRET, or by a config file"):
                pickle.dumps(held, protocol)


def test_copies_sign_as_the_original_does(config: Config) -> None:
    for twin in (copy.copy(config), copy.deepcopy(config), dataclasses.replace(config)):
        assert twin == config
        assert twin.client.api_secret.reveal() == SECRET


def test_vars_finds_nothing_to_show(config: Config) -> None:
    for held in (config, config.client, config.client.api_secret):
        with pytest.raises(TypeError):
            vars(held)


def test_what_is_shown_can_be_loaded_again_without_the_pair(config: Config, tmp_path: Path) -> None:
    full = dataclasses.replace(
        config,
        client=dataclasses.replace(config.client, exchange_label="x-1", proxy="http://a:1"),
        connection_pool=dataclasses.replace(config.connection_pool, limit=7, force_close=True),
        rate_limit=dataclasses.replace(config.rate_limit, endpoint_limits={"/v5/a": 2.5}),
        orders=dataclasses.replace(config.orders, journal='a "quoted" \\ é'),
    )
    path = tmp_path / "shown.toml"
    path.write_text(full.to_toml().replace("keepalive_timeout", "# "), encoding="utf-8")

    loaded = Config.load(path)

    assert loaded == dataclasses.replace(
        full, client=dataclasses.replace(full.client, api_key=Secret(), api_secret=Secret())
    )


# --- what may be a key --------------------------------------------------------------------


@pytest.mark.row(117)
@pytest.mark.parametrize(
    "wrong",
    [
        f"{HIDDEN}\n",
        f" {HIDDEN}",
        f"{HIDDEN} x",
        f"{HIDDEN}\r\nX-Evil: 1",
        f"{HIDDEN}\x00",
        f"{HIDDEN}\x7f",
        f"{HIDDEN}é",
        f"{HIDDEN}\u202e",
        HIDDEN * 30,
        HIDDEN.encode(),
        [HIDDEN],
        {"a": HIDDEN},
        None,
        False,
        5,
    ],
)
@pytest.mark.parametrize("key", ["api_key", "api_secret"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str, wrong: Any) -> None:
    for make in (
        lambda: ClientConfig(**{key: wrong}),
        lambda: Config.from_dict({"client": {key: wrong}}),
    ):
        with pytest.raises(
            ConfigError, match=rf"client\.{key}: the value \(not shown\)"
        ) as refused:
            make()
        assert HIDDEN not in everything_about(refused.value)


def test_a_private_key_is_a_secret_and_no_key() -> None:
    for pem in (PEM, f"\n{PEM}", PEM.replace("\n", "\r\n"), PEM.replace("BEGIN", "BEGIN RSA")):
        assert ClientConfig(api_secret=pem).api_secret.reveal() == pem
        with pytest.raises(ConfigError, match="that belongs in api_secret"):
            ClientConfig(api_key=pem)
    for wrong in (
        PEM.replace("PRIVATE", "PUBLIC"),
        PEM.replace("-----END", ""),
        f"{PEM}\x00",
        f"{PEM}é",
        PEM + "A" * 20_000,
    ):
        with pytest.raises(ConfigError, match="is not one in PEM form"):
            ClientConfig(api_secret=wrong)


# --- tracebacks ---------------------------------------------------------------------------


def safe_repr(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:  # a record whose values were refused before it held them
        return f"a half made {type(value).__name__}"


def everything_about(error: BaseException) -> str:
    """All that a tracker of errors records: chain, frames below this file, their locals."""
    parts = [repr(error), repr(vars(error))]
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), *traceback.format_exception_only(seen)]
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename != __file__:
                parts += [f"{name}={safe_repr(value)}" for name, value in frame.f_locals.items()]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


@pytest.mark.parametrize(
    "content",
    [
        f'[client]\napi_secret = "{HIDDEN} "\n',
        f'[client]\napi_secret = "{HIDDEN}"\nenvironment = "prod"\n',
        f'[client]\napi_secret = "{HIDDEN}"\napi_secret = "{HIDDEN}"\n',
        f'[client]\napi_secret = "{HIDDEN}"\n[client]\nproxy = ""\n',
        f"[client]\napi_secret = {HIDDEN}\n",
        f'[client]\napi_secret = "{HIDDEN}\n',
        f'[client]\napi_secret = "{HIDDEN}" x\n',
        f'[client]\napi_secret = "\\q{HIDDEN}"\n',
        f'[client]\napi_secrte = "{HIDDEN}"\n',
        f'[cleint]\napi_secret = "{HIDDEN}"\n',
        f'[tls]\napi_secret = "{HIDDEN}"\n',
        f'client = "{HIDDEN}"\n',
        f'api_secret = "{HIDDEN}"\n',
        f'[client]\napi_secret = ["{HIDDEN}"]\n',
        f'[client]\nproxy = "http://me:{HIDDEN}@proxy:1"\n',
        f'[client]\napi_secret = "{HIDDEN}"\n#\xff\n',
    ],
)
def test_no_fault_of_a_file_shows_a_secret_in_its_message_chain_or_frames(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(ConfigError) as refused:
        Config.load(path)

    assert HIDDEN not in everything_about(refused.value)


def test_no_fault_beside_a_secret_shows_it() -> None:
    for make in (
        lambda: ClientConfig(api_secret=HIDDEN, environment="prod"),
        lambda: ClientConfig(api_key=HIDDEN, recv_window_ms=0),
        lambda: Config.from_dict({"client": {"api_secret": HIDDEN, "environment": "prod"}}),
        lambda: Config.from_dict({"client": {"api_secret": HIDDEN}, "retry": 5}),
        lambda: resolve_credentials(Config(), api_secret=HIDDEN, environ={}),
        lambda: resolve_credentials(Config(), HIDDEN, environ={}),
        lambda: resolve_credentials(Config(), "k", f"{HIDDEN} ", environ={}),
        lambda: resolve_credentials(Config(), environ={"BYBIT_API_SECRET": HIDDEN}),
    ):
        with pytest.raises(ConfigError) as refused:
            make()
        assert HIDDEN not in everything_about(refused.value)


def test_the_search_for_secrets_in_a_traceback_would_find_one() -> None:
    # A frame of another file, as the library's are.
    scope: dict[str, Any] = {"ConfigError": ConfigError}
    exec(compile("def fail(text):\n    raise ConfigError('x')", "elsewhere", "exec"), scope)  # noqa: S102
    with pytest.raises(ConfigError) as refused:
        scope["fail"](HIDDEN)

    assert HIDDEN in everything_about(refused.value)


# --- which pair ---------------------------------------------------------------------------

ENVIRONMENT = {"BYBIT_API_KEY": "key-of-env", "BYBIT_API_SECRET": "secret-of-env"}


def pair(found: Credentials | None) -> tuple[str, str] | None:
    return None if found is None else (found.api_key, found.api_secret.reveal())


def test_arguments_win_over_the_environment_and_that_over_the_config(config: Config) -> None:
    assert pair(resolve_credentials(config, "a", "b", ENVIRONMENT)) == ("a", "b")
    assert pair(resolve_credentials(config, Secret("a"), Secret("b"), {})) == ("a", "b")
    assert pair(resolve_credentials(config, environ=ENVIRONMENT)) == ("key-of-env", "secret-of-env")
    assert pair(resolve_credentials(config, "", "", {"BYBIT_API_KEY": ""})) == (KEY, SECRET)
    assert resolve_credentials(Config(), environ={}) is None


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert pair(resolve_credentials(Config())) == ("key-of-env", "secret-of-env")


def test_half_a_pair_is_not_completed_from_another_place(config: Config) -> None:
    for arguments, told in (
        (("a", None, ENVIRONMENT), "api_key is given without api_secret"),
        ((None, "b", ENVIRONMENT), "api_secret is given without api_key"),
        ((None, None, {"BYBIT_API_KEY": "a"}), "BYBIT_API_KEY is given without BYBIT_API_SECRET"),
        ((None, None, {"BYBIT_API_SECRET": "b"}), "BYBIT_API_SECRET is given without BYBIT_API_K"),
    ):
        with pytest.raises(ConfigError, match=told):
            resolve_credentials(config, *arguments)
    half = Config(client=ClientConfig(api_key="a"))
    with pytest.raises(ConfigError, match=r"client\.api_key is given without client\.api_secret"):
        resolve_credentials(half, environ={})


def test_a_key_of_the_environment_is_checked_as_one_of_a_file() -> None:
    environ = {"BYBIT_API_KEY": f"{HIDDEN}\n", "BYBIT_API_SECRET": f"{HIDDEN} x"}
    with pytest.raises(ConfigError) as refused:
        resolve_credentials(Config(), environ=environ)

    first, second = str(refused.value).splitlines()
    assert first.startswith("BYBIT_API_KEY: the value (not shown) holds white space")
    assert second.startswith("BYBIT_API_SECRET: the value (not shown) holds white space")


def test_a_private_key_is_told_from_a_plain_secret() -> None:
    found = resolve_credentials(Config(), "a", f"\n{PEM}", {})
    plain = resolve_credentials(Config(), KEY, SECRET, {})

    assert found is not None
    assert plain is not None
    assert (found.is_rsa, plain.is_rsa) == (True, False)
    assert repr(plain) == "Credentials(api_key='KeyO…', api_secret='***')"


def test_credentials_are_not_pickled(config: Config) -> None:
    with pytest.raises(BybitError):
        pickle.dumps(resolve_credentials(config, environ={}))


def test_nothing_is_printed_or_logged_on_the_way(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    out = io.StringIO()
    with caplog.at_level(0), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        resolve_credentials(config, environ={})
        gc.collect()

    assert (out.getvalue(), caplog.text) == ("", "")
