"""Errors of Hydra and OmegaConf, told in one sentence with the nearest valid name."""

import re

from hydra.errors import MissingConfigException, OverrideParseException

from cells.cli.yaml_comments import every_key, group_options, groups
from cells.errors import did_you_mean


def one_sentence(error: Exception) -> str:
    """What is wrong, where, and what to do."""
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is not of the form key=value ({_first_line(error)}); put values with special "
            "characters in quotes, such as 'data.target=\"PM 2.5\"'."
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [name for name in (error.options or group_options(group)) if not name.startswith("_")]
        if group:
            return f"{group}={option}: no such option; {did_you_mean(option, options)}"
    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'|full_key: (\S+)|Key '([^']+)' is not in struct", text)
    if unknown and ("not in struct" in text or "No match in the defaults list" in text or "not in" in text):
        name = next(found for found in unknown.groups() if found)
        return f"{name.partition('=')[0]}: no such setting; {did_you_mean(name.partition('=')[0], _names())}"
    missing = re.search(r"Missing mandatory value: (\S+)", text)
    if missing:
        return (
            f"{missing.group(1)}: this setting has no default; give it a value with {missing.group(1)}=VALUE."
        )
    return _first_line(error)


def _names() -> list[str]:
    return [*groups(), *every_key()]


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
