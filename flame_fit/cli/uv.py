"""`flame-fit uv`: UV coordinates of the head model at each pixel, by a FaceUV network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from flame_fit.cli.console import start_logging
from flame_fit.cli.dense_extract import run_extract
from flame_fit.cli.dense_infer import InferencePlan, check_plan, infer
from flame_fit.cli.dense_options import check_alpha, chosen_action, modern_spelling
from flame_fit.cli.dense_pictures import OVERLAY_ENDINGS, UV_ENDINGS, Overlays, uv_pictures
from flame_fit.cli.dense_train import run_training, settings_in
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.config import resolve_device
from flame_fit.training import UvTraining, settings_text

SUMMARY = "Find UV coordinates in photos with a FaceUV network, or train one."
ACTIONS = {
    "infer": "Find the UV coordinates of each pixel of photos.",
    "train": "Train a network.",
    "extract": "Write a checkpoint without the weights of DINOv3.",
}
CHECKPOINTS = Path("experiments/checkpoints/face_uv")


@dataclass(frozen=True)
class UvInferCommand:
    """Find the UV coordinates of each pixel of photos.

    Written are NAME_uv.png (16 bits: red u, green v, blue the mask), NAME_uv_vis.png (the same in
    8 bits), NAME_mask.png (soft), and the overlays NAME_overlay.png and NAME_visualization.png, all
    at the photo's size.
    """

    input_dir: Path | None = None
    """A photo or a folder of photos."""
    output_dir: Path = Path("outputs")
    """Folder for the pictures."""
    checkpoint: Path = CHECKPOINTS / "decoder.ckpt"
    """A decoder.ckpt or last.ckpt of FaceUV, of any generation."""
    dinov3_checkpoint: Path | None = None
    """Weights of DINOv3, a .pth file or a folder; not needed with a whole checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:INDEX."""
    image_size: tuple[int, int] = (448, 448)
    """Height and width the network sees the photos in."""
    batch_size: int = 1
    """Photos that are looked at in one go."""
    save_overlay: bool = True
    """Write the overlays."""
    alpha: float = 0.5
    """How far UV cover the photo in the overlays, 0 to 1."""
    v_down: bool = False
    """The network was trained with v counted from the top of the texture."""
    skip_existing: bool = False
    """Leave photos alone whose pictures are all there."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


@dataclass(frozen=True)
class UvTrainCommand:
    """Train a UV network on photos with UV maps; needs the extra `train`.

    Options given here win over those of the file.
    """

    config: Path | None = None
    """YAML file of settings."""
    print_config: bool = False
    """Print the settings as YAML, and do nothing else."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""
    settings: Annotated[UvTraining, tyro.conf.arg(name=""), tyro.conf.OmitArgPrefixes] = field(
        default_factory=UvTraining
    )
    """How to train."""


@dataclass(frozen=True)
class UvExtractCommand:
    """Write a checkpoint without the weights of DINOv3."""

    checkpoint: Path = CHECKPOINTS / "last.ckpt"
    """A whole checkpoint."""
    output: Path = CHECKPOINTS / "decoder.ckpt"
    """The file to write."""


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
        extract = parse_arguments(
            UvExtractCommand, rest, name="uv extract", default=UvExtractCommand()
        )
        return run_extract(extract.checkpoint, extract.output)
    default = UvTrainCommand(settings=settings_in(rest, UvTraining()))
    return _train(parse_arguments(UvTrainCommand, rest, name="uv train", default=default), errors)


def _infer(command: UvInferCommand, errors: Console) -> int:
    start_logging(errors, verbose=command.verbose)
    device = resolve_device(command.device)
    check_alpha(command.alpha)
    overlays = Overlays(save=command.save_overlay, alpha=command.alpha)
    plan = InferencePlan(
        input_dir=command.input_dir,
        output_dir=command.output_dir,
        endings=UV_ENDINGS + (OVERLAY_ENDINGS if overlays.save else ()),
        batch_size=command.batch_size,
        skip_existing=command.skip_existing,
    )
    check_plan(plan)
    from flame_fit.priors.dense_networks import UvPredictor

    return infer(
        plan,
        lambda: UvPredictor.from_files(
            command.checkpoint,
            dinov3=command.dinov3_checkpoint,
            device=device,
            image_size=command.image_size,
            v_down=command.v_down,
        ),
        lambda photo, found: uv_pictures(photo.srgb, found, overlays),
        errors=errors,
    )


def _train(command: UvTrainCommand, errors: Console) -> int:
    start_logging(errors, verbose=command.verbose)
    if command.print_config:
        print(settings_text(command.settings), end="")
        return EXIT_OK
    from flame_fit.training.sessions import train_uv

    return run_training(
        lambda progress: train_uv(command.settings, progress=progress),
        seed=command.settings.run.seed,
        errors=errors,
    )
