"""A judgement in sentences that a person can quote."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from cells.compare.judge import MOST_SEEDS, WORTH_CHASING, Judgement, Pair, Row
from cells.compare.load import EXACT_CHANCE
from cells.compare.naming import seed_ranges
from cells.compare.records import beats, listed
from cells.compare.suite import Suite
from cells.compare.tuning import chosen, grids, searches

IGNORANT = ("training mean", "majority class", "chance", EXACT_CHANCE)
"""Baselines that look at no input. Who does not beat them has learnt nothing."""

SHOWN_PAIRS = 10
MOST_NAMED = 4
"""Models that a sentence names before it counts them."""


def verdict(judgement: Judgement) -> list[str]:
    """What is concluded, the most important first."""
    on_baselines = _on_baselines(judgement)
    on_models = [*_claims(judgement), *_undecided(judgement)]
    # Which network is best matters little where a simple predictor holds out against all of them.
    first, second = (on_baselines, on_models) if _unbeaten(judgement) else (on_models, on_baselines)
    return [
        *first,
        *second,
        *_on_diverged(judgement.rows),
        *_on_tuning(judgement.rows),
        *(f"{gap}." for gap in judgement.comparison.gaps),
    ]


def how_tested(judgement: Judgement) -> str:
    """How the claims were arrived at, for below the table."""
    pairs, look = judgement.pairs, judgement.look
    if not pairs:
        return "One model alone: there is nothing to test it against."
    kinds = {pair.claim.within for pair in pairs}
    test = " or ".join(
        name
        for name, is_within in (("within seeds (sign flips)", True), ("across models", False))
        if is_within in kinds
    )
    count = f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''}"
    return (
        f"Exact permutation test of mean ranks, {test}; p after Holm over {count}; "
        f"look {look}, claims at p ≤ {judgement.alpha:.4g}."
    )


def share(part: float, whole: int) -> str:
    """`9 of 10`, or `8.5 of 10` where ties count half."""
    return f"{part:g} of {whole}"


def p_value(p: float) -> str:
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


def duration(seconds: float) -> str:
    """Seconds as one says them: `0.2 s`, `14 s`."""
    return "under 0.1 s" if seconds < 0.1 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def seeds_needed(pair: Pair) -> str:
    """The clause that says how many seeds a claim would take."""
    if pair.needed is None:
        return ""
    fewest, most = pair.needed
    if fewest > WORTH_CHASING:
        return "a difference so small is not worth chasing"
    if most > MOST_SEEDS:
        return f"telling them apart would take between {fewest:g} and over {MOST_SEEDS:,} seeds"
    return f"telling them apart would take between {fewest:g} and {most:g} seeds"


def _claims(judgement: Judgement) -> list[str]:
    won: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in judgement.pairs:
        if pair.claim.made:
            won[pair.leader, _period(pair)].append(pair)
    data = judgement.comparison.label
    return [
        f"{winner} beats {listed(f'{pair.follower} ({_evidence(pair)})' for pair in pairs)} on {data}{period}."
        for (winner, period), pairs in won.items()
    ]


def _evidence(pair: Pair) -> str:
    wins = f"{share(pair.wins, pair.shared)} seeds" if pair.shared else f"{pair.superiority:.0%} of pairings"
    return f"{wins}, {p_value(pair.claim.p_holm)}"


def _period(pair: Pair) -> str:
    lead = pair.over_time
    if lead is None:
        return ""
    if lead.holds:
        return f", and at {lead.origins} rolling origins"
    beyond = f" ({lead.origins} rolling origins do not bear it out)" if lead.interval else ""
    return f", on this test period{beyond}"


def _undecided(judgement: Judgement) -> list[str]:
    undecided = [pair for pair in judgement.pairs if not pair.claim.made]
    if judgement.alpha == 0 and undecided:
        return [
            "The single look that was promised has been taken: new claims need new seeds in a new folder."
        ]
    impossible = [pair for pair in undecided if not pair.claim.possible]
    sentences = [_too_few_seeds(impossible)] if impossible else []
    possible = [pair for pair in undecided if pair.claim.possible]
    for pair in possible[:SHOWN_PAIRS]:
        apart = f"{pair.leader} and {pair.follower} cannot be told apart at {_count(pair)}"
        sentences.append(f"{apart} ({p_value(pair.claim.p_holm)}); {seeds_needed(pair)}.")
    if len(possible) > SHOWN_PAIRS:
        sentences.append(
            f"Nor can {len(possible) - SHOWN_PAIRS} further pairs; the table of pairs lists them."
        )
    return sentences


def _too_few_seeds(pairs: Sequence[Pair]) -> str:
    counts, enough = {_count(pair) for pair in pairs}, pairs[0].enough
    models = dict.fromkeys(name for pair in pairs for name in (pair.leader, pair.follower))
    if len(counts) == 1 and len(pairs) == math.comb(len(models), 2):  # each with each
        (count,) = counts
        return f"{_who(models)} cannot be told apart at {count}, and {count} could not have: {enough} can."
    apart = f"{pairs[0].leader} and {pairs[0].follower}" + (
        f", and {len(pairs) - 1} more pair{'s' if pairs[2:] else ''}," if pairs[1:] else ""
    )
    return f"{apart} cannot be told apart, and so few seeds could not have: {enough} can."


def _who(models: Collection[str]) -> str:
    return listed(models) if len(models) <= MOST_NAMED else f"{len(models)} models"


def _count(pair: Pair) -> str:
    a, b = pair.seeds
    return f"{a} against {b} seeds" if a != b else f"{a} seed{'s' if a > 1 else ''}"


def _on_baselines(judgement: Judgement) -> list[str]:
    """Which simple predictors hold out against every model, or which model beats them all."""
    baselines = _scored(judgement)
    if not baselines or not judgement.rows:
        return []
    unbeaten = _unbeaten(judgement)
    if not unbeaten:
        winner = judgement.rows[0]
        best = min(baselines, key=lambda name: judgement.sign * baselines[name])
        everything = "" if len(baselines) == 1 else "every baseline, the best being "
        wins = sum(score.cost < judgement.sign * baselines[best] for score in winner.contestant.scores)
        seeds = f"{share(wins, winner.replicas)} seed{'s' if winner.replicas > 1 else ''}"
        label = judgement.comparison.label
        beaten = f"{winner.name} beats {everything}{_named(best)} ({seeds}) on {label}."
        return [beaten, *_have_learnt_nothing(judgement)]
    ignorant = [name for name in unbeaten if name in IGNORANT]
    if ignorant:
        return [f"Nobody beats {_named(ignorant[0])} on {judgement.comparison.label}."]
    best = unbeaten[0]
    seconds = judgement.comparison.baseline_seconds.get(best)
    time = "" if seconds is None else f", in {duration(seconds)}"
    better = judgement.sign * baselines[best] < min(_median_cost(row) for row in judgement.rows)
    does = f"does {'better' if better else 'as well'} on {judgement.comparison.label}"
    return [f"{_capital(_named(best))} {does}{time}: use that.", *_have_learnt_nothing(judgement)]


def _have_learnt_nothing(judgement: Judgement) -> list[str]:
    """The models that do not beat what looks at no input, where others do."""
    scored, sign = _scored(judgement), judgement.sign
    ignorant = min(
        (name for name in scored if name in IGNORANT), key=lambda name: sign * scored[name], default=None
    )
    if ignorant is None:
        return []
    goal = judgement.comparison.goal
    names = [
        row.name for row in judgement.rows if not beats(sign * _median_cost(row), scored[ignorant], goal)
    ]
    do = "does" if len(names) == 1 else "do"
    on = judgement.comparison.label
    return [f"{_who(names)} {do} not beat {_named(ignorant)} on {on}."] if names else []


def _scored(judgement: Judgement) -> dict[str, float]:
    """The baselines scored on the very test set that the models were; chance, an expectation, if there is no other."""
    baselines = judgement.comparison.baselines
    return {name: score for name, score in baselines.items() if name != EXACT_CHANCE or len(baselines) == 1}


def _unbeaten(judgement: Judgement) -> list[str]:
    """The baselines that no model's median leads by what is worthwhile, best first."""
    best = min((_median_cost(row) for row in judgement.rows), default=math.inf)
    scored, goal = _scored(judgement), judgement.comparison.goal
    unbeaten = [name for name, score in scored.items() if not beats(judgement.sign * best, score, goal)]
    return sorted(unbeaten, key=lambda name: judgement.sign * scored[name])


