"""Makes the pictures of docs/terminal.md: ``python docs/pictures/make_terminal.py``.

Each is what a command of that page shows on a terminal, as SVG without outside fonts. The program
that is watched is the page's own.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
PAGE = HERE.parent / "terminal.md"
COLUMNS = 104
COMMANDS = {
    "call": "call market.get_tickers category=linear --local --columns "
    "symbol,lastPrice,bid1Price,ask1Price,fundingRate,nextFundingTime",
    "top": "top --once --interval 2",
    "doctor": "doctor --url 9100 --seconds 2",
}


def main() -> None:
    """Run the page's program, and every command beside it."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    watched = subprocess.Popen([sys.executable, "-c", program])  # noqa: S603 - our own page
    try:
        time.sleep(5.0)
        for name, command in COMMANDS.items():
            shown = on_terminal([sys.executable, "-m", "bybit_sync", *shlex.split(command)])
            (HERE / f"terminal-{name}.svg").write_text(picture(command, shown), encoding="utf-8")
    finally:
        watched.terminate()
        watched.wait()


def on_terminal(command: list[str]) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)  # noqa: S603
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux' end of a terminal
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def picture(command: str, shown: str) -> str:
    """The output as SVG, its command above it."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(width=COLUMNS, record=True, file=nowhere, force_terminal=True)
        console.print(Text(f"$ bybit-sync {command}", style="bold"))
        console.print(Text.from_ansi(shown.rstrip()))
        svg = console.export_svg(title="bybit-sync", theme=MONOKAI, unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
