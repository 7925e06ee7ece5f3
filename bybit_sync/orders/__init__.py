"""Orders that are placed once: read `orders.Orders` first."""

from __future__ import annotations

from .orders import Orders
from .result import OrderResult

__all__ = ["OrderResult", "Orders"]
