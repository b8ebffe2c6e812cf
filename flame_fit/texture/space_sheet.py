"""Pictures of texture spaces: the mean and what each component does, on the head and as maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from flame_fit.appearance import TextureSpace, decode, linear_to_srgb, white_lighting
from flame_fit.errors import UsageError
from flame_fit.flame import FlameAssets, UvChart
from flame_fit.geometry import Camera
from flame_fit.geometry.rotations import HeadAngles, matrix_from_head_angles
from flame_fit.render import RenderOptions, make_rasterizer, render
from flame_fit.render.renderer import TriangleMesh
from flame_fit.texture.layout_transfer import at_size
from flame_fit.texture.texel_geometry import chart_of

PANEL = 208
GAP, CAPTION, FONT = 6, 24, 14
BACKGROUND = (24, 26, 30)
CAPTION_COLOUR = (214, 217, 222)
STUDIO = 0.16
"""Linear grey behind the heads."""
SIDE_YAW_DEGREES = 40.0
HEAD_SHARE = 0.92
"""Of a panel's height that the head takes."""
DISTANCE = 1.2
"""Metres from the camera to the middle of the head."""
SUPERSAMPLING = 2
PERCENT = 100.0


@dataclass(frozen=True, eq=False)
class HeadPictures:
    """A head seen from the front and from the side in even light, sRGB.

    Attributes:
        front: As it is.
        side: Turned to its left, so that its right cheek shows.
    """

    front: UInt8[np.ndarray, "p p 3"]
    side: UInt8[np.ndarray, "p p 3"]


def texture_space_sheet(
    space: TextureSpace,
    assets: FlameAssets,
    *,
    components: int = 6,
    deviations: float = 2.0,
    panel: int = PANEL,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture of a space: a row for the mean, then one for each of the first components.

    A row shows the component `deviations` standard deviations down and up, each as a map and on
    the head; its caption tells which share of the space's variance it has.

    Args:
        space: The space; it must be drawn on the model's chart.
        assets: The head that it is shown on.
        components: How many; a space with fewer shows all it has.
        deviations: How far up and down.
        panel: Pixels along each side of a part of the picture.

    Raises:
        UsageError: Less than no component, or a panel without pixels.
        AssetError: The model has no chart.
    """
    if components < 0 or panel < 1:
        raise UsageError(f"{components} components at {panel} pixels cannot be shown; give more")
    count = min(components, space.scale.shape[0])
    energy = (space.basis * space.scale).square().flatten(0, 2).sum(dim=0)
    shares = (energy / energy.sum().clamp_min(torch.finfo(energy.dtype).tiny)).tolist()
    mean = space.mean.new_zeros(1, space.scale.shape[0])
    rows = [_row(decode(space, mean), assets, ("mean",), panel=panel)]
    for number in range(count):
        code = space.mean.new_zeros(2, space.scale.shape[0])
        code[0, number], code[1, number] = -deviations, deviations
        captions = (
            f"{number + 1}: -{deviations:g} deviations, {PERCENT * shares[number]:.1f} % of the "
            "variance",
            f"{number + 1}: +{deviations:g} deviations",
        )
        rows.append(_row(decode(space, code), assets, captions, panel=panel))
    return _stacked(rows)


def texture_sheet(
    textures: Float[Tensor, "b U U 3"],
    assets: FlameAssets,
    *,
    captions: Sequence[str],
    panel: int = PANEL,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture of some textures, two a row, each as a map and on the head.

    Args:
        textures: Linear albedo on the model's chart.
        assets: The head that they are shown on.
        captions: A text for each.
        panel: Pixels along each side of a part of the picture.
    """
    pairs = [slice(first, first + 2) for first in range(0, len(textures), 2)]
    columns = min(2, len(textures))
    return _stacked(
        [
            _row(textures[pair], assets, tuple(captions[pair]), panel=panel, columns=columns)
            for pair in pairs
        ]
    )


def head_pictures(
    texture: Float[Tensor, "U U 3"],
    assets: FlameAssets,
    *,
    panel: int = PANEL,
    chart: UvChart | None = None,
) -> HeadPictures:
    """Return a model's template in a texture, from the front and from the side.

    Args:
        texture: Linear albedo.
        assets: The model.
        panel: Pixels along each side.
        chart: Where the texture lies on the model's triangles; the model's own by default.
    """
    chart = chart_of(assets) if chart is None else chart
    vertices = assets.v_template.float()
    middle = 0.5 * (vertices.amin(dim=0) + vertices.amax(dim=0))
    height = float((vertices.amax(dim=0) - vertices.amin(dim=0))[1])
    device = vertices.device
    focal = vertices.new_full((1, 2), HEAD_SHARE * panel * DISTANCE / height)
    camera = Camera(focal=focal, principal_point=vertices.new_full((1, 2), 0.5 * panel))
    away = vertices.new_tensor((0.0, 0.0, DISTANCE))
    pictures = []
    for yaw in (0.0, SIDE_YAW_DEGREES):
        angles = HeadAngles(*torch.deg2rad(torch.tensor([yaw, 0.0, 0.0])))
        turn = matrix_from_head_angles(angles).to(vertices)
        placed = TriangleMesh((vertices - middle)[None] @ turn.T - away, assets.faces)
        seen = render(
            placed,
            chart,
            camera,
            texture[None].to(vertices),
            white_lighting().to(vertices),
            image_size=(panel, panel),
            rasterizer=make_rasterizer("warp", device),
            options=RenderOptions(supersampling=SUPERSAMPLING),
        )
        pictures.append(_bytes(seen.over(vertices.new_full((1, panel, panel, 3), STUDIO))[0]))
    return HeadPictures(front=pictures[0], side=pictures[1])


def _row(
    textures: Float[Tensor, "b U U 3"],
    assets: FlameAssets,
    captions: Sequence[str],
    *,
    panel: int,
    columns: int = 2,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return one or two textures side by side, each as map, front and side, with a caption."""
    width = columns * (3 * panel + 4 * GAP)
    picture = Image.new("RGB", (width, panel + CAPTION + GAP), BACKGROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=FONT)
    for number, (texture, caption) in enumerate(zip(textures, captions, strict=True)):
        left = number * (3 * panel + 4 * GAP) + GAP
        seen = head_pictures(texture, assets, panel=panel)
        for place, part in enumerate((_map(texture, panel), seen.front, seen.side)):
            picture.paste(Image.fromarray(part), (left + place * (panel + GAP), GAP))
        text_place = (left, panel + GAP + CAPTION / 2)
        draw.text(text_place, caption, fill=CAPTION_COLOUR, font=font, anchor="lm")
    return np.asarray(picture)


def _map(texture: Float[Tensor, "U U 3"], panel: int) -> UInt8[np.ndarray, "p p 3"]:
    return _bytes(at_size(texture, panel))


def _bytes(linear: Float[Tensor, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    srgb = linear_to_srgb(linear.clamp(0.0, 1.0))
    return (srgb.cpu().numpy() * 255.0).round().astype(np.uint8)


def _stacked(rows: Sequence[UInt8[np.ndarray, "_ w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    """Return rows under each other."""
    if not rows:
        raise UsageError("no texture was given to be shown; give one at least")
    return np.concatenate(rows, axis=0)
