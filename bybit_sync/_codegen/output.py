"""All files of ``api/``: rendered, written, and compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .house import base, index, init, readme
from .module import module
from .spec import GroupRow

API = Path(__file__).parents[1] / "api"
"""Where the files belong."""


def render(groups: Iterable[GroupRow]) -> dict[str, str]:
    """The text of every file by its name."""
    groups = list(groups)
    files = {f"{group.name}.py": module(group) for group in groups}
    files |= {
        "__init__.py": init(groups),
        "_group.py": base(),
        "_index.py": index(groups),
        "README.md": readme(groups),
    }
    return dict(sorted(files.items()))


def write(files: Mapping[str, str], folder: Path = API) -> list[str]:
    """Write what differs and delete what is no longer made; return what was done."""
    folder.mkdir(parents=True, exist_ok=True)
    done = []
    for name, fault in differences(files, folder).items():
        if name in files:
            (folder / name).write_bytes(files[name].encode())
            done.append(f"wrote {name}")
        else:
            (folder / name).unlink()
            done.append(f"deleted {name} ({fault})")
    return done


def differences(files: Mapping[str, str], folder: Path = API) -> dict[str, str]:
    """What is wrong with each file that is not as it should be."""
    there = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    found = {}
    for name, text in files.items():
        if name not in there:
            found[name] = "is missing"
        elif (folder / name).read_bytes() != text.encode():
            found[name] = "differs from what the spec makes"
    found |= dict.fromkeys(sorted(there - set(files)), "is not made from the spec")
    return found
