import numpy as np
import pytest
import torch

from cells.data.sequences import Split
from cells.data.series.bundled import FOLDER
from cells.data.series.labelled import (
    LabelledDataModule,
    classification_baselines,
    scale_channels,
    stratified,
)
from cells.errors import UserError


def test_digits_come_pixel_by_pixel_or_row_by_row() -> None:
    pixels = LabelledDataModule(source="digits", arrangement="pixels").content
    rows = LabelledDataModule(source="digits", arrangement="rows").content
    assert pixels.train.inputs.shape[1:] == (64, 1)
    assert rows.train.inputs.shape[1:] == (8, 8)
    assert (pixels.train.targets == rows.train.targets).all()
    # The same image, rescaled: step 8 · row + column of the one is one channel at step `row` of the other.
    images, steps = rows.train.inputs.flatten(1), pixels.train.inputs.flatten(1)
    for place in range(64):
        if steps[:, place].std() > 1e-3:
            assert torch.corrcoef(torch.stack([images[:, place], steps[:, place]]))[0, 1] > 0.9999


def test_official_test_splits_are_kept() -> None:
    vowels = LabelledDataModule(source="vowels", val_fraction=0.2).content
    assert [len(split) for split in vowels.splits.values()] == [216, 54, 370]
    assert torch.bincount(vowels.test.targets).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    demand = LabelledDataModule(source="power_demand").content
    assert len(demand.train) + len(demand.val) == 67
    assert len(demand.test) == 1029


def test_vowels_have_their_lengths_and_zeros_behind_them() -> None:
    content = LabelledDataModule(source="vowels").content
    for split in content.splits.values():
        assert split.lengths is not None
        assert 7 <= split.lengths.min() <= split.lengths.max() <= 29
        padding = torch.arange(29) >= split.lengths[:, None]
        assert (split.inputs[padding] == 0).all()
        assert (split.inputs[~padding] != 0).all()


def test_the_seed_chooses_the_splits_and_nothing_else() -> None:
    first, again, other = (
        LabelledDataModule(source="digits", arrangement="rows", seed=seed).content for seed in (3, 3, 4)
    )
    assert (first.train.inputs == again.train.inputs).all()
    assert len(first.test) == len(other.test)
    assert not torch.equal(first.test.targets, other.test.targets)
    vowels = [LabelledDataModule(source="vowels", seed=seed).content for seed in (0, 1)]
    assert torch.equal(vowels[0].test.targets, vowels[1].test.targets)


def test_stratified_parts_are_a_partition_with_equal_shares_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 20])
    left, first, second = stratified(labels, [0.2, 0.1], np.random.default_rng(0))
    assert np.sort(np.concatenate([left, first, second])).tolist() == list(range(160))
    assert np.bincount(labels[first]).tolist() == [20, 8, 4]
    assert np.bincount(labels[second]).tolist() == [10, 4, 2]


def test_channels_are_scaled_by_the_valid_steps_of_the_training_rows() -> None:
    inputs = np.array([[[1.0], [3.0], [999.0]], [[2.0], [2.0], [8.0]], [[50.0], [0.0], [0.0]]])
    scaled = scale_channels(inputs, lengths=np.array([2, 3, 1]), train=np.array([0]))
    assert scaled[:, :, 0].tolist() == [[-1, 1, 0], [0, 0, 6], [48, 0, 0]]


def test_a_planted_leak_changes_nothing_in_the_training_split(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = LabelledDataModule(source="vowels").content.train
    with np.load(FOLDER / "vowels.npz") as stored:
        planted = dict(stored)
    planted["inputs"][planted["train_size"] :] *= 100
    np.savez(tmp_path / "vowels.npz", **planted)
    monkeypatch.setattr("cells.data.series.labelled.FOLDER", tmp_path)
    content = LabelledDataModule(source="vowels").content
    assert torch.equal(content.train.inputs, honest.inputs)
    assert content.test.inputs.abs().max() > 50


def test_baselines_are_the_majority_and_the_nearest_neighbour() -> None:
    train = Split(torch.tensor([[[0.0]], [[1.0]], [[5.0]], [[6.0]]]), torch.tensor([1, 1, 1, 0]))
    test = Split(torch.tensor([[[5.8]], [[0.1]], [[5.1]], [[7.0]]]), torch.tensor([0, 1, 0, 0]))
    scores = classification_baselines(train, test, classes=2)["baselines"]
    assert scores["majority class"]["accuracy"] == 0.25
    assert scores["majority class"]["cross_entropy"] == pytest.approx(-(3 * np.log(0.25) + np.log(0.75)) / 4)
    assert scores["nearest neighbour"] == {"accuracy": 0.75}


def test_an_arrangement_suits_images_and_nothing_else() -> None:
    with pytest.raises(UserError, match=r"data\.arrangement=None: for digits this has to be pixels or rows"):
        LabelledDataModule(source="digits").load()
    with pytest.raises(UserError, match=r"data\.arrangement=rows: for vowels this has to be null"):
        LabelledDataModule(source="vowels", arrangement="rows").load()


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (0.001, 0.1), (0.9, 0.2)])
def test_fractions_that_leave_a_split_without_a_class_are_refused(val: float, test: float) -> None:
    with pytest.raises(UserError, match=r"data\.val_fraction=.* split is left without some class"):
        LabelledDataModule(source="digits", arrangement="rows", val_fraction=val, test_fraction=test).load()
