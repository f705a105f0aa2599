"""Backpropagation through time as in a textbook, term by term, on the counting example.

    python -m cells.diagnostics.bptt [--hidden 2] [--seed 0] [--picture FILE]

In the notation of lecture notes, without biases, states as rows:

    s_t = tanh(x_t W_x + s_{t−1} W_s),  s_0 = 0        y = s_T W_y        E = mean of (y − d)²

    ∂E/∂W_y = s_Tᵀ ∂E/∂y                                              one term: only the last state is read
    ∂E/∂W_s = Σ_i s_{i−1}ᵀ δ_i        ∂E/∂W_x = Σ_i x_iᵀ δ_i          one term for every step i = T … 1
    δ_T = (∂E/∂y W_yᵀ) ⊙ (1 − s_T²)   δ_{i−1} = (δ_i W_sᵀ) ⊙ (1 − s_{i−1}²)

Every step back multiplies by W_sᵀ and by a slope of at most 1: that product is what vanishes, or explodes.

Source: Werbos, "Backpropagation through time: what it does and how to do it", Proc. IEEE 78(10), 1990.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cells.data.tasks.counting import Counting
from cells.diagnostics.pictures import COLOURS, saved
from cells.pipes import end_with_reader


@dataclass(frozen=True)
class Weights:
    """W_x (F, H), W_s (H, H) and W_y (H, O)."""

    W_x: Tensor
    W_s: Tensor
    W_y: Tensor


@dataclass(frozen=True)
class Terms:
    """What each step contributes to the gradient of each matrix: its sum over steps is the gradient.

    Attributes:
        W_x: (T, F, H), step 1 first.
        W_s: (T, H, H); that of step 1 is 0, because s_0 is.
        W_y: (1, H, O).
    """

    W_x: Tensor
    W_s: Tensor
    W_y: Tensor


def error(weights: Weights, inputs: Tensor, targets: Tensor) -> Tensor:
    """E, for inputs (B, T, F) and targets (B, O)."""
    return (_states(weights, inputs)[-1] @ weights.W_y - targets).square().mean()


def gradient_terms(weights: Weights, inputs: Tensor, targets: Tensor) -> Terms:
    """The gradients of E by the chain rule, written out: no automatic differentiation."""
    states = _states(weights, inputs)
    outputs = states[-1] @ weights.W_y
    error_by_output = 2 * (outputs - targets) / targets.numel()
    delta = (error_by_output @ weights.W_y.T) * (1 - states[-1] ** 2)
    by_W_x, by_W_s = [], []
    for i in range(inputs.shape[1], 0, -1):
        by_W_x.append(inputs[:, i - 1].T @ delta)
        by_W_s.append(states[i - 1].T @ delta)
        delta = (delta @ weights.W_s.T) * (1 - states[i - 1] ** 2)
    by_W_y = states[-1].T @ error_by_output
    return Terms(torch.stack(by_W_x[::-1]), torch.stack(by_W_s[::-1]), by_W_y.unsqueeze(0))


def gradients(weights: Weights, inputs: Tensor, targets: Tensor) -> Weights:
    """The same three gradients by PyTorch's autograd."""
    leaves = Weights(*(tensor.detach().requires_grad_() for tensor in vars(weights).values()))
    return Weights(*torch.autograd.grad(error(leaves, inputs, targets), list(vars(leaves).values())))


def contributions_figure(terms: Terms) -> Figure:
    """The size of each step's contribution against how long ago the step was."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, marker, colour in (("W_s", "o", COLOURS[0]), ("W_x", "s", COLOURS[1])):
        sizes = getattr(terms, name).flatten(1).norm(dim=1).flip(0)
        there = sizes > 0
        lags = torch.arange(len(sizes))[there]
        axes.semilogy(lags, sizes[there], f"{marker}-", color=colour, label=f"contribution to ∂E/∂{name}")
    axes.set(
        xlabel="steps before the last one (lag)",
        ylabel="norm of the contribution",
        title="Counting: what each step adds to the gradient",
    )
    axes.set_xticks(range(len(terms.W_x)))
    axes.legend()
    return figure


def _states(weights: Weights, inputs: Tensor) -> list[Tensor]:
    states = [inputs.new_zeros(len(inputs), len(weights.W_s))]
    for x in inputs.unbind(1):
        states.append(torch.tanh(x @ weights.W_x + states[-1] @ weights.W_s))
    return states


def _drawn(features: int, hidden: int, outputs: int, seed: int) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((features, hidden), (hidden, hidden), (hidden, outputs))
    bound = hidden**-0.5
    return Weights(
        *(torch.empty(*s, dtype=torch.float64).uniform_(-bound, bound, generator=generator) for s in shapes)
    )


def _print_matrix(label: str, matrix: Tensor) -> None:
    rows = ["  ".join(f"{value: .6f}" for value in row) for row in matrix.tolist()]
    print("\n".join(f"{label if place == 0 else '':<26}[ {row} ]" for place, row in enumerate(rows)))


def _report(weights: Weights, inputs: Tensor, targets: Tensor) -> Terms:
    terms, automatic = gradient_terms(weights, inputs, targets), gradients(weights, inputs, targets)
    batch, steps, _ = inputs.shape
    print(f"Counting: {batch} sequences of {steps} numbers, the next {targets.shape[1]} as targets; ", end="")
    print(f"{len(weights.W_s)} hidden units, E = {error(weights, inputs, targets):.6f}")
    for name, parts in vars(terms).items():
        print(f"\n∂E/∂{name}")
        for place, part in enumerate(parts, start=1):
            step = place if len(parts) > 1 else steps
            _print_matrix(f"  step {step}, {steps - step} back", part)
        total = parts.sum(0)
        if len(parts) > 1:
            _print_matrix("  sum", total)
        _print_matrix("  autograd", getattr(automatic, name))
        print(f"  largest difference      {(total - getattr(automatic, name)).abs().max():.1e}")
    return terms


def main(arguments: list[str] | None = None) -> None:
    """Print the three gradients term by term, and draw the terms if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.diagnostics.bptt", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--hidden", type=_whole(1, 512), default=2, help="hidden units (default 2)")
    parser.add_argument("--seed", type=_whole(0, 2**32), default=0, help="of the random weights (default 0)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw contribution against lag")
    given = parser.parse_args(arguments)
    train = Counting().content.train
    inputs, targets = train.inputs.double(), train.targets.double()
    weights = _drawn(inputs.shape[-1], given.hidden, targets.shape[-1], given.seed)
    terms = _report(weights, inputs, targets)
    if given.picture:
        try:
            picture = saved(contributions_figure(terms), given.picture, dpi=150)
        except (OSError, ValueError) as reason:
            parser.error(f"--picture {given.picture}: cannot be written: {reason}")
        print(f"\npicture     {picture}")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {least} to {most}")
        return int(text)

    return number


if __name__ == "__main__":
    end_with_reader()
    main()
