"""`flame-fit uv`: UV coordinates of the head model at each pixel, by a FaceUV network."""

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
from flame_fit.cli.dense_pictures import UV_ENDINGS, uv_pictures
from flame_fit.cli.dense_train import TrainOptions, run_training, settings_in
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.training import UvTraining

if TYPE_CHECKING:
    import torch

    from flame_fit.image_files import Photo
    from flame_fit.priors.dense_networks import UvMap

SUMMARY = "Find UV coordinates in photos with a FaceUV network, or train one."
ACTIONS = {
    "infer": "Find the UV coordinates of each pixel of photos.",
    "train": "Train a network.",
    "extract": "Write a checkpoint without the weights of DINOv3.",
}
CHECKPOINTS = Path("experiments/checkpoints/face_uv")


@dataclass(frozen=True)
class UvInferCommand(InferOptions):
    """Find the UV coordinates of each pixel of photos.

    Written are NAME_uv.png (16 bits: red u, green v, blue the mask), NAME_uv_vis.png (the same in
    8 bits), NAME_mask.png (soft), and the overlays NAME_overlay.png and NAME_visualization.png, all
    at the photo's size.
    """

    checkpoint: Literal["own"] | Path = CHECKPOINTS / "decoder.ckpt"
    """A decoder.ckpt or last.ckpt of FaceUV, of any generation; or own, the network that comes with
    flame-fit, which reads the largest face and tells OpenHead's chart."""
    image_size: tuple[int, int] = (448, 448)
    """Height and width the network sees the photos in."""
    v_down: bool = False
    """The network was trained with v counted from the top of the texture."""


@dataclass(frozen=True)
class UvTrainCommand(TrainOptions):
    """Train a UV network on photos with UV maps; needs the extra `train`.

    Options given here win over those of the file.
    """

    settings: Annotated[UvTraining, tyro.conf.arg(name=""), tyro.conf.OmitArgPrefixes] = field(
        default_factory=UvTraining
    )
    """How to train."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit uv ACTION` and return its exit code."""
    action = chosen_action("uv", ACTIONS, arguments)
    if action is None:
        return EXIT_OK
    rest = modern_spelling(arguments[1:])
    if action == "infer":
        command = parse_arguments(
            UvInferCommand, rest, name="uv infer", default=UvInferCommand(), flag_pairs=True
        )
        return _infer(command, errors)
    if action == "extract":
        default = ExtractCommand(
            checkpoint=CHECKPOINTS / "last.ckpt", output=CHECKPOINTS / "decoder.ckpt"
        )
        extract = parse_arguments(ExtractCommand, rest, name="uv extract", default=default)
        return run_extract(extract, errors=errors)
    default = UvTrainCommand(settings=settings_in(rest, UvTraining()))
    return _train(parse_arguments(UvTrainCommand, rest, name="uv train", default=default), errors)


def _infer(command: UvInferCommand, errors: Console) -> int:
    return run_infer(
        command,
        default=UvInferCommand(),
        load=lambda device: _looker(command, device),
        endings=UV_ENDINGS,
        pictures=uv_pictures,
        errors=errors,
    )


def _looker(
    command: UvInferCommand, device: torch.device
) -> Callable[[Sequence[Photo]], tuple[UvMap, ...]]:
    if command.checkpoint == "own":
        from flame_fit.pipeline.own_pixels import own_pixels

        own = own_pixels(device)
        return lambda photos: tuple(own.uv(photo) for photo in photos)
    from flame_fit.priors.dense_networks import UvPredictor

    predictor = UvPredictor.from_files(
        Path(command.checkpoint),
        dinov3=command.dinov3_checkpoint,
        device=device,
        image_size=command.image_size,
        v_down=command.v_down,
    )
    return lambda photos: predictor.predict_batch([photo.srgb for photo in photos])


def _train(command: UvTrainCommand, errors: Console) -> int:
    from flame_fit.training.sessions import train_uv

    return run_training(
        lambda progress: train_uv(command.settings, progress=progress),
        command.settings,
        options=command,
        errors=errors,
    )
