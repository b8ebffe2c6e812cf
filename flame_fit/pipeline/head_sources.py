"""What else is asked about a face: points all over the head, and what each pixel shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8

from flame_fit.config import FitConfig
from flame_fit.errors import UsageError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import Crop, SurfacePoints
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence, crop_srgb
from flame_fit.pipeline.covered_landmarks import doubt_covered
from flame_fit.pipeline.dense_points import PixelChart, mesh_points, pixel_points, points_of_mesh
from flame_fit.pipeline.head_crop import HeadSquare, crop_of_square
from flame_fit.pipeline.own_source import own_source
from flame_fit.pipeline.prior_files import read_parsing, read_pixel_chart
from flame_fit.priors.dense_networks import (
    LabelMap,
    ParsingPredictor,
    UvMap,
    UvPredictor,
    square_parsing,
)
from flame_fit.texture.chart_lookup import ChartLookup
from flame_fit.texture.texel_geometry import chart_of

CHECKPOINT_SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors")
RESULT_SUFFIXES = (".png",)
# The square around a head that published networks are shown, in sides of the face's box: its side,
# and how far its middle lies above that of the box.
SQUARE_SIDE, SQUARE_RISE = 2.0, 0.1
CHECKPOINT_SIZE = 512


@runtime_checkable
class HeadSource(Protocol):
    """Something that can be asked about a face of a photo."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with what the source adds; dense points lie on the head model."""
        ...


@dataclass(frozen=True)
class HeadSources:
    """Everything that is asked about a face.

    Attributes:
        every: The sources, in the order they are asked.
        dense: Name of what tells dense points, `none` without.
        parsing: Name of what tells labels, `none` without.
    """

    every: tuple[HeadSource, ...] = ()
    dense: str = "none"
    parsing: str = "none"

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with what all sources add; what they find covered counts less."""
        for source in self.every:
            face = source.ask(photo, face)
        return doubt_covered(face)


def head_sources(config: FitConfig, assets: FlameAssets, *, device: torch.device) -> HeadSources:
    """Return what a configuration asks about faces, loaded and ready.

    Args:
        config: Says what is asked.
        assets: The head model; dense points come to lie on it.
        device: Where networks run.

    Raises:
        UsageError: A path is no checkpoint and no result, or `dinov3` is given and not needed.
        AssetError: A network's file is missing or damaged, or the model cannot carry the points.
    """
    _check_dinov3(config)
    asked = "own" in (config.uv, config.parser)
    own = own_source(config, assets, device=device) if asked else None
    dense = own if config.uv == "own" else _dense_source(config, assets, device)
    parsing = own if config.parser == "own" else _parsing_source(config, device)
    every = tuple(dict.fromkeys(source for source in (dense, parsing) if source is not None))
    return HeadSources(
        every=every,
        dense="none" if dense is None else dense.name,
        parsing="none" if parsing is None else parsing.name,
    )


def _check_dinov3(config: FitConfig) -> None:
    asked = (config.uv, config.parser)
    if config.dinov3 is not None and not any(_is_checkpoint(each) for each in asked):
        raise UsageError(
            "--dinov3 is given, and neither --uv nor --parser is a checkpoint; leave it out"
        )


def _is_checkpoint(value: object) -> bool:
    return isinstance(value, Path) and value.suffix in CHECKPOINT_SUFFIXES


def _check_results(path: Path, *, option: str) -> None:
    if not path.is_dir() and path.suffix.lower() not in RESULT_SUFFIXES:
        raise UsageError(
            f"--{option} {path} is neither a checkpoint ({', '.join(CHECKPOINT_SUFFIXES)}) nor a "
            "PNG file or a folder of them; give one of these"
        )


@dataclass(frozen=True, eq=False)
class MeshSource:
    """The face mesh, drawn out into points; see `HeadSource`."""

    points: SurfacePoints
    name: str = "face mesh"

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:  # noqa: ARG002
        """Return the evidence with the middles of the face mesh's triangles."""
        dense = mesh_points(self.points, face.landmarks[0], face_size=face.size)
        return dataclasses.replace(face, dense=dense)


