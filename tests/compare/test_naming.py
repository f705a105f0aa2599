"""What contestants are called."""

from cells.compare.load import load


def names(comparison) -> list[str]:
    return [contestant.name for contestant in comparison.contestants]


def test_models_are_named_by_what_tells_them_apart(make_run, tmp_path) -> None:
    make_run("gru", [0.1])
    for size in (8, 16):
        make_run("lstm", [0.1], settings={"model.hidden_size": size, "optimizer.lr": 0.01})
    (comparison,) = load([tmp_path]).comparisons
    assert names(comparison) == ["gru", "lstm hidden_size=16", "lstm hidden_size=8"]


def test_settings_that_come_with_another_name_the_model_only_if_they_have_to(make_run, tmp_path) -> None:
    for optimizer, own in (("Adam", {"optimizer.betas": [0.9, 0.999]}), ("SGD", {"optimizer.momentum": 0.0})):
        make_run("gru", [0.1], settings={"optimizer._target_": f"torch.optim.{optimizer}", **own})
    (comparison,) = load([tmp_path]).comparisons
    assert names(comparison) == ["gru Adam", "gru SGD"]
    make_run("gru", [0.1], settings={"optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0.9})
    (comparison,) = load([tmp_path]).comparisons
    assert names(comparison) == ["gru Adam momentum=null", "gru SGD momentum=0.0", "gru SGD momentum=0.9"]


def test_settings_of_one_last_name_are_told_apart(make_run, tmp_path) -> None:
    for grid in ([0.1], [0.1, 0.2]):
        make_run("gru", [0.1], settings={"optimizer.lr": 0.1, "search.lr": grid})
    make_run("gru", [0.1], settings={"optimizer.lr": 0.5})
    (comparison,) = load([tmp_path]).comparisons
    assert names(comparison) == [
        "gru optimizer.lr=0.1 search.lr=[0.1, 0.2]",
        "gru optimizer.lr=0.1 search.lr=[0.1]",
        "gru optimizer.lr=0.5",
    ]
