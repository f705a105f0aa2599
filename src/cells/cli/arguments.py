"""The arguments before Hydra sees them: flags told from overrides, groups checked to be chosen by name."""

from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser

from cells.cli.yaml_comments import group_options, groups
from cells.errors import UserError


def understood(arguments: list[str]) -> list[str]:
    """The arguments in the order that Hydra asks for: flags first, then overrides. `-m` may stand anywhere.

    Raises:
        UserError: no such flag, or a group is given something that is no name.
    """
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]
    overrides = parser.parse_intermixed_args(arguments).overrides
    for override in OverridesParser.create().parse_overrides(overrides):
        group = override.key_or_group
        if override.is_delete() or override.is_sweep_override() or isinstance(override.value(), str):
            continue
        if not group:
            raise UserError(f"{override.input_line!r} names no setting; write KEY=VALUE.")
        if group in groups():
            raise UserError(
                f"{override.input_line}: {group} is chosen by name; choose from: {', '.join(group_options(group))}."
            )
    return [argument for argument in arguments if argument not in overrides] + overrides


def _refuse_flag(message: str) -> NoReturn:
    raise UserError(f"{message}; python train.py --help lists the flags.")
