"""`exchange.faults`: lets things go wrong on demand, and counts when they did.

Each request meets at most one fault: the first that was asked for its path (``*`` stands for any
text). ``times`` is how often (None = until cleared), ``skip`` how many are spared first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .admin_client import AdminClient


class Faults:
    """The faults of one local exchange. Seconds everywhere, save where a name says ms."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin

    def clear(self) -> None:
        """Nothing more goes wrong; the counts stay."""
        self._admin.post("/faults/clear")

    def count(self, kind: str | None = None, path: str | None = None) -> int:
        """How often it really happened, ever: of one kind, on one path, or altogether."""
        return int(self._admin.get("/faults/count", kind=kind, path=path))

    def counts(self) -> list[dict[str, Any]]:
        """The same in rows: ``kind``, ``path`` ("" for a connection), ``count``."""
        counts: list[dict[str, Any]] = self._admin.get("/faults/counts")
        return counts

    def waiting(self) -> list[dict[str, Any]]:
        """What has yet to happen."""
        waiting: list[dict[str, Any]] = self._admin.get("/faults")
        return waiting

    # --- the connection ends ---

    def drop_before_accept(self, path: str, times: int | None = 1, *, skip: int = 0) -> None:
        """Read the request, do nothing, close in order."""
        self._add("drop_before_accept", path, times, skip)

    def drop_after_accept(self, path: str, times: int | None = 1, *, skip: int = 0) -> None:
        """Do what was asked, answer nothing, close in order."""
        self._add("drop_after_accept", path, times, skip)

    def reset_before(self, path: str, times: int | None = 1, *, skip: int = 0) -> None:
        """Read the request, do nothing, reset the connection."""
        self._add("reset_before", path, times, skip)

    def reset_after(self, path: str, times: int | None = 1, *, skip: int = 0) -> None:
        """Do what was asked, answer nothing, reset the connection."""
        self._add("reset_after", path, times, skip)

    def close_after_answer(
        self, path: str = "*", times: int | None = 1, *, skip: int = 0, announce: bool = False
    ) -> None:
        """Answer, then close; with ``Connection: close`` if it is to be announced."""
        self._add("close_after_answer", path, times, skip, announce=announce)

    def close_idle(self, after: float) -> None:
        """Until cleared: close connections that were unused for so long."""
        self._add("close_idle", after=after)

    # --- the answer is late, slow or never comes ---

    def stall(
        self, path: str, times: int | None = 1, *, skip: int = 0, after_accept: bool = False
    ) -> None:
        """Never answer; the order may have been accepted all the same."""
        self._add("stall", path, times, skip, after_accept=after_accept)

    def late(
        self,
        path: str,
        seconds: float,
        times: int | None = 1,
        *,
        skip: int = 0,
        after_accept: bool = False,
    ) -> None:
        """Answer so much later: act first and wait, or wait first, even if the client leaves."""
        self._add("late", path, times, skip, seconds=seconds, after_accept=after_accept)

    def drip_headers(
        self, path: str, times: int | None = 1, *, skip: int = 0, interval: float = 0.1
    ) -> None:
        """Answer one byte at a time, from the status line on."""
        self._add("drip_headers", path, times, skip, interval=interval)

    def drip_body(
        self, path: str, times: int | None = 1, *, skip: int = 0, interval: float = 0.1
    ) -> None:
        """Send the headers at once and the body one byte at a time."""
        self._add("drip_body", path, times, skip, interval=interval)

    # --- the answer is not what it should be ---

    def cut_body(
        self, path: str, times: int | None = 1, *, skip: int = 0, reset: bool = False
    ) -> None:
        """Do what was asked, announce the whole answer, send half of it, close or reset."""
        self._add("cut_body", path, times, skip, reset=reset)

    def endless_body(self, path: str, times: int | None = 1, *, skip: int = 0) -> None:
        """Announce a terabyte and send it."""
        self._add("endless_body", path, times, skip)

    def stray_bytes(
        self, path: str, times: int | None = 1, *, skip: int = 0, data: str | None = None
    ) -> None:
        """Answer, and let more bytes follow at once: another answer that nobody asked for."""
        details = {} if data is None else {"data": data}
        self._add("stray_bytes", path, times, skip, **details)

    def http_status(
        self,
        path: str,
        status: int,
        times: int | None = 1,
        *,
        skip: int = 0,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        after_accept: bool = False,
    ) -> None:
        """Answer with this HTTP status; the body passes as JSON if it looks like it."""
        details = {"body": body, "headers": dict(headers or {}), "after_accept": after_accept}
        self._add("http_status", path, times, skip, status=status, **details)

    def html(
        self, path: str, times: int | None = 1, *, skip: int = 0, after_accept: bool = False
    ) -> None:
        """Answer HTTP 200 with a web page."""
        self._add("html", path, times, skip, after_accept=after_accept)

    def garbage(
        self,
        path: str,
        times: int | None = 1,
        *,
        skip: int = 0,
        data: str | None = None,
        close: bool = True,
        after_accept: bool = False,
    ) -> None:
        """Answer with these characters (Latin-1, a byte each), whatever they are, and close."""
        details: dict[str, Any] = {} if data is None else {"data": data}
        self._add("garbage", path, times, skip, close=close, after_accept=after_accept, **details)

    # --- the exchange says no ---

    def ret_code(
        self,
        path: str,
        code: int,
        msg: str = "",
        times: int | None = 1,
        *,
        skip: int = 0,
        after_accept: bool = False,
    ) -> None:
        """Answer with this retCode; the order may have been accepted all the same."""
        self._add("ret_code", path, times, skip, code=code, msg=msg, after_accept=after_accept)

    def rate_limit(
        self,
        path: str,
        times: int | None = 1,
        *,
        skip: int = 0,
        reset_in: float = 1.0,
        reset_header: str | None = None,
    ) -> None:
        """Answer 10006 that says when to come back; `reset_header` may be any text."""
        details = {"reset_in": reset_in, "reset_header": reset_header}
        self._add("rate_limit", path, times, skip, **details)

    def maintenance(self, path: str = "*", times: int | None = None, *, skip: int = 0) -> None:
        """Answer 10016, until cleared."""
        self._add("maintenance", path, times, skip)

    def wrong_clock(self, offset_ms: int) -> None:
        """Until cleared: the server's clock is so much ahead (behind, if negative).

        It rules signatures, envelopes and /v5/market/time; the market goes by the right time.
        """
        self._add("wrong_clock", offset_ms=offset_ms)

    def hide_new_orders(self, seconds: float) -> None:
        """Until cleared: order queries do not show orders that are younger than this."""
        self._add("hide_new_orders", seconds=seconds)

    def forget_names(self) -> None:
        """Until cleared: an orderLinkId that was used before is accepted, and makes a new order."""
        self._add("forget_names")

    # --- new connections ---

    def stall_handshake(self, times: int | None = 1, *, skip: int = 0) -> None:
        """Accept the connection and say nothing, not even TLS."""
        self._add("stall_handshake", "*", times, skip)

    def drip_handshake(
        self, times: int | None = 1, *, skip: int = 0, interval: float = 0.1
    ) -> None:
        """Send the TLS handshake one byte at a time."""
        self._add("drip_handshake", "*", times, skip, interval=interval)

    def refuse_tls(self, times: int | None = 1, *, skip: int = 0) -> None:
        """Answer the TLS hello with an alert."""
        self._add("refuse_tls", "*", times, skip)

    def bad_certificate(
        self,
        reason: Literal["expired", "wrong_host", "unknown_ca"] = "unknown_ca",
        times: int | None = 1,
        *,
        skip: int = 0,
    ) -> None:
        """Show a certificate that nobody should accept."""
        self._add("bad_certificate", "*", times, skip, reason=reason)

    def silent(self, times: int | None = 1, *, skip: int = 0) -> None:
        """Accept the connection, do TLS, and never read a request."""
        self._add("silent", "*", times, skip)

    def _add(
        self, kind: str, path: str = "*", times: int | None = 1, skip: int = 0, **details: Any
    ) -> None:
        wish = {"kind": kind, "path": path, "times": times, "skip": skip, **details}
        self._admin.post("/faults", wish)
