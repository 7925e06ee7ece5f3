"""A local Bybit for tests and trials: real sockets, real TLS, its own process."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from .admin_client import AdminClient
from .child import ChildProcess
from .errors import SimulatorError
from .fault_calls import Faults
from .live import Connections, LocalAccount, Orders, Requests
from .settings import Settings


class LocalExchange:
    """A Bybit on 127.0.0.1 that trades, checks signatures, limits and fails on demand.

    Use it in a ``with`` block, or call `start` and `stop`. It may be asked from any thread. What
    it has seen (`orders`, `requests`, `connections`, `faults`) is read from it while it runs.
    """

    url: str
    """Where it listens; https unless made with ``tls=False``."""
    admin_url: str
    """Where other programs ask what `orders`, `requests` and `faults` ask here."""
    ca_file: str | None
    """The certificate to trust; None without TLS."""
    api_key: str
    """Of the first account, as are `api_secret` and `uid`."""
    api_secret: str
    uid: str
    pid: int
    orders: Orders
    requests: Requests
    faults: Faults

    def __init__(
        self,
        latency: float = 0.0,
        tls: bool = True,
        port: int = 0,
        seed: int = 0,
        limits: bool | Mapping[str, int] = True,
        *,
        ip_limit: int | None = 600,
        ip_window: float = 5.0,
        ip_ban: float = 600.0,
        idle_timeout: float | None = None,
        state: str | None = None,
        **more: Any,
    ) -> None:
        """Nothing runs yet. What each setting means is told in `Settings`.

        Raises:
            ValueError: a setting is out of its range.
        """
        self._settings = Settings(
            latency=latency,
            tls=tls,
            port=port,
            seed=seed,
            limits=limits,
            ip_limit=ip_limit,
            ip_window=ip_window,
            ip_ban=ip_ban,
            idle_timeout=idle_timeout,
            state=state,
            **more,
        )
        self._lock = threading.Lock()  # guards starting and stopping
        self._child: ChildProcess | None = None
        self._end: weakref.finalize[[], LocalExchange] | None = None

    def start(self) -> LocalExchange:
        """Start the exchange; it accepts connections when this returns.

        Raises:
            SimulatorError: it runs already, or cannot run.
        """
        with self._lock:
            if self._child is not None:
                raise SimulatorError("the local exchange runs already")
            child = self._child = ChildProcess(self._settings)
            # Also when the program ends without a stop().
            self._end = weakref.finalize(self, child.stop)
        ready = child.ready
        self.url = ready.url
        self.admin_url = ready.admin_url
        self.ca_file = ready.ca_file
        self.api_key = ready.api_key
        self.api_secret = ready.api_secret
        self.uid = ready.uid
        self.pid = ready.pid
        self._admin = AdminClient(ready.admin_url, child.explain)
        self.orders = Orders(self._admin)
        self.requests = Requests(self._admin)
        self.faults = Faults(self._admin)
        return self

    def stop(self) -> None:
        """Stop the exchange and remove its files. Twice is fine."""
        with self._lock:
            end, self._end, self._child = self._end, None, None
            if end is not None:
                end()

    @property
    def connections(self) -> Connections:
        """How many connections there were and are, at this moment."""
        return Connections(**self._admin.get("/connections"))

    @property
    def errors(self) -> list[str]:
        """Tracebacks of faults in the simulator itself; empty, as it should be."""
        errors: list[str] = self._admin.get("/errors")
        return errors

    def add_account(
        self,
        rsa_public_key: str | None = None,
        balances: Mapping[str, str] | None = None,
        *,
        read_only: bool = False,
        expired: bool = False,
    ) -> LocalAccount:
        """Open another account and return its key.

        With `rsa_public_key` (PEM) its calls are signed with RSA and there is no secret. A key that
        is `read_only` may not trade (10005); one that is `expired` may do nothing (33004).
        """
        wish = {
            "rsa_public_key": rsa_public_key,
            "balances": None if balances is None else dict(balances),
            "read_only": read_only,
            "expired": expired,
        }
        return LocalAccount(**self._admin.post("/accounts", wish))

    def save(self) -> None:
        """Write the state file now; it is also written every second or so, and at the end.

        Raises:
            ValueError: the exchange was made without one.
        """
        self._admin.post("/save")

    def __enter__(self) -> LocalExchange:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = "not running" if self._child is None else self.url
        return f"<LocalExchange {where}>"
