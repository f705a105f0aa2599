"""The textbook's terms add up to autograd's gradients, and to those of the project's own Elman cell."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cells.diagnostics import bptt
from cells.recurrent.elman import ElmanCell
from cells.recurrent.layer import RecurrentNetwork


def example(steps: int = 6) -> tuple[bptt.Weights, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    return bptt.Weights(random(3, 4), random(4, 4) / 2, random(4, 2)), random(5, steps, 3), random(5, 2)


def test_terms_add_up_to_the_gradient_of_autograd() -> None:
    weights, inputs, targets = example()
    terms, automatic = (call(weights, inputs, targets) for call in (bptt.gradient_terms, bptt.gradients))
    for name, parts in vars(terms).items():
        torch.testing.assert_close(parts.sum(0), getattr(automatic, name), rtol=1e-12, atol=1e-14)
    assert terms.W_s.shape == (6, 4, 4)
    assert not terms.W_s[0].any(), "s_0 is 0"
    assert terms.W_x[0].any()


def test_the_gradient_is_that_of_an_elman_cell_without_biases() -> None:
    weights, inputs, targets = example()
    network = RecurrentNetwork(lambda *sizes: ElmanCell(*sizes, bias=False), 3, 4).double()
    cell = network.cells["l0"]
    assert isinstance(cell, ElmanCell)
    with torch.no_grad():
        cell.weight_ih[0], cell.weight_hh[0] = weights.W_x, weights.W_s
    outputs = network(inputs.unsqueeze(0))[0][0, :, -1] @ weights.W_y
    (outputs - targets).square().mean().backward()
    terms = bptt.gradient_terms(weights, inputs, targets)
    assert cell.weight_ih.grad is not None
    assert cell.weight_hh.grad is not None
    torch.testing.assert_close(terms.W_x.sum(0), cell.weight_ih.grad[0])
    torch.testing.assert_close(terms.W_s.sum(0), cell.weight_hh.grad[0])


def test_a_term_is_what_changing_the_weights_of_that_step_alone_does() -> None:
    weights, inputs, targets = example(steps=3)
    terms = bptt.gradient_terms(weights, inputs, targets)

    def error(changed: int, nudge: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(5, 4, dtype=torch.float64)
        for step in range(3):
            W_s = weights.W_s + nudge if step == changed else weights.W_s
            state = torch.tanh(inputs[:, step] @ weights.W_x + state @ W_s)
        return (state @ weights.W_y - targets).square().mean()

    for step in range(3):
        nudge = torch.zeros(4, 4, dtype=torch.float64)
        nudge[1, 2] = 1e-6
        slope = (error(step, nudge) - error(step, -nudge)) / 2e-6
        torch.testing.assert_close(terms.W_s[step, 1, 2], slope, rtol=1e-6, atol=1e-9)


def test_the_command_prints_every_term_and_draws_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "terms.png"
    bptt.main(["--hidden", "3", "--picture", str(picture)])
    printed = capsys.readouterr().out
    assert printed.count("step ") == 5 + 5 + 1
    assert printed.count("autograd") == 3
    differences = [float(line.split()[-1]) for line in printed.splitlines() if "largest difference" in line]
    assert max(differences) < 1e-12
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        bptt.main(["--picture", "/nowhere/x.png"])
    assert exit_.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--hidden", "0"], ["--hidden", "100000"], ["--hidden", "x"], ["--seed", "9" * 30]]
)
def test_numbers_out_of_range_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        bptt.main(arguments)
    assert exit_.value.code == 2
    assert f"{arguments[1]} is no whole number from" in capsys.readouterr().err


def test_a_picture_without_a_suffix_is_said_to_be_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bptt.main(["--picture", str(tmp_path / "terms")])
    assert capsys.readouterr().out.splitlines()[-1] == f"picture     {tmp_path / 'terms.png'}"
    assert (tmp_path / "terms.png").is_file()


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no such signal")
def test_it_ends_without_a_word_when_its_reader_has_gone() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "cells.diagnostics.bptt"]
    answer = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert (answer.returncode, answer.stderr) == (-signal.SIGPIPE, b"")
