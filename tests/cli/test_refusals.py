"""Bad input: one sentence that names the key and the remedy, exit code 2, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .conftest import SMALL, Program

UNKNOWN = [
    ("hidden_size=4", "hidden_size: no such setting; did you mean 'model.hidden_size'?"),
    ("model.hiden_size=4", "did you mean 'model.hidden_size'?"),
    ("model.cell.bais=false", "did you mean 'model.cell.bias'?"),
    ("lr=0.1", "did you mean 'optimizer.lr'?"),
    ("+optimizer.learning_rate=1", "optimizer.learning_rate: no such setting; choose from:"),
    ("+trainer.max_step=1", "trainer.max_step: no such setting; did you mean"),
    ("data.target=x", "data.target: what is chosen has no such setting; it belongs to data="),
    ("hydra.foo=1", "hydra.foo: Hydra has no such setting; python train.py --cfg hydra"),
    ("learner.carry=true", "learner.carry: no such setting; did you mean 'learner.carry_state'?"),
    ("+learner.carry=true", "learner.carry: no such setting; did you mean 'carry_state'?"),
    ("modle=gru", "modle: no such setting; did you mean 'model'?"),
    ("model=gruu", "model=gruu: no such option; did you mean 'gru'?"),
    ("model=", "model=: no such option; choose from: elman"),
    ("optimizer=adamx", "did you mean 'adam' or 'adamw'?"),
    ("experiment=first_compare", "did you mean 'first_comparison'?"),
    ("experiment=suite/memry", "experiment=suite/memry: no such option; did you mean 'suite/memory'?"),
    ("experiment=adding_600", "or 'paper/adding_600'"),
    ("debug=one", "debug=one: no such option; did you mean"),
    ("hydra/launcher=jobli", "did you mean 'joblib'?"),
    ("engine=warp", "engine=warp: there is no such engine; choose from: auto"),
    ("model=my.Cell", "model=my.Cell: there is no module 'my'"),
    ("model=torch.nn.GRUCel", "torch.nn has no class 'GRUCel'; did you mean 'GRUCell'"),
    (
        "model=collections.OrderedDict",
        "OrderedDict is neither a cells.recurrent.cell.Cell nor a torch module",
    ),
    (
        "logger._target_=cells.training.logger.ReplicaLoger",
        "has no class 'ReplicaLoger'; did you mean 'ReplicaLogger'",
    ),
    ("--nonsense", "unrecognized arguments: --nonsense; python train.py --help"),
    ("--cfg=all_of_it", "invalid choice: 'all_of_it'"),
    ("--config-name=nope", "Cannot find primary config 'nope'"),
]
TYPES = [
    ("model.hidden_size=abc", "model.hidden_size=abc: input should be a valid integer"),
    ("model.hidden_size=1.5", "model.hidden_size=1.5: input should be a valid integer"),
    ("model.dropout=abc", "model.dropout=abc: input should be a valid number"),
    ("model.cell=null", "model.cell=null: input should be callable"),
    ("optimizer.betas=3", "optimizer.betas=3: a list is needed, written [a,b]"),
    ("optimizer.betas=[0.9]", "optimizer.betas=[0.9]: too few values"),
    ("trusted_modules=my_cells", "trusted_modules=my_cells: a list is needed"),
    ("model.hidden_size=true", "model.hidden_size=true: a number is needed"),
    ("optimizer.lr=true", "optimizer.lr=true: a number is needed"),
    ("trainer.deterministic=maybe", "trainer.deterministic=maybe: input should be a valid boolean"),
    ("logger.tensorboard=maybe", "logger.tensorboard=maybe: input should be a valid boolean"),
    (
        "+published={source:x,chance:0,results:[{where:{modl:lstm},values:[1]}]}",
        "published.results[0].where.modl: lstm on adding has no such setting; did you mean 'model'?",
    ),
    (
        "+published={source:x,chance:0,results:[{where:{model:lstm,data.lenth:5},values:[1]}]}",
        "published.results[0].where.data.lenth: lstm on adding has no such setting; did you mean 'data.length'?",
    ),
    ("published=somewhere", "published=somewhere: a section is needed, with source and chance"),
    ("resume=perhaps", "resume=perhaps: input should be a valid boolean"),
    ("trainer.precision=16", "trainer.precision=16: input should be 32, 64 or 'bf16'"),
    ("trainer.accelerator=tpu", "trainer.accelerator=tpu: input should be 'cpu'"),
    ("model.loss=huber", "model.loss=huber: input should be 'auto'"),
    ("model.init=xavier", "model.init=xavier: input should be 'torch'"),
    ("scheduler=null", "scheduler=null: scheduler is chosen by name; choose from: cosine, none"),
    ("trainer=3", "trainer=3: trainer is chosen by name; choose from: cpu"),
    ("model=[gru]", "model=[gru]: model is chosen by name"),
    ("~model", "model: the configuration names none; choose one with model=NAME"),
    ("+model=gru", "write model=OPTION, without a +"),
    ("=3", "'=3' names no setting"),
    ("model.hidden_size", "'model.hidden_size' is not of the form key=value"),
    ("model.hidden_size=8=9", "is not of the form key=value; put values with special characters in quotes"),
]
RANGES = [
    ("model.hidden_size=0", "model.hidden_size=0: input should be greater than 0"),
    ("model.num_layers=-1", "model.num_layers=-1: input should be greater than 0"),
    ("model.dropout=1.5", "model.dropout=1.5: input should be less than 1"),
    ("optimizer.lr=-1", "optimizer.lr=-1: a learning rate has to be above 0"),
    ("optimizer.lr=0", "optimizer.lr=0: a learning rate has to be above 0"),
    ("optimizer.betas=[0.9,1.5]", "Invalid beta parameter at index 1: 1.5"),
    ("trainer.max_steps=0", "trainer.max_steps=0: input should be greater than 0"),
    ("trainer.max_steps=null", "max_steps and max_epochs are both null"),
    ("trainer.gradient_clip_norm=-1", "trainer.gradient_clip_norm=-1: input should be greater than 0"),
    ("learner.carry_state=3", "learner.carry_state=3: input should be a valid boolean"),
    ("trainer.val_every_steps=0", "trainer.val_every_steps=0: input should be greater than 0"),
    ("trainer.devices=0", "trainer.devices=0: input should be greater than 0"),
    ("data.length=0", "data.length=0"),
    ("data.batch_size=0", "data.batch_size=0: input should be greater than 0"),
    ("data.seed=-1", "data.seed=-1: input should be greater than or equal to 0"),
    ("optimizer.lr=inf", "optimizer.lr=inf: a finite number is needed"),
    ("optimizer.lr=nan", "optimizer.lr=nan: a learning rate has to be above 0"),
    ("optimizer.eps=inf", "optimizer.eps=inf: a finite number is needed"),
    ("optimizer.betas=[0.9,nan]", "optimizer.betas=nan: a finite number is needed"),
    ("optimizer=sgd optimizer.momentum=nan", "optimizer.momentum=nan: a finite number is needed"),
    ("model=lstm model.forget_bias=nan", "model.forget_bias=nan: a finite number is needed"),
    ("model.spectral_radius=inf", "model.spectral_radius=inf: a finite number is needed"),
    ("model.hidden_size=1000000", "model.hidden_size=1000000: input should be less than or equal to 65536"),
    ("model.num_layers=1000000", "model.num_layers=1000000: input should be less than or equal to 1000"),
    ("model.hidden_size=65536 seeds=10000", "model: weights and gradients of all replicas take 1,374,4"),
    (
        "data=parity data.length=10000000000",
        "data.length=10000000000: input should be less than or equal to 100000",
    ),
    ("data=sunspots data.stride=99999999999999999999", "data.stride=99999999999999999999: too large"),
    (
        "data=sunspots data.seasonal_period=99999999999999999999",
        "data.seasonal_period=99999999999999999999: ",
    ),
    (
        "trainer.max_steps=99999999999999999999",
        "max_steps=99999999999999999999: too large; integers go up to",
    ),
    ("model.loss=cross_entropy", "targets of adding are real numbers"),
    ("model.init=chrono", "init=chrono needs chrono_t_max"),
]
BUDGETS = [
    ("budget.parameters=0", "budget.parameters=0: input should be greater than 0"),
    ("budget.flops=inf", "budget.flops=inf: a finite number is needed"),
    ("budget.parameter=100", "budget.parameter: no such setting; did you mean 'budget.parameters'?"),
    ("budget=100", "budget=100: settings are needed, written {key:value}"),
    ("budget.parameters=3", "budget.parameters=3: this model has 22 parameters with hidden_size=1"),
    ("budget.flops=3", "budget.flops=3: one update takes"),
    ("budget.flops=1e300", "operations each, and training has 4294967295 at most; lower the budget"),
    ("budget.parameters=100 model.hidden_size=4", "model.hidden_size=4: budget.parameters decides that"),
    ("budget.flops=1e9", "trainer.max_steps=4: budget.flops decides that; leave one of the two out"),
    ("-m budget.parameters=null,100 model.hidden_size=4", "budget.parameters decides that"),
]
SEEDS = [
    ("seeds=0", "seeds=0: that is no seed at all; write seeds=10"),
    ("seeds=-1", "seeds=-1: that is no seed at all"),
    ("seeds=[1,1]", "seed 1 is named twice"),
    ("seeds=[]", "seeds=[]: that is no seed at all"),
    ("seeds=[-1]", "a seed cannot be negative"),
    ("seeds=5:3", "seeds=5:3: that is no seed at all"),
    ("seeds=abc", "seeds=abc: not a number of seeds; write seeds=10 for 0…9"),
    ("seeds=1.5", "seeds=1.5: not a number of seeds"),
    ("seeds=1000000", "more than the 10000 one run takes"),
    ("seeds=1000000000", "more than the 10000 one run takes"),
    ("seeds=0:1000000000", "more than the 10000 one run takes"),
    ("seeds=99999999999999999999999", "more than the 10000 one run takes"),
    ("seeds=[99999999999999999999999]", "seeds=99999999999999999999999: too large; integers go up to"),
    ('seeds="²:³"', "seeds=²:³: not a number of seeds"),
    ("seeds=0,1,2", "several values are a sweep, so add -m; one list is written 'seeds=[0,1,2]'"),
]
PLACES = [
    ("output_dir=occupied", "output folder occupied: cannot be written to"),
    ("hydra.run.dir=occupied", "output folder occupied: cannot be written to"),
    ("ckpt_path=none.ckpt", "ckpt_path=none.ckpt: no such file; give the path of a checkpoint"),
    ("ckpt_path=occupied", "ckpt_path=occupied: not a checkpoint, or not a whole one"),
    ("ckpt_path=other.pt", "ckpt_path=other.pt: not a checkpoint of this program"),
    ("trainer.devices=2", "several processes need trainer.strategy=ddp; choose trainer=ddp_cpu"),
    ("trainer.num_nodes=2", "trainer.num_nodes=2: several processes need trainer.strategy=ddp"),
    ("trainer.devices=[0]", "a list names graphics cards"),
    ("trainer=ddp_cpu data.batch_size=1", "2 processes cannot share a batch of 1 sequences; use fewer"),
    ("engine=torch seeds=2", "engine=torch cannot run this model"),
]
FOREIGN = [
    ("model.cell._target_=os.system", "add trusted_modules=[os]"),
    ("optimizer._target_=null", "optimizer._target_=None: the dotted path of a class is needed"),
    ("data._target_=3", "data._target_=3: the dotted path of a class is needed"),
    ("model.cell._target_=null", "model.cell._target_=None: the dotted path of a class is needed"),
    ("data._target_=cells.errors.UserError", "data._target_: UserError does not tell what settings it takes"),
    ("+callbacks.x=3", "callbacks.x=3: a section is needed, whose _target_ names a class"),
    ("optimizer._target_=os.system", "'os.system' is outside the modules a configuration may run"),
    ("+callbacks.x._target_=builtins.eval", "callbacks.x._target_: 'builtins.eval' is outside"),
    ("optimizer._target_=torch.optim.LBFGS", "may mix numbers of different replicas"),
    (
        "+callbacks.stop._target_=pytorch_lightning.callbacks.EarlyStopping +callbacks.stop.monitor=val/mse",
        "EarlyStopping does not go with replicas that train side by side; leave it out: trainer.patience",
    ),
    (
        "+callbacks.best._target_=pytorch_lightning.callbacks.ModelCheckpoint",
        "trainer.checkpoint_every_steps sets how often",
    ),
]
SWEEPS = [
    ("model=gru,lstm", "model=gru,lstm: several values are a sweep, so add -m"),
    ("-m seeds=0,1,2", "write seeds=[0,1,2] to train them side by side in one run"),
    ("-m seeds=range(3)", "write seeds=[0,1,2] to train them side by side in one run"),
    ("-m model=gru,gru", "the sweep names the same job twice"),
    ("-m model=gru,gruu", "model=gruu: no such option; did you mean 'gru'?"),
    ("-m model=gru,lstm optimizer.lr=0.1,-1", "optimizer.lr=-1: a learning rate has to be above 0"),
    ("-m model=gru,lstm engine=auto,warp", "engine=warp: there is no such engine"),
    ("-m model=gru,lstm output_dir=occupied", "output folder occupied: cannot be written to"),
    ("-m model=gru,lstm ckpt_path=none.ckpt", "ckpt_path=none.ckpt: no such file"),
    ("-m optimizer.lr=interval(0,1)", "BasicSweeper does not support sweep type"),
    ("-m data=adding,csv", "data.path: this setting has no default; give it a value with data.path=VALUE"),
    ("hydra.mode=MULTIRUN seeds=1,2", "write seeds=[1,2] to train them side by side"),
]
OWN_TABLE = [
    ("data.target=y", "data.path: this setting has no default; give it a value with data.path=VALUE"),
    ("data.path=t.csv", "data.target: this setting has no default; give it a value with data.target=VALUE"),
    ("data.path=tt.csv data.target=y", "data.path=tt.csv: no such file; "),
    ("data.path=t.csv data.target=yy", "data.target='yy': the file has no such column; did you mean 'y'?"),
    ("data.path=t.csv data.target=text", "line 4 holds 'x', which is not a number"),
    ("data.path=t.csv data.target=constant", "constant"),
    ("data.path=t.csv data.target=y data.time=unsorted", "unsorted"),
    ("data.path=t.csv data.target=y data.window=500", "data.window=500"),
    ("data.path=t.csv data.target=y data.forecast_horizon=0", "data.forecast_horizon=0"),
    ("data.path=t.csv data.target=y data.encoding=klingon", "klingon"),
    ("data.path=empty.csv data.target=y", "empty.csv"),
    ("data.path=t.csv data.target=[]", "data.target=[]: no column is named"),
    ("data.path=t.csv data.target=y data.max_megabytes=inf", "max_megabytes=inf: a finite number is needed"),
    (
        "data.path=t.csv data.target=y data.time=time data.time_format=%Q",
        "data.time_format=%Q: no format of dates",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [*UNKNOWN, *TYPES, *RANGES, *BUDGETS, *SEEDS, *PLACES, *FOREIGN, *SWEEPS],
    ids=lambda value: value.replace("/", "."),
)
def test_bad_input_is_refused_in_one_sentence_and_leaves_nothing(
    program: Program, tmp_path: Path, arguments: str, expected: str
) -> None:
    (tmp_path / "occupied").write_text("a file, where a folder or a checkpoint is asked for")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pt")
    given = arguments.split()
    chosen = {argument.partition("=")[0] for argument in given}
    small = [argument for argument in SMALL if argument.partition("=")[0] not in chosen]
    if "data" in chosen:
        small = []
    assert_refused(program, tmp_path, [*small, *given], expected)


@pytest.mark.parametrize(("arguments", "expected"), OWN_TABLE)
def test_a_bad_table_is_refused_in_one_sentence_and_leaves_nothing(
    program: Program, tmp_path: Path, arguments: str, expected: str
) -> None:
    rows = [f"{row},{row % 7},1,{'x' if row == 2 else row},{row % 5}" for row in range(400)]
    (tmp_path / "t.csv").write_text("\n".join(["time,y,constant,text,unsorted", *rows]))
    (tmp_path / "empty.csv").write_text("")
    assert_refused(program, tmp_path, ["data=csv", *arguments.split()], expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_a_gpu_that_is_not_there_is_refused(program: Program, tmp_path: Path, trainer: str) -> None:
    assert_refused(
        program, tmp_path, [*SMALL, f"trainer={trainer}"], "choose trainer=cpu, or install a CUDA build"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["resume=true"], "resume=true: not where something else starts the processes"),
        (
            ["-m", "model=gru,lstm"],
            "-m: not where something else starts the processes (torchrun, SLURM); start each",
        ),
    ],
)
def test_what_processes_of_torchrun_could_not_agree_on_is_refused(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("RANK", "1")
    assert_refused(program, tmp_path, [*SMALL, "trainer=ddp_cpu", *arguments], expected)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is writable to this user")
def test_a_folder_without_permission_to_write_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    answer = program(*SMALL, "output_dir=locked")
    assert (answer.code, list((tmp_path / "locked").iterdir())) == (2, [])
    assert "output folder locked: cannot be written to (Permission denied)" in answer.err


def test_a_checkpoint_of_another_model_is_refused(program: Program, tmp_path: Path) -> None:
    assert program(*SMALL, "model=gru").code == 0
    (checkpoint,) = tmp_path.glob("outputs/*/checkpoints/last.ckpt")
    os.rename(checkpoint, tmp_path / "gru.ckpt")
    for arguments, expected in (
        (["model=lstm"], "it holds another model or another number of seeds"),
        (["model=gru", "seeds=2"], "it holds another model or another number of seeds"),
        (["model=gru"], "it stands at update 4 already; set trainer.max_steps above that"),
    ):
        assert_refused(program, tmp_path, [*SMALL, *arguments, "ckpt_path=gru.ckpt"], expected)


def test_results_in_a_folder_that_the_user_names_are_not_overwritten(
    program: Program, tmp_path: Path
) -> None:
    assert program(*SMALL, "hydra.run.dir=mine").code == 0
    for arguments in (["seeds=1"], ["seeds=2"], ["seeds=2", "resume=true"], ["model=gru", "resume=true"]):
        assert_refused(program, tmp_path, [*SMALL, *arguments, "hydra.run.dir=mine"], "name another folder")


def test_the_program_itself_refuses_with_exit_code_2_on_the_error_stream_alone(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parents[2] / "train.py"), "model=gruu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "model=gruu: no such option; did you mean 'gru'?\n"
    assert list(tmp_path.iterdir()) == []


def assert_refused(program: Program, folder: Path, arguments: list[str], expected: str) -> None:
    before = tree(folder)
    answer = program(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1, "one line"
    assert expected in answer.err
    assert tree(folder) == before


def tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)
