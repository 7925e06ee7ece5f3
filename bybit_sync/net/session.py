"""The client's one `requests.Session`, and the way of its calls through it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from bybit_sync.clock import Deadline
from bybit_sync.exceptions import (
    BadAnswerError,
    ConnectError,
    ConnectionLostError,
    FailedRequestError,
    PoolTimeoutError,
    ReadTimeoutError,
    TlsError,
)

from . import wire
from .adapter import PooledAdapter
from .answer import Answer, HeaderBlock, Headers
from .budget import AnswerFaultError, Budget
from .lean_session import LeanSession
from .pinger import Pinger
from .pool import SlotPool
from .raw_answer import decompress
from .whole_answer import WholeAnswer

_STOCK_SEND = HTTPAdapter.send
_MOST_HEADS, _LONG_TARGET = 256, 200  # request heads that a pool remembers, and how long they are
_STOCK_GET_ADAPTER = requests.Session.get_adapter


class PooledSession:
    """Carries calls to their hosts over one session and its pool.

    ``session`` is an ordinary `requests.Session` on the same pool, for what else a user wants to
    fetch. It keeps no cookies and reads neither proxies nor netrc from the environment. Calls
    take the short way past it, to the pool itself, except where ``HTTPAdapter.send`` or the
    session's adapter was replaced, by a mock or by the user: then they go through that.
    """

    def __init__(
        self, adapter: PooledAdapter, *, proxy: str = "", max_answer_bytes: int | None = None
    ) -> None:
        self.adapter = adapter
        self.session: requests.Session = LeanSession()
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter)
        self._mounted = dict(self.session.adapters)
        self._connect_timeout = adapter.pool_config.connect_timeout
        self._read_timeout = adapter.pool_config.sock_read_timeout
        if proxy:
            self.session.proxies = {"http": proxy, "https": proxy}
        self._proxy = proxy
        self._verify: bool | str = True
        self._cert: Any = None
        self._max_answer_bytes = max_answer_bytes
        self._pools: dict[str, SlotPool] = {}
        self._pinger: Pinger | None = None

    def send(
        self,
        base: str,
        method: str,
        target: str,
        *,
        headers: HeaderBlock,
        body: bytes,
        deadline: Deadline,
        sign: Callable[[], Mapping[str, str]] | None = None,
    ) -> Answer:
        """Send one request and read its answer; no redirect is followed, nothing is repeated
        that could act twice.

        `sign` is asked for further headers once a connection is in hand.

        Raises:
            TransportError: with ``phase``, and ``effect_unknown`` as bytes were written or not.
            BadAnswerError: the answer is no HTTP, was cut, or is too large.
            ClientClosedError: after `close`.
        """
        budget = Budget(
            deadline,
            connect=self._connect_timeout,
            read=self._read_timeout,
            sign=sign,
            max_bytes=self._max_answer_bytes,
        )
        session = self.session
        if (
            HTTPAdapter.send is not _STOCK_SEND
            or requests.Session.get_adapter is not _STOCK_GET_ADAPTER
            or "get_adapter" in session.__dict__
            or session.adapters != self._mounted
        ):
            return self._send_through_requests(base, method, target, headers, body, budget)
        pool = self._pools.get(base)
        if pool is None or pool.is_closed:
            pool = self._pool(base)
        head = pool.heads.get((method, target, headers.raw))
        if head is None:
            head = self._head(pool, base, method, target, headers)
        if body or method == "POST":
            head = b"%bContent-Length: %d\r\n" % (head, len(body))
        raw = pool.exchange(method, head, body, budget)
        elapsed = budget.on_the_wire()
        if isinstance(raw, WholeAnswer):
            raw.elapsed = elapsed
            return raw
        content = raw.body
        if b"content-encoding" in raw.by_name:
            try:
                content = decompress(raw, self._max_answer_bytes)
            except AnswerFaultError as error:
                raise budget.fault(error, pool.host_name) from error
        return Answer(raw.status, raw.headers, content, elapsed)

    def _head(
        self, pool: SlotPool, base: str, method: str, target: str, headers: HeaderBlock
    ) -> bytes:
        """Request line and headers, but for the body's length and those that are signed last;
        remembered for the next such request."""
        if pool.is_forwarding:
            head = wire.request_line(method, base + target, pool.host_header)
            head += HeaderBlock({**headers, **pool.proxy_headers}).raw
        else:
            head = wire.request_line(method, target, pool.host_header) + headers.raw
        if pool.is_forced:
            head += b"Connection: close\r\n"
        if len(pool.heads) < _MOST_HEADS and len(target) < _LONG_TARGET:
            pool.heads[method, target, headers.raw] = head
        return head

    def _pool(self, base: str) -> SlotPool:
        pool = self._pools.get(base)
        if pool is None or pool.is_closed:
            pool = self._pools[base] = self.adapter.pool_for(
                base, self._proxy, verify=self._verify, cert=self._cert
            )
        return pool

    def reach(self, base: str, *, proxy: str, verify: bool | str, cert: Any) -> None:
        """From now on go through `proxy`, trust the CA file `verify` (or True) and show `cert`.

        Raises:
            ConfigError: what `adapter.pool_for` refuses.
            OSError: a file cannot be read; nothing has changed.
        """
        pool = self.adapter.pool_for(base, proxy, verify=verify, cert=cert)
        self._proxy, self._verify, self._cert = proxy, verify, cert
        self._pools = {base: pool}

    def prepare(self, base: str) -> None:
        """Do now what the first call to a host would spend its time on, as far as no network is
        needed for it.

        Raises:
            ConfigError: a file of ``[tls]`` cannot be used.
        """
        if base.startswith("https:"):
            self.adapter.load_trust()

    def keep_warm(self, base: str, target: str, headers: HeaderBlock) -> None:
        """From now on ask for `target` over each connection to a host that has been idle for
        ``ping_interval`` seconds."""
        pool = self._pool(base)
        head = self._head(pool, base, "GET", target, headers)
        self._pinger = self.adapter.pinger(pool, head)

    def warm_up(self, base: str, n: int) -> int:
        """Have `n` connections to a host open, at most the caps; returns how many are."""
        return self.adapter.warm_up_pool(self._pool(base), n)

    def close(self) -> None:
        """Close the session and every connection; twice is fine."""
        if self._pinger is not None:
            self._pinger.close()
        self.session.close()

    # --- through whatever was put in our place --------------------------------------------

    def _send_through_requests(
        self,
        base: str,
        method: str,
        target: str,
        headers: HeaderBlock,
        body: bytes,
        budget: Budget,
    ) -> Answer:
        request = requests.PreparedRequest()
        request.method = method
        request.url = base + target
        request.headers = _Unshown({**headers, **(budget.sign() if budget.sign else {})})
        request.body = body or None
        if body or method == "POST":
            request.headers["Content-Length"] = str(len(body))
        request.hooks = {"response": []}
        budget.sign = None  # it has signed already; what stands in our place may not ask
        try:
            adapter = self.session.get_adapter(request.url)
            response = adapter.send(
                request,
                stream=False,
                timeout=budget,  # type: ignore[arg-type]  # a urllib3.Timeout, handed on as it is
                verify=self._verify,
                cert=self._cert,
                proxies=self.session.proxies,
            )
            content = response.content or b""
        except Exception as error:
            _forget_headers(error)
            if isinstance(error, OSError | urllib3.exceptions.HTTPError):  # requests' are OSErrors
                raise as_our_error(error, base) from error
            raise
        return Answer(
            response.status_code, Headers.of(response.headers), content, budget.deadline.elapsed()
        )


class _Unshown(requests.structures.CaseInsensitiveDict[str | bytes]):
    """Headers with a signature: whoever asks for one is given it, a traceback shows none."""

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"

    __str__ = __repr__

    def copy(self) -> _Unshown:
        return _Unshown(self.items())


def _forget_headers(error: BaseException | None) -> None:
    """Let what led to an error show no headers, to trackers that look into requests and frames."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        for holder in (error, getattr(error, "response", None)):
            request = getattr(holder, "request", None)
            if isinstance(request, requests.PreparedRequest):
                # A copy: a mock that has recorded the request may still be asked what it saw.
                holder.request = request.copy()  # type: ignore[union-attr]
                holder.request.headers = requests.structures.CaseInsensitiveDict()  # type: ignore[union-attr]
        error = error.__cause__ or error.__context__


def as_our_error(error: BaseException, host: str) -> FailedRequestError:
    """Our class for an exception that requests or a mock raised.

    Whether bytes were written cannot be seen from out here: only where the class itself says
    that no connection was made is it taken that nothing was sent.
    """
    errors = requests.exceptions
    text = f"{host}: {error}"
    if isinstance(error, errors.SSLError):
        return TlsError(text, phase="tls", effect_unknown=False)
    if isinstance(error, errors.ConnectTimeout | errors.ProxyError):
        return ConnectError(text, phase="connect", effect_unknown=False)
    if isinstance(error, urllib3.exceptions.EmptyPoolError):
        return PoolTimeoutError(text, phase="pool", effect_unknown=False)
    if isinstance(error, errors.Timeout | TimeoutError | urllib3.exceptions.TimeoutError):
        return ReadTimeoutError(text, phase="read", effect_unknown=True)
    if isinstance(error, errors.ChunkedEncodingError | errors.ContentDecodingError):
        return BadAnswerError(text, effect_unknown=True)
    return ConnectionLostError(text, phase="read", effect_unknown=True)
