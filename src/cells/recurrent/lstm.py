"""The long short-term memory cell."""

from pydantic import PositiveInt
from torch import Tensor

from cells.recurrent.cell import Cell, State, affine


class LSTMCell(Cell):
    """A cell state c that gates write to, erase and read, so that it can stay as it is for many steps.

        [i f g o] = x_t W_ih + b_ih + h_{t−1} W_hh + b_hh     input, forget, content, output
        c_t = σ(f) c_{t−1} + σ(i) tanh(g)
        h_t = σ(o) tanh(c_t)

    Variant: as `torch.nn.LSTM`: with forget gate, without peepholes.
    Shapes: weight_ih (R, F, 4H), weight_hh (R, H, 4H), biases (R, 1, 4H); state h, c (R, B, H).
    Source: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; forget gate:
    Gers, Schmidhuber & Cummins, "Learning to forget", Neural Computation 12(10), 2000.

    Args:
        bias: whether there are biases.
    """

    gates = ("i", "f", "g", "o")
    keep_gate = "f"
    write_gate = "i"
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: PositiveInt,
        hidden_size: PositiveInt,
        replicas: PositiveInt = 1,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, replicas)
        self.add_gates(bias)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    def project(self, inputs: Tensor) -> Tensor:
        # Nothing but a sum stands between the two biases, so both can leave the loop over time.
        return affine(inputs, self.weight_ih, self.bias_ih, self.bias_hh)

    def step(self, projected: Tensor, state: State) -> State:
        i, f, g, o = (projected + state["h"] @ self.weight_hh).chunk(4, dim=-1)
        c = f.sigmoid() * state["c"] + i.sigmoid() * g.tanh()
        return {"h": o.sigmoid() * c.tanh(), "c": c}

    def gate_values(self, projected: Tensor, state: State) -> dict[str, Tensor]:
        i, f, _, o = (projected + state["h"] @ self.weight_hh).sigmoid().chunk(4, dim=-1)
        return {"i": i, "f": f, "o": o}
