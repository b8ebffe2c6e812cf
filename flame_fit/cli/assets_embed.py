"""`flame-fit assets embed`: landmarks of a head model, found by looking at pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from flame_fit.cli.console import progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK
from flame_fit.cli.parsing import parse_arguments
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    from flame_fit.flame import FlameAssets
    from flame_fit.head_models.find_landmarks import FoundLandmarks

SUMMARY = "Find the landmarks on a head model with a detector."


@dataclass(frozen=True)
class EmbedCommand:
    """Render a head model in many poses, find its face, and put the points onto its surface.

    Finds the 478 MediaPipe points, the 68 iBUG points and the outline over the head's turn. Look
    at the picture afterwards: red is what the detector saw, green the embedding of its points,
    yellow the inner iBUG points, blue the outline.
    """

    model: Annotated[str, tyro.conf.Positional] = ""
    """Name of an installed model, or the path of a model file."""
    detector: Literal["auto", "mediapipe478", "mediapipe468"] = "mediapipe468"
    """Which face mesh looks at the pictures."""
    views: int = 60
    """How many pictures."""
    texture: Path | None = None
    """Texture space on the model's own chart; by default OpenHead's is carried over."""
    picture: Path | None = None
    """Where to draw some of the pictures with the points, a .png file."""
    out: Path | None = None
    """Where to write the model with the new landmarks, an .npz file."""
    verbose: bool = False
    """Show the library's log."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit assets embed` and return its exit code."""
    command = parse_arguments(EmbedCommand, arguments, name="assets embed", default=EmbedCommand())
    _check(command)
    start_logging(errors, verbose=command.verbose)
    from dataclasses import replace

    from flame_fit.asset_files import write_atomically
    from flame_fit.head_models import load_head_model
    from flame_fit.head_models.model_arrays import model_arrays
    from flame_fit.head_models.npz_bytes import npz_bytes
    from flame_fit.image_files import save_png
    from flame_fit.priors.embedding_picture import check_picture

    with progress_bar(errors) as progress:
        progress.add_task("looking at pictures of the model", total=None)
        assets = load_head_model(command.model)
        found = _find(command, assets)
    if command.picture is not None:
        save_png(
            command.picture,
            check_picture(found.views, found.embeddings, assets.faces.numpy()),
        )
    if command.out is not None:
        arrays = model_arrays(replace(assets, landmarks=found.embeddings), source=command.model)
        write_atomically(command.out, npz_bytes(arrays))
    _report(command, found)
    return EXIT_OK


def _check(command: EmbedCommand) -> None:
    """Refuse options that cannot be followed before any work is done."""
    if not command.model:
        raise UsageError("no model given; give the name of an installed model or a model file")
    if command.out is None and command.picture is None:
        raise UsageError("nothing to write; give --out FILE.npz, --picture FILE.png or both")
    for path, suffix in ((command.out, ".npz"), (command.picture, ".png")):
        if path is not None and path.suffix != suffix:
            raise UsageError(f"{path} is no {suffix} file; choose another name")
    if command.views < 1:
        raise UsageError(f"--views is {command.views}; give 1 or more")


def _find(command: EmbedCommand, assets: FlameAssets) -> FoundLandmarks:
    from flame_fit.appearance.texture_space import load_texture_space
    from flame_fit.flame import load_assets
    from flame_fit.head_models.complete import embed_landmarks, sample_textures
    from flame_fit.head_models.library import REFERENCE
    from flame_fit.priors.embedding_views import ViewSettings
    from flame_fit.priors.model_files import resolve_face_models

    textures = None
    if command.texture is not None:
        textures = sample_textures(load_texture_space(command.texture))
    return embed_landmarks(
        assets,
        reference=load_assets(REFERENCE),
        models=resolve_face_models(command.detector),
        settings=ViewSettings(count=command.views),
        textures=textures,
    )


def _report(command: EmbedCommand, found: FoundLandmarks) -> None:
    import numpy as np

    console = Console(markup=False, highlight=False, soft_wrap=True)
    low, middle, high, most = np.percentile(found.residual, [25, 50, 75, 95])
    console.print(
        f"{found.detector}: a face in {len(found.views)} of {found.picture_count} pictures"
    )
    console.print(
        f"residual, pixels of 512: quartiles {low:.2f} {middle:.2f} {high:.2f}, 95 % {most:.2f}"
    )
    for path in (command.picture, command.out):
        if path is not None:
            console.print(str(path))
