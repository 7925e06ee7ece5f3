"""What mkdocs makes beside the pages that people write, and where links out of `docs/` lead.

Three things are kept in one place and read from there: the changelog, the settings with their
defaults, and the endpoint tables. In the sources a link names the file itself (``../config.toml``),
so that it works wherever the repository is browsed; on the site it leads to the page made of it.
"""

from __future__ import annotations

from pathlib import Path
from posixpath import dirname, relpath
from typing import Any

from mkdocs.structure.files import File, Files

from bybit_sync._codegen.load import load
from bybit_sync._codegen.reference import reference

ROOT = Path(__file__).parents[1]

SETTINGS = """\
# Settings

Every key with its default. `BybitClient.from_config("config.toml")` reads such a file; a table or
a key that is missing takes its default, and a name that is not known is an error that names the
nearest one. `python -m bybit_sync config check config.toml` tells every fault of a file at once,
each with its line; `config show` tells where each value comes from.

In a program tables are records: `Config(connection_pool=ConnectionPoolConfig(limit_per_host=50))`.

```toml
{toml}
```
"""

REFERENCE = "reference/index.md"
ELSEWHERE = {
    "../README.md": "index.md",
    "../CHANGELOG.md": "changelog.md",
    "../config.toml": "settings.md",
    "../bybit_sync/api/README.md": REFERENCE,
}
"""Files beside the pages, and the pages that stand for them."""


def generated() -> dict[str, str]:
    """The pages that are made, in Markdown, by their paths."""
    pages = {f"reference/{name}": text for name, text in reference(load()).items()}
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text("utf-8")
    pages["settings.md"] = SETTINGS.format(toml=(ROOT / "config.toml").read_text("utf-8").strip())
    return pages


def on_config(config: Any) -> Any:
    """List the pages of the reference under its first one."""
    pages = sorted(path for path in generated() if path.startswith("reference/"))
    pages.remove(REFERENCE)
    for section in config.nav:
        if isinstance(section, dict):
            (entries,) = section.values()
            if REFERENCE in entries:
                place = entries.index(REFERENCE)
                entries[place] = {"Endpoints": [REFERENCE, *pages]}
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are made."""
    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Let links to files beside the pages lead to the pages that stand for them."""
    here = dirname(page.file.src_uri)
    for source, target in ELSEWHERE.items():
        markdown = markdown.replace(f"]({source}", f"]({relpath(target, here or '.')}")
    return markdown
