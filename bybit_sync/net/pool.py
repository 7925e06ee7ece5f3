"""urllib3's pools with our slots in them, and the way of one request through a pool."""

from __future__ import annotations

import http.client
import logging
import weakref
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError as Urllib3Error

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import ClientClosedError

from . import wire
from .budget import AnswerFaultError, Budget
from .connection import Dialer, PooledConnection, PooledHTTPConnection, PooledHTTPSConnection
from .fields import as_dict
from .host import Host, Lease
from .pace import NoTurnError
from .raw_answer import FullRawAnswer, RawAnswer
from .slots import Slots
from .urllib3_face import IdleStack, as_response
from .whole_answer import WholeAnswer

log = logging.getLogger("bybit_sync.net")

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


class SlotPool(urllib3.HTTPConnectionPool):
    """A pool of connections to one host, whose slots are shared with all pools of the adapter."""

    QueueCls = IdleStack
    ConnectionCls = PooledHTTPConnection

    def __init__(self, *args: Any, slots: Slots, dialer: Dialer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert isinstance(self.pool, IdleStack)
        self.idle = self.pool.connections
        self.is_closed = False
        proxy = self.proxy
        # A pool of connections to the proxy itself, which is given whole URLs; all others of a
        # proxy tunnel through it.
        self.is_forwarding = proxy is not None and (proxy.scheme, proxy.host, proxy.port) == (
            self.scheme,
            self.host,
            self.port,
        )
        self._slots = slots
        self._dialer = dialer
        self.now = dialer.clock.monotonic
        """The pool's monotonic time."""
        self.is_forced = dialer.config.force_close
        self.conn_kw["dialer"] = dialer
        self.host_name = f"{self.host}:{self.port or (443 if self.scheme == 'https' else 80)}"
        self.host_header = _host_header(self.host, self.port, self.scheme)
        self.heads: dict[tuple[str, str, bytes], bytes] = {}
        """Checked request heads that were sent before, without what is signed last."""
        self.slot_host: Host = slots.register(self, self.host_name)

    # --- one request ----------------------------------------------------------------------

    def exchange(
        self,
        method: str,
        head: bytes,
        body: bytes,
        budget: Budget,
        kind: type[RawAnswer] = RawAnswer,
    ) -> RawAnswer | WholeAnswer:
        """Send a request over a pooled connection and read the whole answer.

        A kept connection that turns out to be dead before an answer began costs one silent
        repeat on a fresh one in the same slot, where nothing was written or the method only
        reads.

        Raises:
            BybitError: one of ours, whatever went wrong; the slot is back.
        """
        lease, conn = self.checkout(budget)
        why = unharmed = "forced" if self.is_forced else ""
        try:
            while True:
                # What `sign` raises is not the connection's fault, and comes out as it is.
                request = wire.sealed(head, body, budget)
                why = "error"
                try:
                    answer = wire.exchange(
                        conn, request, budget, bodiless=method == "HEAD", kind=kind
                    )
                except (OSError, AnswerFaultError) as error:
                    if not self._is_dead_reuse(method, error, budget):
                        self._note_silence(conn, error, budget)
                        raise budget.fault(error, self.host_name) from error
                else:
                    why = unharmed if answer.keep_alive else unharmed or "answer"
                    return answer
                conn = self._replace(lease, conn, budget)
                why = unharmed
        finally:
            conn.last_lease = lease
            self.checkin(lease, conn, why)

    def _replace(self, lease: Lease, dead: PooledConnection, budget: Budget) -> PooledConnection:
        """A fresh connection in the slot of one found dead: who came first queues only once."""
        log.debug("kept connection to %s was dead: trying a fresh one", self.host_name)
        dead.close()
        self._slots.condemn(lease.host, dead.idle_since)
        budget.written = budget.reused = False
        conn = self.open(lease, budget)
        self._slots.count_closed(lease.host, "error")
        return conn

    def _is_dead_reuse(self, method: str, error: BaseException, budget: Budget) -> bool:
        if not budget.reused or budget.answered or isinstance(error, TimeoutError):
            return False
        return not budget.written or method in _REPEATABLE

    def _note_silence(self, conn: PooledConnection, error: BaseException, budget: Budget) -> None:
        """A NAT that has forgotten a kept connection has forgotten those that idled as long; or the
        host has moved, and the old one is gone."""
        if budget.reused and not budget.answered and isinstance(error, TimeoutError):
            self._slots.condemn(self.slot_host, conn.idle_since)
            conn.doubt_name()

    # --- connections ----------------------------------------------------------------------

    def checkout(self, budget: Budget) -> tuple[Lease, PooledConnection]:
        """A connected connection and its slot, in turn, within the deadline."""
        budget.phase = "pool"
        lease, conn = self._slots.acquire(self, budget.deadline)
        try:
            if conn is not None and (why := conn.unfit(self.now())):
                conn = self._next_fit(lease, conn, why)
            if conn is None:
                conn = self.open(lease, budget)
            else:
                budget.reused = True
                if conn.needs_budget:
                    conn.lend(budget)
        except BaseException:
            if conn is not None:
                conn.close()
            self._slots.release(lease, None, "")
            raise
        return lease, conn

    def _next_fit(self, lease: Lease, conn: PooledConnection, why: str) -> PooledConnection | None:
        """The newest idle connection after an unfit one; closes those that are unfit, too."""
        while why:
            conn.close()
            self._slots.count_closed(lease.host, why)
            if why in ("server", "unread", "idle"):
                # Newest first: what is left has been idle for longer than this one.
                self._slots.condemn(lease.host, conn.idle_since)
            following = self._slots.next_idle(lease)
            if following is None:
                self._slots.count_reuse_undone(lease.host)
                return None
            conn, why = following, following.unfit(self.now())
        return conn

    def open(self, lease: Lease, budget: Budget) -> PooledConnection:
        """A new connection in this slot, handshake done.

        Raises:
            BybitError: one of ours; the slot stays the caller's.
        """
        started = self.now()
        conn = self._new_conn()
        assert isinstance(conn, PooledConnection)
        conn.host_name = self.host_name
        conn.lend(budget)
        try:
            self._connect(conn)
            conn.note_opened()
        except BaseException as error:
            conn.close()
            if conn.has_connected:
                self._slots.count_stillborn(lease.host, seconds=self.now() - started)
            if isinstance(error, OSError | Urllib3Error | http.client.HTTPException | ValueError):
                if not isinstance(error, NoTurnError):  # which says nothing about the host
                    self._dialer.pace.note_failure(self.host_name)
                raise budget.fault(_root(error), self.host_name) from error
            raise
        conn.lend(budget)
        budget.end_connecting()
        self._slots.count_created(
            lease.host, tls=self.scheme == "https", seconds=self.now() - started
        )
        return conn

    def _connect(self, conn: Any) -> None:
        if self.proxy is not None and not self.is_forwarding:
            self._prepare_proxy(conn)
        else:
            conn.connect()
        self._validate_conn(conn)

    def checkin(self, lease: Lease, conn: PooledConnection, why: str = "") -> None:
        """Give connection and slot back; `why` says for what reason it must be closed."""
        if conn.budget is not None:
            conn.lend(None)
        conn.lease = None
        if conn.has_new_session and why != "error" and conn.sock is not None:
            conn.keep_session()
        if why:
            conn.close()
            self._slots.release(lease, None, why)
        else:
            self._slots.release(lease, conn)

    # --- urllib3's own face ---------------------------------------------------------------

    def urlopen(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *args: Any,
        timeout: Any = None,
        chunked: bool = False,
        decode_content: bool = True,
        preload_content: bool = True,
        **kwargs: Any,
    ) -> urllib3.BaseHTTPResponse:
        """What ``HTTPAdapter.send`` calls; one attempt, no redirects.

        The whole answer is read here, in one go, unless it is to be streamed.
        """
        budget = timeout if isinstance(timeout, Budget) else self._default_budget()
        fields = as_dict(self.headers if headers is None else headers)
        if self.is_forwarding:
            fields.update(self.proxy_headers)
        if self.is_forced and not _names(fields, "connection"):
            fields["Connection"] = "close"
        if isinstance(body, str):
            body = body.encode("utf-8")
        # Also where http.client writes the headers itself: it lets more through.
        head = wire.request_head(method, url, self.host_header, fields)
        if budget.stream or chunked or not (body is None or isinstance(body, bytes)):
            return self._stream(method, url, body, fields, budget, chunked=chunked)
        answer = self.exchange(method, head, body or b"", budget, FullRawAnswer)
        assert isinstance(answer, FullRawAnswer)  # as was asked for
        response = as_response(answer, method, url)
        if preload_content:
            response.read(decode_content=decode_content, cache_content=True)
        return response

    def _default_budget(self) -> Budget:
        config = self._dialer.config
        return Budget(
            Deadline.after(config.total_timeout, self._dialer.clock),
            connect=config.connect_timeout,
            read=config.sock_read_timeout,
        )

    def _stream(
        self,
        method: str,
        url: str,
        body: Any,
        fields: dict[str, Any],
        budget: Budget,
        *,
        chunked: bool,
    ) -> urllib3.BaseHTTPResponse:
        """The answer as urllib3 reads it, piece by piece; its connection comes back when the
        body is read, closed, or dropped."""
        lease, conn = self.checkout(budget)
        try:
            conn.last_lease = None  # a response that is dropped is told by its lease's end
            conn.lend(budget)  # http.client does the waiting
            request = (method, url, body, fields)
            response = self._head_over(conn, request, budget, chunked=chunked)
            if response is None:
                conn = self._replace(lease, conn, budget)
                response = self._head_over(conn, request, budget, chunked=chunked)
            assert response is not None  # only kept connections are called dead
        except BaseException:
            self.checkin(lease, conn, "error")
            raise
        conn.lease = lease
        if response.length_remaining == 0:  # HEAD, 204: nothing to read, so nothing gives it back
            response.release_conn()
        else:
            self._dialer.leaks.add(lease, method, url)
        return response

    def _head_over(
        self,
        conn: PooledConnection,
        request: tuple[str, str, Any, dict[str, Any]],
        budget: Budget,
        *,
        chunked: bool,
    ) -> urllib3.BaseHTTPResponse | None:
        """The answer with its body still to be read, or None as in `_over`."""
        method, url, body, fields = request
        budget.start_writing()
        try:
            response = self._make_request(
                conn,  # type: ignore[arg-type]
                method,
                url,
                body=body,
                headers=fields,
                timeout=budget,
                chunked=chunked,
                retries=urllib3.Retry(0, read=False),
                response_conn=conn,  # type: ignore[arg-type]
                preload_content=False,
                decode_content=False,
            )
        except (OSError, Urllib3Error, http.client.HTTPException) as error:
            root = _root(error)
            can_be_sent_again = isinstance(body, bytes | None) and isinstance(root, OSError)
            if can_be_sent_again and self._is_dead_reuse(method, root, budget):
                return None
            self._note_silence(conn, root, budget)
            budget.phase = "read"
            raise budget.fault(root, self.host_name) from error
        budget.phase, budget.answered = "read", True
        return response

    def _put_conn(self, conn: Any) -> None:
        """urllib3 gives a streamed response's connection back."""
        lease = conn.lease if conn is not None else None
        if lease is None:
            return
        why = "forced" if self.is_forced else ""
        if conn.sock is None:
            why = "answer"
        elif not why and conn.unquiet():
            why = "unread"
        self.checkin(lease, conn, why)

    def close(self) -> None:
        """Close what is idle; what calls still hold is closed when they return it."""
        self.is_closed = True
        self._slots.forget_pool(self)


class SlotPoolTls(SlotPool, urllib3.HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = PooledHTTPSConnection  # type: ignore[assignment]


def _root(error: BaseException) -> BaseException:
    """The fault under urllib3's wrapping, as far as it is one of the system's."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or (seen.args[0] if len(seen.args) == 1 else None)
        if len(seen.args) == 2 and isinstance(seen.args[1], BaseException):
            inner = seen.args[1]
        if not isinstance(inner, BaseException):
            return seen
        seen = inner


def _host_header(host: str, port: int | None, scheme: str) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    default = 443 if scheme == "https" else 80
    return name if port in (None, default) else f"{name}:{port}"


def _names(fields: dict[str, Any], wanted: str) -> bool:
    return any(str(name).lower() == wanted for name in fields)


def pool_classes(slots: Slots, dialer: Dialer) -> dict[str, Any]:
    """What ``PoolManager.pool_classes_by_scheme`` takes, with our slots bound in.

    The slots come as classes and not as pool arguments, because urllib3 makes every argument a
    part of the key under which it finds a pool.
    """
    weak = weakref.ref(slots)

    def bound(cls: type[SlotPool]) -> Any:
        def make(*args: Any, **kwargs: Any) -> SlotPool:
            living = weak()
            if living is None:
                raise ClientClosedError("the connection pool is gone")
            return cls(*args, slots=living, dialer=dialer, **kwargs)

        return make

    return {"http": bound(SlotPool), "https": bound(SlotPoolTls)}
