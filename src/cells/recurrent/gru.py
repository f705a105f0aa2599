"""The gated recurrent unit."""

from pydantic import PositiveInt
from torch import Tensor

from cells.recurrent.cell import Cell, State, affine


class GRUCell(Cell):
    """One gate decides how much of the hidden state stays, another how much of it the new content looks at.

        [r z n] = x_t W_ih + b_ih;  [r' z' n'] = h_{t−1} W_hh + b_hh     reset, update, content
        n_t = tanh(n + σ(r + r') n')
        h_t = σ(z + z') h_{t−1} + (1 − σ(z + z')) n_t

    Variant: as `torch.nn.GRU`: the reset gate acts *after* the matrix product (Cho et al. reset h before it),
    and an open update gate keeps the old state (as in Cho et al.; other papers write 1 − z for it).
    Shapes: weight_ih (R, F, 3H), weight_hh (R, H, 3H), biases (R, 1, 3H); state h (R, B, H).
    Source: Cho et al., "Learning phrase representations using RNN encoder–decoder", EMNLP 2014, eq. 5–8.

    Args:
        bias: whether there are biases.
    """

    gates = ("r", "z", "n")
    keep_gate = "z"
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

    def project(self, inputs: Tensor) -> Tensor:
        return affine(inputs, self.weight_ih, self.bias_ih)

    def step(self, projected: Tensor, state: State) -> State:
        h = state["h"]
        recurrent = h @ self.weight_hh
        if self.bias_hh is not None:  # the reset gate multiplies it, so it cannot join the projection
            recurrent = recurrent + self.bias_hh
        r, z, n = projected.chunk(3, dim=-1)
        r_h, z_h, n_h = recurrent.chunk(3, dim=-1)
        keep = (z + z_h).sigmoid()
        content = (n + (r + r_h).sigmoid() * n_h).tanh()
        return {"h": content + keep * (h - content)}

    def gate_values(self, projected: Tensor, state: State) -> dict[str, Tensor]:
        recurrent = state["h"] @ self.weight_hh
        if self.bias_hh is not None:
            recurrent = recurrent + self.bias_hh
        r, z, _ = (projected + recurrent).sigmoid().chunk(3, dim=-1)
        return {"r": r, "z": z}
