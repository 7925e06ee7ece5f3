"""What the exchange answers when it will not do what was asked."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer of the exchange, not a fault of the program
    """The exchange says no: becomes an envelope with this retCode."""

    def __init__(
        self, ret_code: int, ret_msg: str, *, result: Any = None, ext_info: Any = None
    ) -> None:
        super().__init__(f"{ret_code} {ret_msg}")
        self.ret_code = ret_code
        self.ret_msg = ret_msg
        self.result = {} if result is None else result
        self.ext_info = {} if ext_info is None else ext_info


def bad_params(ret_msg: str) -> Refusal:
    """10001, the code for whatever is wrong with a parameter."""
    return Refusal(10001, ret_msg)


def unknown_symbol() -> Refusal:
    """What every endpoint says to a symbol that is not listed."""
    return bad_params("params error: symbol invalid")
