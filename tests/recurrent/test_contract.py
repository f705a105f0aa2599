from functools import partial

import pytest
import torch
from torch import nn

from cells.recurrent.adapter import ModuleCell
from cells.recurrent.cell import Cell
from cells.recurrent.contract import check_cell
from cells.recurrent.elman import ElmanCell
from cells.recurrent.feedforward import FeedforwardCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.lstm import LSTMCell


class Sound(Cell):
    """The cell that each fault below is planted in: a leaky Elman cell."""

    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("weight_ih", input_size, hidden_size)
        self.add_parameter("weight_hh", hidden_size, hidden_size)
        self.add_parameter("bias", 1, hidden_size)

    def step(self, projected, state):
        target = torch.tanh(projected @ self.weight_ih + state["h"] @ self.weight_hh + self.bias)
        return {"h": 0.5 * state["h"] + 0.5 * target}


class SwappedSizes(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(hidden_size, input_size, replicas)


class WithALinearLayer(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.linear = nn.Linear(hidden_size, hidden_size)

    def step(self, projected, state):
        return {"h": self.linear(super().step(projected, state)["h"])}


class BiasWithoutTheOne(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("bias", hidden_size)


class UndeclaredState(Sound):
    def step(self, projected, state):
        return super().step(projected, state) | {"memory": projected}


class StateInSinglePrecision(Sound):
    def initial_state(self, batch_size, like):
        return {"h": torch.zeros(self.replicas, batch_size, self.hidden_size)}


class HiddenAttribute(Sound):
    last = 0.0

    def step(self, projected, state):
        new = super().step(projected, state)
        new["h"] = new["h"] + 0.1 * self.last
        self.last = new["h"].detach().mean()
        return new


class ChangesItsArguments(Sound):
    def step(self, projected, state):
        new = super().step(projected, state)
        state["h"].add_(1.0)
        return new


class DrawsRandomNumbers(Sound):
    def step(self, projected, state):
        return {"h": super().step(projected, state)["h"] + torch.rand(())}


class Detaches(Sound):
    def step(self, projected, state):
        return super().step(projected, {"h": state["h"].detach()})


class Rounds(Sound):
    def step(self, projected, state):
        return {"h": super().step(projected, state)["h"].sign()}


class UnusedParameter(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.add_parameter("unused", 1, hidden_size)


class MixesReplicas(Sound):
    def step(self, projected, state):
        new = super().step(projected, state)["h"]
        return {"h": new - 0.1 * new.mean(0, keepdim=True)}


class UnseededParameter(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.gain = nn.Parameter(torch.rand(replicas, 1, hidden_size))

    def step(self, projected, state):
        return {"h": self.gain * super().step(projected, state)["h"]}


class MixesSequences(Sound):
    def step(self, projected, state):
        new = super().step(projected, state)["h"]
        return {"h": new - 0.1 * new.mean(1, keepdim=True)}


class ConstantOutsideTheStateDict(Sound):
    def __init__(self, input_size, hidden_size, replicas=1):
        super().__init__(input_size, hidden_size, replicas)
        self.constant = None

    def reset_parameters(self, generators):
        super().reset_parameters(generators)
        self.constant = torch.stack([torch.rand(1, 1, generator=g).double() for g in generators])

    def step(self, projected, state):
        return {"h": super().step(projected, state)["h"] * self.constant}


class UnrollIgnoresTheState(Sound):
    def unroll(self, projected, state, lengths):
        outputs, state = [], {"h": torch.zeros_like(state["h"])}
        for t, now in enumerate(projected.unbind(2)):
            new = self.step(now, state)["h"]
            valid = torch.tensor(True) if lengths is None else (lengths > t).unsqueeze(-1)
            state = {"h": torch.where(valid, new, state["h"])}
            outputs.append(state["h"])
        return torch.stack(outputs, 2), state


class UnrollIgnoresLengths(Sound):
    def unroll(self, projected, state, lengths):
        outputs = []
        for now in projected.unbind(2):
            state = self.step(now, state)
            outputs.append(state["h"])
        return torch.stack(outputs, 2), state


class UnrollIsAnotherCell(Sound):
    def unroll(self, projected, state, lengths):
        outputs = projected.cumsum(2) @ self.weight_ih.unsqueeze(1)
        return outputs, {"h": outputs[:, :, -1]}


@pytest.mark.parametrize(
    "make_cell",
    [
        Sound,
        ElmanCell,
        partial(ElmanCell, nonlinearity="relu"),
        LSTMCell,
        partial(GRUCell, bias=False),
        FeedforwardCell,
        partial(ModuleCell, module=nn.LSTMCell),
    ],
)
def test_a_sound_cell_passes_every_check(make_cell):
    results = check_cell(make_cell)
    assert len(results) == 12
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize(
    ("faulty", "check", "reason"),
    [
        (SwappedSizes, "It is built", "its sizes are (4, 3, 3)"),
        (
            WithALinearLayer,
            "Every parameter",
            "linear.weight of 3 replicas has shape (4, 4), expected (3, 4)",
        ),
        (BiasWithoutTheOne, "A step keeps", "declare it with add_parameter('bias', 1, 4)"),
        (UndeclaredState, "A step keeps", "'memory'"),
        (StateInSinglePrecision, "A step keeps", "initial_state returns h in torch.float32"),
        (HiddenAttribute, "A step is pure", "repeated, it gives another answer"),
        (DrawsRandomNumbers, "A step is pure", "repeated, it gives another answer"),
        (ChangesItsArguments, "A step is pure", "it changes h in place"),
        (Detaches, "Gradients agree", "the gradient with respect to weight_ih"),
        (Rounds, "A loss on the outputs", "the gradient of weight_ih is zero"),
        (UnusedParameter, "A loss on the outputs", "the gradient of unused is zero"),
        (MixesReplicas, "A NaN in one replica", "the inputs of one replica change the outputs of another"),
        (UnseededParameter, "Replica r of a stack", "gain starts from other numbers"),
        (
            MixesSequences,
            "Padding changes nothing",
            "the final h is another one in a padded batch than alone",
        ),
        (ConstantOutsideTheStateDict, "A state_dict restores", "register its own constants as buffers"),
        (UnrollIgnoresTheState, "A sequence in two halves", "the outputs are others"),
        (UnrollIgnoresLengths, "Padding changes nothing", "the final h is another one"),
        (UnrollIsAnotherCell, "Every engine", "with engine=own than with engine=reference"),
    ],
)
def test_a_planted_fault_is_found_by_the_check_that_is_for_it(faulty, check, reason):
    failed = {result.name: result.detail for result in check_cell(faulty) if not result.passed}
    (detail,) = [detail for name, detail in failed.items() if name.startswith(check)]
    assert reason in detail


def test_every_check_of_a_cell_s_properties_has_a_planted_fault_above():
    names = [result.name for result in check_cell(Sound)]
    planted = test_a_planted_fault_is_found_by_the_check_that_is_for_it.pytestmark[0].args[1]
    for name in names:
        assert any(name.startswith(check) for _, check, _ in planted), name


def test_a_cell_that_cannot_be_built_is_examined_no_further():
    def broken(input_size, hidden_size, replicas):
        raise KeyError("no such thing")

    (result,) = check_cell(broken)
    assert not result.passed
    assert result.detail == "KeyError: 'no such thing'"


def test_the_engines_that_will_run_it_are_named():
    assert check_cell(GRUCell)[-1].detail == "engine=auto takes fused for one replica and fused for several"
