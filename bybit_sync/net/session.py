"""The client's one `requests.Session`, and the way of its calls through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy

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
from .pool import SlotPool

_STOCK_SEND = HTTPAdapter.send
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
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter)
        if proxy:
            self.session.proxies = {"http": proxy, "https": proxy}
        self._proxy = proxy
        self._max_answer_bytes = max_answer_bytes
        self._pools: dict[str, SlotPool] = {}

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
        config = self.adapter.pool_config
        budget = Budget(
            deadline,
            connect=config.connect_timeout,
            read=config.sock_read_timeout,
            sign=sign,
            max_bytes=self._max_answer_bytes,
        )
        if self._is_replaced(base):
            return self._send_through_requests(base, method, target, headers, body, budget)
        return self._send_short(base, method, target, headers, body, budget)

    def _send_short(
        self,
        base: str,
        method: str,
        target: str,
        headers: HeaderBlock,
        body: bytes,
        budget: Budget,
    ) -> Answer:
        pool = self._pool(base)
        if pool.is_forwarding:
            target = base + target
            headers = HeaderBlock({**headers, **pool.proxy_headers})
        lines = [wire.request_line(method, target, pool.host_header), headers.raw]
        if self.adapter.pool_config.force_close:
            lines.append(b"Connection: close\r\n")
        if body or method == "POST":
            lines.append(b"Content-Length: %d\r\n" % len(body))
        raw = pool.exchange(method, b"".join(lines), body, budget)
        elapsed = budget.on_the_wire()
        try:
            content = wire.decompress(raw, self._max_answer_bytes)
        except AnswerFaultError as error:
            raise budget.fault(error, pool.host_name) from error
        return Answer(raw.status, Headers(raw.headers), content, elapsed)

    def _pool(self, base: str) -> SlotPool:
        pool = self._pools.get(base)
        if pool is None or pool.is_closed:
            pool = self._pools[base] = self.adapter.pool_for(base, self._proxy)
        return pool

    def warm_up(self, base: str, n: int) -> int:
        """Have `n` connections to a host open, at most the caps; returns how many are."""
        return self.adapter.warm_up_pool(self._pool(base), n)

    def close(self) -> None:
        """Close the session and every connection; twice is fine."""
        self.session.close()

    # --- through whatever was put in our place --------------------------------------------

    def _is_replaced(self, base: str) -> bool:
        scheme = "https://" if base.startswith("https://") else "http://"
        return (
            HTTPAdapter.send is not _STOCK_SEND
            or requests.Session.get_adapter is not _STOCK_GET_ADAPTER
            or "get_adapter" in self.session.__dict__
            or len(self.session.adapters) != 2
            or self.session.adapters[scheme] is not self.adapter
        )

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
        fields = {**headers, **(budget.sign() if budget.sign else {})}
        request.headers = requests.structures.CaseInsensitiveDict(fields)
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
                verify=True,
                cert=None,
                proxies=self.session.proxies,
            )
            content = response.content or b""
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' errors are OSErrors
            raise as_our_error(error, base) from error
        return Answer(
            response.status_code, Headers.of(response.headers), content, budget.deadline.elapsed()
        )


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
