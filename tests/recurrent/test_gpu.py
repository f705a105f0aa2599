import pytest
import torch
from benchmarks import gpu


@pytest.mark.parametrize("cell", gpu.CELLS)
def test_the_agreement_that_the_benchmark_asks_for_holds_in_the_interpreter(cell):
    pytest.importorskip("triton", minversion="3.7")
    for dtype, tolerance in gpu.TOLERANCES.items():
        assert 0 < gpu.difference(cell, 3, dtype, steps=3, device="cpu") <= tolerance


def test_an_engine_that_did_not_run_is_not_taken_for_one_that_agrees():
    with pytest.raises(RuntimeError, match="engine=reference ran instead of triton"):
        gpu.difference("gru", 3, torch.float16, steps=2, device="cpu")


def test_without_a_card_the_benchmark_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["benchmarks.gpu"])
    assert gpu.main() == 2
    said = "benchmarks.gpu measures a CUDA card, and PyTorch finds none on this machine.\n"
    assert capsys.readouterr().err == said
