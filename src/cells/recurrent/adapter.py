"""An existing `nn.Module` that steps once, such as `torch.nn.GRUCell`, as a cell."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cells.errors import UserError
from cells.recurrent.cell import Cell, State


class ModuleCell(Cell):
    """R replicas of a module whose forward(x, h) returns the next h, or forward(x, (h, c)) the next (h, c).

    The module knows nothing of replicas: its parameters and buffers are stacked, and `torch.vmap` runs it for
    all replicas at once, or a loop one after the other where PyTorch cannot batch its operations. The first
    tensor of its state is the output. The state starts from zeros.

    Shapes: parameters and buffers (R, *as in the module), named module.…; state (R, B, *as the module
    returns), named h and c, or h, s1, s2, … where there are more.

    Args:
        module: called as module(input_size, hidden_size, **arguments). It has to draw its initial parameters
            from PyTorch's global random generator, as all of `torch.nn` does.
        arguments: further arguments of the module.

    Raises:
        UserError: a trial step shows that the module does not step in this way.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        replicas: int = 1,
        *,
        module: Callable[..., nn.Module],
        **arguments: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self._make = functools.partial(module, input_size, hidden_size, **arguments)
        self.module = _drawn(self._make, seed=0)
        self._state_shapes = _state_shapes(self.module, input_size, hidden_size)
        _stack(self.module, replicas)
        self._batched = replicas > 1 and self._can_batch()

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return self._state_shapes

    @torch.no_grad()
    def reset_parameters(self, generators: Sequence[torch.Generator]) -> None:
        stacked = _tensors(self.module)
        for replica, generator in zip(range(self.replicas), generators, strict=True):
            seed = int(torch.randint(2**31, (), generator=generator))
            for name, tensor in _tensors(_drawn(self._make, seed)).items():
                stacked[name][replica].copy_(tensor)

    def step(self, projected: Tensor, state: State) -> State:
        stacked = _tensors(self.module)
        if self._batched:
            return torch.vmap(self._step_of_one)(stacked, projected, state)
        replicas = [
            self._step_of_one(_replica(stacked, r), projected[r], _replica(state, r))
            for r in range(self.replicas)
        ]
        return {name: torch.stack([replica[name] for replica in replicas]) for name in state}

    def _step_of_one(self, tensors: dict[str, Tensor], inputs: Tensor, state: State) -> State:
        before = tuple(state[name] for name in self._state_shapes)
        arguments = (inputs, before if len(before) > 1 else before[0])
        after = functional_call(self.module, tensors, arguments, tie_weights=False)
        return dict(zip(self._state_shapes, _as_tuple(after), strict=True))

    @torch.no_grad()
    def _can_batch(self) -> bool:
        inputs = torch.zeros(self.replicas, 1, self.input_size)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # PyTorch warns where it falls back on a loop of its own
            try:
                torch.vmap(self._step_of_one)(_tensors(self.module), inputs, self.initial_state(1, inputs))
            except (RuntimeError, UserWarning):
                return False
        return True


def _drawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module whose initial parameters depend on the seed alone; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


def _stack(module: nn.Module, replicas: int) -> None:
    """Give every parameter and buffer a leading replica axis, in place."""
    stacked: dict[int, nn.Parameter] = {}  # a parameter that is used in two places remains one
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None and id(parameter) not in stacked:
                copies = parameter.detach().expand(replicas, *parameter.shape).clone()
                stacked[id(parameter)] = nn.Parameter(copies, parameter.requires_grad)
            part._parameters[name] = None if parameter is None else stacked[id(parameter)]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = buffer.expand(replicas, *buffer.shape).clone()


def _as_tuple(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name: each place that `functional_call` has to replace, each of them once.

    A submodule under two names is one place (replaced twice, it would not be restored); a parameter that two
    submodules share has two.
    """
    return {
        f"{path}.{name}".removeprefix("."): tensor
        for path, part in module.named_modules()
        for tensors in (part.named_parameters, part.named_buffers)
        for name, tensor in tensors(recurse=False, remove_duplicate=False)
    }


def _replica(tensors: dict[str, Tensor], replica: int) -> dict[str, Tensor]:
    return {name: tensor[replica] for name, tensor in tensors.items()}


@torch.no_grad()
def _state_shapes(module: nn.Module, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes (without batch) of a module's state, from one step on a batch of one.

    The step starts from None, which the cells of `torch.nn` take for zeros, or else from tensors of H zeros.
    """
    name = type(module).__name__
    inputs, zeros = torch.zeros(1, input_size), torch.zeros(1, hidden_size)
    failures = []
    for state in (None, zeros, (zeros, zeros), (zeros, zeros, zeros)):
        try:
            tensors = _as_tuple(module(inputs, state))
        except Exception as error:  # whatever a user's code may raise: told below
            failures.append(f"{type(error).__name__}: {error}".splitlines()[0].rstrip("."))
            continue
        if all(isinstance(tensor, Tensor) for tensor in tensors):
            break
        failures.append("what it returns is not h, or a tuple of tensors (h, c)")
    else:
        raise UserError(
            f"{name} does not step as torch.nn.GRUCell and torch.nn.LSTMCell do: forward(x, h) was tried on "
            f"x and h of shapes {tuple(inputs.shape)} and {tuple(zeros.shape)} ({failures[1]})."
        )
    if tensors[0].shape != zeros.shape:
        raise UserError(
            f"{name} does not step: its next h has shape {tuple(tensors[0].shape)}, and (batch, hidden_size) "
            f"= {tuple(zeros.shape)} is needed."
        )
    names = ["h", "c"] if len(tensors) <= 2 else ["h", *(f"s{i}" for i in range(1, len(tensors)))]
    return {key: tuple(tensor.shape[1:]) for key, tensor in zip(names, tensors, strict=False)}
