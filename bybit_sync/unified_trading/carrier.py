"""The way to the host, as a user's changes to ``HTTP.client`` say."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.utils import select_proxy

from bybit_sync.call.transport import Transport
from bybit_sync.clock import Deadline
from bybit_sync.exceptions import ConfigError
from bybit_sync.net.answer import Answer, HeaderBlock
from bybit_sync.net.session import PooledSession


class Carrier:
    """The client's transport, which looks at its session before each call.

    pybit's users set up ``session.client``, a `requests.Session`: its headers, proxies, verify and
    cert hold for every later call. What they did not touch costs a comparison.
    """

    def __init__(self, net: PooledSession, referral_id: str) -> None:
        self._net: Transport = net
        self._reach = net.reach
        self._session = net.session
        self._session.headers["Content-Type"] = self._session.headers["Accept"] = "application/json"
        self._plain = dict(self._session.headers)
        if referral_id:
            self._session.headers["Referer"] = referral_id
        self._way = self._way_of(self._session)

    def send(
        self,
        base: str,
        method: str,
        target: str,
        *,
        headers: HeaderBlock,
        body: bytes,
        deadline: Deadline,
        sign: Callable[[], Mapping[str, str]] | None,
    ) -> Answer:
        """Send one request; see `bybit_sync.call.pipeline.Transport`.

        Raises:
            ConfigError: what the session says is not allowed, such as ``verify = False``.
        """
        session = self._session
        way = self._way_of(session)
        if way != self._way:
            self._follow(base, *way)
            self._way = way
        changed = [each for each in session.headers.items() if each not in self._plain.items()]
        if changed:
            headers = _with(headers, changed)
        return self._net.send(
            base, method, target, headers=headers, body=body, deadline=deadline, sign=sign
        )

    @staticmethod
    def _way_of(session: requests.Session) -> tuple[Any, Any, dict[str, str]]:
        return session.verify, session.cert, dict(session.proxies)

    def _follow(self, base: str, verify: Any, cert: Any, proxies: dict[str, str]) -> None:
        if verify is False:
            raise ConfigError(
                "HTTP.client.verify: False is not allowed: nothing turns the check of certificates "
                "off; give the path of a CA file to trust another one"
            )
        if isinstance(verify, str) and not os.path.exists(verify):
            raise ConfigError(f"HTTP.client.verify: {verify!r} is not a file or folder that exists")
        proxy = select_proxy(base, proxies) or ""
        if proxy and not proxy.lower().startswith("http"):
            raise ConfigError("HTTP.client.proxies: allowed is http://host:port")
        try:
            self._reach(base, proxy=proxy, verify=True if verify is None else verify, cert=cert)
        except OSError as error:
            raise ConfigError(f"HTTP.client.verify or .cert: {error}") from error


def _with(headers: HeaderBlock, changed: list[tuple[str, str]]) -> HeaderBlock:
    given = {name.lower(): (name, value) for name, value in changed}
    kept = {name: value for name, value in headers.items() if name.lower() not in given}
    # None is how requests leaves a header out.
    return HeaderBlock({**kept, **{k: v for k, v in given.values() if v is not None}})
