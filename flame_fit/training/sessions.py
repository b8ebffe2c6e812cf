"""A whole training out of its settings: files found, network made, checkpoints written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flame_fit.errors import UsageError
from flame_fit.priors.dense_networks import (
    DenseNetwork,
    load_dense_network,
    new_dense_network,
)
from flame_fit.priors.dense_networks.network import NetworkKind
from flame_fit.training.callbacks import TrainingProgress, run_folder
from flame_fit.training.datasets import ParsingDataset, UvDataset
from flame_fit.training.files import hold_out
from flame_fit.training.lightning_module import TrainingData, lightning_module
from flame_fit.training.parsing_files import find_parsing_items
from flame_fit.training.settings import NetworkStart, ParsingTraining, UvTraining
from flame_fit.training.settings_files import write_settings
from flame_fit.training.tasks import DenseTask, ParsingTask, UvTask
from flame_fit.training.trainer import (
    SETTINGS_FILE,
    TrainingResult,
    check_run,
    is_first_process,
    train,
)
from flame_fit.training.uv_files import find_uv_items


def train_uv(settings: UvTraining, *, progress: TrainingProgress | None = None) -> TrainingResult:
    """Train the UV network; the settings are written beside its checkpoints.

    Random weights come from torch's own generator, which the caller seeds.

    Args:
        settings: Everything that it depends on.
        progress: Who is told how far it is.

    Raises:
        UsageError: A setting is missing or does not go with the others.
        InputError: An image cannot be used.
        AssetError: A file of weights cannot be used.
    """
    folder = _data_dir(settings)
    check_run(settings.run)
    network = _network(settings.network, kind="uv", classes=None)
    return _run(network, UvTask(settings.loss), uv_data(settings, folder), settings, progress)


def train_parsing(
    settings: ParsingTraining, *, progress: TrainingProgress | None = None
) -> TrainingResult:
    """Train the parsing network; the settings are written beside its checkpoints.

    Random weights come from torch's own generator, which the caller seeds.

    Args:
        settings: Everything that it depends on.
        progress: Who is told how far it is.

    Raises:
        UsageError: A setting is missing or does not go with the others.
        InputError: An image cannot be used.
        AssetError: A file of weights cannot be used.
    """
    folder = _data_dir(settings)
    check_run(settings.run)
    classes = settings.data.num_classes
    network = _network(settings.network, kind="parsing", classes=classes)
    task = ParsingTask(settings.loss, classes=classes)
    return _run(network, task, parsing_data(settings, folder), settings, progress)


def uv_data(settings: UvTraining, folder: Path) -> TrainingData[Any]:
    """Find the photos of a training; the held-out people are in none of its images."""
    split = hold_out(
        find_uv_items(folder),
        share=settings.data.validation_share,
        group=lambda item: item.person,
    )
    seed = settings.run.seed
    return TrainingData(
        training=UvDataset(
            split.training, data=settings.data, augmentation=settings.augmentation, seed=seed
        ),
        validation=UvDataset(split.validation, data=settings.data, augmentation=None, seed=seed),
    )


def parsing_data(settings: ParsingTraining, folder: Path) -> TrainingData[Any]:
    """Find the photos of a training; the held-out photos are not among its images."""
    split = hold_out(
        find_parsing_items(folder),
        share=settings.data.validation_share,
        group=lambda item: item.image.relative_to(folder).as_posix(),
    )
    seed = settings.run.seed
    return TrainingData(
        training=ParsingDataset(
            split.training, data=settings.data, augmentation=settings.augmentation, seed=seed
        ),
        validation=ParsingDataset(
            split.validation, data=settings.data, augmentation=None, seed=seed
        ),
    )


def _data_dir(settings: UvTraining | ParsingTraining) -> Path:
    folder = settings.data.data_dir
    if folder is None or not folder.is_dir():
        given = "is not given" if folder is None else f"{folder} is no folder"
        raise UsageError(f"--data-dir {given}; give the folder of the training images")
    return folder


def _network(start: NetworkStart, *, kind: NetworkKind, classes: int | None) -> DenseNetwork:
    """Return the network with the weights it starts from.

    Raises:
        UsageError: No weights are named, or those of another number of classes.
    """
    if start.checkpoint is not None:
        network = load_dense_network(start.checkpoint, dinov3=start.dinov3_checkpoint, kind=kind)
        outputs = network.layout.outputs
        if classes is not None and outputs != classes:
            raise UsageError(
                f"{start.checkpoint} tells {outputs} classes apart, not {classes}; "
                f"give --num-classes {outputs}"
            )
        return network.train()
    if start.dinov3_checkpoint is None:
        raise UsageError("no DINOv3 is given; give --dinov3-checkpoint FILE")
    if start.vgg_checkpoint is None and not start.from_scratch:
        raise UsageError(
            "nothing to start the VGG from; give --vgg-checkpoint FILE or --checkpoint FILE, or "
            "--from-scratch for random weights"
        )
    return new_dense_network(
        kind, dinov3=start.dinov3_checkpoint, vgg19=start.vgg_checkpoint, classes=classes
    )


def _run(
    network: DenseNetwork,
    task: DenseTask[Any],
    data: TrainingData[Any],
    settings: UvTraining | ParsingTraining,
    progress: TrainingProgress | None,
) -> TrainingResult:
    module = lightning_module(network, task, data, optimizer=settings.optimizer, run=settings.run)
    if is_first_process():
        write_settings(run_folder(settings.run) / SETTINGS_FILE, settings)
    return train(module, optimizer=settings.optimizer, run=settings.run, progress=progress)
