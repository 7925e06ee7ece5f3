"""A local Bybit: ``with LocalExchange() as exchange: ...``; imports nothing of the client."""

from .errors import SimulatorError
from .exchange import LocalExchange
from .live import LocalAccount
from .ready import Ready
from .serve import serve
from .settings import Settings

__all__ = ["LocalAccount", "LocalExchange", "Ready", "Settings", "SimulatorError", "serve"]
