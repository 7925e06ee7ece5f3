"""M. Secrets: key, secret and signature are absent from wherever a person or a tracker looks.

Rows 120 to 126 are also in tests/exchange/test_secrets.py; 122 and 124 for every fault in
tests/exchange/test_faults.py.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import http.client
import io
import logging
import os
import pickle
import re
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from prometheus_client import CollectorRegistry, generate_latest

from bybit_sync import (
    BybitClient,
    BybitError,
    CallOptions,
    ClientConfig,
    ConfigError,
    ConnectionLostError,
    RetryConfig,
)
from bybit_sync.call.hooks import Observer
from bybit_sync.call.records import Endpoint
from bybit_sync.simulator import LocalAccount, LocalExchange
from tests.exchange.hidden import Hidden, contents, shows
from tests.exchange.tools import ORDER, RESTING, connect, failure

HASTY = {"connect_timeout": 0.5, "sock_read_timeout": 0.2, "total_timeout": 0.6}


@pytest.fixture
def account(exchange: LocalExchange) -> LocalAccount:
    """An account that nobody else trades on."""
    return exchange.add_account()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the client reports."""
    return CollectorRegistry()


@pytest.fixture
def hidden(account: LocalAccount, monkeypatch: pytest.MonkeyPatch) -> Hidden:
    """What nobody may see of the account, with every signature that is made from now on."""
    return Hidden(account, monkeypatch)


@pytest.fixture
def trader(
    exchange: LocalExchange, account: LocalAccount, registry: CollectorRegistry, hidden: Hidden
) -> Iterator[BybitClient]:
    """A client whose calls end soon and whose keys are in its config, too."""
    keys = ClientConfig(api_key=account.api_key, api_secret=account.api_secret)
    with connect(
        exchange,
        account=account,
        registry=registry,
        client=keys,
        pool=HASTY,
        retry=RetryConfig(attempts=2, base_delay=0.001),
    ) as client:
        yield client


# --- 120, 121: things that are shown, packed and copied -----------------------------------


@pytest.mark.row(120)
def test_no_way_of_showing_a_client_or_its_config_shows_a_key(
    trader: BybitClient, hidden: Hidden
) -> None:
    reply = trader.trade.place_order(**RESTING)
    parts = [trader, trader.config, trader.config.client, trader.session, trader.adapter]
    parts += [trader.pipeline, trader.trade, trader.pool_stats(), reply]

    for part in parts:
        for show in (repr, str, format, ascii, contents, _vars, _page):
            assert not hidden.is_in(str(show(part))), (show, type(part))
    assert not hidden.is_in(str(asdict(trader.config)))


def _vars(part: Any) -> Any:
    return vars(part) if hasattr(part, "__dict__") else ""


def _page(part: Any) -> Any:
    return part._repr_html_() if hasattr(part, "_repr_html_") else ""


@pytest.mark.row(121)
def test_what_can_be_packed_or_copied_holds_no_key(trader: BybitClient, hidden: Hidden) -> None:
    parts = [trader, trader.config, trader.config.client, trader.session, trader.pipeline]
    parts += [trader.adapter, trader.trade, trader.trade.place_order(**RESTING)]

    for part in parts:
        for pack in (pickle.dumps, lambda p: pickle.dumps(copy.copy(p)), _deep_pickle):
            with contextlib.suppress(TypeError, pickle.PicklingError, AttributeError, ConfigError):
                assert not hidden.is_in(pack(part).decode("latin-1")), type(part)


def _deep_pickle(part: Any) -> bytes:
    return pickle.dumps(copy.deepcopy(part))


# --- 122 to 124: whatever goes wrong, whoever looks ---------------------------------------

