from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from cells.data.datamodule import EVALUATION_BATCH, EvaluationDraws, SequenceDataModule, gather
from cells.data.sequences import IGNORED_CLASS, Batch, Draw, Metric, SequenceData, Split, valid_targets


def numbered(first: int, size: int) -> Split:
    """Sequences that say which they are: every number in row i is first + i."""
    row = torch.arange(first, first + size, dtype=torch.float32)
    return Split(
        inputs=row.view(-1, 1, 1).expand(size, 3, 2).clone(),
        targets=row.view(-1, 1),
        lengths=torch.arange(size) % 3 + 1,
        offset=row.view(-1, 1),
        scale=2 * row.view(-1, 1),
    )


@dataclass(kw_only=True, eq=False, repr=False)
class Numbered(SequenceDataModule):
    """Rows 0, 1, … to train on, 1000, 1001, … to validate and 2000, 2001, … to test."""

    size: int = 20
    loads: int = 0

    def load(self) -> SequenceData:
        self.loads += 1
        return SequenceData(
            name="numbered",
            train=numbered(0, self.size),
            val=numbered(1000, 7),
            test=numbered(2000, EVALUATION_BATCH + 5),
            target_kind="real",
            target_at="last",
            output_size=1,
            metric=Metric("mse", "min"),
            baselines={"mean": {"mse": 1.0}},
        )


def attach(datamodule: SequenceDataModule, step: int = 0, rank: int = 0, world_size: int = 1, dtype=None):
    """What the data module asks of a trainer, without one."""
    module = nn.Linear(1, 1, dtype=dtype)
    datamodule.trainer = SimpleNamespace(
        global_step=step, global_rank=rank, world_size=world_size, lightning_module=module
    )
    return datamodule


def rows(batch: Batch) -> torch.Tensor:
    return batch.inputs[:, :, 0, 0]


class TestOrderOfTrainingBatches:
    def test_an_epoch_shows_every_row_once(self):
        data = Numbered(size=20, batch_size=5, seeds=(4,))
        for epoch in range(3):
            drawn = torch.cat([data.draw(4 * epoch + step)[0] for step in range(4)])
            assert sorted(drawn.tolist()) == list(range(20))

    def test_a_remainder_is_left_out_and_is_another_one_in_every_epoch(self):
        data = Numbered(size=20, batch_size=6)
        assert data.steps_per_epoch == 3
        left_out = []
        for epoch in range(5):
            drawn = torch.cat([data.draw(3 * epoch + step)[0] for step in range(3)]).tolist()
            assert len(set(drawn)) == 18
            left_out.append(frozenset(range(20)) - set(drawn))
        assert len(set(left_out)) > 1

    def test_a_batch_larger_than_the_split_is_the_whole_split(self):
        data = Numbered(size=20, batch_size=64)
        assert data.steps_per_epoch == 1
        assert sorted(data.draw(3)[0].tolist()) == list(range(20))

    def test_every_epoch_and_every_seed_has_an_order_of_its_own(self):
        data = Numbered(size=20, batch_size=20, seeds=(0, 1))
        orders = {tuple(order.tolist()) for epoch in range(3) for order in data.draw(epoch)}
        assert len(orders) == 6

    def test_a_draw_depends_on_nothing_but_seed_and_step(self):
        data = Numbered(batch_size=5)
        in_order = [data.draw(step) for step in range(12)]
        np.random.seed(9)
        torch.manual_seed(9)
        again = Numbered(batch_size=5)
        for step in (11, 0, 7, 3, 4):  # out of order, and across epochs
            assert again.draw(step).equal(in_order[step])

    def test_the_data_seed_does_not_change_the_order(self):
        assert Numbered(seed=0).draw(0).equal(Numbered(seed=5).draw(0))

    def test_each_replica_draws_what_a_single_run_with_its_seed_draws(self):
        together = Numbered(batch_size=5, seeds=(3, 0, 11))
        for replica, seed in enumerate(together.seeds):
            alone = Numbered(batch_size=5, seeds=(seed,))
            for step in range(9):
                assert together.draw(step)[replica].equal(alone.draw(step)[0])


