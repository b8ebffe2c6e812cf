"""What happens around the steps of a training: checkpoints are kept, and users are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from flame_fit.errors import InputError
from flame_fit.priors.dense_networks.weight_files import with_tensors
from flame_fit.training.lightning_module import EPOCH, MONITORED, RECORD
from flame_fit.training.packages import Foreign
from flame_fit.training.settings import RunSettings
from flame_fit.training.tasks import NamedValue
from flame_fit.untrusted import read_torch

LAST = "last.ckpt"
# Frozen weights of a ViT-L, VGG and decoder with both moments of Adam are 1.4 GB.
LARGEST_CHECKPOINT = 16 * 2**30


@dataclass(frozen=True)
class EpochReport:
    """How an epoch went.

    Attributes:
        epoch: Counted from 1.
        epochs: Of the whole training.
        loss: Mean loss of its steps.
        validation: Loss and scores on the held-out images; empty where the epoch has none.
    """

    epoch: int
    epochs: int
    loss: float
    validation: tuple[NamedValue, ...]


@runtime_checkable
class TrainingProgress(Protocol):
    """Who wants to know how far a training is."""

    def on_step(self, *, step: int, steps: int, loss: float) -> None:
        """Hear of a step of an epoch, counted from 1."""
        ...

    def on_epoch(self, report: EpochReport) -> None:
        """Hear of a finished epoch."""
        ...


@dataclass(frozen=True)
class CheckpointKeepers:
    """Callbacks of Lightning: one keeps the best checkpoints, one the last."""

    best: Foreign
    last: Foreign


def run_folder(run: RunSettings) -> Path:
    """Where the checkpoints of a run are."""
    return run.checkpoint_dir / run.experiment_name


def checkpoint_keepers(lightning: Foreign, run: RunSettings) -> CheckpointKeepers:
    """Return who keeps the checkpoints with the smallest loss on held-out images, and the last."""
    make = lightning.callbacks.ModelCheckpoint
    folder = run_folder(run)
    best = make(
        dirpath=folder,
        filename=f"epoch{{{EPOCH}:03.0f}}-loss{{{MONITORED}:.5f}}",
        auto_insert_metric_name=False,
        monitor=MONITORED,
        mode="min",
        save_top_k=run.keep_best,
    )
    last = make(
        dirpath=folder,
        filename=Path(LAST).stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return CheckpointKeepers(best=best, last=last)


def checkpoint_reader(lightning: Foreign) -> Foreign:
    """Return Lightning's writer of checkpoints with this project's reader of them."""

    class CheckpointReader(lightning.plugins.io.TorchCheckpointIO):
        def load_checkpoint(
            self,
            path: object,
            map_location: object = None,
            weights_only: bool | None = None,  # noqa: FBT001 (Lightning's signature)
        ) -> object:
            del map_location, weights_only
            return _own_checkpoint(Path(str(path)))

    return CheckpointReader()


def _own_checkpoint(path: Path) -> object:
    """Read a checkpoint to resume from.

    Raises:
        AssetError: It is damaged or holds more than tensors and plain data.
        InputError: Another program wrote it.
    """
    content = read_torch(path, maximum_bytes=LARGEST_CHECKPOINT)
    record = content.get(RECORD) if isinstance(content, dict) else None
    if not isinstance(record, dict) or "random_state" not in record:
        raise InputError(
            f"{path} cannot be resumed, as another program wrote it; give it as --checkpoint to "
            "start from its weights"
        )
    return with_tensors(content)


def reporter(lightning: Foreign, progress: TrainingProgress) -> Foreign:
    """Return a callback that tells how far the training is, from the first process only."""

    class Reporter(lightning.Callback):
        def on_train_batch_end(
            self,
            trainer: Foreign,
            module: object,
            outputs: Foreign,
            batch: object,
            batch_idx: int,
        ) -> None:
            del module, batch
            if trainer.is_global_zero:
                loss = float(outputs["loss"].detach())
                progress.on_step(
                    step=batch_idx + 1, steps=int(trainer.num_training_batches), loss=loss
                )

        def on_train_epoch_end(self, trainer: Foreign, module: object) -> None:
            del module
            if trainer.is_global_zero:
                progress.on_epoch(_report(trainer))

    return Reporter()


def _report(trainer: Foreign) -> EpochReport:
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    epoch = int(trainer.current_epoch) + 1
    judged = epoch % trainer.check_val_every_n_epoch == 0
    return EpochReport(
        epoch=epoch,
        epochs=int(trainer.max_epochs),
        loss=values["train/loss_epoch"],
        validation=tuple(
            NamedValue(name.partition("/")[2], value)
            for name, value in values.items()
            if judged and name.startswith("val/") and name != EPOCH
        ),
    )