Arm = Callable[[Any], None]
FAULTS: dict[str, Arm] = {
    "dropped": lambda f: f.drop_after_accept(ORDER),
    "reset": lambda f: f.reset_before(ORDER),
    "stalled": lambda f: f.stall(ORDER),
    "dripping": lambda f: f.drip_headers(ORDER),
    "cut": lambda f: f.cut_body(ORDER),
    "endless": lambda f: f.endless_body(ORDER),
    "page": lambda f: f.html(ORDER),
    "garbage": lambda f: f.garbage(ORDER),
    "refused": lambda f: f.ret_code(ORDER, 10004, "error sign!"),
    "busy": lambda f: f.http_status(ORDER, 503),
    "redirect": lambda f: f.http_status(ORDER, 307, headers={"Location": "http://127.0.0.1:9/"}),
    "clock": lambda f: f.wrong_clock(60_000),
    "limit": lambda f: f.rate_limit(ORDER, times=2, reset_in=0.01),
}


class Recording(logging.Handler):
    """A log of everything, as a handler with a traceback formatter writes it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.text.write(self.format(record) + repr(record.args) + "\n")


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Every logger at DEBUG, and http.client's own prints."""
    recording, root = Recording(), logging.getLogger()
    names = ("", "urllib3", "requests", "bybit_sync", "http.client")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(recording)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    yield recording
    root.removeHandler(recording)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.row(122, 123, 124)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_log_traceback_or_chain_of_a_failed_order_shows_a_secret(
    fault: str,
    exchange: LocalExchange,
    trader: BybitClient,
    hidden: Hidden,
    registry: CollectorRegistry,
    everything: Recording,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    FAULTS[fault](exchange.faults)

    # One attempt only where another one would succeed.
    options = CallOptions(attempts=1) if fault == "clock" else None
    error = failure(lambda: trader.trade.place_order(**RESTING, options=options))
    logging.getLogger("user").error("it failed", exc_info=error)
    logging.getLogger("user").error("%r %s", error, error)

    assert hidden.signatures >= 1
    hidden.check_error(error)
    looked_at = {
        "log": everything.text.getvalue(),
        "locals": "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        ),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "metrics": generate_latest(registry).decode(),
        "printed": "".join(capfd.readouterr()),
        "faulthandler": _stacks(tmp_path),
        "chain": repr([_attributes(each) for each in _chain(error)]),
    }
    for place, text in looked_at.items():
        assert not hidden.is_in(text), place


def _stacks(folder: Path) -> str:
    with (folder / "stacks").open("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _attributes(error: BaseException) -> dict[str, Any]:
    """What error trackers reach for, as far as it goes."""
    names = ("request", "response", "args", "headers", "resp_headers", "body")
    return {name: contents(getattr(error, name, None)) for name in names}


@pytest.mark.row(122)
def test_a_traceback_with_locals_of_a_thread_that_waits_shows_nothing(
    exchange: LocalExchange, trader: BybitClient, hidden: Hidden
) -> None:
    exchange.faults.stall(ORDER)
    shown: list[str] = []

    class Looking(Observer):
        def on_done(self, endpoint: Endpoint, outcome: str, seconds: float, waited: float) -> None:
            shown.append(_frames_of_this_thread())

    looking = Looking()
    trader.pipeline.hooks.add(looking)
    failure(lambda: trader.trade.place_order(**RESTING))
    trader.pipeline.hooks.remove(looking)

    assert "deadline" in shown[0]  # it does show locals
    assert not hidden.is_in(shown[0])


def _frames_of_this_thread() -> str:
    stack = traceback.StackSummary.extract(traceback.walk_stack(None), capture_locals=True)
    ours = [frame for frame in stack if "bybit_sync" in frame.filename]
    return "".join(traceback.StackSummary.from_list(ours).format())


# --- under mocks and other people's adapters ----------------------------------------------


@pytest.mark.row(122, 124)
@pytest.mark.parametrize(
    "raised",
    [
        requests.exceptions.ConnectionError("broken"),
        requests.exceptions.ReadTimeout("late"),
        requests.exceptions.SSLError("not trusted"),
        RuntimeError("a bug of the mock"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_an_error_under_a_mock_shows_no_secret_and_the_mock_still_saw_the_signature(
    raised: Exception, trader: BybitClient, hidden: Hidden
) -> None:
    with responses.RequestsMock() as mock:
        mock.post(f"{trader.base_url}{ORDER}", body=raised)
        with pytest.raises((BybitError, RuntimeError)) as caught:
            trader.trade.place_order(**RESTING)
        assert hidden.is_in(mock.calls[0].request.headers["X-BAPI-SIGN"])

    _check_below_the_test(caught.value, hidden)


@pytest.mark.row(124)
def test_an_address_that_a_mock_does_not_know_shows_no_headers(
    trader: BybitClient, hidden: Hidden
) -> None:
    with responses.RequestsMock(), pytest.raises(ConnectionLostError) as caught:
        trader.trade.place_order(**RESTING)

    assert hidden.signatures
    _check_below_the_test(caught.value, hidden)


@pytest.mark.row(124)
def test_an_adapter_that_the_user_mounts_and_that_fails_shows_no_headers(
    exchange: LocalExchange, trader: BybitClient, hidden: Hidden
) -> None:
    trader.session.mount(exchange.url, requests.adapters.HTTPAdapter())
    trader.session.verify = exchange.ca_file
    exchange.faults.reset_before("*", times=None)

    with pytest.raises(BybitError) as caught:
        trader.trade.place_order(**RESTING)

    assert hidden.signatures
    _check_below_the_test(caught.value, hidden)


def _check_below_the_test(error: BaseException, hidden: Hidden) -> None:
    """Everything that can be seen of an error, without the test's own frame, which knows all."""
    own = error.__traceback__
    while own is not None and own.tb_frame.f_code.co_filename == __file__:
        own = own.tb_next
    error = error.with_traceback(own)
    for shown in shows(error):
        assert not hidden.is_in(shown), shown[:3000]
    for each in _chain(error):
        assert not hidden.is_in(repr(_attributes(each)))


# --- 125, 126 -----------------------------------------------------------------------------


@pytest.mark.row(125)
@pytest.mark.parametrize("status", [200, 500, 404])
def test_a_new_secret_in_an_answer_that_cannot_be_used_is_in_no_message_and_no_log(
    status: int, exchange: LocalExchange, trader: BybitClient, everything: Recording
) -> None:
    made = "nEwSeCrEtThatWasJustMade0001"
    body = f'{{"retCode":0,"result":{{"apiKey":"nEwKeY000001","secret":"{made}","readOnly":0'
    exchange.faults.http_status("*", status, body=body, times=2)

    error = failure(
        lambda: trader.user.create_sub_api_key(
            subuid=1, readOnly=0, permissions={"Wallet": ["AccountTransfer"]}
        )
    )
    logging.getLogger("user").error("it failed", exc_info=error)

    assert "apiKey" in str(error)  # it is quoted, but for the values
    assert made not in everything.text.getvalue()
    assert not any(made in shown or "nEwKeY" in shown for shown in shows(error))


@pytest.mark.row(126)
def test_labels_thread_names_and_the_user_agent_hold_no_secret(
    exchange: LocalExchange, trader: BybitClient, hidden: Hidden, registry: CollectorRegistry
) -> None:
    number = exchange.requests.count()
    trader.trade.place_order(**RESTING)

    (row,) = [row for row in exchange.requests if row["number"] == number]
    agent = row["headers"]["user-agent"]
    assert re.fullmatch(r"[\w.\-/ ]+", agent)
    assert not hidden.is_in(agent)
    assert not hidden.is_in(repr([thread.name for thread in threading.enumerate()]))
    for label in re.findall(r'="([^"]*)"', generate_latest(registry).decode()):
        assert not hidden.is_in(label)
        assert len(label) < 60
    assert not hidden.is_in(Path("/proc/self/cmdline").read_text())
    assert os.environ.get("BYBIT_API_SECRET") is None
