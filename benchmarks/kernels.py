"""Forward and backward pass of one layer: every engine against `torch.nn`, and against the machine's matrix product.

The loss reads the last output, float32. The floor is the time the arithmetic takes at the rate of the machine's fastest
matrix product, measured in the same run. "own gru" is a GRU as a user would write it, beside `torch.nn.GRU`. Of ten
replicas the time is that of one.
"""

import math
import os
import time
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.measuring import Workshop, interleaved, parser, report

SHAPES = [(32, 50, 1, 32), (64, 100, 2, 64), (64, 200, 1, 128), (128, 400, 1, 128), (32, 100, 8, 256)]
"""Batch, time steps, input features, hidden size."""
CELLS = {
    "elman": ("cells.recurrent.elman.ElmanCell", "RNN", 1),
    "gru": ("cells.recurrent.gru.GRUCell", "GRU", 3),
    "lstm": ("cells.recurrent.lstm.LSTMCell", "LSTM", 4),
    "own gru": ("benchmarks.own_gru.OwnGRU", "GRU", 3),
}
"""The class, PyTorch's, and the number of gates."""


def theirs(cell: str, batch: int, steps: int, features: int, hidden: int) -> Any:
    """A pass through `torch.nn`."""
    import torch

    layer = getattr(torch.nn, CELLS[cell][1])(features, hidden, batch_first=True)
    inputs = torch.randn(batch, steps, features)

    def work() -> None:
        layer(inputs)[0][:, -1].square().sum().backward()

    return work


def ours(cell: str, engine: str, replicas: int, batch: int, steps: int, features: int, hidden: int) -> Any:
    """A pass through a layer of this project, with as many threads as the program leaves PyTorch."""
    import torch

    from cells.recurrent.layer import RecurrentNetwork

    # Only now: the fused engine takes as many threads as PyTorch has when it is imported.
    torch.set_num_threads(
        1 if engine == "fused" or _small(replicas * batch * hidden) else os.cpu_count() or 1
    )
    module, _, name = CELLS[cell][0].rpartition(".")
    network = RecurrentNetwork(
        getattr(import_module(module), name), features, hidden, replicas=replicas, engine=engine
    )
    network.reset_parameters([torch.Generator().manual_seed(seed) for seed in range(replicas)])
    inputs = torch.randn(replicas, batch, steps, features)

    def work() -> None:
        network(inputs)[1][0]["h"].square().sum().backward()

    return work


def _small(state: int) -> bool:
    from cells.trainers import SMALL_STATE  # imports Lightning

    return state < SMALL_STATE


def product(kind: str) -> Any:
    """A large matrix product: 2 · 1024³ floating-point operations."""
    import torch

    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    arrays = left.numpy(), right.numpy()

    def work() -> None:
        if kind == "torch.mm":
            torch.mm(left, right)
        else:
            arrays[0] @ arrays[1]

    return work


def engines_for(cell: str, shape: tuple[int, ...], quick: bool) -> list[tuple[str, int]]:
    """(engine, replicas) to measure for a cell at a shape."""
    if cell == "own gru":
        return [(name, 1) for name in (["reference"] if quick else ["reference", "deferred", "compiled"])]
    if quick:
        return [("fused", 1)]
    ten = [("fused", 10)] if shape in (SHAPES[0], SHAPES[2]) else []
    return [("fused", 1), ("torch", 1), ("reference", 1), *ten]


def turn(workshop: Workshop, times: int) -> float:
    """Seconds of a pass, on average of so many after one that finds what the other process has left behind."""
    workshop.seconds()
    return workshop.seconds(times)


def main() -> None:
    asked = parser("benchmarks.kernels", __doc__).parse_args()
    rounds = 5 if asked.quick else 9
    shapes = SHAPES[:3] if asked.quick else SHAPES
    stock, mine = Workshop(ours=False), Workshop(ours=True)
    rates = []
    for kind in ("torch.mm", "numpy"):
        stock.make(product, kind)
        rates.append(2 * 1024**3 / min(stock.seconds() for _ in range(20)))
    rate = max(rates)
    rows: list[dict[str, Any]] = []
    started = time.perf_counter()
    for cell, (_, _, gates) in CELLS.items():
        for shape in shapes:
            batch, steps, features, hidden = shape
            stock.make(theirs, cell, *shape)
            floor = 3 * 2 * batch * steps * (features + hidden) * gates * hidden / rate
            times = max(1, round((0.05 if asked.quick else 0.1) / stock.seconds()))
            for engine, replicas in engines_for(cell, shape, asked.quick):
                mine.make(ours, cell, engine, replicas, *shape)
                peer, us = interleaved([partial(turn, stock, times), partial(turn, mine, times)], rounds)
                rows.append(
                    {
                        "cell": cell,
                        "batch, time, input, hidden": ", ".join(map(str, shape)),
                        "engine": engine,
                        "replicas": replicas,
                        "torch.nn ms": peer * 1e3,
                        "ms": us / replicas * 1e3,
                        "times faster": peer / us * replicas,
                        "times the floor": us / replicas / floor,
                    }
                )
    means = []
    for cell in CELLS:
        ratios = [
            row["times faster"]
            for row in rows
            if row["cell"] == cell and row["engine"] == "fused" and row["replicas"] == 1
        ]
        if ratios:
            means.append(f"{cell} {math.prod(ratios) ** (1 / len(ratios)):.2f}")
    summary = (
        f"fused, geometric mean over shapes: {', '.join(means)} times faster than torch.nn; floor at {rate / 1e9:.0f} "
        f"GFLOP/s; {time.perf_counter() - started:.0f} s"
    )
    report("One layer, forward and backward", rows, asked, summary)


if __name__ == "__main__":
    main()
