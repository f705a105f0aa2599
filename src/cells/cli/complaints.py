"""Errors of Hydra and OmegaConf, told in one sentence with the nearest valid name."""

import re

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from cells.cli.yaml_comments import every_key, group_options, groups, keys
from cells.errors import did_you_mean
from cells.settings import dotted_keys


def one_sentence(error: Exception) -> str:
    """What is wrong, where, and what to do."""
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is not of the form key=value; put values with special characters in quotes, such as "
            "'data.target=\"PM 2.5\"'."
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        path, options = str(error.missing_cfg_file), error.options or []
        group, _, option = path.partition("/") if path.partition("/")[0] in groups() else path.rpartition("/")
        # Hydra tells the options of the folder alone; those of folders below the group come with their path.
        options = [name for name in dict.fromkeys([*group_options(group), *options]) if name[0] != "_"]
        if group:
            return f"{group}={option}: no such option; {did_you_mean(option, options)}"
    text = str(error)
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        return _no_such_setting(unknown.group(1), _composed(error))
    ambiguous = re.match(r"Ambiguous value for argument '([^']+)'", text)
    if ambiguous:
        key, _, values = ambiguous.group(1).partition("=")
        return (
            f"{key}={values}: several values are a sweep, so add -m; one list is written '{key}=[{values}]'."
        )
    twice = re.match(r"Multiple values for (\S+)\.", text)
    if twice:
        return f"{twice.group(1)}: an option is chosen already; write {twice.group(1)}=OPTION, without a +."
    merged = re.match(r"Error merging override (([^=]+)=.*)", text)
    if merged:
        override, key = merged.group(1), merged.group(2).lstrip("+")
        return f"{override}: no list stands in for a section, nor the reverse; add '~{key}', and '+' before {key}=."
    if isinstance(error, MissingMandatoryValue):
        key = error.full_key
        return f"{key}: this setting has no default; give it a value with {key}=VALUE."
    key = getattr(error, "full_key", None)
    return f"{key}: {_first_line(error)}" if key else _first_line(error)


def _no_such_setting(name: str, composed: list[str]) -> str:
    if name.startswith("hydra."):
        return f"{name}: Hydra has no such setting; python train.py --cfg hydra lists them."
    group = name.partition(".")[0]
    owners = [option for option in group_options(group) if name in [key.name for key in keys(group, option)]]
    if owners:
        return f"{name}: what is chosen has no such setting; it belongs to {group}={' | '.join(owners)}."
    return f"{name}: no such setting; {did_you_mean(name, [*groups(), *composed])}"


def _composed(error: Exception) -> list[str]:
    """The settings that there were to override, those of a user's own cell or file among them."""
    node = getattr(error.__cause__, "parent_node", None)
    if node is None:
        return every_key()
    config = OmegaConf.to_container(node._get_root())
    assert isinstance(config, dict)
    return [key for key in dotted_keys(config) if not key.startswith("hydra")]  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
