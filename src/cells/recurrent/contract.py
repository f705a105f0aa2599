"""Does a cell keep its contract? Checks of what `cell.py` asks for, each a sentence that is true or not."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from cells.errors import UserError
from cells.recurrent.cell import Cell, State
from cells.recurrent.engines import choose
from cells.recurrent.trial import (
    BATCH,
    INPUT_SIZE,
    REPLICAS,
    STEPS,
    NotSoError,
    Trial,
    identical,
    measure,
    noise,
    require_close,
    series,
    short,
)


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: the sentence that should be true.
        passed: whether it is.
        detail: why it is not; of a true one, a fact worth knowing, or nothing.
    """

    name: str
    passed: bool
    detail: str


def check_cell(make_cell: Callable[..., Cell], hidden_size: int = 4) -> list[CheckResult]:
    """Examine whether a cell keeps the contract of `cells.recurrent.cell.Cell`.

    Args:
        make_cell: called as make_cell(input_size, hidden_size, replicas): a cell's class or a partial of it.
        hidden_size: the hidden size to try it with.

    Returns:
        One result a check. Of a cell that cannot be built and stepped, nothing else is examined.
    """
    trial = Trial(make_cell, hidden_size)
    results = []
    for check in (*_FOUNDATIONS, *_PROPERTIES):
        results.append(_result(check, trial))
        if check in _FOUNDATIONS and not results[-1].passed:
            break
    return results


def _result(check: Callable[[Trial], str | None], trial: Trial) -> CheckResult:
    name = (check.__doc__ or "").rstrip(".")
    try:
        return CheckResult(name, True, check(trial) or "")
    except (NotSoError, UserError) as reason:
        return CheckResult(name, False, str(reason))
    except Exception as error:  # a user's code may raise anything, and that is a finding
        return CheckResult(name, False, f"{type(error).__name__}: {_one_line(error)}")


def _is_built(trial: Trial) -> str:
    """It is built from input_size, hidden_size and replicas."""
    cell = trial.make_cell(INPUT_SIZE, trial.hidden_size, REPLICAS)
    sizes = (cell.input_size, cell.hidden_size, cell.replicas)
    if sizes != (INPUT_SIZE, trial.hidden_size, REPLICAS):
        raise NotSoError(f"its sizes are {sizes}: call super().__init__(input_size, hidden_size, replicas).")
    return f"{sum(parameter[0].numel() for parameter in cell.parameters())} parameters a replica"


def _parameters_are_stacked(trial: Trial) -> None:
    """Every parameter has the replica axis in front."""
    one, several = trial.cell(replicas=1), trial.cell()
    for name, parameter in several.named_parameters():
        expected = (REPLICAS, *one.get_parameter(name).shape[1:])
        if tuple(parameter.shape) != expected:
            raise NotSoError(
                f"{name} of {REPLICAS} replicas has shape {tuple(parameter.shape)}, expected {expected}: "
                "declare it with add_parameter, or derive the class from nn.Module to have that done for you."
            )


def _shapes_fit(trial: Trial) -> None:
    """A step keeps the names, shapes and precision of the state, whatever the batch size."""
    for replicas, batch in ((1, 1), (1, 3), (3, 2), (3, 3), (3, 1)):
        cell, inputs = trial.cell(replicas), series(replicas, batch)
        expected = {name: (replicas, batch, *shape) for name, shape in cell.state_shapes.items()}
        if expected.get("h") != (replicas, batch, trial.hidden_size):
            raise NotSoError(
                f"state_shapes is {cell.state_shapes}: it has to hold 'h': ({trial.hidden_size},)."
            )
        state = cell.initial_state(batch, inputs)
        _require_like("initial_state", state, expected)
        try:
            projected = cell.project(inputs)
            after = cell.step(projected[:, :, 0], state)
        except RuntimeError as error:
            place = f"a step of {replicas} replicas and batch size {batch} fails ({_one_line(error)})"
            raise NotSoError(place + _broadcasting_hint(cell)) from error
        if projected.shape[:3] != inputs.shape[:3]:
            raise NotSoError(f"project returns {tuple(projected.shape)}, expected (replica, batch, time, …).")
        _require_like("step", after, expected)


