"""Where a running local exchange is found, and how that is told to people and to programs."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The address, the first account's key and the certificate to trust."""

    url: str
    admin_url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    uid: str
    ca_file: str | None
    pid: int

    def as_json(self) -> str:
        """One line of JSON, for programs."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Ready:
        """The record that `as_json` wrote."""
        return cls(**json.loads(text))

    def as_text(self) -> str:
        """A few lines for a person."""
        rows = [("url", self.url), ("key", self.api_key), ("secret", self.api_secret)]
        if self.ca_file is not None:
            rows.append(("CA file", self.ca_file))
        rows.append(("admin", self.admin_url))
        return "\n".join(f"{name:<8} {value}" for name, value in rows)

    def as_env(self) -> str:
        """Lines that a POSIX shell can source."""
        values = {
            "BYBIT_BASE_URL": self.url,
            "BYBIT_API_KEY": self.api_key,
            "BYBIT_API_SECRET": self.api_secret,
            "BYBIT_CA_FILE": self.ca_file,
            "BYBIT_SIMULATOR_ADMIN_URL": self.admin_url,
        }
        return "\n".join(
            f"export {name}={shlex.quote(value)}"
            for name, value in values.items()
            if value is not None
        )
