"""`flame-fit parse`: the class of each pixel, by a FaceParsing network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from flame_fit.cli.dense_extract import ExtractCommand, run_extract
from flame_fit.cli.dense_infer import run_infer
from flame_fit.cli.dense_options import InferOptions, chosen_action, modern_spelling
from flame_fit.cli.dense_pictures import LABEL_ENDINGS, label_pictures
from flame_fit.cli.dense_train import TrainOptions, run_training, settings_in
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.errors import UsageError
from flame_fit.training import ParsingTraining

if TYPE_CHECKING:
    import torch

    from flame_fit.image_files import Photo
    from flame_fit.priors.dense_networks import LabelMap

SUMMARY = "Tell the parts of faces in photos with a FaceParsing network, or train one."
ACTIONS = {
    "infer": "Tell the class of each pixel of photos.",
    "train": "Train a network.",
    "extract": "Write a checkpoint without the weights of DINOv3.",
}
CHECKPOINTS = Path("experiments/checkpoints")
RUN = "face_parsing"


@dataclass(frozen=True)
class ParseInferCommand(InferOptions):
    """Tell the class of each pixel of photos.

    Written are NAME_mask.png (the number of the class), NAME_colour.png, and the overlays
    NAME_overlay.png and NAME_visualization.png, all at the photo's size.
    """

    checkpoint: Literal["own"] | Path = CHECKPOINTS / "decoder.ckpt"
    """A decoder.ckpt or last.ckpt of FaceParsing, of any generation; or own, the network that comes
    with flame-fit, which reads the largest face."""
    image_size: tuple[int, int] = (512, 512)
    """Height and width the network sees the photos in."""
    num_classes: Literal[11, 19] | None = None
    """Classes the network must tell apart; by default those of its checkpoint."""
    batch_size: int = 16
    """Photos that are looked at in one go."""


@dataclass(frozen=True)
class ParseTrainCommand(TrainOptions):
    """Train a parsing network on photos with label maps; needs the extra `train`.

    Options given here win over those of the file.
    """

    settings: Annotated[ParsingTraining, tyro.conf.arg(name=""), tyro.conf.OmitArgPrefixes] = field(
        default_factory=ParsingTraining
    )
    """How to train."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit parse ACTION` and return its exit code."""
    action = chosen_action("parse", ACTIONS, arguments)
    if action is None:
        return EXIT_OK
    rest = modern_spelling(arguments[1:])
    if action == "infer":
        command = parse_arguments(
            ParseInferCommand,
            rest,
            name="parse infer",
            default=ParseInferCommand(),
            flag_pairs=True,
        )
        return _infer(command, errors)
    if action == "extract":
        default = ExtractCommand(
            checkpoint=CHECKPOINTS / RUN / "last.ckpt", output=CHECKPOINTS / "decoder.ckpt"
        )
        extract = parse_arguments(ExtractCommand, rest, name="parse extract", default=default)
        return run_extract(extract, errors=errors)
    default = ParseTrainCommand(settings=settings_in(rest, ParsingTraining()))
    return _train(
        parse_arguments(ParseTrainCommand, rest, name="parse train", default=default), errors
    )


def _infer(command: ParseInferCommand, errors: Console) -> int:
    return run_infer(
        command,
        default=ParseInferCommand(),
        load=lambda device: _looker(command, device),
        endings=LABEL_ENDINGS,
        pictures=label_pictures,
        errors=errors,
    )


def _looker(
    command: ParseInferCommand, device: torch.device
) -> Callable[[Sequence[Photo]], tuple[LabelMap, ...]]:
    if command.checkpoint == "own":
        from flame_fit.pipeline.own_pixels import own_pixels

        own = own_pixels(device)
        return lambda photos: tuple(own.labels(photo) for photo in photos)
    from flame_fit.priors.dense_networks import ParsingPredictor

    predictor = ParsingPredictor.from_files(
        Path(command.checkpoint),
        dinov3=command.dinov3_checkpoint,
        device=device,
        image_size=command.image_size,
    )
    count = predictor.scheme.count
    if command.num_classes not in (None, count):
        raise UsageError(
            f"{command.checkpoint} tells {count} classes apart, not {command.num_classes}; "
            f"give --num-classes {count} or leave it out"
        )
    return lambda photos: predictor.predict_batch([photo.srgb for photo in photos])


def _train(command: ParseTrainCommand, errors: Console) -> int:
    from flame_fit.training.sessions import train_parsing

    return run_training(
        lambda progress: train_parsing(command.settings, progress=progress),
        command.settings,
        options=command,
        errors=errors,
    )
