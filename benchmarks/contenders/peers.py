"""The libraries for the same exchange: pybit and ccxt, with all that they do for a call."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.measure import Call
from benchmarks.work import Work

from .base import Contender
from .sessions import widen


class Pybit(Contender):
    """One `pybit.unified_trading.HTTP`, its session wide enough for the threads."""

    name = "pybit"
    needs = "pybit"
    _http: Any = None

    def call_for(self, work: Work) -> Call:
        if self._http is None:
            trading: Any = importlib.import_module("pybit.unified_trading")
            site = self.site
            self._http = trading.HTTP(api_key=site.api_key, api_secret=site.api_secret)
            self._http.endpoint = site.url
            self._http.client.verify = site.ca_file
            widen(self._http.client, self.width)
            self._stack.callback(self._http.client.close)
        function, params = getattr(self._http, work.function), dict(work.params)
        return lambda: function(**params)


class Ccxt(Contender):
    """One `ccxt.bybit`, through the method that bears the path's name."""

    name = "ccxt"
    needs = "ccxt"
    _exchange: Any = None

    def call_for(self, work: Work) -> Call:
        if self._exchange is None:
            ccxt: Any = importlib.import_module("ccxt")
            site = self.site
            keys = {"apiKey": site.api_key, "secret": site.api_secret, "enableRateLimit": False}
            self._exchange = ccxt.bybit(keys)
            self._exchange.urls["api"] = dict.fromkeys(self._exchange.urls["api"], site.url)
            # Handed on as requests' ``verify=`` wherever verification is on.
            self._exchange.validateServerSsl = site.ca_file
            self._stack.callback(self._exchange.session.close)
        function, params = getattr(self._exchange, work.ccxt), dict(work.params)
        return lambda: function(dict(params))
