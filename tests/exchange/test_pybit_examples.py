"""What pybit's README and its example scripts do, with the import changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bybit_sync.simulator import LocalExchange

EXAMPLES = Path(__file__).with_name("pybit_examples")
DOCS = Path(__file__).parents[2] / "docs" / "from-pybit.md"


@pytest.fixture
def made(exchange: LocalExchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The sessions that a script makes: on the local exchange, whatever host it names."""
    from bybit_sync import unified_trading

    sessions: list[Any] = []
    account = exchange.add_account()

    class Local(unified_trading.HTTP):
        def __init__(self, **options: Any) -> None:
            keys = {"api_key": account.api_key, "api_secret": account.api_secret}
            super().__init__(**{**options, **keys, "registry": CollectorRegistry()})
            self.endpoint = exchange.url
            self.client.verify = exchange.ca_file
            sessions.append(self)

    monkeypatch.setattr(unified_trading, "HTTP", Local)
    yield sessions
    for session in sessions:
        session.close()


@pytest.mark.parametrize("script", sorted(each.name for each in EXAMPLES.glob("*.py")))
def test_a_script_runs_after_its_import_is_changed(
    script: str,
    made: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "receipt.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    text = (EXAMPLES / script).read_text(encoding="utf-8")
    assert "from pybit.unified_trading import HTTP" in text
    ours = text.replace("from pybit.", "from bybit_sync.")
    names: dict[str, Any] = {}

    exec(compile(ours, script, "exec"), names)  # noqa: S102

    assert len(made) >= 1
    printed = capsys.readouterr().out.splitlines()
    assert printed
    assert all("OK" in line or "SUCCESS" in line for line in printed if "retMsg" in line), printed


def test_what_the_docs_show_runs() -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )

    for block in blocks:
        exec(compile(block, DOCS.name, "exec"), {})  # noqa: S102
    assert len(blocks) == 1
