"""`model=my_cells.MyCell`: a user's cell as a model, offered to Hydra before it composes."""

import inspect
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING

from cells.cli.yaml_comments import group_options
from cells.errors import UserError, did_you_mean
from cells.targets import imported

GIVEN_BY_LAYER = ("self", "input_size", "hidden_size", "replicas")


def offer_own_cells(arguments: list[str]) -> list[str]:
    """Register every `model=` that is a dotted class path, and trust its module: naming it is what trusts it.

    Returns:
        The arguments, with the modules added to `trusted_modules`.

    Raises:
        UserError: no such module or class, or it is no cell.
    """
    paths = [
        value.strip()
        for argument in arguments
        if argument.startswith("model=")
        for value in argument.removeprefix("model=").split(",")
        if "." in value and value.strip() not in group_options("model")
    ]
    if not paths:
        return arguments
    for path in paths:
        ConfigStore.instance().store(group="model", name=path, node=_node(path), provider="command line")
    trusted = [path.rpartition(".")[0] for path in paths]
    others = [argument for argument in arguments if not argument.startswith("trusted_modules=")]
    for argument in arguments:
        if argument.startswith("trusted_modules="):
            (override,) = OverridesParser.create().parse_overrides([argument])
            named = override.value()
            trusted += named if isinstance(named, list) else [str(named)]
    return [*others, f"trusted_modules=[{','.join(dict.fromkeys(map(str, trusted)))}]"]


def _node(path: str) -> dict[str, Any]:
    """The model configuration of a class: shared settings of all models, and its own constructor arguments."""
    cls = _class(path)
    from torch import nn

    from cells.recurrent.cell import Cell

    own: dict[str, Any] = {"_target_": path, "_partial_": True}
    if issubclass(cls, Cell):
        own |= _own_arguments(cls)
    elif issubclass(cls, nn.Module):
        module = {"_target_": path, "_partial_": True}
        own = {"_target_": "cells.recurrent.adapter.ModuleCell", "_partial_": True, "module": module}
        own |= _own_arguments(cls)
    else:
        raise UserError(
            f"model={path}: {cls.__name__} is neither a cells.recurrent.cell.Cell nor a torch module."
        )
    return {"defaults": ["_network", "_self_"], "cell": own}


def _class(path: str) -> type:
    module_name, _, name = path.rpartition(".")
    module = imported(module_name, f"model={path}")
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        classes = [n for n, value in vars(module).items() if inspect.isclass(value) and not n.startswith("_")]
        raise UserError(f"model={path}: {module_name} has no class {name!r}; {did_you_mean(name, classes)}")
    return found


def _own_arguments(cls: type) -> dict[str, Any]:
    """Constructor arguments that the configuration may set, with their defaults; those without one are mandatory."""
    own: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in GIVEN_BY_LAYER or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty:
            own[name] = MISSING
        elif isinstance(parameter.default, (bool, int, float, str, list, tuple, dict, type(None))):
            own[name] = parameter.default
    return own
