import numpy as np
import pytest

from cells.data.tasks.temporal_order import ALPHABET, TemporalOrder

PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


@pytest.mark.parametrize("symbols", [2, 3])
@pytest.mark.parametrize("length", [*range(10, 40), 100, 250])
def test_the_class_is_the_order_of_the_relevant_symbols_which_stand_where_the_paper_puts_them(
    symbols, length
):
    task = TemporalOrder(length=length, symbols=symbols)
    names = task.facts().output_names
    split = task.generate(40, np.random.default_rng(length))
    for one_hot, target in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
        letters = ""
        for step in one_hot:
            assert sorted(step) == [0.0] * 7 + [1.0]
            letters += ALPHABET[step.index(1.0)]
        places = [place for place, letter in enumerate(letters) if letter in "XY"]
        assert len(places) == symbols
        for place, (first, last) in zip(places, PLACES[symbols], strict=True):
            assert first * length // 100 <= place <= last * length // 100
        assert letters[0] == "E"
        assert letters[-1] == "B"
        assert set(letters[1:-1]) <= set("abcdXY")
        assert "".join(letters[place] for place in places) == names[target]


@pytest.mark.parametrize("symbols", [2, 3])
def test_every_class_and_every_allowed_place_is_about_as_frequent(symbols):
    split = TemporalOrder(length=100, symbols=symbols).generate(8000, np.random.default_rng(0))
    share = 8000 / 2**symbols
    assert split.targets.bincount().numpy() == pytest.approx(np.full(2**symbols, share), rel=0.12)
    relevant = split.inputs[:, :, 4:6].sum((0, 2)).numpy()
    for first, last in PLACES[symbols]:
        assert relevant[first : last + 1] == pytest.approx(np.full(11, 8000 / 11), rel=0.15)
