"""The configuration folder as its own documentation: the comments of its YAML files.

The first comment line of a file that is not a directive says what the option is; the comment behind a key says what
the key does. `--help` and docs/configuration.md are made of these.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_]\w*):(?: +(?P<value>.*?))??(?: +# (?P<comment>.*))?$")


@dataclass(frozen=True)
class Key:
    """A setting: its dotted name, its default as written, and what it does."""

    name: str
    default: str
    comment: str


def _conf() -> Traversable:
    return files("cells.conf")


@lru_cache(maxsize=1)
def groups() -> list[str]:
    """The groups to choose from, in the order of the main defaults list."""
    text = (_conf() / "config.yaml").read_text(encoding="utf-8")
    return re.findall(r"^  - (\w+): \w+", text, flags=re.MULTILINE)


def default_option(group: str) -> str:
    """The option of a group that is taken when nothing is said."""
    text = (_conf() / "config.yaml").read_text(encoding="utf-8")
    found = re.search(rf"^  - {group}: (\w+)", text, flags=re.MULTILINE)
    return found.group(1) if found else ""


def group_options(group: str) -> list[str]:
    """Names of a group's options; those in folders below it come with their path."""
    folder = _conf().joinpath(*group.split("/"))
    if not folder.is_dir():
        return []
    names = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith("_"):
            names += [f"{entry.name}/{name}" for name in group_options(f"{group}/{entry.name}")]
        elif entry.name.endswith(".yaml") and not entry.name.startswith("_"):
            names.append(entry.name.removesuffix(".yaml"))
    return names


def description(group: str, option: str) -> str:
    """What an option is: the first comment line of its file that is not a directive to Hydra."""
    for line in _lines(group, option):
        if line.startswith("#") and "@package" not in line:
            return line.removeprefix("#").strip()
    return ""


def shared_file(group: str, option: str) -> str:
    """The file whose settings an option takes over, `_network`; an empty name if there is none."""
    found = re.search(r"^defaults: \[(_\w+), _self_\]", "\n".join(_lines(group, option)), flags=re.MULTILINE)
    return found.group(1) if found else ""


def keys(group: str, option: str) -> list[Key]:
    """The commented settings of an option, those it takes over from the group's shared file first."""
    shared = shared_file(group, option)
    taken_over = keys(group, shared) if shared else []
    every = {key.name: key for key in taken_over} | {key.name: key for key in own_keys(group, option)}
    return list(every.values())


def own_keys(group: str, option: str) -> list[Key]:
    """The commented settings in an option's own file; one of the shared file's may go without a comment."""
    shared = shared_file(group, option)
    comments = {key.name: key.comment for key in keys(group, shared)} if shared else {}
    return _settings(_lines(group, option), f"{group}.", comments)


def top_level_keys() -> list[Key]:
    """The settings outside all groups."""
    return _settings((_conf() / "config.yaml").read_text(encoding="utf-8").splitlines(), "", {})


def _settings(lines: list[str], prefix: str, comments: Mapping[str, str]) -> list[Key]:
    """The settings in a file's lines that have a comment, there or among `comments`."""
    found = []
    path: list[str] = []
    for line in lines:
        match = _KEY.match(line)
        if not match:
            continue
        depth = len(match["indent"]) // 2
        path = [*path[:depth], match["key"]]
        name = prefix + ".".join(path)
        comment = match["comment"] or comments.get(name, "")
        if comment and match["value"]:
            found.append(Key(name, match["value"], comment))
    return found


def every_key() -> list[str]:
    """All dotted names that a command line may set."""
    names = [key.name for key in top_level_keys()]
    for group in groups():
        for option in group_options(group):
            names += [key.name for key in keys(group, option)]
    return list(dict.fromkeys(names))


@lru_cache(maxsize=256)
def _lines(group: str, option: str) -> list[str]:
    path = _conf().joinpath(*group.split("/"), *f"{option}.yaml".split("/"))
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