@dataclass(frozen=True, eq=False)
class ChartSource:
    """Chart coordinates of pixels, out of files or a published network; see `HeadSource`.

    Attributes:
        lookup: The chart of the head model.
        read: Gives the coordinates.
    """

    lookup: ChartLookup
    read: Callable[[Photo, FaceEvidence], PixelChart]
    name: str

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with points at pixels."""
        dense = pixel_points(self.lookup, self.read(photo, face), face_size=face.size)
        return dataclasses.replace(face, dense=dense)


@dataclass(frozen=True, eq=False)
class LabelFiles:
    """Finished label maps; see `HeadSource`."""

    path: Path
    name: str

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with the labels of the photo's file."""
        return dataclasses.replace(face, parsing=read_parsing(self.path, photo))


@dataclass(frozen=True, eq=False)
class LabelNetwork:
    """A published parsing network; see `HeadSource`.

    Attributes:
        predict: Its answer for sRGB pixels.
    """

    predict: Callable[[np.ndarray], LabelMap]
    name: str

    def ask(self, photo: Photo, face: FaceEvidence) -> FaceEvidence:
        """Return the evidence with the labels of a square around the head."""
        square = _square_around(face)
        found = self.predict(_pixels_of(photo, square))
        parsing = square_parsing(found, origin=np.array([square.x, square.y]), side=square.side)
        return dataclasses.replace(face, parsing=parsing)


def _dense_source(
    config: FitConfig, assets: FlameAssets, device: torch.device
) -> HeadSource | None:
    if config.uv == "none":
        return None
    if config.uv == "mesh":
        return MeshSource(points_of_mesh(assets))
    path = Path(config.uv)
    lookup = ChartLookup.of(chart_of(assets))
    if not _is_checkpoint(path):
        _check_results(path, option="uv")
        return ChartSource(lookup, lambda photo, _: read_pixel_chart(path, photo), f"files {path}")
    predictor = UvPredictor.from_files(path, dinov3=config.dinov3, device=device)
    return ChartSource(lookup, _chart_reader(predictor.predict, path), f"checkpoint {path}")


def _chart_reader(
    predict: Callable[[np.ndarray], UvMap], path: Path
) -> Callable[[Photo, FaceEvidence], PixelChart]:
    def read(photo: Photo, face: FaceEvidence) -> PixelChart:
        square = _square_around(face)
        found = predict(_pixels_of(photo, square))
        return PixelChart(
            uv=found.uv,
            mask=found.mask,
            origin=np.array([square.x, square.y]),
            scale=square.side / CHECKPOINT_SIZE,
            source=str(path),
        )

    return read


def _parsing_source(config: FitConfig, device: torch.device) -> HeadSource | None:
    if config.parser == "none":
        return None
    path = Path(config.parser)
    if not _is_checkpoint(path):
        _check_results(path, option="parser")
        return LabelFiles(path, f"files {path}")
    predictor = ParsingPredictor.from_files(path, dinov3=config.dinov3, device=device)
    return LabelNetwork(predictor.predict, f"checkpoint {path}")


def _square_around(face: FaceEvidence) -> HeadSquare:
    x0, y0, x1, y1 = face.box
    side = SQUARE_SIDE * face.size
    middle = 0.5 * (y0 + y1) - SQUARE_RISE * face.size
    return HeadSquare(0.5 * (x0 + x1 - side), middle - 0.5 * side, side)


def _pixels_of(photo: Photo, square: HeadSquare) -> UInt8[np.ndarray, "S S 3"]:
    """Return the pixels of a square; what lies beside the photo repeats its border."""
    crop: Crop = crop_of_square(square, CHECKPOINT_SIZE)
    return crop_srgb(photo, crop)
