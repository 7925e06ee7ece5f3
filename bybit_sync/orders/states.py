"""How far an order has come, as ledger and journal write it."""

from __future__ import annotations

from typing import Final, Literal

State = Literal["sent", "unknown", "placed", "refused", "absent"]

SENT: Final = "sent"
"""On its way: a process is at work on it, or was when it ended."""
UNKNOWN: Final = "unknown"
"""The call has ended without knowing."""
PLACED: Final = "placed"
REFUSED: Final = "refused"
"""Refused, or never sent."""
ABSENT: Final = "absent"
"""Provably not on the exchange."""
