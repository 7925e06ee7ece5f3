"""A browser for the run, and an exporter whose figures a test sets."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync.call.breaker import Breaker
from bybit_sync.config import MetricsConfig
from bybit_sync.metrics import collector_for, totals_of
from bybit_sync.metrics.exporter import Share, share_of
from tests.conftest import FakeClock
from tests.unit.test_metrics import calls, pool
from tests.unit.test_metrics_status import host

from .browser import PROGRAM, Browser, Tab


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all pages."""
    if PROGRAM is None:
        pytest.skip("needs chromium: tests/debian.sh installs it")
    if importlib.util.find_spec("websocket") is None:
        pytest.skip("needs websocket-client, which comes with pybit")
    with Browser() as browser:
        yield browser


class Stage:
    """An exporter with the clients that a test makes up."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port: int = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.breaker = Breaker(FakeClock())
        self._clients: dict[str, dict[str, dict[str, Any]]] = {}
        self.open()

    def open(self) -> None:
        """Serve, as a program that has just started."""
        self._registry = CollectorRegistry()
        collector_for(self._registry)
        for label in self._clients:
            self._report(label)
        share = share_of(MetricsConfig(port=self.port), self._registry)
        assert share is not None
        self._share: Share = share

    def close(self) -> None:
        """Stop serving, as when the program ends."""
        self._share.close()

    def client(self, label: str = "bybit", **pool_changes: Any) -> dict[str, dict[str, Any]]:
        """A client that reports; what is changed in the answer shows at the next reading."""
        state: dict[str, dict[str, Any]] = {
            "pool": {"hosts": {"api.bybit.com:443": host()}, **pool_changes},
            "calls": {},
        }
        self._clients[label] = state
        self._report(label)
        return state

    def _report(self, label: str) -> None:
        state = self._clients[label]
        collector_for(self._registry).add(
            lambda: totals_of(label, pool(**state["pool"]), calls(**state["calls"]), self.breaker)
        )


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An exporter without a client yet."""
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def tab(browser: Browser, stage: Stage) -> Iterator[Tab]:
    """The page of the stage; at the end it must have complained about nothing."""
    with browser.open("about:blank#") as tab:
        yield tab
        assert tab.complaints == []
