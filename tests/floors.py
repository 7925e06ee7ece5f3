"""Reads the house's modules and says where one breaks the order of the floors.

Nothing is imported: a module is judged by its text, also where an import stands in a function or
is there for types only, for a floor must not even know the name of what lies above it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOUSE = "bybit_sync"

FLOORS = {
    "exceptions": 0,
    "clock": 0,
    "forking": 0,
    "config": 0,
    "net": 1,
    "call": 2,
    "api": 3,
    "client": 4,
    "orders": 4,
    "history": 4,
    "frames": 4,
    "metrics": 4,
    "pages": 4,
    "parts": 4,
    "notebook": 4,
    "dashboards": 4,
    "unified_trading": 4,
    "helpers": 4,
    "travel": 4,
    "runner": 5,
    "cluster": 5,
    "cli": 5,
    "__main__": 5,
}
"""By the first name below the house; a module that is not here has to be given its floor."""

BESIDE = {"simulator": (), "_codegen": ("bybit_sync.call.records",)}
"""What stands beside the house, and what of the house each may import."""

_FOLDERS = ("config", "cli")
"""Folders on a floor with single files: to these both spellings are plain."""

_FACTS = ("__version__",)
"""What the house's own file says of itself: no module, and on no floor."""

_READS_TIME = ("clock",)
_STAMPS_TIME = ("clock", "exceptions")
_MOMENTS = ("now", "utcnow", "today")


@dataclass(frozen=True)
class Module:
    """One file of the house, by its full name."""

    name: str
    source: str
    is_package: bool = False

    @property
    def unit(self) -> str:
        """The first name below the house; empty for the house itself."""
        return unit_of(self.name)

    @property
    def folder(self) -> str:
        """The package whose siblings this module sees."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """One import of something of the house. `level` counts the dots in front."""

    target: str
    level: int
    line: int
    is_lazy: bool


def unit_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def modules_of(folder: Path) -> list[Module]:
    """Every module of the house that stands in `folder`."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = [HOUSE, *path.relative_to(folder).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return found


def faults_of(module: Module) -> list[str]:
    """What the module does that its floor forbids, each with its line."""
    tree = ast.parse(module.source)
    faults = [
        *_floor_faults(module, tree),
        *_time_faults(module, tree),
        *_print_faults(module, tree),
    ]
    return [f"{module.name}:{line}: {text}" for line, text in sorted(faults)]


# --- imports ------------------------------------------------------------------------------

_Fault = tuple[int, str]


def imports_of(module: Module, tree: ast.Module) -> Iterator[Import]:
    """Every import of something of the house."""
    for node, is_lazy in _walk(tree, is_lazy=False):
        for target, level in _targets(module, node):
            if target.split(".")[0] == HOUSE:
                yield Import(target, level, getattr(node, "lineno", 0), is_lazy)


def _walk(node: ast.AST, *, is_lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, is_lazy
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _walk(child, is_lazy=is_lazy or inside)


def _targets(module: Module, node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, 0) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(module, node.level, node.module or "")
        if base == HOUSE:  # what is named may be a module of it
            names = [alias.name for alias in node.names if alias.name not in _FACTS]
            yield from ((f"{HOUSE}.{name}", node.level) for name in names)
        else:
            yield base, node.level
    elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            level = len(first.value) - len(first.value.lstrip("."))
            yield _absolute(module, level, first.value.lstrip(".")), level


def _absolute(module: Module, level: int, name: str) -> str:
    if level == 0:
        return name
    parts = module.folder.split(".")
    above = parts[: len(parts) - level + 1]
    return ".".join([*above, name] if name else above)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _floor_faults(module: Module, tree: ast.Module) -> Iterator[_Fault]:
    known = module.unit in FLOORS or module.unit in BESIDE or module.name == HOUSE
    if not known:
        yield 1, f"{module.unit} has no floor: give it one in tests/floors.py"
        return
    for found in imports_of(module, tree):
        text = _direction_fault(module, found) or _spelling_fault(module, found)
        if text:
            yield found.line, text


def _direction_fault(module: Module, found: Import) -> str:
    here, there = module.unit, unit_of(found.target)
    if module.name == HOUSE:
        return "the house's own names include nothing from beside it" if there in BESIDE else ""
    if here == there:
        return ""
    if here in BESIDE:
        return "" if found.target in BESIDE[here] else f"{here} imports {found.target}"
    if there == "simulator":
        is_allowed = FLOORS[here] == 5 or (here == "client" and found.is_lazy)
        return "" if is_allowed else f"{here} imports the simulator"
    if there not in FLOORS:
        return f"{found.target} has no floor that {here} may stand on"
    if FLOORS[there] > FLOORS[here]:
        return f"{here} (floor {FLOORS[here]}) imports {there} (floor {FLOORS[there]})"
    return ""


def _spelling_fault(module: Module, found: Import) -> str:
    """Siblings are imported relatively, the rest by full name: so a crossing can be seen."""
    if module.name == HOUSE:
        return ""
    if found.level > 1:  # from folder to folder of one unit, no floor is crossed
        is_within = unit_of(found.target) == module.unit
        return "" if is_within else f"{found.target} lies outside: write its full name"
    is_sibling = found.target == module.folder or found.target.startswith(f"{module.folder}.")
    if module.folder == HOUSE:
        is_sibling = FLOORS.get(unit_of(found.target)) == FLOORS[module.unit]
    is_folder = module.folder == HOUSE and unit_of(found.target) in _FOLDERS
    if is_sibling and found.level == 0 and not is_folder:
        return f"{found.target} is a sibling: import it relatively"
    if not is_sibling and found.level == 1:
        return f"{found.target} is on another floor: write its full name"
    return ""


# --- time and print -----------------------------------------------------------------------


def _time_faults(module: Module, tree: ast.Module) -> Iterator[_Fault]:
    if module.unit in BESIDE:
        return
    from_datetime = {name for _, name in _bound(tree, "datetime")}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if module.unit not in _READS_TIME and _imports_time(node):
            yield line, "only clock.py reads time or sleeps: ask a Clock"
        if module.unit not in _STAMPS_TIME and _is_moment(node, from_datetime):
            yield line, "only clock.py reads the time of day: ask a Clock"


def _imports_time(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "time" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and node.module == "time" and node.level == 0


def _bound(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """What is imported from a module, and under which name it is known here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias for alias in node.names if alias.name == module]
        elif isinstance(node, ast.ImportFrom) and node.module == module:
            names = node.names
        else:
            continue
        yield from ((alias.name, alias.asname or alias.name) for alias in names)


def _is_moment(node: ast.AST, from_datetime: set[str]) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in _MOMENTS:
        return False
    owner = node.value
    if isinstance(owner, ast.Attribute):
        is_pandas = owner.attr == "Timestamp"
        owner = owner.value
        if is_pandas:
            return True
    return isinstance(owner, ast.Name) and (owner.id in from_datetime or owner.id == "Timestamp")


def _print_faults(module: Module, tree: ast.Module) -> Iterator[_Fault]:
    if module.unit == "cli":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield node.lineno, "only the command line prints"
