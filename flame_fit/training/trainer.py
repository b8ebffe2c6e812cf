"""Running a training: checkpoints that are the best and the last, curves, and resuming."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from flame_fit.errors import FlameFitError, InputError, UsageError
from flame_fit.training.callbacks import (
    LAST,
    TrainingProgress,
    checkpoint_keepers,
    checkpoint_reader,
    reporter,
    run_folder,
)
from flame_fit.training.lightning_module import MONITORED, DenseTraining
from flame_fit.training.packages import Foreign, training_package
from flame_fit.training.settings import OptimizerSettings, RunSettings

SETTINGS_FILE = "settings.yaml"


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        last: Checkpoint to resume from.
        best: Checkpoint with the smallest loss on held-out images, None if there were none.
        best_loss: That loss.
        epochs: How many epochs the whole training has behind it.
    """

    last: Path
    best: Path | None
    best_loss: float | None
    epochs: int


def is_first_process() -> bool:
    """Whether this process is the one that speaks for those of all devices."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def check_run(run: RunSettings) -> None:
    """Refuse a run that would mix its checkpoints with those of another, or cannot resume.

    Raises:
        UsageError: The folder has checkpoints, or there is no checkpoint to resume from.
    """
    if run.resume_from is not None:
        if not run.resume_from.is_file():
            raise UsageError(f"--resume-from {run.resume_from} does not exist; give a last.ckpt")
        return
    folder = run_folder(run)
    # The processes of the other devices come when the first one is at work already.
    if is_first_process() and any(folder.glob("*.ckpt")):
        raise UsageError(
            f"{folder} has checkpoints of another run; give --resume-from {folder / LAST} to go "
            "on, or another --experiment-name"
        )


def train(
    module: DenseTraining,
    *,
    optimizer: OptimizerSettings,
    run: RunSettings,
    progress: TrainingProgress | None = None,
) -> TrainingResult:
    """Train, or go on training, and keep the best checkpoints and the last.

    Random numbers are drawn from torch's own generator, which the caller seeds.

    Args:
        module: What `lightning_module` made.
        optimizer: How it learns.
        run: How long, on what, where to.
        progress: Who is told.

    Raises:
        FlameFitError: An image or the checkpoint to resume from cannot be used.
        UsageError: Lightning is not installed, or no such device is there.
        KeyboardInterrupt: The user stopped it; the last checkpoint is that of the last epoch.
    """
    check_run(run)
    lightning = training_package("lightning.pytorch")
    training_package("tensorboard")
    keepers = checkpoint_keepers(lightning, run)
    rates = lightning.callbacks.LearningRateMonitor(logging_interval="epoch")
    callbacks = [keepers.best, keepers.last, rates]
    if progress is not None:
        callbacks.append(reporter(lightning, progress))
    if run.patience:
        callbacks.append(lightning.callbacks.EarlyStopping(MONITORED, patience=run.patience))
    with _quiet(), _interruptible(), _one_line_errors():
        trainer = _trainer(lightning, callbacks, optimizer, run)
        resume = None if run.resume_from is None else str(run.resume_from)
        trainer.fit(module, ckpt_path=resume, weights_only=True)
    best = keepers.best
    return TrainingResult(
        last=run_folder(run) / LAST,
        best=Path(best.best_model_path) if best.best_model_path else None,
        best_loss=None if best.best_model_score is None else float(best.best_model_score),
        epochs=int(trainer.current_epoch),
    )


def _trainer(
    lightning: Foreign,
    callbacks: list[Foreign],
    optimizer: OptimizerSettings,
    run: RunSettings,
) -> Foreign:
    """Return a trainer for the devices that are asked for.

    Raises:
        UsageError: They are not there.
    """
    wants_gpu = run.gpus > 0 or torch.cuda.is_available()
    kind = ("gpu" if wants_gpu else "cpu") if run.accelerator == "auto" else run.accelerator
    count = run.gpus or (torch.cuda.device_count() if kind == "gpu" else 1)
    try:
        return lightning.Trainer(
            accelerator=kind,
            devices=max(count, 1),
            strategy="ddp" if count > 1 else "auto",
            precision=run.precision,
            max_epochs=run.max_epochs,
            check_val_every_n_epoch=run.validate_every,
            gradient_clip_val=optimizer.gradient_clip or None,
            accumulate_grad_batches=optimizer.accumulate,
            callbacks=callbacks,
            plugins=[checkpoint_reader(lightning)],
            logger=lightning.loggers.TensorBoardLogger(str(run.log_dir), name=run.experiment_name),
            log_every_n_steps=10,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (lightning.utilities.exceptions.MisconfigurationException, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{run.gpus or 'all'} devices of kind {kind} cannot be used ({reason}); "
            "change --gpus or --accelerator"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back Lightning's advice to programmers and its advertisements."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        # Where several devices share the work; it costs them a copy of 1 x 1 weights.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let an interruption reach the caller, where Lightning would end the program itself."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Give errors from reader processes their own line instead of a whole traceback."""
    try:
        yield
    except FlameFitError as error:
        lines = str(error).splitlines()
        if len(lines) < 2:  # noqa: PLR2004
            raise
        raise InputError(lines[-1].partition(": ")[2]) from None
