"""Why orders are refused: Bybit's codes and texts, which differ between spot and the rest."""

from __future__ import annotations

from ..refusal import Refusal, bad_params


def duplicate(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170141, "Duplicate clientOrderId")
    return Refusal(110072, "OrderLinkedID is duplicate")


def not_found(is_spot: bool, doing: str) -> Refusal:
    """The order is unknown, or over: Bybit does not tell the two apart here."""
    if is_spot:
        return Refusal(170213, "Order does not exist.")
    return Refusal(110001, f"order not exists or too late to {doing}")


def poor(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170131, "Insufficient balance.")
    return Refusal(110007, "ab not enough for new order")


def too_many(is_spot: bool) -> Refusal:
    if is_spot:
        text = "Cannot exceed maximum of 500 conditional, TP/SL and active orders."
        return Refusal(170810, text)
    return Refusal(110020, "Not allowed to have more than 500 active orders")


def price_step(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170134, "Order price has too many decimals.")
    return bad_params("Price invalid")


def price_high(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170132, "Order price too high.")
    return Refusal(110003, "Order price exceeds the allowable range.")


def price_low(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170133, "Order price lower than the minimum.")
    return Refusal(110003, "Order price exceeds the allowable range.")


def qty_step(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170137, "Order volume decimal too long.")
    return bad_params("Qty invalid")


def qty_low(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170136, "Order quantity exceeded lower limit.")
    return bad_params("The number of contracts exceeds minimum limit allowed")


def qty_high(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170341, "Request order quantity exceeds maximum limit.")
    return bad_params("The number of contracts exceeds maximum limit allowed: too large")


def value_low(is_spot: bool, least: str, coin: str) -> Refusal:
    if is_spot:
        return Refusal(170140, "Order value exceeded lower limit.")
    return Refusal(110094, f"Order does not meet minimum order value {least}{coin}")


def nothing_to_close() -> Refusal:
    return Refusal(110017, "current position is zero, cannot fix reduce-only order qty")


def wrong_slot() -> Refusal:
    return bad_params("position idx not match position mode")


def trigger_passed(direction: int, trigger: str, last: str) -> Refusal:
    if direction == 1:
        return Refusal(110092, f"expect Rising, but trigger_price[{trigger}] <= current[{last}]")
    return Refusal(110093, f"expect Falling, but trigger_price[{trigger}] >= current[{last}]")


def amended_below_filled(is_spot: bool) -> Refusal:
    if is_spot:
        return Refusal(170313, "The quantity is less than the executed quantity.")
    text = "The number of contracts modified cannot be less than or equal to the filled quantity"
    return Refusal(110064, text)


def unchanged() -> Refusal:
    text = "The order remains unchanged as the parameters entered match the existing ones"
    return bad_params(text)
