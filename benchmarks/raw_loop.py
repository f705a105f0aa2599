"""The peer of the other benchmarks: a training loop as one writes it by hand with PyTorch alone."""

import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LAYERS = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def adding(length: int = 50) -> TensorDataset:
    """The adding problem, 10,000 sequences, from PyTorch's own random numbers."""
    values, marks = torch.rand(10_000, length), torch.zeros(10_000, length)
    rows, half = torch.arange(10_000), length // 2
    first, second = torch.randint(half, (10_000,)), torch.randint(half, length, (10_000,))
    marks[rows, first] = marks[rows, second] = 1.0
    targets = values[rows, first] + values[rows, second]
    return TensorDataset(torch.stack([values, marks], dim=-1), targets.unsqueeze(-1))


def train(cell: str, seed: int, steps: int, length: int = 50, hidden: int = 32, batch: int = 32) -> float:
    """Train on the adding problem; seconds a step, the first fifth left out."""
    torch.manual_seed(seed)
    loader = DataLoader(adding(length), batch, shuffle=True)
    layer, readout = LAYERS[cell](2, hidden, batch_first=True), nn.Linear(hidden, 1)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    step, started = 0, time.perf_counter()
    while step < steps:
        for inputs, wanted in loader:
            loss = (readout(layer(inputs)[0][:, -1]) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            if step == steps // 5:
                started = time.perf_counter()
            if step == steps:
                break
    return (time.perf_counter() - started) / (steps - steps // 5)


if __name__ == "__main__":
    print(f"{train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])) * 1e3:.3f} ms a step")