def _median_cost(row: Row) -> float:
    costs = sorted(score.cost for score in row.contestant.scores)
    middle = len(costs) // 2
    return costs[middle] if len(costs) % 2 else (costs[middle - 1] + costs[middle]) / 2


def _named(baseline: str) -> str:
    if baseline == "training mean":
        return "predicting the mean"
    if baseline in ("chance", EXACT_CHANCE):
        return "chance"
    return baseline if baseline == "linear autoregression" else f"the {baseline}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _on_diverged(rows: Sequence[Row]) -> list[str]:
    lost = [
        f"{share(row.diverged, row.replicas)} of {row.name} ({_seeds_without_score(row)})"
        for row in rows
        if row.diverged
    ]
    return [f"Diverged, and ranked last: {listed(lost)}."] if lost else []


def _seeds_without_score(row: Row) -> str:
    return seed_ranges(score.seed for score in row.contestant.scores if score.value is None)


def _on_tuning(rows: Sequence[Row]) -> list[str]:
    found = {row.name: searches(row.contestant.runs) for row in rows}
    if not any(found.values()):
        return []
    choices = [
        f"{name} to {' or '.join(dict.fromkeys(map(chosen, tried)))}" if tried else f"{name} not at all"
        for name, tried in found.items()
    ]
    beyond = any(search["edge"] for tried in found.values() for search in tried)
    unequal = len({grids(tried) for tried in found.values()}) > 1
    return [
        f"Tuned on validation: {'; '.join(choices)}.",
        *["They were not tuned by the same trials, so a lead may be due to tuning."] * unequal,
        *["A wider grid may score better."] * beyond,
    ]


