"""Spellings of `seeds`, and the top level of a configuration."""

import pytest

from cells.errors import UserError
from cells.settings import parse_seeds, read_published, read_settings

SECTIONS = {name: {"_target_": "cells.x"} for name in ("model", "data", "optimizer", "trainer", "logger")}


@pytest.mark.parametrize(
    ("spelling", "seeds"),
    [(1, (0,)), (3, (0, 1, 2)), ("0:3", (0, 1, 2)), ("3:5", (3, 4)), ([3, 7], (3, 7)), ([0], (0,))],
)
def test_seeds_are_counted_ranged_or_listed(spelling: object, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(spelling) == seeds


@pytest.mark.parametrize("spelling", [0, -1, "a", "5:5", [1, 1], [-1], [], True, 1.5, [0.5], None])
def test_seeds_that_mean_nothing_are_refused(spelling: object) -> None:
    with pytest.raises(UserError, match="seed"):
        parse_seeds(spelling)


@pytest.mark.parametrize("spelling", [10_001, 10**23, "0:10001", "0:1000000000", [*range(10_001)]])
def test_more_seeds_than_one_run_takes_are_refused_before_they_are_listed(spelling: object) -> None:
    with pytest.raises(UserError, match="more than the 10000 one run takes"):
        parse_seeds(spelling)


def test_digits_of_other_scripts_make_no_range_of_seeds() -> None:
    with pytest.raises(UserError, match="seeds=²:³: not a number of seeds"):
        parse_seeds("²:³")


def test_an_unknown_key_is_refused_with_the_nearest_valid_one() -> None:
    config = SECTIONS | {"model": {"_target_": "cells.x", "hidden_size": 3}, "hidden_size": 4}
    with pytest.raises(UserError, match=r"hidden_size: no such setting; did you mean 'model.hidden_size'"):
        read_settings(config)


PUBLISHED = {"source": "x", "chance": 0.5, "results": [{"where": {"model": "gru"}, "values": [0.1]}]}


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        (3, "published=3: a section is needed, with source and chance"),
        ({"chance": 0.5}, r"published\.source: it is missing"),
        (PUBLISHED | {"mesure": "solved"}, r"published\.mesure: no such setting; did you mean 'measure'"),
        (PUBLISHED | {"measure": "loss"}, r"published\.measure=loss: input should be 'score' or 'solved'"),
        (PUBLISHED | {"results": {"gru": 0.1}}, r"published\.results=.*: a list is needed"),
        (PUBLISHED | {"results": [0.1]}, r"published\.results\[0\]=0\.1: a section is needed"),
        (PUBLISHED | {"results": [{"where": {}}]}, r"published\.results\[0\]\.values: it is missing"),
        (PUBLISHED | {"results": [{"where": {}, "values": [float("nan")]}]}, "a finite number is needed"),
    ],
)
def test_a_published_section_that_is_not_whole_is_refused(section: object, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_settings(SECTIONS | {"published": section})


def test_a_published_section_is_read_with_its_numbers() -> None:
    published = read_published(PUBLISHED)
    assert published is not None
    assert published.measure == "score"
    assert [(result.where, result.values) for result in published.results] == [({"model": "gru"}, (0.1,))]
    assert read_published(None) is None
