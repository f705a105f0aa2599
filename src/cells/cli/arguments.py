"""The arguments before Hydra sees them: flags told from overrides, groups checked to be chosen by name."""

from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from cells.cli.yaml_comments import group_options, groups
from cells.errors import UserError


def understood(arguments: list[str]) -> list[str]:
    """The arguments in the order that Hydra asks for: flags first, then overrides. `-m` may stand anywhere.

    Raises:
        UserError: no such flag, or a group is given something that is no name.
    """
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]
    asked = parser.parse_intermixed_args(arguments)
    overrides = asked.overrides
    parsed = OverridesParser.create().parse_overrides(overrides)
    for override in parsed:
        group = override.key_or_group
        if override.is_delete() or override.is_sweep_override() or isinstance(override.value(), str):
            continue
        if not group:
            raise UserError(f"{override.input_line!r} names no setting; write KEY=VALUE.")
        if group in groups():
            raise UserError(
                f"{override.input_line}: {group} is chosen by name; choose from: {', '.join(group_options(group))}."
            )
    flags = [argument for argument in arguments if argument not in overrides]
    return flags + (_with_swept_groups(parsed) if asked.multirun else overrides)


def _with_swept_groups(overrides: list[Override]) -> list[str]:
    """`data=recall,adding data.length=20`, so that the length is set job by job.

    Hydra composes once without what is swept, and would set the length of the default data.
    """
    swept = [o.key_or_group for o in overrides if o.is_sweep_override() and o.key_or_group in groups()]
    lines = []
    for override in overrides:
        key, line = override.key_or_group, str(override.input_line)
        if any(key.startswith(f"{group}.") for group in swept) and line.startswith(f"{key}="):
            value = line.partition("=")[2]
            lines.append(line if override.is_sweep_override() else f"{key}=choice({value})")
        else:
            lines.append(line)
    return lines


def _refuse_flag(message: str) -> NoReturn:
    raise UserError(f"{message}; python train.py --help lists the flags.")
