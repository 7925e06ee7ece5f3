"""One kernel for the run; each test makes clients of its own in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from .kernel import Kernel


@pytest.fixture(scope="session")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The kernel of the run."""
    for package in ("ipykernel", "jupyter_client"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: requirements.txt lists it")
    kernel = Kernel(tmp_path_factory.mktemp("notebooks"))
    kernel.run("from bybit_sync import BybitClient\nfrom bybit_sync.simulator import LocalExchange")
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, with a client in it that ends with the test."""
    shared_kernel.run("client = BybitClient.local()")
    yield shared_kernel
    shared_kernel.run("client.close()")