class TestDrawingInOrder:
    def in_order(self, size: int = 20, batch_size: int = 3, gap: int | None = None, **settings) -> Numbered:
        """Rows that follow one another, but for the one at `gap`."""
        data = Numbered(size=size, batch_size=batch_size, in_order=True, **settings)
        follows = torch.arange(size) > 0
        if gap is not None:
            follows[gap] = False
        val, test = data.content.val, data.content.test
        data.content = replace(
            data.content,
            train=replace(data.content.train, follows=follows),
            val=replace(val, follows=torch.arange(len(val)) > 0),
            test=replace(test, follows=torch.arange(len(test)) > 0),
        )
        return data

    def test_each_place_of_a_batch_walks_through_a_stretch_of_its_own_in_every_epoch(self):
        data = self.in_order(seeds=(4, 9))
        assert data.steps_per_epoch == 6
        expected = [[step, 6 + step, 12 + step] for step in range(6)]
        assert [data.draw(step).tolist() for step in range(12)] == [[row, row] for row in 2 * expected]

    def test_a_stream_starts_with_the_epoch_and_after_a_gap_and_goes_on_otherwise(self):
        data = attach(self.in_order(gap=8))
        continues = [draw.continues.tolist() for draw in data.train_dataloader()]
        assert continues == [[[False] * 3], [[True] * 3], [[True, False, True]], *[[[True] * 3]] * 3]

    def test_resumed_within_an_epoch_the_streams_go_on(self):
        draws = list(attach(self.in_order(), step=8).train_dataloader())
        assert [draw.rows[0, 0].item() for draw in draws] == [2, 3, 4, 5]
        assert all(draw.continues.all() for draw in draws)

    def test_evaluation_is_one_stream(self):
        draws = list(self.in_order().val_dataloader())
        assert [draw.rows.tolist() for draw in draws] == [[[row]] for row in range(7)]
        assert [draw.continues.item() for draw in draws] == [False, *[True] * 6]
        assert len(self.in_order().test_dataloader()) == EVALUATION_BATCH + 5

    def test_a_batch_knows_which_of_its_sequences_go_on(self):
        data = attach(self.in_order())
        first, second, *_ = data.train_dataloader()
        assert not data.on_after_batch_transfer(first, 0).continues.any()
        assert data.on_after_batch_transfer(second, 0).continues.all()


class TestTrainingDraws:
    def test_an_epoch_runs_from_where_training_stands_to_its_end(self):
        data = Numbered(size=20, batch_size=5)
        for first, last in ((0, 4), (1, 4), (4, 8), (7, 8), (10, 12)):
            draws = list(attach(data, step=first).train_dataloader())
            assert [draw.split for draw in draws] == ["train"] * (last - first)
            assert all(
                draw.rows.equal(data.draw(step)) for draw, step in zip(draws, range(first, last), strict=True)
            )

    def test_without_a_trainer_the_first_epoch_is_drawn(self):
        assert [draw.rows.tolist() for draw in Numbered(batch_size=5).train_dataloader()] == [
            Numbered(batch_size=5).draw(step).tolist() for step in range(4)
        ]

    def test_its_length_is_that_of_a_whole_epoch_wherever_training_stands(self):
        assert len(attach(Numbered(batch_size=5), step=3).train_dataloader()) == 4


class TestEvaluation:
    @pytest.mark.parametrize("size", [1, EVALUATION_BATCH, EVALUATION_BATCH + 1, 3 * EVALUATION_BATCH])
    def test_every_row_is_drawn_once_and_in_order(self, size):
        draws = list(EvaluationDraws("test", size))
        assert len(draws) == len(EvaluationDraws("test", size))
        assert torch.cat([draw.rows for draw in draws], dim=1).tolist() == [list(range(size))]

    def test_validation_and_test_show_the_rows_of_their_own_split_to_all_replicas(self):
        data = attach(Numbered(seeds=(0, 1, 2)))
        for loader, split in ((data.val_dataloader(), "val"), (data.test_dataloader(), "test")):
            seen = torch.cat([rows(data.on_after_batch_transfer(draw, 0)) for draw in loader], dim=1)
            assert seen.equal(data.content.splits[split].inputs[:, 0, 0].expand(3, -1))

    def test_every_device_evaluates_the_whole_split(self):
        draw = next(iter(Numbered().val_dataloader()))
        whole = attach(Numbered()).on_after_batch_transfer(draw, 0)
        on_rank_1 = attach(Numbered(), rank=1, world_size=2).on_after_batch_transfer(draw, 0)
        assert on_rank_1.inputs.equal(whole.inputs)
        assert on_rank_1.positions_in_all is None


class TestGather:
    def test_replicas_get_the_rows_named_for_each_with_all_that_belongs_to_them(self):
        index = torch.tensor([[4, 0, 5], [2, 2, 1]])
        batch = gather(numbered(0, 6), index, replicas=2)
        assert batch.inputs.equal(index.float().view(2, 3, 1, 1).expand(2, 3, 3, 2))
        assert batch.targets.equal(index.float().view(2, 3, 1))
        assert batch.scale.equal(2 * index.float().view(2, 3, 1))
        assert batch.lengths.equal(index % 3 + 1)
        assert batch.positions_in_all is None

    def test_shared_rows_are_one_copy_that_all_replicas_look_at(self):
        batch = gather(numbered(0, 6), torch.tensor([[3, 1]]), replicas=5)
        assert batch.inputs.shape == (5, 2, 3, 2)
        assert batch.targets.shape == (5, 2, 1)
        assert batch.lengths.shape == (5, 2)
        assert batch.inputs.stride(0) == batch.targets.stride(0) == batch.lengths.stride(0) == 0

    def test_what_a_split_does_not_have_stays_none(self):
        split = Split(torch.zeros(4, 3, 1), torch.tensor([[1, IGNORED_CLASS, 0]] * 4))
        batch = gather(split, torch.tensor([[0, 3]]), replicas=1)
        assert batch.lengths is None
        assert batch.scale is None
        assert batch.targets.tolist() == [[[1, IGNORED_CLASS, 0]] * 2]


