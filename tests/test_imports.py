"""Rooms import one way only, and what has to start fast imports nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cells"

LEVELS = [
    {"cli", "worker", "check"},
    {"run"},
    {"trainers"},
    {"build"},
    {"budget"},
    {"training"},
    {"diagnostics"},
    {"recurrent", "data", "compare", "search"},
    {"record", "settings", "folders", "targets", "environment", "pipes"},
    {"errors"},
]
"""A room may import its own level's neighbours only where NEIGHBOURS says so, and any level below."""

NEIGHBOURS = {("folders", "record"), ("folders", "settings"), ("settings", "targets")}


def level_of(room: str) -> int:
    levels = [level for level, rooms in enumerate(LEVELS) if room in rooms]
    assert levels, f"{room} stands on no level of LEVELS: add it to one"
    return levels[0]


def imports() -> list[tuple[Path, str, str]]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                if module and module.startswith("cells."):
                    found.append((path, room, module.split(".")[1]))
    return found


def test_every_room_imports_only_from_rooms_below_it() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {imported}"
        for path, room, imported in imports()
        if imported not in (room, "conf")
        and level_of(imported) <= level_of(room)
        and (room, imported) not in NEIGHBOURS
    ]
    assert imports()
    assert wrong == []


@pytest.mark.parametrize(
    "module", ["cells", "cells.cli", "cells.cli.help", "cells.record", "cells.compare.summary"]
)
def test_light_modules_import_neither_torch_nor_lightning(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'pytorch_lightning') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
