"""Which differences between models may be claimed: an exact test for each pair, Holm over the pairs.

The whole of what decides a claim is here, so that `benchmarks/calibration` can try it on scores whose truth is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cells.compare.statistics import holm, p_across, p_within, smallest_p

FEWEST_PAIRED = 8
"""Shared seeds from which on models are compared within seeds."""

Costs = Mapping[int, float]
"""Seed → what ranks its score: smaller is better, infinity is a run that diverged."""


@dataclass(frozen=True)
class Claim:
    """The outcome of testing one pair.

    Attributes:
        p, p_holm: of the pair alone, and adjusted for all pairs.
        within: tested within seeds; otherwise across models.
        possible: so many seeds can reach the level, however the scores had turned out.
        made: the difference may be claimed.
    """

    p: float
    p_holm: float
    within: bool
    possible: bool
    made: bool


def make_claims(pairs: Sequence[tuple[Costs, Costs]], alpha: float) -> list[Claim]:
    """Test every pair so that the chance of any false claim is at most `alpha`."""
    strictest = alpha / max(1, len(pairs))  # what the smallest p has to pass, in Holm's procedure
    tests = [_test(a, b, strictest) for a, b in pairs]
    adjusted = holm([p for p, _, _ in tests])
    return [
        Claim(p, p_holm, within, possible=0 < least <= strictest, made=alpha > 0 and p_holm <= alpha)
        for (p, within, least), p_holm in zip(tests, adjusted, strict=True)
    ]


def fewest_seeds(level: float) -> int:
    """The least number of seeds, the same for both models, at which a test can reach a level."""
    n = 2
    while smallest_p(n, n, within=False) > level:
        n += 1
    return n


def _test(a: Costs, b: Costs, level: float) -> tuple[float, bool, float]:
    """The p, whether it is within seeds, and the least that it could have been.

    Within seeds from eight shared seeds on, unless so few sign flips cannot reach the level, or a model has seeds
    that would go unused. That depends on numbers of seeds and never on a score, so choosing costs no error.
    """
    shared = sorted(a.keys() & b.keys())
    least = smallest_p(len(shared), len(shared), within=True)
    if len(shared) >= max(FEWEST_PAIRED, min(len(a), len(b))) and least <= level:
        return p_within([a[seed] for seed in shared], [b[seed] for seed in shared]), True, least
    return p_across([*a.values()], [*b.values()]), False, smallest_p(len(a), len(b), within=False)
