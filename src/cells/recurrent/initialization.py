"""Initial weights, by name. Replica r draws from `generators[r]` alone, as a single run of that seed does."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from cells.errors import UserError, did_you_mean
from cells.recurrent.cell import Cell

SCHEMES = ("torch", "orthogonal", "identity", "chrono")


@torch.no_grad()
def initialize(
    cell: Cell,
    generators: Sequence[Generator],
    *,
    scheme: str = "torch",
    forget_bias: float | None = None,
    chrono_t_max: float | None = None,
    spectral_radius: float | None = None,
) -> None:
    """Draw a cell's parameters anew.

    Args:
        cell: R replicas of a cell, on the CPU.
        generators: one per replica.
        scheme: what a cell's parameters are drawn from.
            "torch": as `torch.nn` does, every parameter from U(−1/√H, 1/√H); a cell of your own as it says
            itself.
            "orthogonal": that, and each gate's block of weight_hh a random orthogonal matrix (Saxe,
            McClelland & Ganguli, arXiv:1312.6120, 2013).
            "identity": the IRNN, for ReLU: weight_hh = I, biases 0, weight_ih ~ N(0, 0.001²) (Le, Jaitly &
            Hinton, arXiv:1504.00941, 2015).
            "chrono": "torch", and biases b of the keep gate ~ log U(1, T_max − 1), of the write gate −b, so
            that memories last 2 … T_max steps (Tallec & Ollivier, arXiv:1804.11188, 2018).
        forget_bias: bias of the keep gate, the sum of bias_ih and bias_hh: of LSTM's forget gate f, of GRU's
            update gate z. 1 or 2 keeps memory at the start (Jozefowicz, Zaremba & Sutskever, ICML 2015).
        chrono_t_max: T_max in time steps, more than 2; read by "chrono" alone.
        spectral_radius: scale each gate's block of weight_hh to this spectral radius, above 0. With
            "orthogonal", which has radius 1, that is the block's gain.

    Raises:
        UserError: the scheme does not suit the cell, or the arguments not one another.
    """
    if scheme not in SCHEMES:
        raise UserError(f"init={scheme}: there is no such initialisation; {did_you_mean(scheme, SCHEMES)}")
    if forget_bias is not None and scheme == "chrono":
        raise UserError("forget_bias and init=chrono both set the forget gate's bias: choose one.")

    cell.reset_parameters(generators)  # which is the scheme "torch", and the ground of the others
    if scheme == "orthogonal":
        _orthogonal(cell, generators)
    elif scheme == "identity":
        _identity(cell, generators)
    elif scheme == "chrono":
        _chrono(cell, generators, chrono_t_max)
    if forget_bias is not None:
        _set_bias(cell, cell.keep_gate, forget_bias, "forget_bias")
    if spectral_radius is not None:
        for block in _square_blocks(cell, "spectral_radius").split(cell.hidden_size, dim=-1):
            block.mul_((spectral_radius / spectral_radii(block)).view(-1, 1, 1))


def spectral_radii(matrices: Tensor) -> Tensor:
    """The largest absolute eigenvalue of each square matrix, (R, H, H) → (R,); NaN where one is not finite."""
    finite = matrices.isfinite().all(-1).all(-1)
    # On the CPU in float64: CUDA may have no eigenvalues to offer, and NaN makes LAPACK refuse the whole stack.
    safe = matrices.detach().where(finite.view(-1, 1, 1), 0.0).double().cpu()
    radii = torch.linalg.eigvals(safe).abs().amax(-1).to(matrices)
    return radii.where(finite, torch.nan)


def _orthogonal(cell: Cell, generators: Sequence[Generator]) -> None:
    for weight, generator in zip(_square_blocks(cell, "init=orthogonal"), generators, strict=True):
        for block in weight.split(cell.hidden_size, dim=-1):
            nn.init.orthogonal_(block, generator=generator)


def _identity(cell: Cell, generators: Sequence[Generator]) -> None:
    weight_hh = _square_blocks(cell, "init=identity")
    name = type(cell).__name__
    if weight_hh.shape[-1] != cell.hidden_size:
        raise UserError(f"init=identity is for a cell without gates, such as elman; {name} has gates.")
    if getattr(cell, "nonlinearity", None) != "relu":
        raise UserError(
            f"init=identity is for the ReLU: set model.cell.nonlinearity=relu ({name} has another)."
        )
    weight_hh.copy_(torch.eye(cell.hidden_size).expand_as(weight_hh))
    for parameter, values in cell.named_parameters():
        if parameter.startswith("bias"):
            values.zero_()
    for weight, generator in zip(cell.get_parameter("weight_ih"), generators, strict=True):
        weight.normal_(0.0, 0.001, generator=generator)


def _chrono(cell: Cell, generators: Sequence[Generator], t_max: float | None) -> None:
    if t_max is None or not 2 < t_max < math.inf:
        raise UserError(f"init=chrono needs chrono_t_max, a number of time steps above 2; it is {t_max}.")
    steps = torch.empty(cell.replicas, 1, cell.hidden_size)
    for row, generator in zip(steps, generators, strict=True):
        row.uniform_(1.0, t_max - 1.0, generator=generator)
    _set_bias(cell, cell.keep_gate, steps.log(), "init=chrono")
    if cell.write_gate is not None:
        _set_bias(cell, cell.write_gate, -steps.log(), "init=chrono")


def _square_blocks(cell: Cell, setting: str) -> Tensor:
    """The cell's weight_hh, which has to consist of blocks H × H."""
    weight_hh, size = getattr(cell, "weight_hh", None), cell.hidden_size
    if isinstance(weight_hh, Tensor) and weight_hh.dim() == 3:
        _, rows, columns = weight_hh.shape
        if rows == size and columns % size == 0:
            return weight_hh
    raise UserError(
        f"{setting} needs a weight_hh of shape (replicas, hidden_size, gates · hidden_size), which "
        f"{type(cell).__name__} does not have; use init=torch and leave spectral_radius out."
    )


def _set_bias(cell: Cell, gate: str | None, value: Tensor | float, setting: str) -> None:
    """Make a gate's bias, the sum of its columns in bias_ih and bias_hh, a value (R, 1, H)."""
    name = type(cell).__name__
    if gate is None:
        raise UserError(f"{setting} acts on a gate that keeps the state, and {name} has none: leave it out.")
    biases = [getattr(cell, bias, None) for bias in ("bias_ih", "bias_hh")]
    start = cell.gates.index(gate) * cell.hidden_size
    columns = [bias[..., start : start + cell.hidden_size] for bias in biases if bias is not None]
    if not columns:
        raise UserError(f"{setting} sets a bias, and this {name} has none: set bias=true or leave it out.")
    for bias in columns:
        bias.zero_()
    columns[0].add_(value)
