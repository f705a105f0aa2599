"""Called by Hydra before a run or a sweep starts: checks every job, then gives each its folder."""

import atexit
import contextlib
import logging
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from cells.cli import outcome
from cells.cli.complaints import one_sentence
from cells.cli.isolation import start_server
from cells.errors import UserError, did_you_mean
from cells.folders import (
    at_work_in,
    claim,
    is_finished,
    is_same_run,
    make_folder,
    slug,
    unfinished_run,
    unfinished_sweep,
)
from cells.record import overruled, read_record, write_jobs
from cells.settings import dotted_keys

if TYPE_CHECKING:
    from cells.build import Parts


class Refused(BaseException):
    """The input is refused, for the reason given.

    Hydra turns an exception that a callback raises into a warning and goes on. What is to stop it has to lie
    outside `Exception`.
    """


class Gate(Callback):
    """Refuses before anything is trained or written, and names the folders."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with _firmly(), _shown_as_busy(), _what_runs_say_again_unsaid():
            plain = _checked(config)
            if plain["resume"]:
                _refuse_started_elsewhere(
                    plain, "resume=true", "give all of them ckpt_path=…/last.ckpt instead"
                )
            if plain.get("search"):
                _refuse_started_elsewhere(plain, "search", "search in one process, then give what it chose")
            folder = _run_folder(config, plain)
            _check_last(folder, plain)
            with read_write(config), open_dict(config):
                config.hydra.run.dir = str(folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        with _firmly(), _shown_as_busy(), _what_runs_say_again_unsaid():
            if config.isolation != "none":
                start_server()
            _name_jobs_by_what_is_swept(config)
            jobs: dict[str, dict[str, Any]] = {}
            for job in _plan(config):
                name = str(OmegaConf.select(job, "hydra.sweep.subdir"))
                if name in jobs:
                    raise UserError(f"the sweep names the same job twice ({name}); leave one out.")
                jobs[name] = _checked(job)
                _refuse_started_elsewhere(jobs[name], "-m", "start each job by itself")
            folder = _sweep_folder(config, jobs)
            for name, plain in jobs.items():
                _check_last(folder / name, plain)
            if jobs:
                write_jobs(folder, list(jobs))
            # Each job is composed anew from the overrides, perhaps in another process: this way they all know.
            with read_write(config), open_dict(config):
                config.hydra.sweep.dir = str(folder)
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={_quoted(str(folder))}")
        outcome.sweep_folder, outcome.sweep_jobs = folder, list(jobs)
        _tell(f"{len(jobs)} jobs in {folder}")


def _run_folder(config: DictConfig, plain: dict[str, Any]) -> Path:
    from cells.training.processes import global_rank

    if global_rank() != 0:
        folder = Path(tempfile.mkdtemp(prefix="cells-rank-"))  # the first process writes what counts
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    if _named_by_user(config, "hydra.run.dir"):
        folder = Path(config.hydra.run.dir)
        _refuse_foreign(folder, plain, "hydra.run.dir")
        make_folder(folder)
        return folder
    choices = config.hydra.runtime.choices
    said = [o for o in config.hydra.overrides.task if not o.startswith(("model=", "data=", *_UNNAMED))]
    name, root = slug([choices.model, choices.data, *said]), Path(config.output_dir)
    if plain["resume"]:
        return _resumed(unfinished_run(root, plain), "run") or claim(root, name)
    return claim(root, name)


def _sweep_folder(config: DictConfig, jobs: dict[str, dict[str, Any]]) -> Path:
    """The folder of a sweep, given its jobs' configurations by the names of their own folders."""
    if _named_by_user(config, "hydra.sweep.dir"):
        folder = Path(config.hydra.sweep.dir)
        for name, plain in jobs.items():
            _refuse_foreign(folder / name, plain, "hydra.sweep.dir")
        make_folder(folder)
        return folder
    root = Path(config.output_dir)
    said = [override for override in config.hydra.overrides.task if not override.startswith(_UNNAMED)]
    name = slug(re.sub(r"=choice\(([^,]*)\)$", r"=\1", override) for override in said)
    if any(plain["resume"] for plain in jobs.values()):
        return _resumed(unfinished_sweep(root, jobs), "sweep") or claim(root, name)
    return claim(root, name)


def _quoted(text: str) -> str:
    """A value as Hydra's override grammar wants it quoted."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_UNNAMED = ("resume=", "output_dir=", "trusted_modules=")
"""Overrides that do not belong in a folder's name."""


def _shown_as_busy() -> contextlib.AbstractContextManager[Any]:
    """Importing PyTorch and reading the data take seconds, in which a terminal is not to stay empty."""
    console = Console(stderr=True)
    return console.status("loading and checking …") if console.is_terminal else contextlib.nullcontext()


@contextlib.contextmanager
def _what_runs_say_again_unsaid() -> Iterator[None]:
    """What building warns of is told when a run builds, in its own log: this is before Hydra sets logging up."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _firmly() -> Iterator[None]:
    """Let nothing that goes wrong in a callback be turned into a warning."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, UserError) as error:
        raise Refused(one_sentence(error)) from error
    except Exception as error:
        raise Refused("".join(traceback.format_exception(error))) from error


