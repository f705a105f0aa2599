"""The processes of a distributed training: started here, one a device, and never left behind.

Lightning would start them by running the program's command line again, which under a Hydra multirun starts a second
sweep. Here the first process starts the others on the composed configuration, as `torchrun` would.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path


def started_by_a_launcher() -> bool:
    """Whether torchrun or SLURM has already started one process a device."""
    if "LOCAL_RANK" in os.environ:
        return True
    return "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def global_rank() -> int:
    """This process's place among all processes of a distributed training; 0 leads and writes everything."""
    for variable in ("RANK", "SLURM_PROCID") if started_by_a_launcher() else ("NODE_RANK",):
        if variable in os.environ:
            return int(os.environ[variable])
    return 0


@contextlib.contextmanager
def local_processes(config_path: Path, devices: int, num_nodes: int, on_cpu: bool) -> Iterator[None]:
    """Within it, the other processes of this machine train along; this one is the first of them.

    Args:
        config_path: the composed configuration, in the run's folder.
        devices: processes on this machine.
        num_nodes: machines.
        on_cpu: share the machine's cores out among the processes.

    Raises:
        RuntimeError: one of the others failed; it has told why on the error stream.
    """
    own = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(_free_port()),
        "WORLD_SIZE": str(devices * num_nodes),
        "NODE_RANK": os.environ.get("NODE_RANK", "0"),
        "LOCAL_RANK": "0",
    }
    if on_cpu:
        own["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // devices))
    before = {name: os.environ.get(name) for name in own}
    children: list[_Child] = []
    os.environ.update(own)
    try:
        children += [_Child(config_path, local_rank) for local_rank in range(1, devices)]
        # PyTorch waits for all processes where neither Ctrl-C nor the end of one of them would be noticed.
        for child in children:
            child.await_ready()
        yield
        for child in children:
            child.await_end()
    finally:
        for child in children:
            child.end()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Child:
    """Another process of this training. Its standard input is the line to it, which only this process holds open."""

    def __init__(self, config_path: Path, local_rank: int) -> None:
        environment = {"LOCAL_RANK": str(local_rank), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "cells.worker", str(config_path)]
        self._line, its_end = socket.socketpair()
        with its_end:
            # A session of its own: Ctrl-C reaches the first process, which tells the others.
            self._process = subprocess.Popen(
                command, env=os.environ | environment, stdin=its_end.fileno(), start_new_session=True
            )

    def await_ready(self) -> None:
        if not self._line.recv(1):
            raise RuntimeError("a process of the distributed training ended before it was ready to train")

    def await_end(self) -> None:
        if self._process.wait() != 0:
            raise RuntimeError(
                f"a process of the distributed training ended with exit code {self._process.returncode}"
            )

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._line.close()


def tell_parent() -> None:
    """In a child: all is built, and training can begin."""
    os.write(0, b"r")


def end_with_parent() -> None:
    """In a child: leave as soon as the parent's end of the standard input closes, however the parent ends."""

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when this process ends
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
