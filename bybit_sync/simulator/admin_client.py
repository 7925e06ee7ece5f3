"""Asks a local exchange's admin port; standard library only."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import SimulatorError

_TIMEOUT = 30.0


class AdminClient:
    """Any number of threads, also after a fork: each question has its own connection."""

    def __init__(self, url: str, explain: Callable[[], str]) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._explain = explain

    def get(self, path: str, /, **query: Any) -> Any:
        """The answer to a question; a query value of None is left out."""
        known = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(known)}" if known else path, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a wish.

        Raises:
            ValueError: the exchange does not know what was asked for.
        """
        return self._ask("POST", path, json.dumps(body or {}))

    def _ask(self, method: str, target: str, body: str | None) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request(method, target, body, {"Connection": "close"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SimulatorError(
                f"the local exchange does not answer: {error!r}{self._explain()}"
            ) from error
        finally:
            connection.close()
        if response.status >= http.client.INTERNAL_SERVER_ERROR:
            raise SimulatorError(answer["error"])
        if response.status != http.client.OK:
            raise ValueError(answer["error"])
        return answer