def _plan(config: DictConfig) -> list[DictConfig]:
    """Every job of a sweep, composed as the sweeper will compose it."""
    sweeper = config.hydra.sweeper
    if not str(sweeper.get("_target_", "")).endswith(".BasicSweeper"):
        _tell("This sweeper chooses its jobs as it goes, so each is checked only when it starts.")
        return []
    loader = GlobalHydra.instance().config_loader()
    overrides = _parsed(config)
    for override in overrides:
        if override.key_or_group == "seeds" and override.is_sweep_override():
            values = ",".join(map(str, override.sweep_string_iterator()))
            raise UserError(
                f"seeds={values}: a sweep over seeds would train one model after the other; write seeds=[{values}] to "
                "train them side by side in one run."
            )
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [loader.load_sweep_config(config, [str(o) for o in job]) for job in jobs]


def _parsed(config: DictConfig) -> list[Override]:
    """What the sweeper is to vary, then what was said on the command line."""
    varied = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    return parser.parse_overrides([*varied, *config.hydra.overrides.task])


def _name_jobs_by_what_is_swept(config: DictConfig) -> None:
    """What all jobs share is said in the sweep's folder already."""
    shared = [override.key_or_group for override in _parsed(config) if not override.is_sweep_override()]
    key = "hydra.job.config.override_dirname.exclude_keys"
    quoted = ",".join(_quoted(name) for name in [*OmegaConf.select(config, key), *shared])
    with read_write(config), open_dict(config):
        config.hydra.overrides.hydra.append(f"{key}=[{quoted}]")


def _checked(config: DictConfig) -> dict[str, Any]:
    """Build everything a job consists of, and throw it away: what can be refused is refused now."""
    from cells.build import build

    task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain = OmegaConf.to_container(task, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    parts = build(plain)  # type: ignore[arg-type]
    _check_published(parts, plain)  # type: ignore[arg-type]
    said = list(config.hydra.overrides.task)
    _check_search(plain, said)  # type: ignore[arg-type]
    _refuse_overruled(plain, said)  # type: ignore[arg-type]
    return plain | {"resume": parts.settings.resume}  # type: ignore[return-value]


def _check_published(parts: "Parts", plain: dict[str, Any]) -> None:
    """A published number under a misspelt setting would stand beside no run, and nobody would miss it."""
    names = {"model": parts.model_name, "data": parts.content.name}
    known = [*names, *dotted_keys(plain)]
    for index, result in enumerate(parts.settings.published.results if parts.settings.published else ()):
        if any(result.where.get(key, name) != name for key, name in names.items()):
            continue  # of another job of the sweep, whose settings are not known here
        for key in result.where:
            if key not in known:
                raise UserError(
                    f"published.results[{index}].where.{key}: {names['model']} on {names['data']} has no such setting; "
                    f"{did_you_mean(key, known)}"
                )


def _check_search(plain: dict[str, Any], overrides: list[str]) -> None:
    """Build every trial of a search; and let nobody set by hand what it is going to set."""
    from cells.build import build
    from cells.search.plan import plan

    said = {override.partition("=")[0].lstrip("+") for override in overrides}
    for trial in plan(plain):
        for key in said & trial.values.keys():
            raise UserError(f"{key}: the search chooses it; leave it out, or set search.grid.{key} instead.")
        try:
            build(trial.config)
        except UserError as error:
            raise UserError(f"search.grid: {error}") from error


def _refuse_overruled(plain: dict[str, Any], said: Sequence[str]) -> None:
    """A budget decides instead of what YAML files say; what is said beside it contradicts it."""
    for setting, budget in overruled(plain).items():
        for override in said:
            if override.lstrip("+").startswith((f"{setting}=", f"search.grid.{setting}=")):
                raise UserError(
                    f"{override}: {budget} decides that; leave one of the two out, or add {budget}=null."
                )


def _check_last(folder: Path, plain: dict[str, Any]) -> None:
    """Refuse to resume a run that is going on, or from a checkpoint that it cannot go on from."""
    from cells.build import build
    from cells.search.plan import with_values
    from cells.training.checkpoints import LAST

    if not plain["resume"]:
        return
    with at_work_in(folder):
        record = read_record(folder)
    if (folder / LAST).exists() and not is_finished(record):
        found = (record or {}).get("search", {})
        build(with_values(plain, found.get("chosen", {})), folder / LAST)


def _refuse_started_elsewhere(plain: dict[str, Any], what: str, remedy: str) -> None:
    """Processes that torchrun, SLURM or a person starts on several machines cannot agree on a folder."""
    from cells.training.processes import started_by_a_launcher

    trainer = plain["trainer"]
    if trainer["strategy"] == "ddp" and (started_by_a_launcher() or trainer["num_nodes"] > 1):
        raise UserError(f"{what}: not where something else starts the processes (torchrun, SLURM); {remedy}.")


def _tell(message: str) -> None:
    print(message, file=sys.stderr)  # Hydra sets logging up later


def _named_by_user(config: DictConfig, key: str) -> bool:
    return any(override.startswith(f"{key}=") for override in config.hydra.overrides.hydra)


def _resumed(folder: Path | None, what: str) -> Path | None:
    _tell(
        f"Resuming {folder}"
        if folder
        else f"There is no unfinished {what} of this configuration to resume; starting a new one."
    )
    return folder


def _refuse_foreign(folder: Path, plain: dict[str, Any], key: str) -> None:
    """A folder named by the user may be new, or hold a run of the same configuration to go on with."""
    record = read_record(folder)
    if record is not None and not (plain["resume"] and is_same_run(record, plain)):
        raise UserError(
            f"{key}={folder}: a run has already left its results there; name another folder, or add resume=true to go "
            "on with a run of the same configuration."
        )
