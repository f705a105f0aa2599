"""A sweep's trainings each in a process of its own, forked from one clean server: quick to start, and it dies alone.

The server has imported everything and executed no tensor operation, so that what it forks starts as a fresh process
would, without the seconds that importing takes.
"""

import contextlib
import logging.config
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from cells.errors import UserError
from cells.record import read_record, write_record

PRELOADED = [
    "cells.run",
    "cells.recurrent.engines.fused.operation",
    "cells.training.pictures",
    "torch.utils.tensorboard",
]


def available() -> bool:
    """Whether this system has a fork server: Windows has none."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def start_server() -> None:
    """Let the server begin to import, while this process has other things to do."""
    if available():
        # A child would not know joblib's way to start.
        if multiprocessing.get_start_method(allow_none=True) == "loky":
            multiprocessing.set_start_method("forkserver", force=True)
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()


def execute_apart(
    config: Mapping[str, Any], folder: Path, overrides: list[str], log_config: Mapping[str, Any]
) -> dict[str, Any]:
    """As `cells.run.execute`, in a process of its own.

    SIGINT and SIGTERM are passed on to it, so that it can leave a checkpoint; should it die in another way, the record
    says so.

    Args:
        config, folder, overrides: as for `execute`.
        log_config: for `logging.config.dictConfig` in that process.
    """
    start_server()
    process = multiprocessing.get_context("forkserver").Process(
        target=_train, args=(config, folder, overrides, log_config, dict(os.environ))
    )
    process.start()
    with _passing_signals_to(process.pid):
        process.join()
    record = read_record(folder) or {"status": "failed"}
    if process.exitcode or record["status"] == "running":
        code = process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        record |= {"status": "failed", "message": f"its process ended with {how}"}
        if "config" in record:
            with contextlib.suppress(UserError):  # on a full disk the job's own log has said so
                write_record(folder, record)
    return record


def _train(
    config: Mapping[str, Any],
    folder: Path,
    overrides: list[str],
    log_config: Mapping[str, Any],
    environment: dict[str, str],
) -> None:
    os.setsid()  # Ctrl-C reaches the first process, which passes it on
    os.environ.clear()
    os.environ.update(environment)
    logging.config.dictConfig(dict(log_config))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from cells.run import execute

    execute(config, folder, overrides)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _passing_signals_to(pid: int | None) -> Iterator[None]:
    if pid is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: Any) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stdout.flush()
