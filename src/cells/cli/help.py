"""`--help`, and the configuration reference of the documentation, out of the comments in the YAML files."""

import textwrap

from cells.cli.yaml_comments import (
    Key,
    default_option,
    description,
    group_options,
    groups,
    keys,
    own_keys,
    shared_file,
    top_level_keys,
)
from cells.pipes import end_with_reader

USAGE = """\
Which recurrent cell should I use on my sequence problem, how sure am I, and why?

  python train.py model=lstm                                    one run
  python train.py model=gru data=adding data.length=50 seeds=5  five replicas side by side
  python train.py -m model=elman,lstm,gru data=adding seeds=5   a comparison, with a verdict
  python train.py model=my_cells.MyCell                         your own cell
  python train.py data=csv data.path=my.csv data.target=y       your own data
  python train.py experiment=first_comparison                   a prepared experiment
  tensorboard --logdir outputs                                  look closer
"""

FLAGS = [
    ("-m, --multirun", "run every combination of comma-separated values"),
    ("--cfg job", "print the composed configuration and stop"),
    ("--info", "print where Hydra found its configuration"),
    ("-sc install=bash", 'print what installs shell completion: eval "$(python train.py -sc install=bash)"'),
    ("--hydra-help", "Hydra's own flags"),
    ("--version", "print the version"),
]

EXIT_CODES = [
    (0, "all well"),
    (1, "a run failed; its log is named"),
    (2, "the input was refused, before anything was trained"),
    (130, "interrupted by Ctrl-C or SIGTERM; the same command with resume=true goes on"),
]

WIDTH = 110


def help_text(arguments: list[str]) -> str:
    """The help page. Settings are listed for the options that the arguments choose, or for the defaults."""
    chosen = {group: default_option(group) for group in groups()}
    for argument in arguments:
        group, _, option = argument.partition("=")
        if group in chosen and option in group_options(group):
            chosen[group] = option
    lines = [USAGE, "Choose one of each (GROUP=OPTION; * is the default):", ""]
    for group in groups():
        options = group_options(group)
        width = max(20, *(len(option) + 2 for option in options))
        for place, option in enumerate(options):
            name = option + ("*" if option == default_option(group) else "")
            lines.append(_row(group if place == 0 else "", f"{name:<{width}}", description(group, option)))
        lines.append("")
    lines += ["Settings (KEY=VALUE), as they stand when nothing is said:", ""]
    lines += [_setting(key) for key in top_level_keys()]
    for group, option in chosen.items():
        settings = keys(group, option)
        if settings and group not in ("experiment", "debug"):
            lines += ["", f"  with {group}={option}"]
            lines += [_setting(key) for key in settings]
    lines += ["", "Settings of other options: add them, as in  python train.py model=gru data=csv --help", ""]
    lines += ["Flags:", ""] + [f"  {flag:<18}{meaning}" for flag, meaning in FLAGS]
    lines += ["", "Exit codes:", ""] + [f"  {code:<18}{meaning}" for code, meaning in EXIT_CODES]
    return "\n".join(lines)


def reference() -> str:
    """docs/configuration.md: every option and every setting."""
    lines = [
        "# Configuration reference",
        "",
        "Every option (`GROUP=OPTION`) and every setting (`KEY=VALUE`), made from the comments in `conf/` by",
        "`python -m cells.cli.help > docs/configuration.md`; a test keeps it up to date.",
        "",
        "## Settings outside all groups",
        "",
        *_table(top_level_keys()),
    ]
    for group in groups():
        options = group_options(group)
        lines += ["", f"## `{group}=`", "", "| option | what it is |", "|---|---|"]
        for option in options:
            default = " (default)" if option == default_option(group) else ""
            lines.append(f"| `{option}`{default} | {_cell(description(group, option))} |")
        if group in ("experiment", "debug"):
            continue
        for shared in sorted({shared_file(group, option) for option in options} - {""}):
            lines += ["", f"### {_heirs(group, shared)}", "", f"{description(group, shared)}."]
            lines += ["", *_table(keys(group, shared))]
        for option in options:
            settings = own_keys(group, option)
            if settings:
                lines += ["", f"### `{group}={option}`", "", *_table(settings)]
    return "\n".join(lines) + "\n"


def _heirs(group: str, shared: str) -> str:
    """Which options take over the settings of a shared file, as a heading."""
    heirs = [option for option in group_options(group) if shared_file(group, option) == shared]
    return f"Every `{group}=`" if heirs == group_options(group) else f"`{group}=` {', '.join(heirs)}"


def _row(group: str, option: str, meaning: str) -> str:
    left = f"  {group:<12}{option}"
    return left + textwrap.shorten(meaning, WIDTH - len(left), placeholder=" …")


def _setting(key: Key) -> str:
    left = f"  {key.name}={key.default}"
    return f"{left:<46}  {key.comment}"


def _table(settings: list[Key]) -> list[str]:
    rows = [f"| `{key.name}` | `{_cell(key.default)}` | {_cell(key.comment)} |" for key in settings]
    return ["| setting | default | what it does |", "|---|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    end_with_reader()
    print(reference(), end="")
