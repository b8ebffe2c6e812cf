"""A dense network and its task as Lightning trains them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from flame_fit import __version__
from flame_fit.errors import InputError
from flame_fit.priors.dense_networks import (
    FROZEN_PREFIX,
    DenseNetwork,
    DenseOutput,
    normalised_images,
)
from flame_fit.training.datasets import EpochSampler
from flame_fit.training.packages import Foreign, training_package
from flame_fit.training.settings import OptimizerSettings, RunSettings
from flame_fit.training.tasks import Batch, DenseTask

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule
else:
    # Mixed in by `lightning_module`, so that importing needs no Lightning.
    LightningModule = object

RECORD = "flame_fit"
"""Where a checkpoint keeps what only this program reads."""
MONITORED = "val/loss"
"""The number by which checkpoints are compared."""
EPOCH = "val/epoch"
"""The number of the epoch that was judged, from 1."""


@dataclass(frozen=True, eq=False)
class TrainingData(Generic[Batch]):
    """Images to learn from and images that are held out; either is indexed by `SampleKey`."""

    training: Dataset[Batch]
    validation: Dataset[Batch]


def cosine_share(epoch: int, *, epochs: int, least: float) -> float:
    """Share of the learning rate in an epoch: half a cosine from 1 to the least share."""
    progress = min(epoch / epochs, 1.0)
    return least + (1.0 - least) * (1.0 + math.cos(math.pi * progress)) / 2.0


def lightning_module(
    network: DenseNetwork,
    task: DenseTask[Any],
    data: TrainingData[Any],
    *,
    optimizer: OptimizerSettings,
    run: RunSettings,
) -> DenseTraining:
    """Wrap a network for training.

    Its checkpoints have the names of the published ones: `encoder.*` and `decoder.*`.

    Args:
        network: What is trained; DINOv3 in it stays as it is.
        task: What it learns.
        data: What it learns from, and what it is judged by.
        optimizer: How it learns.
        run: Batches, seed and length.

    Raises:
        UsageError: Lightning is not installed.
    """
    base = training_package("lightning.pytorch").LightningModule
    whole = type("WholeDenseTraining", (DenseTraining, base), {})
    return whole(network, task, data, optimizer, run)


class DenseTraining(LightningModule):
    """The steps of a training; made by `lightning_module`."""

    def __init__(
        self,
        network: DenseNetwork,
        task: DenseTask[Any],
        data: TrainingData[Any],
        optimizer: OptimizerSettings,
        run: RunSettings,
    ) -> None:
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self._layout = network.layout
        self._task = task
        self._data = data
        self._optimizer_settings = optimizer
        self._run_settings = run
        self._tally: Tensor | None = None
        self._random_state: Tensor | None = None

    def forward(self, images: Tensor) -> DenseOutput:
        """Answers to sRGB images, 0..1."""
        return self.decoder(self.encoder(normalised_images(images)))

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of an epoch; a last one that is not full is left out.

        Raises:
            InputError: There are too few images for a batch.
        """
        loader = self._loader(self._data.training, training=True)
        if not len(loader):
            raise InputError(
                f"{len(self._data.training)} images are too few for a batch of "  # pyright: ignore
                f"{self._run_settings.batch_size} on {self.trainer.world_size} devices; "
                "give more images or a smaller --batch-size"
            )
        return loader

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the held-out images."""
        return self._loader(self._data.validation, training=False)

    def transfer_batch_to_device(
        self, batch: Foreign, device: torch.device, dataloader_idx: int
    ) -> Foreign:
        """Bring a batch to where the network is."""
        del dataloader_idx
        return batch.to(device)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Go on with the random numbers of the run that is resumed."""
        del batch, batch_idx
        if self._random_state is not None:
            torch.set_rng_state(self._random_state)
            self._random_state = None

    def training_step(self, batch: Foreign, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        del batch_idx
        loss = self._task.loss(self(batch.images), batch)
        size = len(batch.images)
        self.log("train/loss", loss.total.detach(), on_step=True, on_epoch=True, batch_size=size)
        for part in loss.parts:
            self.log(f"train/{part.name}", part.value, on_epoch=True, batch_size=size)
        return loss.total

    def validation_step(self, batch: Foreign, batch_idx: int) -> None:
        """Judge the network by a batch, and show the first one."""
        output = self(batch.images)
        loss = self._task.loss(output, batch)
        self.log(MONITORED, loss.total, sync_dist=True, batch_size=len(batch.images))
        tally = self._task.tally(output, batch)
        self._tally = tally if self._tally is None else self._tally + tally
        writer = getattr(self.logger, "experiment", None)
        if batch_idx == 0 and writer is not None and self.trainer.is_global_zero:
            picture = self._task.picture(output, batch)
            writer.add_image("val/pictures", picture, self.global_step, dataformats="HWC")

    def on_validation_epoch_end(self) -> None:
        """Log the scores of all batches together."""
        if self._tally is None:
            return
        total = self.trainer.strategy.reduce(self._tally, reduce_op="sum")
        self._tally = None
        # Epochs are counted from 1 in the names of checkpoints, as in what users are told.
        self.log(EPOCH, float(self.current_epoch + 1), rank_zero_only=True)
        for score in self._task.scores(total):
            self.log(f"val/{score.name}", score.value, rank_zero_only=True)

    def configure_optimizers(self) -> Foreign:
        """AdamW over all weights but DINOv3's, and a cosine over the epochs."""
        settings, epochs = self._optimizer_settings, self._run_settings.max_epochs
        optimizer = torch.optim.AdamW(
            [weight for weight in self.parameters() if weight.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        least = settings.minimum_learning_rate / max(settings.learning_rate, 1e-30)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: cosine_share(epoch, epochs=epochs, least=least)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "epoch"}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the published programs read, and the state of the random numbers."""
        outputs = "output_channels" if self._layout.kind == "uv" else "num_classes"
        checkpoint["hyper_parameters"] = {
            outputs: self._layout.outputs,
            "learning_rate": self._optimizer_settings.learning_rate,
            "weight_decay": self._optimizer_settings.weight_decay,
            "scheduler_config": None,
        }
        checkpoint[RECORD] = {"version": __version__, "random_state": torch.get_rng_state()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the state of the random numbers, and DINOv3 where the file leaves it out."""
        self._random_state = checkpoint[RECORD]["random_state"]
        weights = checkpoint["state_dict"]
        for name, weight in self.state_dict().items():
            if name.startswith(FROZEN_PREFIX):
                weights.setdefault(name, weight)

    def _loader(self, dataset: Foreign, *, training: bool) -> DataLoader[Any]:
        run = self._run_settings
        sampler = EpochSampler(
            len(dataset),
            seed=run.seed,
            shuffle=training,
            rank=self.trainer.global_rank,
            processes=self.trainer.world_size,
        )
        return DataLoader(
            dataset,
            batch_size=run.batch_size,
            sampler=sampler,
            num_workers=run.num_workers,
            collate_fn=self._task.stacked,
            drop_last=training,
            pin_memory=self.device.type == "cuda",
            persistent_workers=run.num_workers > 0,
            # The samples need no random numbers of the loader's; those of the process stay its own.
            generator=torch.Generator(),
        )
