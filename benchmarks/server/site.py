"""Where the server is, whom to trust, and the keys that calls to it are signed with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """One server, as every contender gets it."""

    host: str
    port: int
    far_port: int
    """The same server behind a path with a long round trip."""
    ca_file: str
    """A bundle of ordinary size with the server's own authority in it."""
    round_trip: float
    """Seconds of the long path's round trip."""
    api_key: str = "benchmarkkey000001"
    api_secret: str = "benchmark secret, signs for nobody"  # noqa: S105 - opens nothing

    @property
    def url(self) -> str:
        """The near server."""
        return f"https://{self.host}:{self.port}"

    @property
    def far_url(self) -> str:
        """The server at the end of the long path."""
        return f"https://{self.host}:{self.far_port}"
