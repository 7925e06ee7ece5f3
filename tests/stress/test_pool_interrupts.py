"""Ctrl-C at any moment of a call, hundreds of times: no slot is lost."""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
from typing import Any

import pytest

from bybit_sync.config import ConnectionPoolConfig
from bybit_sync.net.adapter import PooledAdapter
from bybit_sync.net.session import PooledSession
from tests.net import servers
from tests.net.tools import Crew, eventually, is_at_rest, send

pytestmark = pytest.mark.stress

INTERRUPTS = 400


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no pthread_kill here")
def test_interrupts_at_any_moment_cost_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    # What strikes inside a finalizer is not raised but reported: to be expected here.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    server = servers.Server(servers.answering(b"x" * 100_000), None)
    config = ConnectionPoolConfig(limit_per_host=2, total_timeout=5.0)
    session = PooledSession(PooledAdapter(config))
    main = threading.main_thread().ident
    assert main is not None
    armed, over = threading.Event(), threading.Event()
    is_calling = False
    struck = 0

    def interrupt(*args: object) -> None:
        nonlocal is_calling
        if is_calling:  # a stroke that comes late, between two calls, is let go
            is_calling = False
            raise KeyboardInterrupt

    def strike() -> None:
        dice = random.Random(1)
        while not over.is_set():
            if armed.wait(1):
                threading.Event().wait(dice.random() * 0.003)
                armed.clear()
                signal.pthread_kill(main, signal.SIGINT)

    def rival() -> None:
        while not over.is_set():
            send(session, server.url)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with Crew() as crew:
            crew.start(strike)
            crew.start(rival, times=3)
            for turn in range(INTERRUPTS):
                stream = turn % 2 == 0
                try:
                    while True:
                        is_calling = True
                        armed.set()  # again: one that struck inside a finalizer was swallowed
                        one_call(session, server.url, stream=stream)
                except KeyboardInterrupt:
                    struck += 1
            over.set()
        gc.collect()

        assert struck == INTERRUPTS
        eventually(lambda: is_at_rest(session))
        stats = session.adapter.stats()
        assert stats.idle <= 2
        eventually(lambda: server.open == stats.idle)
        meet = threading.Barrier(2)
        with Crew() as crew:  # both slots can be had at once
            crew.start(lambda: send(session, server.url, sign=lambda: waited(meet)), times=2)
    finally:
        signal.signal(signal.SIGINT, before)
        over.set()
        session.close()
        server.close()


def one_call(session: PooledSession, url: str, *, stream: bool) -> None:
    if stream:
        assert session.session.get(url, stream=True).ok  # dropped unread
    else:
        send(session, url)


def waited(meet: threading.Barrier) -> dict[str, Any]:
    meet.wait(5)
    return {}
