"""What ``import bybit_sync`` offers, and what it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import metadata, resources

import pytest

import bybit_sync
from bybit_sync import BybitError, exceptions

PROMISED = [
    "BybitClient",
    "CallOptions",
    "Config",
    "Reply",
    "ClientConfig",
    "ConnectionPoolConfig",
    "TcpKeepaliveConfig",
    "TlsConfig",
    "RetryConfig",
    "RateLimitConfig",
    "ClockConfig",
    "OrdersConfig",
    "MetricsConfig",
]


@pytest.mark.parametrize("name", PROMISED)
def test_what_the_documentation_imports_is_there(name: str) -> None:
    assert name in bybit_sync.__all__
    assert getattr(bybit_sync, name).__name__ == name


def test_every_name_that_is_offered_exists_and_is_listed_once() -> None:
    assert len(set(bybit_sync.__all__)) == len(bybit_sync.__all__)
    for name in bybit_sync.__all__:
        assert getattr(bybit_sync, name) is not None
    assert set(bybit_sync.__all__) <= set(dir(bybit_sync))


def test_every_error_is_offered() -> None:
    errors = {
        name
        for name, each in vars(exceptions).items()
        if inspect.isclass(each) and issubclass(each, BybitError)
    }

    assert errors <= set(bybit_sync.__all__)
    assert bybit_sync.InvalidRequestError is bybit_sync.ApiError


def test_a_name_that_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        bybit_sync.Nonsense  # noqa: B018
    with pytest.raises(ImportError):
        from bybit_sync import Nonsense  # noqa: F401


def test_the_version_is_the_packages() -> None:
    assert bybit_sync.__version__ == metadata.version("bybit-sync")


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files("bybit_sync").joinpath("py.typed").is_file()


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running this code."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = loaded_by("import bybit_sync")

    assert not {"requests", "urllib3", "prometheus_client", "tenacity", "orjson"} & loaded


def test_importing_the_client_loads_no_optional_package_and_no_group() -> None:
    loaded = loaded_by("from bybit_sync import BybitClient")

    optional = {"pandas", "aiohttp", "cryptography", "click", "rich", "dask", "redis", "trustme"}
    assert not optional & loaded
    assert not [name for name in loaded if name.startswith("bybit_sync.simulator")]
    assert "bybit_sync.api.earn" not in loaded


def test_importing_the_client_leaves_to_later_what_only_some_programs_need() -> None:
    loaded = loaded_by("from bybit_sync import BybitClient")

    assert not {"tenacity", "asyncio", "toml", "difflib"} & loaded


def test_the_simulator_loads_nothing_of_the_client() -> None:
    loaded = loaded_by("import bybit_sync.simulator")

    ours = {name for name in loaded if name.startswith("bybit_sync.")}
    assert ours
    assert all(name.startswith("bybit_sync.simulator") for name in ours)
