"""All files of ``api/``: rendered, written, and compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .answer_module import answers_module, answers_package
from .house import base, index, init, readme
from .module import HEADER, module
from .paging import paging
from .spec import GroupRow

API = Path(__file__).parents[1] / "api"
"""Where the files belong."""


def render(groups: Iterable[GroupRow]) -> dict[str, str]:
    """The text of every file by its name."""
    groups = list(groups)
    files = {f"{group.name}.py": module(group) for group in groups}
    files |= {
        f"answers/{group.name}.py": answers_module(group, _answers_header(group.name))
        for group in groups
        if group.answers.methods
    }
    files |= {
        "answers/__init__.py": answers_package(_answers_header("*")),
        "__init__.py": init(groups),
        "_group.py": base(),
        "_index.py": index(groups),
        "_paging.py": paging(groups),
        "README.md": readme(groups),
    }
    return dict(sorted(files.items()))


def _answers_header(name: str) -> str:
    return HEADER.format(f"answers/{name}.toml")


def write(files: Mapping[str, str], folder: Path = API) -> list[str]:
    """Write what differs and delete what is no longer made; return what was done."""
    folder.mkdir(parents=True, exist_ok=True)
    done = []
    for name, fault in differences(files, folder).items():
        if name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(files[name].encode())
            done.append(f"wrote {name}")
        else:
            (folder / name).unlink()
            done.append(f"deleted {name} ({fault})")
    return done


def differences(files: Mapping[str, str], folder: Path = API) -> dict[str, str]:
    """What is wrong with each file that is not as it should be."""
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {}
    for name, text in files.items():
        if name not in there:
            found[name] = "is missing"
        elif (folder / name).read_bytes() != text.encode():
            found[name] = "differs from what the spec makes"
    found |= dict.fromkeys(sorted(there - set(files)), "is not made from the spec")
    return found
