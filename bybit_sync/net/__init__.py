"""Bytes to any host and back, over a bounded, fair, observable pool of warm connections.

This floor has never heard of Bybit. A request goes: `session` (or any ``requests.Session`` that
has `adapter.PooledAdapter` mounted) -> `pool` (urllib3's pools) -> `slots` (who may hold a
connection) -> `connection` (dns, tcp, tls) -> `wire` (one write, one parse).
"""

from .adapter import PooledAdapter
from .stats import HostStats, PoolStats

__all__ = ["HostStats", "PoolStats", "PooledAdapter"]
