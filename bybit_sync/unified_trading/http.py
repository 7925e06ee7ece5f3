"""`HTTP`: pybit's constructor and attributes."""

from __future__ import annotations

import logging
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import requests

from bybit_sync.call.unknown import nearest
from bybit_sync.config import Config, Secret
from bybit_sync.exceptions import ConfigError

from .face import Given, checked_url
from .logs import show_at
from .methods import Methods
from .options import Options, Timeout

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def _option(name: str, meaning: str, *, is_fixed: bool = False) -> Any:
    """One of the constructor's options as an attribute; most may be assigned later, too."""

    def get(self: HTTP) -> Any:
        return getattr(self._options, name)

    def put(self: HTTP, value: Any) -> None:
        setattr(self._options, name, value)

    return property(get, None if is_fixed else put, doc=meaning)


class HTTP(Methods):
    """pybit's `HTTP` over a `BybitClient`: change the import, and the rest stays.

    ::

        from bybit_sync.unified_trading import HTTP

        session = HTTP(testnet=True, api_key="...", api_secret="...")
        session.get_orderbook(category="linear", symbol="BTCUSDT")["result"]

    One may be shared by any number of threads. It is a context manager; without one, its
    connections end with it. docs/from-pybit.md lists what differs from pybit.

    Args:
        testnet, demo, domain, tld: which host; ``.endpoint`` may be assigned, too.
        rsa_authentication: `api_secret` is an RSA private key in PEM form (extra ``rsa``).
        api_key, api_secret: else ``BYBIT_API_KEY`` and ``BYBIT_API_SECRET``, else the config's.
        logging_level, log_requests: what ``.logger`` shows where nobody has set up logging, and
            whether each request is logged at DEBUG; never a key or a signature.
        timeout: seconds to connect and between two reads, or a pair; None takes the config's. A
            call ends within the config's ``total_timeout`` in any case.
        recv_window: milliseconds for which Bybit accepts a signature.
        max_retries, retry_delay, retry_codes: attempts in all, seconds between them, and the
            retCodes that are worth another one.
        force_retry: repeat after a lost connection or an unreadable answer, too, where a second
            attempt cannot place a second order.
        ignore_codes: retCodes that are returned, not raised.
        referral_id: goes as the header ``Referer``.
        record_request_time, return_response_headers: return ``(answer, elapsed)`` or
            ``(answer, elapsed, headers)``; elapsed is a `timedelta`.
        config, registry: ours; as for `BybitClient`. The options above win over the config.

    Raises:
        ConfigError: an option has a value that is not allowed.
        TypeError: there is no such option; the message names the nearest one.
    """

    def __init__(
        self,
        *,
        testnet: bool = False,
        domain: str = "bybit",
        tld: str = "com",
        demo: bool = False,
        rsa_authentication: bool = False,
        api_key: str | Secret | None = None,
        api_secret: str | Secret | None = None,
        logging_level: int | str = logging.INFO,
        log_requests: bool = False,
        timeout: Timeout = 10,
        recv_window: int = 5000,
        force_retry: bool = False,
        retry_codes: Container[int] = (),
        ignore_codes: Container[int] = (),
        max_retries: int = 3,
        retry_delay: float = 3,
        referral_id: str | None = None,
        record_request_time: bool = False,
        return_response_headers: bool = False,
        config: Config | None = None,
        registry: CollectorRegistry | None = None,
        **unknown: Any,
    ) -> None:
        keys = Secret(api_key or ""), Secret(api_secret or "")
        del api_key, api_secret  # a traceback shows locals
        if unknown:
            raise _unknown_option(next(iter(unknown)))
        _check_kind(keys[1], is_rsa=bool(rsa_authentication))
        options = Options(
            testnet=testnet,
            domain=domain,
            tld=tld,
            demo=demo,
            rsa_authentication=rsa_authentication,
            logging_level=logging_level,
            log_requests=log_requests,
            timeout=timeout,
            recv_window=recv_window,
            force_retry=force_retry,
            retry_codes=retry_codes,
            ignore_codes=ignore_codes,
            max_retries=max_retries,
            retry_delay=retry_delay,
            referral_id=referral_id,
            record_request_time=record_request_time,
            return_response_headers=return_response_headers,
        )
        super().__init__(options, *keys, config=config, registry=registry)
        show_at(self.logger, options.logging_level)

    testnet = _option("testnet", "Whether the host is the test net's.", is_fixed=True)
    demo = _option("demo", "Whether the host is that of demo accounts.", is_fixed=True)
    domain = _option("domain", "The host's name without subdomain and ending.", is_fixed=True)
    tld = _option("tld", "The ending of the host's name.", is_fixed=True)
    rsa_authentication = _option("rsa_authentication", "As it was given.", is_fixed=True)
    referral_id = _option("referral_id", "What goes as ``Referer``.", is_fixed=True)
    logging_level = _option("logging_level", "As it was given.", is_fixed=True)
    log_requests = _option("log_requests", "Log each request at DEBUG.")
    recv_window = _option("recv_window", "Milliseconds for which Bybit accepts a signature.")
    force_retry = _option("force_retry", "Repeat after lost connections and unreadable answers.")
    retry_codes = _option("retry_codes", "The retCodes that are worth another attempt.")
    ignore_codes = _option("ignore_codes", "The retCodes that are returned, not raised.")
    max_retries = _option("max_retries", "Attempts in all.")
    retry_delay = _option("retry_delay", "Seconds between two attempts.")
    record_request_time = _option("record_request_time", "Return ``(answer, elapsed)``.")
    return_response_headers = _option(
        "return_response_headers", "Return ``(answer, elapsed, headers)``."
    )

    @property
    def timeout(self) -> Timeout:
        """Seconds to connect and between two reads; a pair where they differ."""
        connect, read = self._options.timeout
        return connect if connect == read else (connect, read)

    @timeout.setter
    def timeout(self, value: Timeout) -> None:
        self._options.timeout = value  # type: ignore[assignment]  # it is made a pair
        self._be_patient()

    @property
    def endpoint(self) -> str:
        """The URL of the host. Assign another one, and later calls go there.

        Raises:
            ConfigError: it is not https (http: this machine only), or more than a host.
        """
        return self.bybit.base_url

    @endpoint.setter
    def endpoint(self, url: str) -> None:
        self._go_to(checked_url(url))

    @property
    def client(self) -> requests.Session:
        """The `requests.Session`; calls go by its headers, proxies, verify and cert."""
        return self.bybit.session

    def request_demo_trading_funds(self, given: Given = None, /, **kwargs: Any) -> Any:
        """Play money for a demo account; see `Methods.request_demo_trading_funds`.

        Raises:
            ConfigError: the session was made without ``demo=True``.
        """
        if not self._options.demo:
            raise ConfigError("request_demo_trading_funds: it needs a session with demo=True")
        return super().request_demo_trading_funds(given, **kwargs)

    def close(self) -> None:
        """Close every connection; twice is fine. Later calls get `ClientClosedError`."""
        self.bybit.close()

    def __enter__(self) -> HTTP:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        keys = "with keys" if self.bybit.has_credentials else "without keys"
        return f"<HTTP {self.endpoint}, {keys}>"


_UNCHECKED = frozenset(("disable_ssl_checks", "verify", "verify_ssl", "ssl_verify"))


def _unknown_option(name: str) -> Exception:
    if name in _UNCHECKED:
        return ConfigError(
            f"HTTP: {name}: there is no switch that turns the check of certificates off; trust "
            "another CA with config=Config(tls=TlsConfig(ca_file=...))"
        )
    if name == "endpoint":
        return TypeError("HTTP() takes no 'endpoint': assign session.endpoint once it is made")
    known = list(HTTP.__init__.__kwdefaults__ or {})
    return TypeError(f"HTTP() takes no {name!r}; nearest: {nearest(name, known)!r}")


def _check_kind(api_secret: Secret, *, is_rsa: bool) -> None:
    text = api_secret.reveal()
    if is_rsa and text and not str(text).lstrip().startswith("-----BEGIN"):
        raise ConfigError(
            "HTTP: rsa_authentication: api_secret (not shown) is no private key in PEM form"
        )
