"""Where and when a run was made: figures without that mean nothing."""

from __future__ import annotations

import os
import platform
import ssl
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.server import nginx_version

_PACKAGES = (
    *("requests", "urllib3", "orjson", "httptools"),
    *("pycurl", "httpx", "aiohttp", "pybit", "ccxt"),
)


def describe(
    client_core: int | None, server_core: int | None, *, awake: bool = False
) -> dict[str, Any]:
    """The machine, the versions and the moment."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "client_core": client_core,
        "server_core": server_core,
        "cores_kept_awake": awake,
        "nginx": nginx_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def headline(machine: dict[str, Any]) -> str:
    """The same in two lines."""
    pinned = machine["client_core"] is not None and machine["server_core"] is not None
    cores = "client and server on a core each" if pinned else "NOT PINNED: ratios suffer"
    if machine["cores_kept_awake"]:
        cores += ", kept awake"
    small = f"nginx {machine['nginx']}" if machine["nginx"] else "our own responder, no nginx"
    return (
        f"{machine['date']}  Python {machine['python']}, {machine['openssl']}, "
        f"{machine['system']}\n{machine['processor']}, {machine['cores']} cores, {cores}; "
        f"small answers from {small}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
