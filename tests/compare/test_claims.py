"""Which test is chosen, and what may be claimed."""

import math

import numpy as np
import pytest

from cells.compare.claims import fewest_seeds, make_claims
from cells.compare.statistics import p_across, p_within


def scores(n: int, start: float = 0.0, first_seed: int = 0) -> dict[int, float]:
    return {first_seed + seed: start + seed / 100 for seed in range(n)}


def test_from_eight_shared_seeds_on_models_are_compared_within_seeds() -> None:
    random = np.random.default_rng(0)
    for n, within in ((7, False), (8, True), (12, True)):
        a, b = dict(enumerate(random.normal(size=n))), dict(enumerate(random.normal(size=n)))
        (claim,) = make_claims([(a, b)], 0.05)
        assert claim.within is within
        test = p_within if within else p_across
        assert claim.p == test(list(a.values()), list(b.values()))


def test_seeds_that_are_not_shared_are_compared_across_models() -> None:
    (claim,) = make_claims([(scores(10), scores(10, first_seed=50))], 0.05)
    assert not claim.within


def test_scores_are_paired_by_their_seed_and_not_by_their_place() -> None:
    a = scores(8)
    b = {seed: cost + 0.001 for seed, cost in reversed(list(a.items()))}
    (claim,) = make_claims([(a, b)], 0.05)
    assert claim.p == 2 / 2**8


def test_too_few_sign_flips_for_the_level_leave_the_test_across_models() -> None:
    """Eight seeds give sign flips a least p of 0.0078; six pairs at 0.025 ask for 0.0042."""
    models = [scores(8, start=model) for model in range(4)]
    pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
    claims = make_claims(pairs, 0.025)
    assert not any(claim.within for claim in claims)
    assert all(claim.made for claim in claims)


@pytest.mark.parametrize(("n", "possible"), [(2, False), (4, False), (5, True)])
def test_three_models_can_support_a_claim_from_five_seeds_on(n: int, possible: bool) -> None:
    models = [scores(n, start=model) for model in range(3)]
    claims = make_claims([(models[0], models[1]), (models[0], models[2]), (models[1], models[2])], 0.05)
    assert [claim.possible for claim in claims] == [possible] * 3
    assert [claim.made for claim in claims] == [possible] * 3
    assert fewest_seeds(0.05 / 3) == 5


def test_a_model_that_diverges_every_time_loses_to_one_that_never_does() -> None:
    (claim,) = make_claims([(scores(8), dict.fromkeys(range(8), math.inf))], 0.05)
    assert claim.made


def test_nothing_can_be_claimed_at_a_level_of_zero() -> None:
    (claim,) = make_claims([(scores(10), scores(10, start=1))], 0.0)
    assert not claim.made
    assert not claim.possible


def test_one_run_each_is_no_evidence() -> None:
    (claim,) = make_claims([({0: 0.1}, {0: 0.9})], 0.05)
    assert claim.p == 1
    assert not claim.made
