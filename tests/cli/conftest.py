"""Fixtures for the commands."""

from __future__ import annotations

import pytest

from bybit_sync.simulator import LocalExchange

from .tools import Invoke, invoker


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Runs a command line in this process: ``invoke("call", …)``."""
    return invoker(capsys)


@pytest.fixture
def keys(exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of an account of its own on the exchange, in the environment."""
    account = exchange.add_account()
    monkeypatch.setenv("BYBIT_API_KEY", account.api_key)
    monkeypatch.setenv("BYBIT_API_SECRET", account.api_secret)