def _require_like(function: str, state: State, expected: dict[str, tuple[int, ...]]) -> None:
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if given != expected:
        raise NotSoError(f"{function} returns {given}, expected {expected}.")
    for name, tensor in state.items():
        if tensor.dtype != torch.float64:
            raise NotSoError(f"{function} returns {name} in {tensor.dtype}, and all else is torch.float64.")


def _broadcasting_hint(cell: Cell) -> str:
    for name, parameter in cell.named_parameters():
        if parameter.dim() == 2:
            return (
                f": {name} of shape {tuple(parameter.shape)} meets (replica, batch, …) at the wrong axis; "
                f"declare it with add_parameter({name!r}, 1, {parameter.shape[1]})."
            )
    return "."


def _is_pure(trial: Trial) -> None:
    """A step is pure: the same answer twice, and its arguments stay as they are."""
    cell = trial.cell()
    inputs, other = cell.project(series()).detach().unbind(2)[:2]
    state = cell.initial_state(BATCH, inputs)
    given = {"inputs": inputs, **state, **cell.state_dict(prefix="cell.")}
    before = {name: tensor.clone() for name, tensor in given.items()}
    first = cell.step(inputs, state)
    for name, tensor in before.items():
        if not torch.equal(given[name], tensor):
            raise NotSoError(f"it changes {name} in place: what a step gives is a new state.")
    cell.step(other, first)
    if not identical(cell.step(inputs, state), first):
        raise NotSoError(
            "repeated, it gives another answer: keep nothing in the cell and draw nothing at random."
        )


def _gradients_are_right(trial: Trial) -> None:
    """Gradients agree with finite differences."""
    network = trial.network(seeds=[0, 1])
    inputs = series(replicas=2, steps=3)
    _, (state,) = network(inputs)
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    names = [*map(short, parameters), "the inputs", *(f"the state's {name}" for name in state)]
    values = [tensor.detach() for tensor in (*parameters.values(), inputs, *state.values())]

    def unrolled(*tensors: Tensor) -> tuple[Tensor, ...]:
        replaced = dict(zip(parameters, tensors, strict=False))
        given, *start = tensors[len(parameters) :]
        before = dict(zip(state, start, strict=True))
        outputs, (after,) = functional_call(network, replaced, (given, [before]))
        return outputs, *after.values()

    for examined, name in enumerate(names):
        point = [value.clone().requires_grad_(i == examined) for i, value in enumerate(values)]
        if not torch.autograd.gradcheck(unrolled, point, fast_mode=True, raise_exception=False):
            raise NotSoError(
                f"the gradient with respect to {name} is not what finite differences give: is something "
                "detached, or not differentiable?"
            )


def _parameters_learn(trial: Trial) -> None:
    """A loss on the outputs reaches every parameter."""
    network = trial.network()
    with torch.no_grad():
        for parameter in network.parameters():  # away from a start, such as zero, where a gradient may vanish
            parameter.add_(0.01 * noise(*parameter.shape))
    for name, gradient in measure(network, series()).items():
        if name.startswith("the gradient") and not gradient.any():
            raise NotSoError(f"{name} is zero: training would never change it.")


def _replicas_are_independent(trial: Trial) -> None:
    """A NaN in one replica leaves the others as they were, bit for bit."""
    for batch in (BATCH, REPLICAS):  # a batch as large as the replicas hides broadcasting over the wrong axis
        inputs = series(batch=batch)
        clean = measure(trial.network(), inputs)
        poisoned_inputs = inputs.clone()
        poisoned_inputs[0] = torch.nan
        poisoned = trial.network()
        with torch.no_grad():
            for parameter in poisoned.parameters():
                parameter[0] = torch.nan
        for what, numbers in (
            ("inputs", measure(trial.network(), poisoned_inputs)),
            ("parameters", measure(poisoned, inputs)),
        ):
            for name, expected in clean.items():
                if not torch.equal(numbers[name][1:], expected[1:]):
                    raise NotSoError(f"the {what} of one replica change {name} of another.")


