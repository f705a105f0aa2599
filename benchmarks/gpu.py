"""One layer on a graphics card: many seeds with engine=triton, against one seed through cuDNN and the readable loop.

The engine is first held against the loop in float64, on that card. Then forward and backward passes, batch 32, the last
state in the loss. Target: 64 seeds of 64 units over 100 steps in at most 1.5 times the time of one.
"""

import functools
import sys
import time
from typing import Any

import torch
from torch import Tensor

from benchmarks.measuring import interleaved, parser, report
from cells.recurrent.elman import ElmanCell
from cells.recurrent.gru import GRUCell
from cells.recurrent.layer import RecurrentNetwork
from cells.recurrent.lstm import LSTMCell

CELLS = {"elman": ElmanCell, "gru": GRUCell, "lstm": LSTMCell}
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 5e-2}
"""Largest difference from the loop in float64, relative to a tensor's norm."""


def network(cell: str, engine: str, replicas: int, hidden: int, device: str) -> RecurrentNetwork:
    """One layer with two input features; replica r is drawn with seed r."""
    layer = RecurrentNetwork(CELLS[cell], 2, hidden, replicas=replicas, engine=engine)
    layer.reset_parameters([torch.Generator().manual_seed(seed) for seed in range(replicas)])
    return layer.to(device)


def numbers(layer: RecurrentNetwork, inputs: Tensor) -> list[Tensor]:
    """Outputs, final states and all parameters' gradients, in float64."""
    outputs, (state,) = layer(inputs)
    (outputs.square().sum() + sum(tensor.square().sum() for tensor in state.values())).backward()
    gradients = [parameter.grad for parameter in layer.parameters() if parameter.grad is not None]
    return [tensor.detach().double() for tensor in (outputs, *state.values(), *gradients)]


def difference(cell: str, hidden: int, dtype: torch.dtype, steps: int, device: str) -> float:
    """The largest relative difference between engine=triton and the loop in float64."""
    inputs = torch.randn(3, 33, steps, 2, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    ours = network(cell, "triton", 3, hidden, device).to(dtype)
    loop = network(cell, "reference", 3, hidden, device).to(dtype).double()
    pairs = list(zip(numbers(ours, inputs), numbers(loop, inputs.double()), strict=True))
    if ours.engine_name != "triton":
        raise RuntimeError(f"engine={ours.engine_name} ran instead of triton")
    return max(float((got - expected).norm() / expected.norm()) for got, expected in pairs)


def seconds(work: Any) -> float:
    """How long the card takes for a pass, the wait for its end included."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def a_pass(cell: str, engine: str, replicas: int, dtype: torch.dtype, steps: int, hidden: int) -> Any:
    """A forward and backward pass, warmed up."""
    layer = network(cell, engine, replicas, hidden, "cuda").to(dtype)
    inputs = torch.randn(replicas, 32, steps, 2, device="cuda", dtype=dtype)

    def work() -> None:
        layer(inputs)[1][0]["h"].square().sum().backward()

    work()
    return functools.partial(seconds, work)


def main() -> int:
    asked = parser("benchmarks.gpu", __doc__).parse_args()
    if not torch.cuda.is_available():
        print("benchmarks.gpu measures a CUDA card, and PyTorch finds none on this machine.", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    failed = False
    seeds, steps, hidden = (8, 50, 32) if asked.quick else (64, 100, 64)
    for cell in CELLS:
        for dtype, tolerance in TOLERANCES.items():
            sizes = (17, hidden) if asked.quick else (1, 17, hidden, 128)
            off = max(difference(cell, size, dtype, 20, "cuda") for size in sizes)
            failed |= not off <= tolerance
            one, many, loop = interleaved(
                [
                    a_pass(cell, "torch", 1, dtype, steps, hidden),
                    a_pass(cell, "triton", seeds, dtype, steps, hidden),
                    a_pass(cell, "reference", seeds, dtype, steps, hidden),
                ],
                5 if asked.quick else 25,
            )
            rows.append(
                {
                    "cell": cell,
                    "precision": str(dtype).removeprefix("torch."),
                    "largest difference": off,
                    "one seed, cuDNN ms": one * 1e3,
                    f"{seeds} seeds, triton ms": many * 1e3,
                    f"{seeds} seeds, loop ms": loop * 1e3,
                    "times one seed": many / one,
                }
            )
    summary = "WRONG: a difference is larger than it may be" if failed else "all differences within bounds"
    report(f"One layer, {seeds} seeds, {steps} steps, {hidden} units", rows, asked, summary)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
