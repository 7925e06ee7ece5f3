"""Where the server is, whom to trust, and the keys that calls to it are signed with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Site:
    """One server, as every contender gets it."""

    host: str
    port: int
    small_port: int
    """Where small answers come from: nginx, if it is installed."""
    far_port: int
    ca_file: str
    """A bundle of ordinary size with the server's own authority in it."""
    round_trip: float
    """Seconds of the round trip on the far paths."""
    packed_port: int
    """Where answers are compressed for who asks."""
    slow_ports: Mapping[str, int]
    """The same at the end of far paths, by their bandwidth in Mbit/s."""
    api_key: str = "benchmarkkey000001"
    api_secret: str = "opens-nothing-signs-for-nobody"  # noqa: S105 - no secret

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"https://{self.host}:{self.port}"

    def small(self) -> Site:
        """The server of small answers, which takes the least time for one."""
        return replace(self, port=self.small_port)

    def far(self) -> Site:
        """The same server at the end of the far path."""
        return replace(self, port=self.far_port)

    def packed(self, mbit: str | None = None) -> Site:
        """The server that compresses for who asks: near, or at the end of a path so wide."""
        return replace(self, port=self.packed_port if mbit is None else self.slow_ports[mbit])
