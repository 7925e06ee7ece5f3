"""The one way through, and the page to read first.

    method(args) -> encode -> [ rate limit -> sign -> send -> parse ] -> Reply
                              `------ one attempt, repeated by retry ------'

`Pipeline.call` and `Call.attempt` are that line, in that order. One deadline per call is asked by
every wait in it. Signing is inside the attempt and after every wait: the transport asks for the
signature once a connection is in hand, for the timestamp is part of it and grows stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bybit_sync.clock import SYSTEM_CLOCK, Clock, Deadline
from bybit_sync.config import Config
from bybit_sync.exceptions import (
    ApiError,
    BadAnswerError,
    BybitError,
    ClientClosedError,
    FailedRequestError,
    IpBannedError,
    MissingCredentialsError,
    RateLimitedError,
    RequestInfo,
    TransportError,
)
from bybit_sync.net.answer import Answer, HeaderBlock

from .any_path import any_endpoint
from .client_ids import with_client_ids
from .encode import encode, shown_params
from .exchange_time import SERVER_TIME, ExchangeTime
from .grant import Grant
from .hooks import Hooks, outcome_of
from .parse import Parser
from .rate_limit import RateLimiter
from .records import DEFAULT_OPTIONS, CallOptions, Endpoint, Params, Request
from .reply import Reply
from .retry import Retry, reason_of
from .shared_limits import LimitScope
from .sign import Signer
from .transport import Transport

_JSON = "application/json"
_NO_HEADERS: Mapping[str, str] = {}


class Pipeline:
    """Makes calls to one host: safe for any number of threads.

    `call` is what the endpoint groups hold; `request` takes any path.
    """

    def __init__(
        self,
        transport: Transport,
        config: Config,
        *,
        base_url: str,
        signer: Signer | None = None,
        clock: Clock = SYSTEM_CLOCK,
        hooks: Hooks | None = None,
        headers: Mapping[str, str] | None = None,
        scope: LimitScope | None = None,
    ) -> None:
        self.hooks = hooks or Hooks()
        self.clock = clock
        self.time = ExchangeTime(config.clock.mode, config.clock.interval, clock)
        self.measures_time = config.clock.mode == "active"
        self.limiter = RateLimiter(
            clock,
            mode=config.rate_limit.mode,
            ip_limit=config.rate_limit.ip_limit,
            ip_window=config.rate_limit.ip_window,
            endpoint_limits=config.rate_limit.endpoint_limits,
            scope=scope,
        )
        self.retry = Retry(
            clock,
            attempts=config.retry.attempts,
            base_delay=config.retry.base_delay,
            max_delay=config.retry.max_delay,
            budget=config.retry.budget,
        )
        self.transport = transport
        self.base_url = base_url
        self._signer = signer
        hidden = () if signer is None else (signer.api_key,)
        self.parser = Parser(clock, hidden, base_url.partition("://")[2])
        self._timeout = config.connection_pool.total_timeout
        self.recv_window_ms = config.client.recv_window_ms
        self._is_closed = False
        self._fixed_headers = {
            "Accept": _JSON,
            "Accept-Encoding": "gzip, deflate" if config.client.compression else "identity",
            "User-Agent": "bybit-sync",
            **(headers or {}),
        }
        self._get_headers = HeaderBlock(self._fixed_headers)
        self._post_headers = HeaderBlock({**self._fixed_headers, "Content-Type": _JSON})
        self.hooks.read_clock_from(self.time.known_offset)

    def call(
        self,
        endpoint: Endpoint,
        params: Params,
        options: CallOptions | None = None,
        extra: Params | None = None,
    ) -> Reply[Any]:
        """Call an endpoint and return its answer, envelope and all.

        Raises:
            ConfigError: a parameter is not allowed, or keys are missing; nothing was sent.
            BybitError: any other error of this package, with ``request`` set.
        """
        signer = self._signer
        if self._is_closed or signer is None or endpoint.auth == "none":
            signer = self._signer_for(endpoint, None)
        if endpoint.idempotency is not None:
            params = with_client_ids(endpoint, params, extra)
        request = encode(endpoint, params, extra)
        return self._run(endpoint, request, signer, options or DEFAULT_OPTIONS)

    def request(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        *,
        endpoint: Endpoint | None = None,
        auth: bool | None = None,
        options: CallOptions | None = None,
    ) -> Reply[Any]:
        """Call any path. `endpoint` is its row, where the table has one.

        A row tells how values are written and which limit applies, but refuses nothing: what the
        table does not know may still be right. `auth` says whether to sign; None does as the row
        says, and without a row signs if there are keys.

        Raises:
            ConfigError, BybitError: as `call`.
        """
        if endpoint is None:
            endpoint = any_endpoint(method, path)
        signer = self._signer_for(endpoint, auth)
        given = params
        if isinstance(params, Mapping):  # encode refuses anything else
            given = with_client_ids(endpoint, params, None)
        request = encode(endpoint, {}, given, strict=False)
        return self._run(endpoint, request, signer, options or DEFAULT_OPTIONS)

    def send(
        self,
        endpoint: Endpoint,
        request: Request,
        *,
        auth: bool | None = None,
        options: CallOptions | None = None,
    ) -> Reply[Any]:
        """Make a call that is encoded already; `auth` as for `request`.

        Raises:
            ConfigError, BybitError: as `call`.
        """
        signer = self._signer_for(endpoint, auth)
        return self._run(endpoint, request, signer, options or DEFAULT_OPTIONS)

    @property
    def account_tag(self) -> str:
        """Tells one exchange and key from another without telling the key; empty without keys."""
        if self._signer is None:
            return ""
        whose = f"{self.base_url} {self._signer.api_key}".encode()
        return hashlib.sha256(whose).hexdigest()[:16]

    def measure_clock(self, timeout: float | None = None) -> float:
        """Ask Bybit for its time now; returns the offset to this machine's clock, in seconds."""
        deadline = Deadline.after(timeout or self._timeout, self.clock)
        self.time.correct(self.time.generation, lambda: self.ask_time(deadline), deadline)
        return self.time.offset_seconds

    @contextmanager
    def over(self, transport: Transport) -> Iterator[None]:
        """Meanwhile, let every call go over another transport."""
        own, self.transport = self.transport, transport
        try:
            yield
        finally:
            self.transport = own

    def close(self) -> None:
        """Refuse every further call; twice is fine. Calls under way end by themselves."""
        self._is_closed = True

    # --- the way through ------------------------------------------------------------------

    def _signer_for(self, endpoint: Endpoint, auth: bool | None) -> Signer | None:
        """Who signs this call, if anybody does."""
        if self._is_closed:
            raise ClientClosedError(f"{endpoint.key}: the client is closed")
        if self._signer is not None:
            signs = endpoint.auth != "none" if auth is None else auth
            return self._signer if signs else None
        if auth or (auth is None and endpoint.auth == "required"):
            raise MissingCredentialsError(
                f"{endpoint.key} is a private call: it needs api_key and api_secret, as arguments, "
                "as BYBIT_API_KEY and BYBIT_API_SECRET, or in the config file",
                request=RequestInfo(endpoint.method, endpoint.path, {}),
            )
        return None

    def _run(
        self, endpoint: Endpoint, request: Request, signer: Signer | None, options: CallOptions
    ) -> Reply[Any]:
        deadline = Deadline.after(options.timeout or self._timeout, self.clock)
        call = Call(self, endpoint, request, signer, deadline, options)
        outcome = "ok"
        try:
            return self.retry.run(call)
        except BybitError as error:
            outcome = outcome_of(error)
            if error.request is None:
                shown = dict(shown_params(request.params))
                error.request = RequestInfo(request.method, request.path, shown)
            raise
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            seconds = deadline.elapsed() - call.waited
            self.hooks.done(endpoint, outcome, seconds, call.waited, call.untold)

    def ask_time(self, deadline: Deadline) -> tuple[int, float, float]:
        """Bybit's time in ms, the round trip that told it, and when that ended."""
        request = Request(SERVER_TIME.method, SERVER_TIME.path)
        call = Call(self, SERVER_TIME, request, None, deadline, DEFAULT_OPTIONS)
        try:
            reply = call.attempt()
        finally:
            self.hooks.count_attempts(SERVER_TIME, call.untold)
        server_ms = reply.get("time")
        if type(server_ms) is not int:
            raise BadAnswerError(f"{SERVER_TIME.path} told no time", effect_unknown=False)
        return server_ms, reply.elapsed, call.received_at

    def headers_for(self, request: Request) -> HeaderBlock:
        if request.method == "GET":  # a GET with a body, or the promise of one, is a 403
            return self._get_headers
        if request.content_type == _JSON:
            return self._post_headers
        return HeaderBlock({**self._fixed_headers, "Content-Type": request.content_type})


