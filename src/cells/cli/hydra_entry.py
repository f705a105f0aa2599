"""From the command line through Hydra to the task function, and back to an exit code."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cells.cli import EXIT_INTERRUPTED, EXIT_REFUSED, isolation, outcome
from cells.cli.arguments import understood
from cells.cli.complaints import one_sentence
from cells.cli.completion import offer_options_in_folders
from cells.cli.gate import Refused
from cells.cli.own_cells import offer_own_cells
from cells.errors import UserError
from cells.folders import slug
from cells.record import RECORD_NAME

log = logging.getLogger(__name__)

OmegaConf.register_new_resolver("cells.slug", lambda text: slug([text]), replace=True)


def call_hydra(arguments: list[str]) -> int:
    """Compose, check and run what the arguments ask for; tell what went wrong in one sentence.

    Returns:
        The exit code.
    """
    # Hydra would print its errors with a hint at this variable and exit by itself; so they come here instead.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if {"-sc", "--shell-completion"} & set(arguments):
        offer_options_in_folders()
    try:
        sys.argv[1:] = offer_own_cells(understood(arguments))
        run_task()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_REFUSED
    except (HydraException, OmegaConfBaseException, UserError) as error:
        print(one_sentence(error), file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        sweep = outcome.sweep_folder
        begun = sweep is not None and any(sweep.glob(f"*/{RECORD_NAME}"))
        how = "; add resume=true to the same command to go on" if begun else " before training began"
        print(f"interrupted{how}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return outcome.conclude()


@hydra.main(version_base="1.3", config_path="pkg://cells.conf", config_name="config")
def run_task(config: DictConfig) -> dict[str, Any]:
    """One job: returns a status, and never raises or exits, so that the rest of a sweep goes on."""
    from cells.training.processes import global_rank, started_by_a_launcher

    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    if outcome.stopped:
        return {"status": "interrupted", "folder": str(folder)}
    if global_rank() != 0:
        from cells.run import train_along

        train_along(plain, folder)  # type: ignore[arg-type]
        return {"status": "completed", "folder": str(folder)}
    alone = job.mode is None or job.mode.name == "RUN"
    overrides = list(job.overrides.task)
    if not alone:
        log.info("job %d: %s", job.job.num + 1, folder.name)
    if alone or plain["isolation"] == "none" or not isolation.available() or started_by_a_launcher():
        from cells.run import execute

        record = execute(plain, folder, overrides)  # type: ignore[arg-type]
    else:
        log_config = OmegaConf.to_container(job.job_logging, resolve=True)
        record = isolation.execute_apart(plain, folder, overrides, log_config)  # type: ignore[arg-type]
    outcome.note(folder, record, alone)
    return {"status": record["status"], "folder": str(folder)}
