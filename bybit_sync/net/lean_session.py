"""requests' session, less what it merges for each call when there is nothing to merge."""

from __future__ import annotations

from functools import lru_cache
from types import NoneType
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from .answer import are_plain
from .fields import case_insensitive, merged, pairs


class LeanSession(requests.Session):
    """A `requests.Session` in every respect; quicker where a call brings its URL and headers only.

    requests merges seven settings of session and call, each with checks that cost more than a
    round trip through the pool does. What has something to merge takes requests' own way.
    """

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """The request as it goes on the wire, with the session's headers."""
        if not self._has_headers_only(request):
            return super().prepare_request(request)
        headers = self._headers_with(request.headers)
        prepared = requests.PreparedRequest()
        if _is_question(request):
            # What `prepare` would do for it, less the looks at a body, at cookies and at a login.
            prepared.method = request.method
            if request.params:
                prepared.prepare_url(request.url or "", request.params)
            else:
                prepared.url = _prepared_url(request.url or "")
            if are_plain(pairs(headers)):
                prepared.headers = headers
            else:
                prepared.prepare_headers(headers)
            prepared._cookies = RequestsCookieJar()  # where a redirect's cookies would go
            prepared.prepare_hooks(request.hooks)
            return prepared
        prepared.prepare(
            method=request.method.upper() if request.method else None,
            url=request.url,
            files=request.files,
            data=request.data,
            json=request.json,
            headers=headers,
            params=request.params,
            auth=request.auth,
            cookies=RequestsCookieJar(),
            hooks=request.hooks,
        )
        return prepared

    def _headers_with(self, theirs: Any) -> CaseInsensitiveDict[Any]:
        ours = self.headers
        if type(ours) is not CaseInsensitiveDict:  # a user may have put anything there
            ours = CaseInsensitiveDict(ours)
        headers = merged(ours, theirs)
        if any(value is None for _, value in pairs(headers)):
            return case_insensitive([field for field in pairs(headers) if field[1] is not None])
        return headers

    def _has_headers_only(self, request: requests.Request) -> bool:
        return not (
            self.trust_env
            or self.auth
            or self.params
            or self.hooks["response"]
            or request.cookies
            or len(self.cookies)
            or type(request.headers) not in (dict, NoneType)
        )

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """The settings of one call, the session's where it brings none."""
        if self.trust_env or proxies:
            merged: dict[str, Any] = super().merge_environment_settings(
                url, proxies, stream, verify, cert
            )
            return merged
        return {
            "proxies": dict(self.proxies),
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }


@lru_cache(maxsize=256)
def _prepared_url(url: str) -> str | None:
    """The URL as requests prepares it: a program asks for the same few over and over."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url


def _is_question(request: requests.Request) -> bool:
    """A GET or HEAD that carries nothing but its URL and headers."""
    return (
        request.method in ("GET", "HEAD")
        and not (request.data or request.files or request.auth)
        and request.json is None
        and type(request.url) is str
        and "@" not in request.url
    )
