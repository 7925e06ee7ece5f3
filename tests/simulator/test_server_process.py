"""The exchange as a process: it starts, tells its side of the story, keeps its state, and ends."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bybit_sync.simulator import LocalAccount, LocalExchange, SimulatorError

from .conftest import FAKE_WORLD
from .wire import Trader

REALTIME = "/v5/order/realtime"
ROOT = Path(__file__).parents[2]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- its side of the story ----------------------------------------------------------------


def test_orders_are_those_that_were_accepted(server: LocalExchange, trader: Trader) -> None:
    before = len(server.orders)
    accepted = trader.place(orderLinkId="story-1").result["orderId"]
    trader.place(symbol="NOPE")
    trader.place(side="Neither")

    assert len(server.orders) == before + 1
    last = server.orders[-1]
    assert (last["orderId"], last["orderLinkId"]) == (accepted, "story-1")
    assert (last["uid"], last["symbol"]) == (server.uid, "BTCUSDT")
    assert list(server.orders)[before:] == server.orders[before:] == [last]


def test_requests_show_what_arrived_without_its_secrets(
    server: LocalExchange, trader: Trader
) -> None:
    before = server.requests.count(REALTIME)
    trader.get(REALTIME, "category=linear&symbol=A%20B")
    trader.post("/v5/order/create", '{"category":"linear"}')

    asked, posted = list(server.requests)[-2:]
    assert (asked["method"], asked["path"], asked["query"]) == (
        "GET",
        REALTIME,
        "category=linear&symbol=A%20B",
    )
    assert posted["body"] == '{"category":"linear"}'
    assert posted["headers"]["content-type"] == "application/json"
    assert posted["headers"]["x-bapi-recv-window"] == "5000"
    assert (asked["status"], asked["ret_code"], posted["ret_code"]) == (200, 0, 10001)
    assert asked["connection"] == posted["connection"]
    assert server.requests.count(REALTIME) == before + 1
    assert server.requests.count(REALTIME, method="POST") == 0
    told = json.dumps([asked, posted])
    assert server.api_secret not in told
    assert server.api_key not in told


def test_connections_are_counted(server: LocalExchange) -> None:
    before = server.connections
    traders = [Trader(server) for _ in range(3)]
    for trader in traders:
        trader.get("/v5/market/time")
        trader.get("/v5/market/time")
    during = server.connections
    for trader in traders:
        trader.close()

    assert during.opened - before.opened == during.tls_handshakes - before.tls_handshakes == 3
    assert during.peak >= 3
    wait_until(lambda: server.connections.open == during.open - 3)


def test_any_thread_may_ask(server: LocalExchange, trader: Trader) -> None:
    trader.place()
    count = len(server.orders)

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: len(server.orders), range(80)))

    assert counts == [count] * 80


def test_other_programs_ask_over_http(server: LocalExchange) -> None:
    def post(path: str, body: object) -> tuple[int, object]:
        request = urllib.request.Request(  # noqa: S310 - the admin port of this test
            server.admin_url + path, json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    assert post("/faults", {"kind": "late", "path": "*", "seconds": 1}) == (200, {})
    assert server.faults.waiting() == [
        {
            "kind": "late",
            "path": "*",
            "times": 1,
            "skip": 0,
            "seconds": 1,
            "after_accept": False,
        }
    ]
    assert post("/faults", {"kind": "late"})[0] == 400
    assert post("/faults", [])[0] == 400
    assert post("/nothing", {})[0] == 404
    assert post("/faults/clear", {}) == (200, {})


def test_secrets_do_not_show_in_reprs(server: LocalExchange) -> None:
    account = server.add_account()

    assert account.api_secret not in repr(account)
    assert server.api_secret not in repr(server)
    assert server.url in repr(server)


# --- start and end ------------------------------------------------------------------------


def test_the_server_imports_nothing_of_the_client_that_it_judges() -> None:
    program = (
        "import sys, bybit_sync.simulator.server.run, bybit_sync.simulator.world\n"
        "print([m for m in sys.modules if m.startswith('bybit_sync.')"
        " and not m.startswith('bybit_sync.simulator')])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )

    assert done.stdout == "[]\n"


@on_linux
def test_it_leaves_nothing_behind() -> None:
    gc.collect()
    descriptors = set(os.listdir("/proc/self/fd"))
    with LocalExchange(world=FAKE_WORLD) as exchange:
        ca_file, pid = exchange.ca_file, exchange.pid
        assert ca_file is not None
        assert Path(ca_file).exists()
        with Trader(exchange) as trader:
            trader.place()
        assert len(exchange.orders) == 1

    assert not is_running(pid)
    assert not Path(ca_file).parent.exists()
    assert set(os.listdir("/proc/self/fd")) == descriptors


def test_stop_may_be_called_twice_and_start_again_afterwards() -> None:
    exchange = LocalExchange(world=FAKE_WORLD, tls=False)
    exchange.stop()
    exchange.start()
    with pytest.raises(SimulatorError, match="runs already"):
        exchange.start()
    first = exchange.api_key
    exchange.stop()
    exchange.stop()
    with exchange:
        assert exchange.api_key != first


def test_asking_one_that_has_ended_is_told_clearly() -> None:
    with LocalExchange(world=FAKE_WORLD, tls=False) as exchange:
        os.kill(exchange.pid, signal.SIGKILL)

        with pytest.raises(SimulatorError, match="does not answer"):
            len(exchange.orders)


def test_open_connections_do_not_keep_it_from_stopping() -> None:
    with LocalExchange(world=FAKE_WORLD) as exchange:
        idle, stalled = Trader(exchange), Trader(exchange)
        exchange.faults.stall("/v5/market/time")
        stalled.http.request("GET", "/v5/market/time")
        idle.get("/v5/market/time")
        started = time.monotonic()
    took = time.monotonic() - started
    idle.close()
    stalled.close()

    assert took < 5


def test_it_dies_with_its_parent() -> None:
    program = (
        "from bybit_sync.simulator import LocalExchange\n"
        f"x = LocalExchange(world={FAKE_WORLD!r}).start()\n"
        "print(x.pid, x.ca_file, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pid, ca_file = parent.stdout.readline().split()
        assert is_running(int(pid))
        parent.kill()

    wait_until(lambda: not is_running(int(pid)))
    wait_until(lambda: not Path(ca_file).parent.exists())


def test_a_program_that_forgets_to_stop_it_ends_all_the_same() -> None:
    program = (
        "from bybit_sync.simulator import LocalExchange\n"
        f"x = LocalExchange(world={FAKE_WORLD!r}, tls=False).start()\n"
        "print(x.pid)\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=20,
        check=True,
    )

    assert done.stderr == ""
    assert not is_running(int(done.stdout))


@on_linux
def test_ctrl_c_in_the_parents_terminal_is_the_parents() -> None:
    with LocalExchange(world=FAKE_WORLD, tls=False) as exchange:
        os.kill(exchange.pid, signal.SIGINT)

        assert os.getpgid(exchange.pid) != os.getpgid(0)
        with Trader(exchange) as trader:
            assert trader.get("/v5/market/time").code == 0


def test_a_fork_does_not_stop_its_parents_exchange() -> None:
    program = (
        "import os\n"
        "from bybit_sync.simulator import LocalExchange\n"
        f"with LocalExchange(world={FAKE_WORLD!r}, tls=False) as x:\n"
        "    if os.fork() == 0:\n"
        "        assert len(x.orders) == 0\n"
        "        raise SystemExit\n"  # runs what is to be run at exit
        "    _, status = os.wait()\n"
        "    print(status, len(x.orders))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=20,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("0 0\n", "")


def test_a_port_that_is_taken_is_told(server: LocalExchange) -> None:
    port = int(server.url.rpartition(":")[2])

    with pytest.raises(SimulatorError, match="in use"):
        LocalExchange(port=port, world=FAKE_WORLD).start()


def test_a_market_that_does_not_exist_is_told() -> None:
    with pytest.raises(SimulatorError, match="no_such_market"):
        LocalExchange(world="no_such_market:World").start()


def test_why_it_did_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed_market.py").write_text(
        "class World:\n"
        "    def __init__(self, **settings):\n"
        "        raise RuntimeError('closed on Sundays')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    with pytest.raises(SimulatorError, match="RuntimeError: closed on Sundays"):
        LocalExchange(world="closed_market:World").start()

    assert list(tmp_path.glob("bybit-exchange-*")) == []


@pytest.mark.parametrize(
    "settings",
    [{"latency": -1}, {"latency": float("nan")}, {"port": 70000}, {"ip_limit": 0}],
)
def test_settings_out_of_range_are_told(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        LocalExchange(**settings)  # type: ignore[arg-type]


def test_a_missing_package_is_told_with_the_command_that_helps(tmp_path: Path) -> None:
    (tmp_path / "trustme.py").write_text("raise ModuleNotFoundError(name='trustme')")
    program = (
        "from bybit_sync.simulator import LocalExchange\n"
        f"LocalExchange(world={FAKE_WORLD!r}).start()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        check=False,
    )

    assert 'pip install "bybit-sync[simulator]" (trustme is missing)' in done.stderr


# --- python -m bybit_sync.simulator -------------------------------------------------------


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_runs_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    with command("--json", "--latency-ms", "1") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with Trader(exchange_at(told), LocalAccount("", "", "")) as trader:
            assert trader.get("/v5/market/time").code == 0
        process.send_signal(stop)
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (0, "")
    assert not Path(told["ca_file"]).exists()


def test_the_command_prints_lines_for_a_shell() -> None:
    with command("--env", "--no-tls") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        process.terminate()
        process.communicate(timeout=10)

    names = [line.removeprefix("export ").partition("=")[0] for line in lines]
    assert names == [
        "BYBIT_BASE_URL",
        "BYBIT_API_KEY",
        "BYBIT_API_SECRET",
        "BYBIT_SIMULATOR_ADMIN_URL",
    ]
    assert lines[0].startswith("export BYBIT_BASE_URL=http://127.0.0.1:")


def test_wrong_usage_is_2_and_a_taken_port_1(server: LocalExchange) -> None:
    with command("--latency-ms", "-1") as wrong:
        _, errors = wrong.communicate(timeout=10)
    assert (wrong.returncode, "latency" in errors) == (2, True)

    with command("--port", server.url.rpartition(":")[2]) as taken:
        _, errors = taken.communicate(timeout=10)
    assert (taken.returncode, "in use" in errors) == (1, True)


def command(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bybit_sync.simulator", "--world", FAKE_WORLD, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def exchange_at(told: dict[str, str]) -> LocalExchange:
    """A face for the `Trader` of an exchange that another program has started."""
    exchange = LocalExchange()
    exchange.url, exchange.ca_file = told["url"], told["ca_file"]
    return exchange


# --- pytest -------------------------------------------------------------------------------


def test_other_peoples_tests_get_a_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "def test_it(bybit_exchange):\n    assert bybit_exchange.requests.count() == 0\n"
    )
    command = [sys.executable, "-m", "pytest", "-q"]  # the installed package brings the plug-in

    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
