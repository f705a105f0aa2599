"""Looking again costs level; looking at the same costs nothing."""

import pytest

from cells.compare.load import load
from cells.compare.looks import LOOKS_NAME, Looks
from cells.errors import UserError


def comparison(tmp_path):
    (only,) = load([tmp_path]).comparisons
    return only


def test_each_look_at_new_scores_tests_at_half_the_level_of_the_last(make_run, tmp_path) -> None:
    for look in (1, 2, 3):
        make_run("gru", {look: 0.1})
        looks = Looks(tmp_path)
        assert looks.alpha(comparison(tmp_path)) == (look, 0.05 / 2**look)
        looks.record(comparison(tmp_path))


def test_looking_again_at_unchanged_scores_is_the_same_look(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    for _ in range(3):
        looks = Looks(tmp_path)
        assert looks.alpha(comparison(tmp_path)) == (1, 0.025)
        looks.record(comparison(tmp_path))


def test_the_looks_at_one_data_set_do_not_count_for_another(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    Looks(tmp_path).record(comparison(tmp_path))
    make_run("gru", [0.1], data="recall")
    numbers = {c.label: Looks(tmp_path).alpha(c)[0] for c in load([tmp_path]).comparisons}
    assert numbers == {"adding": 1, "recall": 1}


def test_data_compared_beside_others_keep_their_looks(make_run, tmp_path) -> None:
    """`adding` is called `adding length=10` once another length stands beside it."""
    make_run("gru", [0.1])
    Looks(tmp_path).record(comparison(tmp_path))
    make_run("gru", [0.1], settings={"data.length": 20})
    make_run("lstm", [0.1])
    numbers = {c.label: Looks(tmp_path).alpha(c)[0] for c in load([tmp_path]).comparisons}
    assert numbers == {"adding length=10": 2, "adding length=20": 1}


def test_a_single_look_may_spend_everything_and_leaves_nothing(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    looks = Looks(tmp_path, single=True)
    assert looks.alpha(comparison(tmp_path)) == (1, 0.05)
    looks.record(comparison(tmp_path))
    assert Looks(tmp_path).alpha(comparison(tmp_path)) == (1, 0.05)
    make_run("lstm", [0.1])
    assert Looks(tmp_path).alpha(comparison(tmp_path)) == (2, 0.0)


def test_a_single_look_cannot_be_promised_afterwards(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    Looks(tmp_path).record(comparison(tmp_path))
    with pytest.raises(UserError, match="--single-look: adding was looked at on "):
        Looks(tmp_path, single=True).alpha(comparison(tmp_path))


def test_a_damaged_file_of_looks_is_not_taken_for_none(tmp_path) -> None:
    (tmp_path / LOOKS_NAME).write_text("{")
    with pytest.raises(UserError, match=r"looks.json: cannot be read"):
        Looks(tmp_path)
