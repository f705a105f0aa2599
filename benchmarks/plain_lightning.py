"""The same training as in `raw_loop`, as a plain LightningModule with its usual logging.

With `--validate` as one runs it: validation every 500 updates, ModelCheckpoint, rich's progress bar.
"""

import logging
import sys
import tempfile
import time
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import grad_norm
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.raw_loop import LAYERS, adding


class Plain(pl.LightningModule):
    """One layer and a readout at the last step."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.layer, self.readout = LAYERS[cell](2, 32, batch_first=True), nn.Linear(32, 1)
        self.started, self.first = 0.0, 0

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = (self.readout(self.layer(inputs)[0][:, -1]) - targets).square().mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        inputs, targets = batch
        self.log("val/loss", (self.readout(self.layer(inputs)[0][:, -1]) - targets).square().mean())

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.log_dict(grad_norm(self, norm_type=2))

    def on_train_batch_end(self, *_: Any) -> None:
        if self.global_step == self.first:
            self.started = time.perf_counter()

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def train(cell: str, seed: int, steps: int, validate: bool = False) -> float:
    """Seconds a step, the first fifth left out."""
    pl.seed_everything(seed)
    data = adding()
    module = Plain(cell)
    module.first = steps // 5
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [RichProgressBar(), ModelCheckpoint(monitor="val/loss")] if validate else []
        trainer = pl.Trainer(
            accelerator="cpu", max_steps=steps, max_epochs=-1, gradient_clip_val=1.0, logger=TensorBoardLogger(folder),
            default_root_dir=folder, enable_model_summary=False, callbacks=callbacks, val_check_interval=500,
            check_val_every_n_epoch=None,
        )  # fmt: skip
        held_out = DataLoader(TensorDataset(*data[:1000]), 32) if validate else None
        trainer.fit(module, DataLoader(data, 32, shuffle=True), held_out)
    return (time.perf_counter() - module.started) / (steps - module.first)


if __name__ == "__main__":
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    seconds = train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), "--validate" in sys.argv)
    print(f"\n{seconds * 1e3:.3f} ms a step")
