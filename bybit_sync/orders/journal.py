"""Orders on disk: the intent before the first byte is sent, the outcome after.

A file of SQLite in WAL mode. An intent is on the platter when `begin` returns (a kill, or a loss
of power, forgets none); an outcome may be lost, for asking again finds it. The file holds no key
and no signature: whose an order is, a digest says. Any number of threads and processes may share
the file.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bybit_sync.exceptions import BybitError, ClientClosedError, ConfigError, OrderNotPlacedError
from bybit_sync.forking import renew_after_fork

from .case import Case
from .inquiry import lease_ms
from .owner import is_surely_dead, this_process
from .states import PLACED, SENT, UNKNOWN, State

if TYPE_CHECKING:
    import sqlite3

_FORMAT = 0x42790001  # in the header, so that another program's database is never written to
_BUSY_SECONDS = 5.0
_KEPT_MS = 30 * 86_400_000  # settled orders
_TABLE = """
CREATE TABLE IF NOT EXISTS orders (
    account TEXT NOT NULL, orderLinkId TEXT NOT NULL,
    category TEXT NOT NULL, symbol TEXT NOT NULL, content BLOB NOT NULL,
    window_ms INTEGER NOT NULL, begun_ms INTEGER NOT NULL, timeout_ms INTEGER NOT NULL,
    latest_ms INTEGER, owner TEXT NOT NULL, state TEXT NOT NULL, orderId TEXT NOT NULL,
    PRIMARY KEY (account, orderLinkId)
) WITHOUT ROWID"""
_OPEN = "CREATE INDEX IF NOT EXISTS open ON orders (state) WHERE state IN ('sent', 'unknown')"
_COLUMNS = "orderLinkId, category, symbol, content, window_ms, begun_ms, timeout_ms, latest_ms"
_INSERT = "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, '')"
_UPDATE = (
    "UPDATE orders SET state = ?, orderId = ?, latest_ms = ? WHERE account = ? AND orderLinkId = ?"
)

_log = logging.getLogger("bybit_sync.orders")


class Journal:
    """The journal of one account in one file, opened at first use.

    The lock guards the connection, and is held while SQLite writes: its writes queue anyhow.
    """

    def __init__(self, path: str, account: str) -> None:
        self.path = path
        self._account = account
        self._lock = threading.Lock()
        renew_after_fork(self, "_lock")
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._owner = ""
        self._is_closed = False
        self._flying: set[str] = set()  # begun and not ended: a close waits for these
        self._unwritten: dict[str, tuple[Any, ...]] = {}
        self._inherited: list[sqlite3.Connection] = []

    def begin(self, cases: Sequence[Case]) -> None:
        """Write intents; they are on disk when this returns, or nothing is.

        Raises:
            ConfigError: a name stands for another order, or another process is placing it; or
                the file is no journal.
            OrderNotPlacedError: the journal cannot be written.
        """
        with self._lock, self._telling(cases[0].orderLinkId):
            if self._is_closed:
                raise ClientClosedError(f"{self.path}: the client is closed")
            connection = self._open()
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):
                self._write_late(connection)
                for case in cases:
                    self._enter(connection, case)
            self._unwritten.clear()
            self._flying.update(case.orderLinkId for case in cases)

    def end(self, fates: Mapping[Case, tuple[State, str]]) -> None:
        """Write outcomes. What cannot be written now is told, and written with the next.

        An order is not lost by that: it is asked for again by ``recover()``.
        """
        rows = {
            case.orderLinkId: (state, orderId, case.latest_ms, self._account, case.orderLinkId)
            for case, (state, orderId) in fates.items()
        }
        try:
            with self._lock, self._telling(next(iter(rows), "")):
                self._unwritten |= rows
                self._flying.difference_update(rows)
                connection = self._open()
                connection.execute("PRAGMA synchronous = NORMAL")
                with _transaction(connection):
                    self._write_late(connection)
                self._unwritten.clear()
                self._close_if_done()
        except BybitError as error:
            _log.warning("outcomes of %d orders are not journalled: %s", len(rows), error)

    def unsettled(self, now_ms: int) -> list[Case]:
        """The orders whose fate is open and that no process is at work on.

        Raises:
            ConfigError: the journal cannot be read.
        """
        with self._lock, self._reading():
            rows = self._open().execute(
                f"SELECT account, owner, state, {_COLUMNS} FROM orders "  # noqa: S608
                "WHERE state IN ('sent', 'unknown') ORDER BY begun_ms"
            )
            found = [(*row[:3], _case(row[3:])) for row in rows]
        left = [
            (account, case)
            for account, owner, state, case in found
            if state == UNKNOWN or is_surely_dead(owner) or lease_ms(case) < now_ms
        ]
        if foreign := sum(account != self._account for account, _ in left):
            _log.warning(
                "%s holds %d open orders that were placed with another key or exchange: "
                "recover() them there",
                self.path,
                foreign,
            )
        return [case for account, case in left if account == self._account]

    def close(self) -> None:
        """Take no further order, and close the file once those under way have ended; twice is
        fine."""
        with self._lock:
            self._is_closed = True
            self._close_if_done()

    def __del__(self) -> None:
        # Forgotten with orders under way, which nobody can end any more.
        connection = getattr(self, "_connection", None)
        if connection is not None and self._pid == os.getpid():
            connection.close()

    # --- under the lock -------------------------------------------------------------------

    def _close_if_done(self) -> None:
        if not self._is_closed or self._flying:
            return
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()

    def _enter(self, connection: sqlite3.Connection, case: Case) -> None:
        found = connection.execute(
            f"SELECT owner, state, {_COLUMNS} FROM orders "  # noqa: S608
            "WHERE account = ? AND orderLinkId = ?",
            (self._account, case.orderLinkId),
        ).fetchone()
        if found is not None and found[1] in (SENT, UNKNOWN, PLACED):
            self._continue(case, found[0], found[1], _case(found[2:]))
        connection.execute(
            _INSERT,
            (
                self._account,
                case.orderLinkId,
                case.category,
                case.symbol,
                case.content,
                case.window_ms,
                case.begun_ms,
                case.timeout_ms,
                self._owner,
                SENT,
            ),
        )

    def _continue(self, case: Case, owner: str, state: State, earlier: Case) -> None:
        """Take up an order that the journal knows, if that is right."""
        if earlier.content != case.content:
            raise ConfigError(
                f"orderLinkId: {case.orderLinkId!r} names another order already, "
                f"{state} says {self.path}; a name is used once"
            )
        if state == PLACED:
            case.was_placed = True
        if state == PLACED or case.may_be_there:
            return
        if state == SENT and not is_surely_dead(owner) and lease_ms(earlier) > case.begun_ms:
            raise ConfigError(
                f"orderLinkId: {case.orderLinkId!r} is being placed by another process"
            )
        case.follows(earlier)

    def _write_late(self, connection: sqlite3.Connection) -> None:
        connection.executemany(_UPDATE, list(self._unwritten.values()))

    def _open(self) -> sqlite3.Connection:
        if self._is_closed and self._connection is None:
            raise ClientClosedError(f"{self.path}: the client is closed")
        if self._connection is not None and self._pid != os.getpid():
            # SQLite forbids to use, or to close, what came across a fork.
            self._inherited.append(self._connection)
            self._connection = None
        if self._connection is None:
            self._pid, self._owner = os.getpid(), this_process()
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        import sqlite3  # here: most programs trade without a journal

        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"orders.journal: {self.path} cannot be opened: {error}") from error
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and mark != _FORMAT:
                raise ConfigError(f"orders.journal: {self.path} is a database of something else")
            connection.execute(f"PRAGMA application_id = {_FORMAT}")
            connection.execute(_TABLE)
            connection.execute(_OPEN)
            connection.execute(
                "DELETE FROM orders WHERE state NOT IN ('sent', 'unknown') AND begun_ms < "
                "(SELECT max(begun_ms) FROM orders) - ?",
                (_KEPT_MS,),
            )

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """SQLite's errors as ours: nothing was sent, for nothing could be written."""
        with self._translating(
            lambda text: OrderNotPlacedError(
                f"the journal cannot be written, so the order was not sent: {text}",
                orderLinkId=name,
            )
        ):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._translating(lambda text: ConfigError(f"orders.journal: {text}")):
            yield

    @contextmanager
    def _translating(self, ours: Callable[[str], BybitError]) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            raise ours(f"{self.path}: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _case(row: Iterable[Any]) -> Case:
    name, category, symbol, content, window_ms, begun_ms, timeout_ms, latest_ms = row
    return Case(
        orderLinkId=name,
        category=category,
        symbol=symbol,
        content=bytes(content),
        window_ms=window_ms,
        begun_ms=begun_ms,
        timeout_ms=timeout_ms,
        latest_ms=latest_ms,
    )
