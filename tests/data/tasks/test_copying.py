import numpy as np
import pytest

from cells.data.tasks.copying import Copying


@pytest.mark.parametrize("blanks", [1, 2, 30])
def test_a_sequence_is_ten_symbols_blanks_a_delimiter_blanks_and_its_target_the_copy_at_the_end(blanks):
    split = Copying(blanks=blanks).generate(50, np.random.default_rng(0))
    for one_hot, target in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
        sequence = []
        for step in one_hot:
            assert sorted(step) == [0.0] * 9 + [1.0]
            sequence.append(step.index(1.0))
        symbols, rest = sequence[:10], sequence[10:]
        assert all(0 <= symbol <= 7 for symbol in symbols)
        assert rest == [8] * (blanks - 1) + [9] + [8] * 10
        assert target == [8] * (10 + blanks) + symbols


def test_symbols_are_uniform_and_independent():
    symbols = Copying(blanks=1).generate(5000, np.random.default_rng(0)).targets[:, -10:].numpy()
    assert np.bincount(symbols.ravel(), minlength=8) == pytest.approx(np.full(8, 6250), rel=0.06)
    correlations = np.corrcoef(symbols.T) - np.eye(10)
    assert np.abs(correlations).max() < 0.06


def test_solved_is_a_tenth_of_the_nats_of_a_guess_among_eight():
    assert Copying(blanks=30).facts().metric.solved_at * 50 / 10 == pytest.approx(np.log(8) / 10)


def test_the_chance_level_is_that_of_the_memoryless_strategy_of_the_paper():
    assert Copying(blanks=100).facts().chance == pytest.approx(10 * np.log(8) / 120)
    assert Copying(blanks=500).facts().chance == pytest.approx(0.0400, abs=5e-5)
