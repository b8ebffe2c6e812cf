"""`flame-fit synth`: pictures of rendered heads with their truth, to train networks on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.errors import UsageError

SUMMARY = "Render training pictures with their truth."
ACTIONS = {
    "uv": "In the layout that `flame-fit uv train` and FaceUV read.",
    "parsing": "In the layout that `flame-fit parse train` and FaceParsing read.",
}
SMALLEST_PICTURE = 32


@dataclass(frozen=True)
class SynthCommand:
    """Render heads with hair, clothes and all that hides a face, and write what is true of them.

    Each picture has its UV, mask, depth, normals, labels of 19 classes, landmarks and camera. The
    same seed gives the same files, however many workers there are. A run that was stopped goes on
    where it ended when it is started again, and a larger --count adds pictures.
    """

    count: int = 0
    """Number of pictures in the folder when the command is done."""
    out: Path | None = None
    """Folder of the data set."""
    image_size: int = 512
    """Rows and columns of a picture, in pixels."""
    seed: int = 0
    """Pictures of different seeds have nothing in common."""
    model: str = "open_head"
    """Head model, by name or path: OpenHead or any FLAME file."""
    texture: str = "open_head_texture"
    """Texture space that skin is drawn from, by name or path."""
    workers: int = 0
    """Processes that render side by side; 0 takes one for each core."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit synth uv|parsing` and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage()
        return EXIT_OK if arguments else EXIT_USAGE
    layout = arguments[0]
    if layout not in ACTIONS:
        raise UsageError(f"layout {layout!r} is unknown; give one of: {', '.join(ACTIONS)}")
    command = parse_arguments(
        SynthCommand, arguments[1:], name=f"synth {layout}", default=SynthCommand()
    )
    out = _checked_out(command)
    start_logging(errors, verbose=command.verbose)
    require_writable(out)
    return _render(command, layout, out, errors)


def _render(command: SynthCommand, layout: str, out: Path, errors: Console) -> int:
    from flame_fit.cli.synth_pictures import PictureJob, Studio, render_pictures, start_data_set

    job = PictureJob(
        layout="uv" if layout == "uv" else "parsing",
        out=out,
        image_size=command.image_size,
        seed=command.seed,
        model=command.model,
        texture=command.texture,
        verbose=command.verbose,
    )
    studio = Studio.of(job)
    missing = start_data_set(job, command.count, studio=studio)
    failed = 0
    with progress_bar(errors) as progress:
        show = ItemProgress(progress, total=len(missing))
        found = render_pictures(job, missing, studio=studio, workers=command.workers, show=show)
        for outcome in found:
            failed += outcome.error is not None
            if outcome.error is not None:
                show.error(f"picture {outcome.number}: {outcome.error}")
            show.advance()
    made = len(missing) - failed
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{out}: {command.count - failed} pictures in the layout {layout}, {made} of them new"
    )
    return EXIT_SOME_FAILED if failed else EXIT_OK


def _checked_out(command: SynthCommand) -> Path:
    """Return the folder of the data set.

    Raises:
        UsageError: It is not given, or a number is not possible.
    """
    from flame_fit.synth import MOST_PICTURES

    if command.out is None:
        raise UsageError("no folder given; give --out DIR")
    if not 1 <= command.count <= MOST_PICTURES:
        raise UsageError(f"--count is {command.count}; give a number from 1 to {MOST_PICTURES}")
    if command.image_size < SMALLEST_PICTURE:
        raise UsageError(
            f"--image-size is {command.image_size}; give {SMALLEST_PICTURE} pixels or more"
        )
    for name in ("seed", "workers"):
        if getattr(command, name) < 0:
            raise UsageError(f"--{name} is {getattr(command, name)}; give a number from 0 upwards")
    return command.out


def _print_usage() -> None:
    print(f"usage: {PROGRAM} synth LAYOUT --count N --out DIR ...\n")
    for action, summary in ACTIONS.items():
        print(f"  {action:<9}{summary}")