def headline(judgements: Sequence[Judgement], suite: Suite | None = None) -> str:
    """One sentence for all: the first one of the only verdict, or how models rank over several."""
    if suite is not None:
        return _together(judgements, suite)
    lines = [line for _, line in first_lines(judgements)]
    return lines[0] if lines else "There is nothing to compare yet."


def first_lines(judgements: Sequence[Judgement]) -> list[tuple[str, str]]:
    """(data, the most important sentence) of every verdict that has one."""
    return [
        (judgement.comparison.label, lines[0]) for judgement in judgements if (lines := verdict(judgement))
    ]


def _together(judgements: Sequence[Judgement], suite: Suite) -> str:
    best = suite.rows[0]
    first = [row for row in suite.rows if math.isclose(row.rank.mean, best.rank.mean)]
    ranks = [f"mean rank {best.rank.mean:.3g}"]
    ranks += [", ".join(f"{row.name} {row.rank.mean:.3g}" for row in suite.rows[len(first) :])]
    shown = f"over {suite.tasks} comparisons ({'; '.join(filter(None, ranks))})"
    if len(first) > 1:
        sentence = f"{listed(row.name for row in first)} share the best rank {shown}"
    else:
        sentence = f"{best.name} ranks best {shown}, and beats {_beaten(judgements, suite)}"
    held = sum(bool(_unbeaten(judgement)) for judgement in judgements)
    if held == suite.tasks:  # which network ranks best matters little then
        return f"In every comparison a simple baseline does at least as well as any model; of the models, {sentence}."
    if held:
        return f"{sentence}; in {held} of them a simple baseline does at least as well as any model."
    return f"{sentence}."


def _beaten(judgements: Sequence[Judgement], suite: Suite) -> str:
    """Whom the model of the best rank beats, and in how many of the comparisons."""
    best, *others = suite.rows
    claims = [pair for j in judgements for pair in j.pairs if pair.claim.made and pair.leader == best.name]
    won = Counter(pair.follower for pair in claims)
    beaten = [f"{row.name} in {won[row.name]}" for row in others if won[row.name]]
    if not beaten:
        return "no other model in any of them"
    doubtful = any(pair.over_time is not None and not pair.over_time.holds for pair in claims)
    return f"{listed(beaten)} of them" + (", on these test periods" if doubtful else "")
