"""The independent reference of these tests: `torch.nn` layers in float64, one unpadded sequence at a time."""

import itertools
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cells.recurrent.cell import State
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

LAYERS = {ElmanCell: nn.RNN, LSTMCell: nn.LSTM, GRUCell: nn.GRU}

Numbers = dict[str, Tensor]

MAKERS = {
    "elman": ElmanCell,
    "elman_relu": partial(ElmanCell, nonlinearity="relu"),
    "lstm": LSTMCell,
    "gru": GRUCell,
    "lstm_without_bias": partial(LSTMCell, bias=False),
    "gru_without_bias": partial(GRUCell, bias=False),
    "elman_without_bias": partial(ElmanCell, bias=False),
}
DTYPES = [(torch.float64, 1e-10), (torch.float32, 1e-5)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Case(NamedTuple):
    cell: str
    layers: int = 2
    bidirectional: bool = False
    stateful: bool = True
    batch: int = 7
    steps: int = 6
    hidden: int = 17
    padded: bool = False

    def __str__(self) -> str:
        return "-".join(f"{name}={value}" for name, value in self._asdict().items())


CASES = [
    *(Case(cell, bidirectional=two, padded=padded) for cell, two, padded in itertools.product(
        MAKERS, (False, True), (False, True))),
    *(Case(cell, layers=1, stateful=False, batch=1, steps=1, hidden=1) for cell in ("elman", "lstm", "gru")),
    *(Case(cell, layers=1, batch=1, steps=9, hidden=1) for cell in ("elman", "lstm", "gru")),
    *(Case(cell, layers=3, stateful=False, batch=3, hidden=4, padded=True, bidirectional=True) for cell in (
        "elman", "lstm", "gru")),
]  # fmt: skip


def network_of(case: Case, replicas: int, engine: str, dtype: torch.dtype) -> RecurrentNetwork:
    network = RecurrentNetwork(
        MAKERS[case.cell],
        3,
        case.hidden,
        num_layers=case.layers,
        bidirectional=case.bidirectional,
        replicas=replicas,
        engine=engine,
    )
    network.reset_parameters([seeded(seed) for seed in range(replicas)])
    return network.to(dtype)


def series_and_states(case: Case, network: RecurrentNetwork, dtype: torch.dtype):
    leading, generator = (network.replicas, case.batch), seeded(42)
    inputs = torch.randn(*leading, case.steps, 3, generator=generator, dtype=torch.float64).to(dtype)
    states = lengths = None
    if case.stateful:
        states = network.initial_state(case.batch, like=inputs)
        for tensor in (tensor for state in states for tensor in state.values()):
            tensor.normal_(generator=generator)
    if case.padded:
        lengths = torch.randint(1, case.steps + 1, leading, generator=generator)
        lengths[:, 0], lengths[:, 1] = 1, case.steps
    return inputs, states, lengths


def network_numbers(
    network: RecurrentNetwork,
    inputs: Tensor,
    states: list[State] | None = None,
    lengths: Tensor | None = None,
) -> Numbers:
    """Outputs, final states and all gradients of a loss that looks at every one of them."""
    inputs = inputs.clone().requires_grad_()
    states = states and [
        {name: tensor.clone().requires_grad_() for name, tensor in s.items()} for s in states
    ]
    outputs, finals = network(inputs, states, lengths)
    _loss(outputs, finals).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return _numbers(outputs, finals, inputs, states, gradients)


def twin_numbers(
    network: RecurrentNetwork,
    inputs: Tensor,
    states: list[State] | None = None,
    lengths: Tensor | None = None,
) -> Numbers:
    """What `network_numbers` should be: `torch.nn` with the network's parameters, sequence by sequence."""
    inputs = inputs.double().requires_grad_()
    states = states and [{n: t.double().requires_grad_() for n, t in state.items()} for state in states]
    twins = [_twin_of(network, replica) for replica in range(network.replicas)]
    cells = list(network.cells.values())
    names, directions = list(cells[0].state_shapes), len(network.directions)
    outputs, finals = [], []
    for r, twin in enumerate(twins):
        for b in range(inputs.shape[1]):
            steps = inputs.shape[2] if lengths is None else int(lengths[r, b])
            start = None
            if states is not None:
                start = tuple(torch.stack([s[name][r, b] for s in states])[:, None] for name in names)
                start = start if len(names) > 1 else start[0]
            output, final = twin(inputs[r, b, :steps][None], start)
            final = final if isinstance(final, tuple) else (final,)
            # a padded step shows the hidden state that each direction ended with
            ended = final[0][-directions:, 0].flatten()
            outputs.append(torch.cat([output[0], ended.expand(inputs.shape[2] - steps, -1)]))
            finals.append(final)
    leading = inputs.shape[:2]
    stacked_finals = [
        {
            name: torch.stack([final[k][layer, 0] for final in finals]).unflatten(0, leading)
            for k, name in enumerate(names)
        }
        for layer in range(len(cells))
    ]
    stacked_outputs = torch.stack(outputs).unflatten(0, leading)
    _loss(stacked_outputs, stacked_finals).backward()
    gradients = {}
    for suffix, cell in network.cells.items():
        for name, parameter in cell.named_parameters():
            each = [getattr(twin, f"{name}_{suffix}").grad.t() for twin in twins]
            gradients[f"cells.{suffix}.{name}"] = torch.stack(each).reshape(parameter.shape)
    return _numbers(stacked_outputs, stacked_finals, inputs, states, gradients)


def relative_errors(numbers: Numbers, expected: Numbers) -> Numbers:
    """Norm of the difference of each tensor, relative to the norm of what it should be."""
    assert numbers.keys() == expected.keys()
    return {
        name: ((numbers[name].double() - tensor).norm() / tensor.norm().clamp_min(1e-12)).item()
        for name, tensor in expected.items()
    }


def errors_beside_torch_nn(case: Case, replicas: int, engine: str, dtype: torch.dtype) -> Numbers:
    """Of outputs, final states and all gradients, where an engine runs a case."""
    network = network_of(case, replicas, engine, dtype)
    arguments = series_and_states(case, network, dtype)
    errors = relative_errors(network_numbers(network, *arguments), twin_numbers(network, *arguments))
    assert network.engine_name == engine
    return errors


def _twin_of(network: RecurrentNetwork, replica: int) -> nn.RNNBase:
    cell = network.cells["l0"]
    twin = LAYERS[type(cell)](
        network.input_size,
        cell.hidden_size,
        network.num_layers,
        bias=cell.bias_ih is not None,
        batch_first=True,
        bidirectional=len(network.directions) == 2,
        dtype=torch.float64,
        **({"nonlinearity": cell.nonlinearity} if isinstance(cell, ElmanCell) else {}),
    )
    with torch.no_grad():
        for suffix, part in network.cells.items():
            for name, parameter in part.named_parameters():
                its = getattr(twin, f"{name}_{suffix}")
                its.copy_(parameter[replica].t().reshape(its.shape))
    return twin


def _loss(outputs: Tensor, finals: list[State]) -> Tensor:
    # the same for every replica, so that one alone can be compared with one in a stack
    weights = torch.randn(outputs.shape[1:], generator=seeded(5), dtype=torch.float64).to(outputs.dtype)
    return (outputs * weights).sum() + sum((tensor**2).sum() for state in finals for tensor in state.values())


def _numbers(
    outputs: Tensor, finals: list[State], inputs: Tensor, states: list[State] | None, gradients: Numbers
) -> Numbers:
    numbers = {"outputs": outputs.detach(), "gradient of inputs": inputs.grad}
    for k, final in enumerate(finals):
        numbers |= {f"final {name} {k}": tensor.detach() for name, tensor in final.items()}
    for k, state in enumerate(states or []):
        numbers |= {f"gradient of initial {name} {k}": tensor.grad for name, tensor in state.items()}
    return numbers | {f"gradient of {name}": gradient for name, gradient in gradients.items()}
