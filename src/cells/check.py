"""`python -m cells.check my_cells.MyCell`: tells the author of a cell what holds and what does not."""

import argparse
import functools
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from torch import nn

from cells.errors import UserError, did_you_mean
from cells.recurrent.adapter import ModuleCell
from cells.recurrent.cell import Cell
from cells.recurrent.contract import CheckResult, check_cell
from cells.targets import checked


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 if the cell passes every check, 1 if one fails, 2 if there is nothing to check."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.check", description="Check whether a recurrent cell keeps its contract."
    )
    parser.add_argument("path", help="dotted path of a class, such as my_cells.MyCell")
    parser.add_argument("--hidden-size", type=int, default=4, help="hidden size to try it with (default: 4)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a constructor argument; may be repeated",
    )
    options = parser.parse_args(arguments)
    sys.path.insert(0, "")  # the current folder, as for `python train.py`
    try:
        if options.hidden_size < 1:
            raise UserError(f"--hidden-size={options.hidden_size}: a positive number is needed.")
        settings = dict(map(_setting, options.set))
        make_cell = cell_factory(find_class(options.path), settings)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    passed = report(options.path, check_cell(make_cell, options.hidden_size))
    if passed:
        overrides = "".join(f" model.cell.{setting}" for setting in options.set)
        print(f"Train it with: cells-train model={options.path}{overrides}")
    return 0 if passed else 1


def find_class(path: str) -> type[nn.Module]:
    """The class that a dotted path names.

    Raises:
        UserError: there is no such module or class, it cannot be imported, or it is no `nn.Module`.
    """
    module_name, _, name = path.rpartition(".")
    root = path.partition(".")[0]
    if not root or not module_name:
        raise UserError(f"{path}: a module and a class are needed, such as my_cells.MyCell.")
    if importlib.util.find_spec(root) is None:
        here = [module.name for module in pkgutil.iter_modules([""])]
        raise UserError(f"{path}: there is no module {root!r} here or installed; {did_you_mean(root, here)}")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may fail in any way
        raise UserError(
            f"{path}: importing {module_name} fails ({type(error).__name__}: {error})."
        ) from error
    classes = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module)
    }
    if name not in classes:
        raise UserError(
            f"{path}: {module_name} has no cell or module {name!r}; {did_you_mean(name, classes)}"
        )
    return classes[name]


def cell_factory(cls: type[nn.Module], settings: dict[str, Any]) -> Callable[..., Cell]:
    """What makes cells of a class, given its further arguments; a plain module goes through the adapter.

    Raises:
        UserError: an argument is missing, of the wrong type, or none that the constructor has.
    """
    parameters = inspect.signature(cls).parameters
    sizes = list(parameters)[: 3 if issubclass(cls, Cell) else 2]  # input_size, hidden_size, replicas
    settings = checked(cls, settings, where="", reserved=sizes)
    for name, parameter in parameters.items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and name not in (*sizes, *settings):
            raise UserError(f"{cls.__name__} needs {name}: give it a value with --set {name}=….")
    if issubclass(cls, Cell):
        return functools.partial(cls, **settings)
    return functools.partial(ModuleCell, module=cls, **settings)


def report(path: str, results: Sequence[CheckResult]) -> bool:
    """Print what was found; true if all of it is good."""
    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        mark = "[green]ok  [/]" if result.passed else "[bold red]FAIL[/]"
        console.print(f"{mark}  {result.name}{': ' if result.detail else ''}{escape(result.detail)}")
    failed = sum(not result.passed for result in results)
    verdict = f"fails {failed} of {len(results)} checks" if failed else f"passes all {len(results)} checks"
    console.print(f"{escape(path)} {verdict}.")
    return not failed


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: write --set {text}=VALUE.")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
