"""The command line called within the test's own process: seconds less than starting Python and torch each time."""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from cells.cli import main, outcome

SMALL = (
    "data=adding",
    "data.length=5",
    "data.train_size=64",
    "data.val_size=32",
    "data.test_size=32",
    "trainer.max_steps=4",
    "trainer.val_every_steps=2",
    "logger=csv",
    "diagnostics=none",
)
"""A training of milliseconds."""


@dataclass(frozen=True)
class Answer:
    """What a call of the program left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str


Program = Callable[..., Answer]


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Program]:
    """`program("model=gru", …)` is `python train.py model=gru …`, called in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # set by the program; to be gone after the test
    handlers, level = logging.root.handlers[:], logging.root.level
    pipe = signal.getsignal(signal.SIGPIPE) if hasattr(signal, "SIGPIPE") else None

    def called(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        for name, value in (
            ("sweep_folder", None),
            ("sweep_jobs", []),
            ("stopped", False),
            ("_single", None),
        ):
            monkeypatch.setattr(outcome, name, value)
        capsys.readouterr()
        code = main()
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    yield called
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, pipe)
    for handler in set(logging.root.handlers) - set(handlers):
        handler.close()  # the log file of the last run
    logging.root.handlers, logging.root.level = handlers, level
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]  # modules that the test wrote


Start = Callable[..., BaseProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start("model=gru", …)` starts the program in a process of its own and goes on.

    It is forked from a server that has imported everything, which takes seconds, once. It has this process's
    environment, not what that was when the server was started.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cells.run", "cells.cli.hydra_entry"])
    processes = []

    def started(*arguments: str) -> BaseProcess:
        process = context.Process(target=_call_program, args=(tmp_path, arguments, dict(os.environ)))
        process.start()
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.join()


def _call_program(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    os.setsid()  # as a terminal does: the process leads a group, to which Ctrl-C goes
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["train.py", *arguments]
    printed = os.open(folder / f"printed-{os.getpid()}.txt", os.O_CREAT | os.O_WRONLY)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.exit(main())
