"""Makes the pictures of docs/notebook.md: ``python docs/pictures/make_notebooks.py``.

Each notebook of examples/ is run by a kernel, and what its cells show is photographed in a headless
Chromium. A live picture is shown as it was while the queue was longest. Names of notebooks as
arguments make only theirs. Needs nbclient, ipykernel, and the packages of mkdocs-material.
"""

from __future__ import annotations

import html
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

import nbformat  # noqa: E402
from markdown import markdown  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from pygments import highlight  # noqa: E402
from pygments.formatters import HtmlFormatter  # noqa: E402
from pygments.lexers import PythonLexer  # noqa: E402

from tests.page.browser import Browser  # noqa: E402

NOTEBOOKS = ("quickstart", "history", "pool_tuning")
_STYLE = """
body { margin: 0; padding: 18px 26px; width: 960px; box-sizing: border-box; background: #fff;
  color: #1f2328; font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 6px; }
h2 { font-size: 18px; margin: 16px 0 4px; }
p { margin: 4px 0 8px; }
.cell { display: grid; grid-template-columns: 56px minmax(0, 1fr); margin: 8px 0; }
.count { color: #6b7280; font: 12px/1.5 "DejaVu Sans Mono", monospace; padding-top: 7px; }
.code { background: #f6f8fa; border: 1px solid #e3e6ec; border-radius: 4px; padding: 6px 10px; }
pre { margin: 0; font: 12px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
.out { grid-column: 2; padding: 8px 2px 2px; overflow: hidden; }
.out img { max-width: 100%; }
.out table { border-collapse: collapse; border: 0; font-size: 12px; }
.out td, .out th { padding: 3px 9px; text-align: right; border: 0; }
.out tr:nth-child(even) { background: #f6f8fa; }
"""


class Watched(NotebookClient):
    """Runs a notebook, and remembers every state of its live pictures."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.states: dict[str, list[str]] = {}

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """One message of the kernel."""
        if msg["header"]["msg_type"] == "update_display_data":
            content = msg["content"]
            shown = content["data"].get("text/html", "")
            self.states.setdefault(content["transient"]["display_id"], []).append(shown)
        return super().process_message(msg, cell, cell_index)


def run(name: str) -> Any:
    """The notebook with its outputs; its last cell, which closes the client, is left out."""
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    notebook.cells.pop()
    with tempfile.TemporaryDirectory() as folder:
        runner = Watched(notebook, timeout=120, kernel_name="python3")
        runner.execute(cwd=folder, env=_environment())
    busiest = [max(states, key=_queue) for states in runner.states.values()]
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "HTML object" in output.get("data", {}).get("text/plain", "") and busiest:
                output["data"]["text/html"] = busiest[0]
    return notebook


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def _queue(shown: str) -> int:
    return sum(map(int, re.findall(r"(\d+) waiting", shown)))


def page(notebook: Any) -> str:
    """The notebook as one HTML page."""
    formatter = HtmlFormatter(nowrap=True)
    cells = [_cell(cell, formatter) for cell in notebook.cells]
    style = f"{formatter.get_style_defs('.code')}{_STYLE}"
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(cells)}"


def _cell(cell: Any, formatter: HtmlFormatter[str]) -> str:
    if cell.cell_type == "markdown":
        return f'<div class="cell"><span></span><div>{markdown(cell.source)}</div></div>'
    code = highlight(cell.source, PythonLexer(), formatter)
    outputs = "".join(f'<div class="out">{_output(each)}</div>' for each in cell.outputs)
    return (
        f'<div class="cell"><span class="count">[{cell.execution_count}]:</span>'
        f'<div class="code"><pre>{code}</pre></div>{outputs}</div>'
    )


def _output(output: Any) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img src="data:image/png;base64,{data["image/png"].strip()}">'
    if "text/html" in data:
        return str(data["text/html"])
    if any("widget" in kind for kind in data):
        return ""  # a bar that has gone when the cell ends
    text = output.get("text") or data.get("text/plain", "")
    return f"<pre>{html.escape(text)}</pre>"


def main(names: list[str]) -> None:
    """Run and photograph them."""
    with Browser() as browser, tempfile.TemporaryDirectory() as folder:
        for name in names or NOTEBOOKS:
            file = Path(folder) / f"{name}.html"
            file.write_text(page(run(name)), encoding="utf-8")
            with browser.open(file.as_uri(), width=960) as tab:
                tab.picture(HERE / f"notebook-{name.replace('_', '-')}.png", full=True)


if __name__ == "__main__":
    main(sys.argv[1:])