def _stack_equals_singles(trial: Trial) -> None:
    """Replica r of a stack is the single run with that seed: in its start, outputs and gradients."""
    stack = trial.network()
    numbers = measure(stack, series())
    for replica in range(REPLICAS):
        single = trial.network(seeds=[replica])
        for name, parameter in single.named_parameters():
            if not torch.equal(parameter[0], stack.get_parameter(name)[replica]):
                raise NotSoError(
                    f"{short(name)} starts from other numbers in a stack than in a single run with the same "
                    "seed: declare it with add_parameter, which draws from the generator of each replica."
                )
        alone = measure(single, series()[replica : replica + 1])
        in_stack = {name: tensor[replica : replica + 1] for name, tensor in numbers.items()}
        require_close(in_stack, alone, "in a stack than in a single run")


def _padding_changes_nothing(trial: Trial) -> None:
    """Padding changes nothing, neither states nor gradients."""
    lengths = [3, STEPS]
    for engine in trial.engines():
        network = trial.network(engine=engine)
        together = measure(network, series(), torch.tensor(lengths).expand(REPLICAS, BATCH))
        short_one, long_one = (
            measure(network, series()[:, row : row + 1, :steps]) for row, steps in enumerate(lengths)
        )
        alone = {}
        for name, tensor in short_one.items():
            if name.startswith("the gradient"):
                alone[name] = tensor + long_one[name]
            elif name.startswith("the final"):
                alone[name] = torch.cat([tensor, long_one[name]], dim=1)
        require_close(together, alone, f"in a padded batch than alone (engine={engine})")


def _halves_make_a_whole(trial: Trial) -> None:
    """A sequence in two halves, the state carried over, gives what it gives as a whole."""
    for engine in trial.engines():
        network, inputs = trial.network(engine=engine), series()
        whole, (ended,) = network(inputs)
        first, carried = network(inputs[:, :, :2])
        second, (finished,) = network(inputs[:, :, 2:], carried)
        halves = {"the outputs": torch.cat([first, second], dim=2), **finished}
        require_close(halves, {"the outputs": whole, **ended}, f"in two halves than whole (engine={engine})")


def _is_restored(trial: Trial) -> None:
    """A state_dict restores it: another cell that loads it computes the same, bit for bit."""
    network, other = trial.network(), trial.network(seeds=[7, 8, 9])
    other.load_state_dict(network.state_dict())
    if not identical(measure(network, series()), measure(other, series())):
        raise NotSoError("the restored cell computes something else: register its own constants as buffers.")


def _engines_agree(trial: Trial) -> str:
    """Every engine that runs it agrees with the readable loop."""
    fastest = []
    for replicas in (1, REPLICAS):
        engines, seeds, inputs = trial.engines(replicas), range(replicas), series(replicas)
        fastest.append(choose("auto", trial.cell(replicas), inputs))
        expected = measure(trial.network(seeds), inputs)
        for engine in engines:
            numbers = measure(trial.network(seeds, engine), inputs)
            require_close(numbers, expected, f"with engine={engine} than with engine=reference")
    return f"engine=auto takes {fastest[0]} for one replica and {fastest[1]} for several"


_FOUNDATIONS = (_is_built, _parameters_are_stacked, _shapes_fit)
_PROPERTIES = (
    _is_pure,
    _gradients_are_right,
    _parameters_learn,
    _replicas_are_independent,
    _stack_equals_singles,
    _padding_changes_nothing,
    _halves_make_a_whole,
    _is_restored,
    _engines_agree,
)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
