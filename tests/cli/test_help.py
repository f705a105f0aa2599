"""`--help` answers at once, and with everything that `conf/` offers."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cells.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_REFUSED

from .conftest import Program

CONF = Path(__file__).parents[2] / "conf"
GROUPS = sorted({path.parent.name for path in CONF.glob("*/[!_]*.yaml")})
OPTIONS = [
    (group, path.relative_to(CONF / group).with_suffix("").as_posix())
    for group in GROUPS
    for path in sorted((CONF / group).rglob("[!_]*.yaml"))
]


def first_comment(path: Path) -> str:
    lines = [
        line[1:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")
    ]
    return next(line for line in lines if not line.startswith("@package"))


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_questions_are_answered_without_importing_torch_or_hydra(flag: str) -> None:
    program = (
        "import sys; from cells.cli import main; code = main(); "
        "heavy = {'torch', 'pytorch_lightning', 'hydra', 'pandas'} & sys.modules.keys(); "
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program, flag], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no such signal")
@pytest.mark.parametrize(
    "arguments", [["-m", "cells.cli.help"], ["train.py", "--help"], ["train.py", "--cfg=job"]], ids=" ".join
)
def test_what_only_prints_ends_without_a_word_when_its_reader_has_gone(arguments: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, *arguments]
    answer = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, check=False, cwd=CONF.parent)
    os.close(writes)
    assert (answer.returncode, answer.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_is_listed_with_the_first_comment_of_its_file(
    program: Program, group: str, option: str
) -> None:
    answer = program("--help")
    section = re.search(rf"^  {group} .*?(?=\n\n|\Z)", answer.out, flags=re.MULTILINE | re.DOTALL)
    assert section, group
    (line,) = [line for line in section[0].splitlines() if re.match(rf".{{14}}{option}\*? ", line)]
    told = line.split(option, 1)[1].lstrip("* ")
    comment = first_comment(CONF / group / f"{option}.yaml")
    assert told == comment or (told.endswith(" …") and comment.startswith(told[:-2]))


def test_exactly_the_default_of_every_group_is_marked(program: Program) -> None:
    marked = re.findall(r"^(?:  \w+| {14}) *(\w+)\* ", program("--help").out, flags=re.MULTILINE)
    defaults = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = [
        option
        for entry in defaults
        if isinstance(entry, dict)
        for group, option in entry.items()
        if group in GROUPS
    ]
    assert marked == chosen


@pytest.mark.parametrize(
    ("group", "option"), [pair for pair in OPTIONS if pair[0] not in ("experiment", "debug")]
)
def test_the_settings_of_the_options_at_hand_are_listed_with_default_and_comment(
    program: Program, group: str, option: str
) -> None:
    out = program(f"{group}={option}", "--help").out
    own = yaml.safe_load((CONF / group / f"{option}.yaml").read_text(encoding="utf-8")) or {}
    for key, value in own.items():
        if key.startswith("_") or key == "defaults" or isinstance(value, dict):
            continue
        (line,) = re.findall(rf"^  {group}\.{key}=(.*)$", out, flags=re.MULTILINE)
        default, _, comment = line.partition("  ")
        assert yaml.safe_load(default) == value
        assert comment.strip(), f"{group}/{option}.yaml: {key} has no comment"


def test_exit_codes_are_told(program: Program) -> None:
    codes = re.findall(r"^  (\d+) +\w", program("--help").out, flags=re.MULTILINE)
    assert codes == ["0", str(EXIT_FAILED), str(EXIT_REFUSED), str(EXIT_INTERRUPTED)]


def test_settings_outside_all_groups_are_listed(program: Program) -> None:
    out = program("--help").out
    top = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    for key in dotted({key: top[key] for key in top.keys() - {"defaults", "hydra"}}):
        assert re.search(rf"^  {re.escape(key)}=\S+ +\w+", out, flags=re.MULTILINE), key


def test_every_setting_of_the_chosen_configuration_appears_in_the_help(program: Program) -> None:
    composed = yaml.safe_load(program("--cfg", "job", "model=elman", "data=csv", "scheduler=warmup").out)
    out = program("--help", "model=elman", "data=csv", "scheduler=warmup").out
    missing = [key for key in dotted(composed) if not re.search(rf"^  {re.escape(key)}=", out, re.MULTILINE)]
    assert missing == []


def test_shell_completion_installs_and_completes(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "complete -o nospace" in program("-sc", "install=bash").out
    line = "python train.py optimizer="
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert "optimizer=rmsprop" in program("-sc", "query=bash").out.split()


def dotted(section: dict[str, object], prefix: str = "") -> list[str]:
    keys = []
    for key, value in section.items():
        if key.startswith("_"):
            continue
        keys += dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys
