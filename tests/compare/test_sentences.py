"""What a person may quote."""

from dataclasses import replace

import pytest

from cells.compare.claims import Claim
from cells.compare.judge import Judgement, Pair, judge
from cells.compare.load import Comparison, load
from cells.compare.looks import Looks
from cells.compare.over_time import OverTime
from cells.compare.report import conclude
from cells.compare.sentences import duration, first_lines, headline, how_tested, verdict


@pytest.fixture
def said(tmp_path):
    def said(single=False) -> list[str]:
        comparisons = load([tmp_path]).comparisons
        return verdict(judge(comparisons[0], Looks(tmp_path, single), comparisons))

    return said


def up_from(start: float, seeds: int) -> list[float]:
    return [start + seed / 1000 for seed in range(seeds)]


def test_a_claim_names_winner_losers_data_seeds_and_p(make_run, said) -> None:
    make_run("gru", up_from(0.1, 10))
    make_run("elman", up_from(0.3, 10))
    make_run("lstm", up_from(0.2, 10))
    assert said() == [
        "gru beats lstm (10 of 10 seeds, p = 0.0059) and elman (10 of 10 seeds, p = 0.0059) on adding.",
        "lstm beats elman (10 of 10 seeds, p = 0.0059) on adding.",
        "gru beats predicting the mean (10 of 10 seeds) on adding.",
    ]


def test_too_few_seeds_are_said_to_be_too_few(make_run, said) -> None:
    for place, model in enumerate(("gru", "elman", "lstm")):
        make_run(model, up_from(0.1 + place / 10, 3))
    assert said()[0] == (
        "gru, elman and lstm cannot be told apart at 3 seeds, and 3 seeds could not have: 5 can."
    )


def test_many_models_that_too_few_seeds_cannot_tell_apart_are_counted_not_named(make_run, said) -> None:
    for place, lr in enumerate((0.1, 0.2, 0.3, 0.4, 0.5)):
        make_run("gru", up_from(place / 10, 2), settings={"optimizer.lr": lr})
    assert said()[0] == "5 models cannot be told apart at 2 seeds, and 2 seeds could not have: 6 can."


def test_pairs_with_various_numbers_of_seeds_are_not_taken_for_each_with_each(make_run, said) -> None:
    make_run("gru", up_from(0.1, 10))
    make_run("elman", up_from(0.2, 10))
    make_run("lstm", up_from(0.3, 2))
    make_run("mine", up_from(0.4, 2))
    assert said()[1] == (
        "gru and lstm, and 4 more pairs, cannot be told apart, and so few seeds could not have: 6 can."
    )


def test_one_pair_more_is_no_pairs(make_run, said) -> None:
    make_run("gru", up_from(0.1, 10))
    make_run("elman", up_from(0.15, 10))
    make_run("lstm", up_from(0.3, 2))
    assert any("and 1 more pair, cannot be told apart" in sentence for sentence in said())


def test_models_that_could_have_been_told_apart_were_not(make_run, said) -> None:
    make_run("gru", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    make_run("lstm", [0.15, 0.25, 0.35, 0.45, 0.38, 0.7])
    assert said()[0] == (
        "gru and lstm cannot be told apart at 6 seeds (p = 0.94); "
        "telling them apart would take between 22 and over 1,000 seeds."
    )


def test_nobody_beats_predicting_the_mean_comes_first(make_run, said) -> None:
    make_run("gru", up_from(0.995, 10))
    make_run("lstm", up_from(1.1, 10))
    assert said()[0] == "Nobody beats predicting the mean on adding."
    assert said()[1].startswith("gru beats lstm")


def test_models_that_learnt_nothing_are_named_though_one_beats_the_other(make_run, said) -> None:
    make_run("gru", up_from(0.1, 7))
    make_run("lstm", up_from(0.99, 7))
    make_run("elman", up_from(1.1, 7))
    assert said()[1:] == [
        "lstm beats elman (7 of 7 seeds, p = 0.0017) on adding.",
        "gru beats predicting the mean (7 of 7 seeds) on adding.",
        "lstm and elman do not beat predicting the mean on adding.",
    ]


def test_many_models_that_learnt_nothing_are_counted_not_named(make_run, said) -> None:
    make_run("gru", up_from(0.1, 2))
    for lr in (0.1, 0.2, 0.3, 0.4, 0.5):
        make_run("elman", up_from(1.0 + lr, 2), settings={"optimizer.lr": lr})
    assert said()[-1] == "5 models do not beat predicting the mean on adding."


def test_a_model_that_diverged_has_learnt_nothing_beside_one_that_a_simple_predictor_beats(
    make_run, said
) -> None:
    settings = {"metric": "accuracy", "goal": "max"}
    settings["baselines"] = {"majority class": {"accuracy": 0.5}, "nearest centroid": {"accuracy": 0.9}}
    make_run("gru", [0.8] * 3, **settings)
    make_run("elman", [None] * 3, **settings)
    assert said()[:2] == [
        "The nearest centroid does better on adding: use that.",
        "elman does not beat the majority class on adding.",
    ]


def test_a_simple_predictor_that_does_as_well_is_recommended(make_run, said) -> None:
    baselines = {"training mean": {"mse": 1.0}, "linear autoregression": {"mse": 0.2}}
    make_run("gru", up_from(0.197, 5), baselines=baselines, baseline_seconds={"linear autoregression": 0.21})
    assert said() == ["Linear autoregression does as well on adding, in 0.2 s: use that."]


def test_what_a_simple_predictor_does_comes_before_who_beats_whom(make_run, said) -> None:
    baselines = {"training mean": {"mse": 1.0}, "last value": {"mse": 0.2}}
    make_run("gru", up_from(0.3, 7), baselines=baselines)
    make_run("lstm", up_from(0.5, 7), baselines=baselines)
    assert said()[0] == "The last value does better on adding: use that."
    assert said()[1].startswith("gru beats lstm")


def test_over_several_comparisons_the_headline_is_the_ranking_and_whom_it_beats(make_run, tmp_path) -> None:
    for length, last_value in ((10, 0.9), (20, 0.1)):
        baselines = {"training mean": {"mse": 1.0}, "last value": {"mse": last_value}}
        for place, model in enumerate(("gru", "lstm")):
            scores = up_from(0.3 + place * (length - 10), 7)  # at length 10 they are alike
            make_run(model, scores, settings={"data.length": length}, baselines=baselines)
    report = conclude([tmp_path], tmp_path)
    assert headline(report.judgements, report.suite) == (
        "gru ranks best over 2 comparisons (mean rank 1.25; lstm 1.75), and beats lstm in 1 of them; "
        "in 1 of them a simple baseline does at least as well as any model."
    )
    assert [data for data, _ in first_lines(report.judgements)] == ["adding length=10", "adding length=20"]


def test_the_headline_begins_with_baselines_that_hold_out_everywhere(make_run, tmp_path) -> None:
    baselines = {"linear autoregression": {"mse": 0.05}}
    for length in (10, 20):
        for model, start in (("gru", 0.1), ("lstm", 0.3)):
            make_run(model, up_from(start, 5), settings={"data.length": length}, baselines=baselines)
    report = conclude([tmp_path], tmp_path)
    assert headline(report.judgements, report.suite) == (
        "In every comparison a simple baseline does at least as well as any model; of the models, gru ranks best over "
        "2 comparisons (mean rank 1; lstm 2), and beats lstm in 2 of them."
    )


def test_models_of_the_same_mean_rank_share_it(make_run, tmp_path) -> None:
    for data, lead in (("adding", 0.1), ("recall", -0.1)):
        make_run("gru", up_from(0.3, 5), data=data)
        make_run("lstm", up_from(0.3 + lead, 5), data=data)
        make_run("elman", up_from(0.6, 5), data=data)
    report = conclude([tmp_path], tmp_path)
    assert (
        headline(report.judgements, report.suite)
        == "gru and lstm share the best rank over 2 comparisons (mean rank 1.5; elman 3)."
    )


def test_the_headline_over_origins_that_say_nothing_of_other_periods_says_so(make_run, tmp_path) -> None:
    for origin in (0.5, 0.7):
        settings = {"data.train_fraction": origin}
        make_run("gru", up_from(0.1, 10), data="co2", settings=settings)
        make_run("lstm", up_from(0.2, 10), data="co2", settings=settings)
    report = conclude([tmp_path], tmp_path)
    assert headline(report.judgements, report.suite).endswith(
        "and beats lstm in 2 of them, on these test periods."
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "under 0.1 s"), (0.21, "0.2 s"), (14.4, "14 s"), (4000, "4,000 s")]
)
def test_times_are_told_in_seconds_of_two_digits(seconds, text) -> None:
    assert duration(seconds) == text


def test_a_simple_predictor_that_does_better_is_recommended(make_run, said) -> None:
    make_run("gru", up_from(0.5, 5), baselines={"training mean": {"mse": 1.0}, "last value": {"mse": 0.2}})
    assert said() == ["The last value does better on adding: use that."]


