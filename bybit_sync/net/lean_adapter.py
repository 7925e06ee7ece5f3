"""requests' adapter, less what it asks again of an answer that our pool has read already."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_encoding_from_headers

from .fields import as_requests_has_them
from .urllib3_face import WholeResponse


class LeanAdapter(HTTPAdapter):
    """An `HTTPAdapter` in every respect; quicker with answers of our own pool."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """The target of the request line."""
        if proxies:
            return super().request_url(request, proxies)
        target = request.path_url
        return f"/{target.lstrip('/')}" if target.startswith("//") else target

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The response that requests makes of urllib3's."""
        if type(resp) is not WholeResponse or resp._original_response is not None:
            return super().build_response(req, resp)  # the latter has cookies to be kept
        response = requests.Response()
        response.status_code = resp.status
        response.headers = as_requests_has_them(resp.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = resp
        response.reason = resp.reason  # type: ignore[assignment]
        response.url = req.url  # type: ignore[assignment]
        response.request = req
        response.connection = self
        if not (req.hooks["response"] or "content-encoding" in response.headers):
            # What reading `content` would come to; a hook may want to read `raw` itself.
            response._content = resp.whole_body
            response._content_consumed = True
        return response
