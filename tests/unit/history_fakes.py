"""A client whose exchange is a list of rows, for downloads without a socket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from bybit_sync.api import Groups
from bybit_sync.call.reply import Reply
from bybit_sync.config import Config
from bybit_sync.exceptions import ConnectError
from bybit_sync.history import History
from bybit_sync.pages import Pages
from tests.conftest import FakeClock

MINUTE_MS = 60_000
START_MS = 1_704_067_200_000  # 2024-01-01
NOW_MS = START_MS + 400 * 86_400_000 + 30_500


class _Time:
    def now_ms(self) -> int:
        return NOW_MS


class _Pipeline:
    time = _Time()


class FakeClient(Groups):
    """Serves minute candles of any time, newest first, and counts the calls."""

    has_credentials = True

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(self._serve)
        self.clock = clock
        self.config = Config()
        self.pipeline = _Pipeline()
        self.windows: list[tuple[int, int]] = []
        self.fail_from: int | None = None
        self.rows_of: Callable[[dict[str, Any]], list[Any]] = candles
        self._lock = threading.Lock()

    @property
    def history(self) -> History:
        return History(self)  # type: ignore[arg-type]

    def pages(self, method: Any, /, **params: Any) -> Pages:
        return Pages.of(method, params, self.pipeline.time.now_ms)

    def _serve(self, endpoint: Any, params: Any, options: Any = None, extra: Any = None) -> Any:
        start = params.get("start", params.get("startTime"))
        end = params.get("end", params.get("endTime"))
        with self._lock:
            self.windows.append((start, end))
        if self.fail_from is not None and start >= self.fail_from:
            raise ConnectError("refused", phase="connect")
        body = {"retCode": 0, "result": {"list": self.rows_of(params)}}
        return Reply(body, headers={}, elapsed=0.0, endpoint=endpoint.key)


def candle(ms: int) -> list[str]:
    """The candle of a minute: its numbers follow from its time."""
    number = ms // MINUTE_MS % 1_000_000
    return [str(ms), f"{number}.1", f"{number}.9", f"{number}.0", f"{number}.5", "1.5", "2.25"]


def candles(params: dict[str, Any]) -> list[list[str]]:
    """Minute candles from start to end, both included, newest first."""
    first = -(-params["start"] // MINUTE_MS) * MINUTE_MS
    found = [candle(ms) for ms in range(first, params["end"] + 1, MINUTE_MS)]
    return found[::-1][: params["limit"]]
