"""What became of the runs of this process: shown at the end, and turned into the exit code."""

import sys
from pathlib import Path
from typing import Any

from cells.cli import EXIT_FAILED, EXIT_INTERRUPTED

sweep_folder: Path | None = None
"""The folder of the multirun in progress, set by the gate."""
sweep_jobs: list[str] = []
"""The folders' names of its jobs, as planned."""
stopped = False
"""Whether a run was interrupted, so that the jobs after it are not to start."""
_single: tuple[Path, dict[str, Any]] | None = None


def note(folder: Path, record: dict[str, Any], alone: bool) -> None:
    """Remember how a run ended, and show a single run's results."""
    global stopped, _single
    stopped = stopped or record["status"] == "interrupted"
    if alone:
        _single = (folder, record)


def conclude() -> int:
    """Show results and failures. The records decide, so jobs that ran in other processes count as well.

    Returns:
        The exit code.
    """
    from cells.compare.summary import show_run, show_sweep

    if sweep_folder is not None:
        statuses = show_sweep(sweep_folder, sweep_jobs)
    elif _single is not None:
        statuses = [show_run(*_single)]
    else:
        return 0  # --cfg, --info and the like train nothing
    sys.stdout.flush()
    if "interrupted" in statuses:
        return EXIT_INTERRUPTED
    return 0 if all(status in ("completed", "diverged") for status in statuses) else EXIT_FAILED