def test_chance_counts_only_where_nothing_was_scored_on_the_test_set(make_run, said) -> None:
    make_run("gru", [0.1], baselines={}, chance=1 / 6)
    assert said() == ["gru beats chance (1 of 1 seed) on adding."]


def test_accuracies_are_measured_on_their_way_to_one(make_run, said) -> None:
    settings = {"metric": "accuracy", "goal": "max", "baselines": {"majority class": {"accuracy": 0.5}}}
    make_run("gru", [0.505] * 3, **settings)
    assert said() == ["Nobody beats the majority class on adding."]
    make_run("lstm", [0.9] * 3, **settings)
    assert said()[1:] == [
        "lstm beats the majority class (3 of 3 seeds) on adding.",
        "gru does not beat the majority class on adding.",
    ]


def test_diverged_runs_and_missing_seeds_are_said(make_run, said) -> None:
    make_run("gru", [0.1, None, 0.2])
    make_run("lstm", [0.1, 0.3])
    assert said()[-2:] == [
        "Diverged, and ranked last: 1 of 3 of gru (seed 1).",
        "lstm on adding lacks seed 2.",
    ]


def test_a_claim_on_one_stretch_of_a_series_is_a_claim_on_that_stretch(make_run, said) -> None:
    settings = {"data.train_fraction": 0.7}
    make_run("gru", up_from(0.1, 10), data="co2", settings=settings)
    make_run("lstm", up_from(0.2, 10), data="co2", settings=settings)
    assert said()[0] == "gru beats lstm (10 of 10 seeds, p = 0.002) on co2, on this test period."


def test_a_claim_that_rolling_origins_bear_out_says_so_and_one_that_they_do_not_says_that() -> None:
    pair = Pair(
        leader="gru", follower="lstm", seeds=(10, 10), shared=10, claim=Claim(0.002, 0.002, True, True, True), wins=10,
        superiority=1.0, interval=(0.8, 1.0), correlation=None, enough=5, needed=None,
        over_time=OverTime(3, (-0.3, -0.1), True),
    )  # fmt: skip
    comparison = Comparison("co2", "co2", "", {}, "mse", "min", None, {}, {}, ())
    judgement = Judgement(comparison, (), (pair,), 1, 0.025, {})
    assert verdict(judgement) == [
        "gru beats lstm (10 of 10 seeds, p = 0.002) on co2, and at 3 rolling origins."
    ]
    doubtful = replace(judgement, pairs=(replace(pair, over_time=OverTime(3, (-0.3, 0.1), False)),))
    assert verdict(doubtful)[0].endswith(
        "on co2, on this test period (3 rolling origins do not bear it out)."
    )


def test_a_promise_of_a_single_look_is_kept(make_run, said) -> None:
    make_run("gru", dict(enumerate(up_from(0.1, 5))))
    make_run("lstm", dict(enumerate(up_from(0.1001, 5))))
    said(single=True)
    make_run("lstm", {5: 0.2})
    assert said()[0].startswith("The single look that was promised has been taken")


def test_scores_without_a_common_seed_are_counted_by_pairings(make_run, said) -> None:
    make_run("gru", {seed: 0.1 + seed / 1000 for seed in range(6)})
    make_run("lstm", {seed: 0.2 + seed / 1000 for seed in range(10, 16)})
    assert said()[0] == "gru beats lstm (100% of pairings, p = 0.0022) on adding."


def test_the_way_of_testing_is_told(make_run, tmp_path) -> None:
    make_run("gru", up_from(0.1, 8))
    make_run("lstm", up_from(0.1, 8))
    (comparison,) = load([tmp_path]).comparisons
    judgement = judge(comparison, Looks(tmp_path))
    assert how_tested(judgement) == (
        "Exact permutation test of mean ranks, within seeds (sign flips); p after Holm over 1 pair; "
        "look 1, claims at p ≤ 0.025."
    )
    assert headline([judgement]) == verdict(judgement)[0]
    assert headline([]) == "There is nothing to compare yet."


def test_many_undecided_pairs_do_not_fill_the_screen(make_run, said) -> None:
    for number in range(8):
        make_run(
            "gru",
            [((seed * 7 + number * 3) % 12) / 12 for seed in range(12)],
            settings={"optimizer.lr": number},
        )
    sentences = [sentence for sentence in said() if "told apart" in sentence or "further" in sentence]
    assert len(sentences) == 11
    assert sentences[-1] == "Nor can 18 further pairs; the table of pairs lists them."
