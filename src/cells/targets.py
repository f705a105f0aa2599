"""From a section of the configuration to an object: the one place where `_target_` is resolved.

A section is a mapping whose `_target_` names a class; its other keys are that class's constructor arguments.
Keys are checked against the constructor's signature and values against its annotations (types and ranges, by
pydantic), so that a mistake is told in one sentence before anything is trained.
"""

import functools
import importlib
import inspect
import math
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from cells.errors import UserError, did_you_mean

ALLOWED_MODULES = ("cells", "torch.optim", "pytorch_lightning.callbacks")
"""Modules whose classes a configuration may name. Others have to be trusted by the user (`trusted_modules`)."""

PLAINER = {
    "dict_type": "settings are needed, written {key:value}",
    "tuple_type": "a list is needed, written [a,b]",
    "list_type": "a list is needed, written [a,b]",
    "missing": "too few values",
}
"""What pydantic says in Python's terms, said in the command line's."""

LARGEST_INTEGER = 2**32 - 1
"""No setting counts further; beyond 64 bits an integer fits no tensor, and between the two no memory."""

_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)


def locate(target: Any, where: str, trusted: Sequence[str] = ()) -> Callable[..., Any]:
    """The class or function that a dotted path names.

    Raises:
        UserError: it is no path, or leads outside the allowed and trusted modules, or nowhere.
    """
    if not isinstance(target, str):
        raise UserError(
            f"{where}._target_={target}: the dotted path of a class is needed, such as torch.optim.Adam."
        )
    allowed = (*ALLOWED_MODULES, *trusted)
    if not any(target == module or target.startswith(module + ".") for module in allowed):
        root = target.partition(".")[0]
        raise UserError(
            f"{where}._target_: {target!r} is outside the modules a configuration may run ({', '.join(allowed)}); "
            f"if you trust that code, add trusted_modules=[{root}]."
        )
    module_name, _, attribute = target.rpartition(".")
    module = imported(module_name, f"{where}._target_")
    found = getattr(module, attribute, None)
    if not callable(found):
        raise UserError(
            f"{where}._target_: module {module_name!r} has no class {attribute!r}; "
            f"{did_you_mean(attribute, [name for name in vars(module) if not name.startswith('_')])}"
        )
    return typing.cast(Callable[..., Any], found)


def imported(name: str, where: str) -> ModuleType:
    """The module of a name.

    Raises:
        UserError: there is none, or it cannot be imported; a mistake in it is told with its place.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise UserError(f"{where}: {name} needs a module that is missing: {error.name}.") from error
        raise UserError(
            f"{where}: there is no module {name!r}; stand in its folder, install it or set PYTHONPATH."
        ) from error
    except SyntaxError as error:
        raise UserError(f"{where}: {error.filename}, line {error.lineno}: {error.msg}.") from error
    except Exception as error:  # whatever a user's module does when it is imported
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{where}: {last.filename}, line {last.lineno}: {type(error).__name__}: {_one_line(error)}."
        ) from error


def instantiate(section: Mapping[str, Any], where: str, trusted: Sequence[str] = (), **extra: Any) -> Any:
    """Build what a section of the configuration describes; nested sections first.

    Args:
        section: `_target_`, optionally `_partial_`, and constructor arguments.
        where: the section's place in the configuration, for error messages ("model.cell").
        trusted: further modules whose classes may be named.
        extra: constructor arguments that come from the program, not from the configuration.

    Raises:
        UserError: unknown key, wrong type, value out of range, or a target that is not allowed.
    """
    if not isinstance(section, Mapping):
        raise UserError(f"{where}={section}: a section is needed, whose _target_ names a class.")
    target = locate(section.get("_target_"), where, trusted)
    given: dict[str, Any] = {}
    for key, value in section.items():
        if key in ("_target_", "_partial_"):
            continue
        if isinstance(value, Mapping) and "_target_" in value:
            value = instantiate(value, f"{where}.{key}", trusted)
        given[key] = value
    arguments = checked(target, given, where, reserved=extra.keys()) | extra
    if section.get("_partial_"):
        return functools.partial(target, **arguments)
    try:
        return target(**arguments)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise UserError(f"{where}: {_one_line(error)} ({section['_target_']})") from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise  # PyTorch has no exception of its own for memory that is not there
        raise UserError(
            f"{where}: it needs more memory than this machine has; choose smaller sizes or fewer seeds."
        ) from error


def checked(
    target: Callable[..., Any], given: Mapping[str, Any], where: str, reserved: Sequence[str] | Any = ()
) -> dict[str, Any]:
    """The given arguments, converted to the types that the target's signature asks for.

    Raises:
        UserError: unknown key, wrong type or value out of range.
    """
    try:
        parameters = inspect.signature(target).parameters
    except ValueError as error:  # many classes written in C, and exceptions, do not tell
        name = getattr(target, "__name__", target)
        raise UserError(f"{where}._target_: {name} does not tell what settings it takes.") from error
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    valid = [name for name in parameters if name not in reserved and name != "self"]
    hints = _annotations(target)
    result = {}
    for key, value in given.items():
        place = f"{where}.{key}" if where else key
        if key not in valid and not (open_ended and key not in reserved):
            raise UserError(f"{place}: no such setting; {did_you_mean(key, valid)}")
        result[key] = _converted(value, hints[key], place) if key in hints else value
        _refuse_unusable_numbers(result[key], place)
    return result


def _annotations(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:  # annotations that cannot be resolved at run time: the constructor has the word
        return {}


def _converted(value: Any, annotation: Any, where: str) -> Any:
    try:
        adapter = TypeAdapter(annotation, config=_ANY_TYPE)
    except PydanticUserError:  # a dataclass or model brings its own configuration
        adapter = TypeAdapter(annotation)
    try:
        converted = adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        message = PLAINER.get(first["type"], first["msg"])
        given = "null" if value is None else value
        raise UserError(f"{where}={given}: {message[0].lower()}{message[1:]}.") from error
    if isinstance(value, bool) and type(converted) in (int, float):  # pydantic takes true for 1
        raise UserError(f"{where}={str(value).lower()}: a number is needed.")
    return converted


def _refuse_unusable_numbers(value: Any, where: str) -> None:
    """NaN and infinity pass most range checks, and so does what fits no tensor. Sections are checked by themselves."""
    if isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_unusable_numbers(inner, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}={value}: a finite number is needed.")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise UserError(f"{where}={value}: too large; integers go up to {LARGEST_INTEGER}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
