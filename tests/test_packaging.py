"""What is installed is what the repository holds."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
FOLDERS = {"cells": ROOT / "src" / "cells", "cells.conf": ROOT / "conf"}


def folder_of(package: str) -> Path:
    root = "cells.conf" if package.startswith("cells.conf") else "cells"
    return FOLDERS[root].joinpath(*package.removeprefix(root).strip(".").split("."))


def test_every_package_is_installed() -> None:
    there = {
        ".".join(["cells", *folder.relative_to(FOLDERS["cells"]).parts])
        for folder in {path.parent for path in FOLDERS["cells"].rglob("*.py")}
    }
    assert there | {"cells.conf"} == {
        name for name in SETUPTOOLS["packages"] if not name.startswith("cells.conf.")
    }


def test_every_file_that_is_no_module_is_installed() -> None:
    covered = {
        file
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for file in folder_of(package).glob(pattern)
    }
    there = {
        file
        for folder in FOLDERS.values()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
    }
    assert there - covered == set()
