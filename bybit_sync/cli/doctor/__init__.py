"""``python -m bybit_sync doctor``: what is wrong, in plain words, and which knob to turn."""

from __future__ import annotations

from .command import doctor

__all__ = ["doctor"]
