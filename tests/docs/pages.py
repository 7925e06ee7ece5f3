"""The pages that people write, and the blocks in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


CELLS = ("docs/notebook.md",)
"""Pages whose blocks are the cells of one notebook: they go on from one another."""


class Block(NamedTuple):
    """A block of code on a page; `number` counts those of its language there, from 0."""

    page: str
    number: int
    code: str

    @property
    def id(self) -> str:
        """A name for the test that runs it."""
        return f"{self.page}-{self.number}"


def blocks(language: str) -> list[Block]:
    """All blocks of a language, over all pages; those of a notebook are one."""
    return [
        Block(page, number, code)
        for page, text in PAGES.items()
        for number, code in enumerate(_blocks_of(page, text, language))
    ]


def _blocks_of(page: str, text: str, language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return ["\n".join(found)] if found and page in CELLS else found
