"""Files for Prometheus and Grafana: scrape config, alert rules, dashboard."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

FILES = ("prometheus.yml", "alerts.yml", "grafana.json")


def copy_to(folder: str | os.PathLike[str]) -> list[Path]:
    """Copy the files into a folder, which is made; returns where they are.

    Raises:
        FileExistsError: one of them is there already, perhaps with changes of yours; none is
            written.
    """
    target = Path(folder)
    known = [name for name in FILES if (target / name).exists()]
    if known:
        raise FileExistsError(f"{target} has {', '.join(known)} already: nothing was copied")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).write_bytes((files(__package__) / name).read_bytes())
    return [target / name for name in FILES]