class Call:
    """One call on its way through: what `Retry` repeats. It belongs to the thread that makes it."""

    __slots__ = (
        "_generation",
        "_grant",
        "_options",
        "_pipeline",
        "_request",
        "_signer",
        "attempts",
        "deadline",
        "endpoint",
        "received_at",
        "untold",
        "waited",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        endpoint: Endpoint,
        request: Request,
        signer: Signer | None,
        deadline: Deadline,
        options: CallOptions,
    ) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.attempts = options.attempts or pipeline.retry.attempts
        self.untold = 0
        """Requests that the hooks have not heard of yet."""
        self.waited = 0.0
        """Seconds spent waiting for the client's own rate limit."""
        self.received_at = 0.0
        """When the last answer had been read, on the monotonic clock."""
        self._pipeline = pipeline
        self._request = request
        self._signer = signer
        self._options = options
        self._generation = 0

    def attempt(self) -> Reply[Any]:
        """Limit, sign, send, parse: once."""
        pipeline = self._pipeline
        if pipeline.measures_time and self._signer is not None and pipeline.time.is_due():
            pipeline.time.refresh(self._measure, self.deadline)
        answer = self._send()
        left = pipeline.limiter.learn(self._grant, answer.headers, pipeline.time.seconds_until)
        if left is not None:
            pipeline.hooks.rate_limit(self.endpoint, left)
        pipeline.limiter.answered(self._grant, self.received_at, is_welcome=answer.status != 403)
        try:
            body = pipeline.parser.parse(self.endpoint, answer, self._options.take_list)
        except BybitError as error:
            self._learn_from(error, answer)
            # An answer may echo the key or hold a new one, and a traceback that shows locals
            # would show it: so this frame and those below forget it.
            del answer
            raise error.with_traceback(None)  # noqa: B904  (the same error, not a new one)
        pipeline.time.observe(body.get("time"), answer.elapsed, self.received_at)
        return Reply(
            body,
            headers=answer.headers,
            elapsed=answer.elapsed,
            endpoint=self.endpoint.key,
        )

    def _send(self) -> Answer:
        pipeline, request = self._pipeline, self._request
        grant: Grant = pipeline.limiter.acquire(self.endpoint, request.params, self.deadline)
        self._grant = grant
        try:
            if pipeline.hooks.observers:
                pipeline.hooks.attempt(self.endpoint)
            else:
                self.untold += 1
            return pipeline.transport.send(
                pipeline.base_url,
                request.method,
                request.target,
                headers=pipeline.headers_for(request),
                body=request.body,
                deadline=self.deadline,
                sign=self._sign,
            )
        except TransportError as error:
            if not error.effect_unknown:  # nothing was sent: others may have its turn
                grant.give_back()
            raise
        finally:
            self.received_at = pipeline.clock.monotonic()
            grant.end(self.received_at)
            self.waited += grant.waited

    def _sign(self) -> Mapping[str, str]:
        """The headers that only the last moment can make; the transport asks for them."""
        self._grant.depart()
        if self._signer is None:
            return _NO_HEADERS
        pipeline = self._pipeline
        time = pipeline.time
        self._generation = time.generation
        now_ms = time.now_ms()
        options = self._options
        if options.on_sign is not None:
            options.on_sign(now_ms)
        recv_window_ms = options.recv_window_ms or pipeline.recv_window_ms
        return self._signer.sign(self._request.payload, now_ms, recv_window_ms)

    # --- what an answer teaches -----------------------------------------------------------

    def _learn_from(self, error: BybitError, answer: Answer) -> None:
        pipeline = self._pipeline
        if isinstance(error, IpBannedError):
            pipeline.limiter.ban()
        elif isinstance(error, ApiError):
            pipeline.time.observe(error.body.get("time"), answer.elapsed, self.received_at)
        if isinstance(error, RateLimitedError) and error.reset_ms is not None:
            pipeline.limiter.hold(self._grant, pipeline.time.seconds_until(error.reset_ms))

    # --- what Retry asks ------------------------------------------------------------------

    def correct_clock(self) -> bool:
        """Measure Bybit's clock, unless that was done since this call was signed."""
        if self._signer is None:
            return False
        try:
            return self._pipeline.time.correct(self._generation, self._measure, self.deadline)
        except FailedRequestError:
            return False  # the caller hears of the refusal, which says more

    def seconds_until(self, exchange_ms: int) -> float:
        """Seconds until Bybit's clock shows `exchange_ms`; negative once it has passed."""
        return self._pipeline.time.seconds_until(exchange_ms)

    def tell_retry(self, error: BybitError, pause: float) -> None:
        """Another attempt follows after `pause` seconds, because of `error`."""
        self._pipeline.hooks.retry(self.endpoint, error, reason_of(error), pause)

    def _measure(self) -> tuple[int, float, float]:
        return self._pipeline.ask_time(self.deadline)
