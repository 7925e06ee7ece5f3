"""What wraps an answer: Bybit's envelope, and the one that P2P still has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from bybit_sync.simulator.refusal import Refusal

from .table import Envelope


def wrap(
    variant: Envelope, result: Any, ext_info: Any, ret_msg: str, now_ms: int, ret_code: int = 0
) -> dict[str, Any]:
    """The body that carries `result`."""
    if variant == "p2p":
        return {
            "ret_code": ret_code,
            "ret_msg": ret_msg,
            "result": result,
            "ext_code": "",
            "ext_info": ext_info,
            "time_now": f"{now_ms / 1000:.6f}",
        }
    return {
        "retCode": ret_code,
        "retMsg": ret_msg,
        "result": result,
        "retExtInfo": ext_info,
        "time": now_ms,
    }


def wrap_refusal(variant: Envelope, refusal: Refusal, now_ms: int) -> dict[str, Any]:
    """The body that says no."""
    result = None if variant == "p2p" and not refusal.result else refusal.result
    return wrap(variant, result, refusal.ext_info, refusal.ret_msg, now_ms, refusal.ret_code)


def encode(body: dict[str, Any]) -> bytes:
    """JSON; a Decimal becomes plain text."""
    return orjson.dumps(body, default=_plain)


def ret_code_of(body: dict[str, Any]) -> int:
    """The code in an envelope of any kind; 0 where there is none."""
    code = body.get("retCode", body.get("ret_code", 0))
    return int(code)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} does not belong in an answer")