class TestOnDevice:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_real_numbers_take_the_type_of_the_network_and_whole_numbers_keep_theirs(self, dtype):
        data = attach(Numbered(), dtype=dtype)
        batch = data.on_after_batch_transfer(Draw("val", torch.tensor([[0, 1]])), 0)
        assert batch.inputs.dtype == batch.targets.dtype == batch.scale.dtype == dtype
        assert batch.lengths.dtype == torch.int64

    @pytest.mark.parametrize(("batch_size", "world_size"), [(6, 2), (5, 2), (7, 3), (2, 3)])
    def test_devices_share_out_a_training_batch_without_gap_or_overlap(self, batch_size, world_size):
        data = Numbered(batch_size=batch_size, seeds=(0, 1))
        draw = Draw("train", data.draw(2))
        shards = [
            attach(data, rank=rank, world_size=world_size).on_after_batch_transfer(draw, 0)
            for rank in range(world_size)
        ]
        together = torch.cat([rows(shard) for shard in shards], dim=1)
        assert together.sort(dim=1).values.equal(draw.rows.sort(dim=1).values.float())
        for shard in shards:
            assert shard.positions_in_all.tolist() == [batch_size, batch_size]
            assert shard.targets.squeeze(-1).equal(rows(shard))
            assert shard.lengths.equal(rows(shard).long() % 3 + 1)

    def test_positions_in_all_counts_the_targets_of_the_whole_batch_and_only_those_there_are(self):
        data = Numbered(batch_size=4, seeds=(0, 1))
        targets = torch.full((20, 3, 2), float("nan"))
        for row in range(20):
            targets[row].view(-1)[: row % 7] = 1.0
        content = data.load()
        split = Split(content.train.inputs, targets)
        data.content = SequenceData(**(vars(content) | {"train": split, "target_at": "every"}))
        draw = Draw("train", data.draw(0))
        shards = [attach(data, rank=rank, world_size=2).on_after_batch_transfer(draw, 0) for rank in (0, 1)]
        expected = [sum(row % 7 for row in replica) for replica in draw.rows.tolist()]
        for shard in shards:
            assert shard.positions_in_all.tolist() == expected
        counted = [valid_targets(shard.targets).flatten(1).sum(1) for shard in shards]
        assert (counted[0] + counted[1]).tolist() == expected


def test_data_is_loaded_once_and_only_when_it_is_asked_for():
    data = Numbered()
    assert data.loads == 0
    data.setup("fit")
    data.setup("test")
    _ = data.content, data.draw(0), data.val_dataloader()
    assert data.loads == 1


class Recorder(pl.LightningModule):
    """Trains one weight and writes down what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.trained: list[list[list[float]]] = []
        self.validated: list[list[list[float]]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.trained.append(rows(batch).tolist())
        return self.weight * batch.inputs.mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.validated.append(rows(batch).tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class TestUnderLightning:
    def fit(self, folder, max_steps: int, ckpt_path=None) -> tuple[Recorder, pl.Trainer, Numbered]:
        module, data = Recorder(), Numbered(size=22, batch_size=5, seeds=(2, 7))
        trainer = pl.Trainer(
            default_root_dir=folder,
            max_steps=max_steps,
            max_epochs=-1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            check_val_every_n_epoch=1,
        )
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
        return module, trainer, data

    def test_step_after_step_is_shown_what_the_seeds_say_and_each_epoch_ends_with_the_validation_split(
        self, tmp_path
    ):
        module, _, data = self.fit(tmp_path, max_steps=10)
        assert module.trained == [data.draw(step).float().tolist() for step in range(10)]
        assert module.validated == [[[float(row) for row in range(1000, 1007)]] * 2] * 2

    @pytest.mark.parametrize("interrupted_after", [2, 4, 7])
    def test_resuming_anywhere_shows_the_batches_that_an_uninterrupted_run_would_have_shown(
        self, tmp_path, interrupted_after
    ):
        whole, _, _ = self.fit(tmp_path, max_steps=11)
        first, trainer, _ = self.fit(tmp_path, max_steps=interrupted_after)
        trainer.save_checkpoint(tmp_path / "stopped.ckpt")
        second, _, _ = self.fit(tmp_path, max_steps=11, ckpt_path=tmp_path / "stopped.ckpt")
        assert first.trained + second.trained == whole.trained
        assert second.weight.item() == whole.weight.item()
