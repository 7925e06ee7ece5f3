"""Runs a plan: windows are fetched side by side, and go into the sink one after the other.

    plan -> tasks -> fetch(client, task) -> sink, in order

Only `fetch`, or `fetch_lines` for a sink that reads text, runs elsewhere, on threads of the
download or on an executor of the caller's. A task that is fetched twice does no harm: the sink sees
each window once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from .fetch import Row, fetch, fetch_lines, fetch_text
from .lines import Lines
from .plan import Plan, Task
from .progress import Progress, progress_bar
from .saved import DownloadInterrupted, Saved, extent
from .sink import Packed, Rows, Sink

if TYPE_CHECKING:
    from bybit_sync.client import BybitClient

log = logging.getLogger("bybit_sync.history")

_Got = list[Row] | Lines | Packed
_AHEAD = 2  # windows asked for, or waiting for their turn, per worker


class Download:
    """One plan on its way into one sink. Belongs to the thread that runs it."""

    def __init__(
        self,
        client: BybitClient,
        plan: Plan,
        sink: Sink,
        *,
        workers: int,
        executor: Executor | None = None,
        progress: bool | None = None,
    ) -> None:
        self._client = client
        self._plan = plan
        self._sink = sink
        self._workers = workers
        self._executor = executor
        self._progress = progress
        self._calls = 0
        self._stopping = threading.Event()
        self._last_ids: set[Any] = set()

    def run(self) -> Any:
        """Fetch what the sink does not have yet; returns what the sink makes of it.

        Raises:
            BybitError: a window could not be had. What came before it is kept.
            DownloadInterrupted: Ctrl-C; the message says what is kept.
        """
        clock = self._client.clock
        began, before = clock.monotonic(), self._sink.rows
        try:
            with self._kept_on_error():
                self._fetch_all()
                result = self._sink.finish()
        finally:
            self._sink.close()
        if not isinstance(result, Saved):
            return result
        return result.with_facts(
            new_rows=self._sink.rows - before,
            calls=self._calls,
            seconds=clock.monotonic() - began,
        )

    # --- fetching -------------------------------------------------------------------------

    def _fetch_all(self) -> None:
        plan, sink = self._plan, self._sink
        bar = progress_bar(plan.count(sink.until_ms), plan.series.name, self._progress)
        try:
            with self._crew() as submit:
                for task, got in self._in_order(plan.tasks(sink.until_ms), submit):
                    sink.add(self._packed(got), task.end_ms)
                    self._show(bar)
        finally:
            bar.close()

    def _show(self, bar: Progress) -> None:
        bar.update(1)
        bar.set_postfix_str(f"{self._sink.rows:,} rows")

    def _in_order(
        self, tasks: Iterator[Task], submit: Callable[[Task], Future[_Got]]
    ) -> Iterator[tuple[Task, _Got]]:
        """The windows' rows in the order of the plan; a bounded number is under way."""
        under_way = deque((task, submit(task)) for task in islice(tasks, _AHEAD * self._workers))
        try:
            while under_way:
                task, future = under_way.popleft()
                got = future.result()
                self._calls += 1
                for following in islice(tasks, 1):
                    under_way.append((following, submit(following)))
                yield task, got
        finally:
            for _, future in under_way:
                future.cancel()

    @contextmanager
    def _crew(self) -> Iterator[Callable[[Task], Future[_Got]]]:
        """Something that fetches; threads that were started for it end here."""
        client = self._client
        if self._executor is not None:
            executor = self._executor
            # Elsewhere is no sink, and perhaps no package that it needs.
            fetch_there = fetch_lines if self._sink.reader else fetch
            yield lambda task: executor.submit(fetch_there, client, task)
            return
        crew = ThreadPoolExecutor(self._workers, thread_name_prefix="bybit-history")
        try:
            yield lambda task: crew.submit(self._fetch, task)
        finally:
            self._stopping.set()
            crew.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, task: Task) -> _Got:
        """On a thread of ours the rows are packed at once: they take a fraction of the memory."""
        if self._stopping.is_set():
            return []  # nobody will look at it
        client, read = self._client, self._sink.reader
        got: _Got = fetch_text(client, task, read) if read else fetch(client, task)
        if isinstance(got, Packed) or self._plan.series.unique:
            return got
        return self._sink.pack(got)

    def _packed(self, got: _Got) -> Packed:
        if isinstance(got, Packed):
            return got
        return self._sink.pack(self._without_repeated(got))

    def _without_repeated(self, rows: list[Row] | Lines) -> Rows:
        """The rows that the window before has not told: some are told on both sides of a seam."""
        series = self._plan.series
        if not series.unique or isinstance(rows, Lines):
            return rows
        place = series.names.index(series.unique)
        fresh = [row for row in rows if row[place] not in self._last_ids]
        self._last_ids = {row[place] for row in rows}
        return fresh

    # --- an end that was not meant --------------------------------------------------------

    @contextmanager
    def _kept_on_error(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt as interrupt:
            self._sink.keep()
            raise DownloadInterrupted(f"interrupted: {self._kept()}") from interrupt
        except Exception:
            self._sink.keep()
            log.warning("the download has stopped: %s", self._kept())
            raise

    def _kept(self) -> str:
        sink = self._sink
        if not sink.outlives:
            return f"{sink.rows:,} rows were there, none is kept; a file (out=) would keep them"
        if sink.until_ms is None:
            return "nothing was there yet"
        held = extent(sink.rows, self._plan.start_ms, sink.until_ms)
        return f"kept: {held}; the same download goes on from there"
