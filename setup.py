"""Metadata of bybit_sync; build backend and tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

EXTRAS = {
    "rsa": ["cryptography>=42"],
    "simulator": ["trustme>=1.1", "cryptography>=42"],
    "cli": ["click>=8.1", "rich>=13"],
    "history": ["pandas>=2.0", "pyarrow>=14", "tqdm>=4.65"],
    "jupyter": ["pandas>=2.0", "tqdm>=4.65", "matplotlib>=3.7", "ipython>=8", "ipywidgets>=8"],
    "cluster": ["dask[distributed]>=2024.1", "redis>=5.0"],
}
EXTRAS["all"] = sorted({package for extra in EXTRAS.values() for package in extra})

setup(
    name="bybit-sync",
    version="0.2.0",
    description="Synchronous, thread-safe Python client for the Bybit v5 REST API",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    author="The bybit_sync authors",
    keywords="bybit trading api rest requests connection-pool",
    python_requires=">=3.10",
    packages=find_packages(include=["bybit_sync", "bybit_sync.*"]),
    package_data={
        "bybit_sync": ["py.typed"],
        "bybit_sync.call": ["data/*"],
        "bybit_sync.api": ["README.md"],
        "bybit_sync.dashboards": ["*"],
        "bybit_sync.metrics": ["data/*"],
        "bybit_sync.frames": ["data/*.toml"],
        "bybit_sync.simulator": ["data/*"],
        "bybit_sync._codegen": ["spec/*.toml", "spec/answers/*.toml"],
    },
    install_requires=[
        "requests>=2.32.2",
        "urllib3>=2.2,<3",
        "tenacity>=8.2",
        "prometheus-client>=0.19",
        "toml>=0.10.2",
        "orjson>=3.9",
        "httptools>=0.6",
        "certifi>=2023.7.22",
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["bybit-sync=bybit_sync.__main__:main"],
        "pytest11": ["bybit-sync=bybit_sync.simulator.pytest_plugin"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Financial and Insurance Industry",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Office/Business :: Financial :: Investment",
        "Typing :: Typed",
    ],
)
