"""The LightningModule: a recurrent network, its readout, its loss and its optimiser, for a stack of replicas."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field, PositiveFloat
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cells.data.sequences import Batch, SequenceData
from cells.diagnostics.gradient_norm import clip_per_replica, gradient_norms
from cells.errors import UserError
from cells.recurrent.cell import Cell, State
from cells.recurrent.layer import RecurrentNetwork
from cells.training.carrying import CarriedStates
from cells.training.objective import Loss, position_losses, positions, scores
from cells.training.readout import Readout

LARGEST_HIDDEN_SIZE = 65_536

DROPOUT_STREAM = 1
"""Separates a replica's dropout from its other random numbers."""


class Learner(LightningModule):
    """Layers of a cell, a readout, a loss and an optimiser; R independent replicas train side by side.

    The loss is the *sum* over replicas of each replica's mean loss, so no replica's gradient touches another's.

    Args:
        content: the data set, for its shapes and its kind of target.
        seeds: one a replica; replica r is initialised, and drops out, exactly as a single run with that seed.
        cell: makes a cell when called with (input_size, hidden_size, replicas).
        hidden_size: size of each layer's hidden state.
        num_layers: layers on top of each other.
        dropout: probability of zeroing an output between layers.
        bidirectional: run every layer in both directions of time; refused for forecasting.
        init: how recurrent layers are initialised, see `cells.recurrent.initialization`.
        forget_bias: initial bias of the LSTM's forget gate; None leaves it to `init`.
        chrono_t_max: longest time dependency for init=chrono.
        spectral_radius: scale each gate's block of recurrent weights to it at the start; None leaves them.
        loss: "auto" is squared error for real targets, cross-entropy for classes.
        engine: how layers are unrolled, see `cells.recurrent.engines`.
        optimizer: makes the optimiser from the parameters; elementwise ones only.
        scheduler: makes the learning-rate schedule from (optimizer, total_steps); None keeps the rate constant.
        total_steps: updates in the whole training.
        gradient_clip_norm: largest gradient norm of a replica; None leaves gradients as they are.
        log_every_steps: how often training loss, learning rate and gradient norms are logged.

    Raises:
        UserError: the settings do not fit the data or each other.
    """

    def __init__(
        self,
        *,
        content: SequenceData,
        seeds: Sequence[int],
        cell: Callable[[int, int, int], Cell],
        hidden_size: Annotated[int, Field(gt=0, le=LARGEST_HIDDEN_SIZE)] = 32,
        num_layers: Annotated[int, Field(gt=0, le=1000)] = 1,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        bidirectional: bool = False,
        init: Literal["torch", "orthogonal", "identity", "chrono"] = "torch",
        forget_bias: float | None = None,
        chrono_t_max: PositiveFloat | None = None,
        spectral_radius: PositiveFloat | None = None,
        loss: Literal["auto", "mse", "mae", "cross_entropy"] = "auto",
        engine: str = "auto",
        optimizer: Callable[[Any], Optimizer],
        scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        total_steps: int = 1,
        gradient_clip_norm: float | None = None,
        log_every_steps: int = 20,
    ) -> None:
        super().__init__()
        if bidirectional and content.forecast:
            raise UserError(
                f"model.bidirectional=true: {content.name} is a forecast, and the backward direction would start "
                "from its future; set model.bidirectional=false."
            )
        self.seeds = tuple(seeds)
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.loss_name = _loss_for(loss, content)
        self.targets_at = content.target_at
        self.gradient_clip_norm = gradient_clip_norm
        self.log_every_steps = log_every_steps
        self.carried = CarriedStates()
        self.frozen: list[int] = []
        self.worst_loss: Tensor | None = None
        self.validation_scores: dict[str, Tensor] = {}
        self.test_scores: dict[str, Tensor] = {}
        self.test_outputs: dict[str, Tensor] = {}
        self._make_optimizer, self._make_scheduler, self._total_steps = optimizer, scheduler, total_steps
        self._evaluated: list[dict[str, Tensor]] = []

        replicas = len(self.seeds)
        length, features = content.train.inputs.shape[1:]
        memoryless = getattr(getattr(cell, "func", cell), "memoryless", False)
        self.flattens_window = memoryless and content.target_at == "last"
        self.network = RecurrentNetwork(
            cell,
            input_size=length * features if self.flattens_window else features,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            bidirectional=bidirectional,
            replicas=replicas,
            engine=engine,
        )
        self.readout = Readout(self.network.output_size, content.output_size, replicas)
        if not self.readout.weight.is_meta:  # where sizes are counted there is nothing to draw
            self._reset_parameters(
                scheme=init,
                forget_bias=forget_bias,
                chrono_t_max=chrono_t_max,
                spectral_radius=spectral_radius,
            )
        self.target_std: Tensor | None
        self.register_buffer("target_std", content.target_std, persistent=False)
        self._named_parameters = dict(
            self.named_parameters()
        )  # walking through all modules takes time in each step

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes forty times a step which hook is running. `nn.Module` would look each time whether that is a
        # parameter, a buffer or a module, which takes a tenth of a small step.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def _reset_parameters(self, **initialization: Any) -> None:
        generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.network.reset_parameters(generators, **initialization)
        self.readout.reset_parameters(generators)

    def forward(
        self, inputs: Tensor, state: list[State] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """Predictions, (R, B, O) at the last or (R, B, T, O) at every step, and the state after the last step.

        Args:
            inputs: (R, B, T, F).
            state: what a previous call returned, to go on from; None starts from the cell's initial state.
            lengths: (R, B) valid steps of each sequence; None if all are valid.
        """
        if self.flattens_window:
            inputs, lengths = inputs.flatten(2).unsqueeze(2), None
        outputs, state = self.network(inputs, state, lengths, self._dropout_seeds())
        if self.targets_at == "every":
            return self.readout(outputs), state
        return self.readout(self.network.last_hidden(state)), state

    def _predictions(self, split: str, batch: Batch) -> Tensor:
        """Predictions for a batch; where it is drawn in order, from the state that the batch before it left."""
        predictions, states = self(
            batch.inputs, self.carried.before(split, batch, self.network), batch.lengths
        )
        self.carried.keep(split, batch, states)
        return cast(Tensor, predictions)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        predictions = self._predictions("train", batch)
        summed = position_losses(predictions, batch.targets, self.loss_name).flatten(1).sum(1)
        counted = positions(batch.targets) if batch.positions_in_all is None else batch.positions_in_all
        losses = summed / counted.clamp(min=1)
        worst = losses.detach()
        # `maximum` keeps a NaN.
        self.worst_loss = worst if self.worst_loss is None else torch.maximum(self.worst_loss, worst)
        if self.is_log_step:
            self.log_replicas({"train/loss": self.across_devices(losses.detach())})
        # Distributed training averages gradients over devices; each device's loss is a share of a sum.
        return losses.sum() * self.trainer.world_size

    @property
    def is_log_step(self) -> bool:
        return self.global_step % self.log_every_steps == 0

    def across_devices(self, shares: Tensor) -> Tensor:
        """The sum over devices of each one's share; on one device the tensor itself."""
        if self.trainer.world_size == 1:
            return shares
        return cast(Tensor, self.trainer.strategy.reduce(shares.clone(), reduce_op="sum"))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        predictions = self._predictions("val", batch)
        self._evaluated.append(scores(predictions, batch, self.loss_name, self.target_std))

    def on_validation_epoch_end(self) -> None:
        self.validation_scores, _ = self._pooled()
        self.log_replicas({f"val/{name}": value for name, value in self.validation_scores.items()})
        self._publish("val", self.validation_scores)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        predictions = self._predictions("test", batch)
        kept = predictions.argmax(-1) if self.loss_name == "cross_entropy" else predictions
        self._evaluated.append(
            scores(predictions, batch, self.loss_name, self.target_std) | {"predictions": kept}
        )

    def on_test_epoch_end(self) -> None:
        """Scores of each replica in `test_scores`; per-sequence scores and predictions in `test_outputs`."""
        self.test_scores, self.test_outputs = self._pooled()
        self._publish("test", self.test_scores)

    def _pooled(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Scores over all evaluated batches, (R,) each, and what they were made from, (R, N, …) each."""
        whole = {
            name: torch.cat([part[name] for part in self._evaluated], dim=1) for name in self._evaluated[0]
        }
        self._evaluated = []
        weight = whole["weight"]
        pooled = {
            name: (values * weight).sum(1) / weight.sum(1).clamp(min=1)
            for name, values in whole.items()
            if name not in ("weight", "predictions")
        }
        return pooled, whole

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Lightning's hook after every backward pass: log gradient norms when due, and clip each replica by itself."""
        if self.gradient_clip_norm is None and not self.is_log_step:
            return
        gradients = {name: p.grad for name, p in self._named_parameters.items() if p.grad is not None}
        norms, totals = gradient_norms(gradients)
        clipped = totals
        if self.gradient_clip_norm is not None:
            clipped = totals * clip_per_replica(gradients, totals, self.gradient_clip_norm)
        if self.is_log_step:
            tags = {f"grad_norm/{name}": values for name, values in norms.items()}
            rate = totals.new_full((len(self.seeds),), optimizer.param_groups[0]["lr"])
            self.log_replicas(
                tags | {"grad_norm/total": totals, "grad_norm/total_clipped": clipped, "lr": rate}
            )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        """Lightning's hook for the update; replicas that are frozen keep their parameters through it."""
        parameters = self._named_parameters.values() if self.frozen else []
        kept = [parameter.detach()[self.frozen] for parameter in parameters]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with torch.no_grad():
            for parameter, before in zip(parameters, kept, strict=True):
                parameter[self.frozen] = before

    def configure_optimizers(self) -> Any:
        optimizer = self._make_optimizer(self.parameters())
        if self._make_scheduler is None:
            return {"optimizer": optimizer}
        scheduler = self._make_scheduler(optimizer, self._total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["carried_state"] = self.carried.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.carried.load_state_dict(checkpoint.get("carried_state", []))

    def log_replicas(self, values: dict[str, Tensor]) -> None:
        """Log tensors of shape (R,) under their tags: loggers that know replicas fan them out, others get the mean."""
        active = [replica for replica in range(len(self.seeds)) if replica not in self.frozen]
        for logger in self.loggers:
            fan_out = getattr(logger, "log_replicas", None)
            if fan_out is not None:
                fan_out(values, active, self.global_step)
            elif active:
                means = {tag: float(value[active].mean()) for tag, value in values.items()}
                logger.log_metrics(means, step=self.global_step)

    def _publish(self, split: str, values: dict[str, Tensor]) -> None:
        """Let any Lightning callback see the mean over replicas, as `trainer.callback_metrics`."""
        for name, value in values.items():
            self.trainer.callback_metrics[f"{split}/{name}"] = value.nanmean()

    def _dropout_seeds(self) -> list[tuple[int, ...]] | None:
        if not self.training or self._trainer is None:
            return None
        return [(seed, DROPOUT_STREAM, self.global_step, self.global_rank) for seed in self.seeds]


def _loss_for(loss: str, content: SequenceData) -> Loss:
    if loss == "auto":
        return "cross_entropy" if content.target_kind == "class" else "mse"
    if loss == "cross_entropy" and content.target_kind == "real":
        raise UserError(
            f"model.loss=cross_entropy: the targets of {content.name} are real numbers, and cross-entropy compares "
            "probabilities of classes; choose model.loss=mse or mae."
        )
    if loss != "cross_entropy" and content.target_kind == "class":
        raise UserError(
            f"model.loss={loss}: the targets of {content.name} are classes; choose model.loss=cross_entropy."
        )
    return loss  # type: ignore[return-value]


def count_parameters(module: nn.Module, replicas: int) -> int:
    """Trainable numbers of one replica."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad) // replicas
