"""What is measured: the options of `scripts/benchmark.py`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = (
    "accuracy",
    "ablation",
    "seed",
    "speed",
    "scaling",
    "texture",
    "merging",
    "texture_space",
)
GROUPS = ("plain", "varied", "hard", "hifi3dpp")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """What is measured and how often.

    Attributes:
        only: Parts, in the order they run.
        photos: For speed; the first one also for the seed's schedule and for scaling.
        groups: Sets of known heads.
        heads: Photos of the plain set.
        more_heads: Photos of each other synthetic set.
        ablation_heads: Photos of each synthetic set for the fits without each term.
        first: Number of the first picture of a set.
        repeats: Fits of each photo that are timed.
        full: Whether all passes of the seed's schedule run with every rasteriser.
        passes: Passes of each stage with this project's rasteriser; None for all.
        seed_heads: Synthetic heads that the seed's schedule is judged on.
        photo_counts: Numbers of photos of one command.
        sides: Sides of scaled photos in pixels.
        coefficients: Numbers of identity coefficients.
        texture_people: People of each kind of light whose texture is judged.
        texture_size: Texels along each side of the judged textures.
        merge_people: People of each kind of light whose photos are merged.
        texture_fits: Maps that a texture space is built from.
        texture_components: Its components.
        texture_texels: Its texels along each side.
        device: For speed and the seed's schedule.
        workers: Processes for accuracy.
        shared: Folder with the HiFi3D++ head in data/hifi3dpp and photos in data/multi_image.
        json: File that the parts are kept in.
        markdown: File for the tables.
        pictures: Folder for pictures of the seed's fits.
    """

    only: tuple[str, ...]
    photos: tuple[Path, ...]
    groups: tuple[str, ...]
    heads: int
    more_heads: int
    ablation_heads: int
    first: int
    repeats: int
    full: bool
    passes: int | None
    seed_heads: int
    photo_counts: tuple[int, ...]
    sides: tuple[int, ...]
    coefficients: tuple[int, ...]
    texture_people: int
    texture_size: int
    merge_people: int
    texture_fits: int
    texture_components: int
    texture_texels: int
    device: str
    workers: int
    shared: Path
    json: Path | None
    markdown: Path | None
    pictures: Path | None


def parse_options(arguments: Sequence[str] | None, *, description: str) -> Options:
    """Return the options of a command line.

    Raises:
        SystemExit: After `--help` and for wrong options.
    """
    parser = _parser(description)
    given = vars(parser.parse_args(arguments))
    if given["markdown"] is not None and given["json"] is None:
        parser.error("--markdown shows what --json holds; give --json too")
    missing = [str(photo) for photo in given["photos"] if not photo.is_file()]
    if missing:
        parser.error(f"{missing[0]} does not exist; give photos with one face")
    given["photos"] = [photo.resolve() for photo in given["photos"]]
    several = ("photos", "groups", "photo_counts", "sides", "coefficients")
    chosen = tuple(name for name in PARTS if name in given["only"])
    given |= {name: tuple(given[name]) for name in several} | {"only": chosen}
    return Options(**given)


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("photos", nargs="*", type=Path, default=[ROOT / "data/astronaut.png"])
    add("--only", type=_names_of(PARTS), default=PARTS, help=f"parts: {','.join(PARTS)}")
    add("--groups", type=_names_of(GROUPS), default=("plain", "varied", "hifi3dpp"))
    add("--heads", type=_count, default=50, help="photos of the plain set")
    add("--more-heads", type=_count, default=24, help="photos of each other synthetic set")
    add("--ablation-heads", type=_count, default=12, help="photos of a set without each term")
    add("--first", type=int, default=1000, help="number of the first picture of a set")
    add("--repeats", type=_count, default=5, help="timed fits of each photo")
    add("--full", action="store_true", help="run all passes of the seed with every rasteriser")
    add("--passes", type=_count, help="run only these of the seed with the own rasteriser")
    add("--seed-heads", type=int, default=2, help="known heads that the seed is judged on")
    add("--photo-counts", type=_counts, default=(1, 8, 64), help="photos of one command")
    add("--sides", type=_counts, default=(256, 512, 1024, 2048), help="of photos, pixels")
    add("--coefficients", type=_counts, default=(50, 100, 200, 300), help="of the identity")
    add("--texture-people", type=_count, default=8, help="known people of each kind of light")
    add("--texture-size", type=_count, default=512, help="side of people's textures, texels")
    add("--merge-people", type=_count, default=5, help="whose photos are merged, of each light")
    add("--texture-fits", type=_count, default=300, help="maps of a texture space")
    add("--texture-components", type=_count, default=20, help="of it")
    add("--texture-texels", type=_count, default=512, help="along each of its sides")
    add("--device", default="cpu", help="for speed and the seed's schedule")
    add("--workers", type=_count, default=len(os.sched_getaffinity(0)), help="for accuracy")
    add(
        "--shared", type=Path, default=_shared(), help="folder with data/hifi3dpp, data/multi_image"
    )
    add("--json", type=Path, help="file for the numbers; grows part by part")
    add("--markdown", type=Path, help="file for the tables of all parts in --json")
    add("--pictures", type=Path, help="folder for pictures of the seed's fits")
    return parser


def _shared() -> Path:
    return Path(os.environ.get("FLAME_FIT_SHARED", ROOT.parent / "shared"))


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is given; give a number from 1 upwards")
    return value


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


def _names_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        given = tuple(text.split(","))
        for name in given:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return given

    return names
