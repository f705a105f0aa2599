"""The processes of a distributed training: started here, one a device, and never left behind.

Lightning would start them by running the program's command line again, which under a Hydra multirun starts a second
sweep. Here the first process starts the others on the composed configuration, as `torchrun` would.
"""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

OWN_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "NODE_RANK", "LOCAL_RANK", "OMP_NUM_THREADS")


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


class LocalProcesses:
    """While entered, the other processes of this machine train along; this one is the first of them.

    A child ends when its parent does, however that ends: it watches a pipe that only the parent holds open.

    Args:
        config_path: the composed configuration, `config.yaml` in the run's folder.
        devices: processes on this machine.
        num_nodes: machines.
        on_cpu: share the machine's cores out among the processes.
    """

    def __init__(self, config_path: Path, devices: int, num_nodes: int, on_cpu: bool) -> None:
        self._config_path, self._devices, self._num_nodes, self._on_cpu = (
            config_path,
            devices,
            num_nodes,
            on_cpu,
        )
        self._children: list[subprocess.Popen[bytes]] = []
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> "LocalProcesses":
        node_rank = int(os.environ.get("NODE_RANK", "0"))
        self._before = {name: os.environ.get(name) for name in OWN_VARIABLES}
        os.environ["MASTER_ADDR"] = os.environ.get("MASTER_ADDR", "127.0.0.1")
        os.environ["MASTER_PORT"] = os.environ.get("MASTER_PORT") or str(_free_port())
        os.environ["WORLD_SIZE"] = str(self._devices * self._num_nodes)
        os.environ["NODE_RANK"] = str(node_rank)
        if self._on_cpu:
            os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // self._devices))
        for local_rank in range(1, self._devices):
            environment = os.environ | {
                "LOCAL_RANK": str(local_rank),
                "PYTHONPATH": os.pathsep.join(sys.path),
            }
            command = [sys.executable, "-m", "cells.worker", str(self._config_path)]
            # A session of its own: Ctrl-C reaches the first process, which tells the others.
            self._children.append(
                subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)
            )
        os.environ["LOCAL_RANK"] = "0"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for child in self._children:
            if error is not None:
                child.kill()
            child.wait()
            if child.stdin:
                child.stdin.close()
        failed = [child.returncode for child in self._children if child.returncode != 0]
        if failed and error is None:
            raise RuntimeError(f"a process of the distributed training ended with exit code {failed[0]}")


def end_with_parent() -> None:
    """In a child: leave as soon as the parent's end of the standard input closes."""

    def watch() -> None:
        os.read(0, 1)  # not sys.stdin: its lock would be held when this process ends
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
