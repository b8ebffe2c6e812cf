"""A textured head from all sides in one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from flame_fit.appearance import directional_to_sh, linear_to_srgb, white_lighting
from flame_fit.flame import FlameAssets
from flame_fit.geometry import Camera
from flame_fit.geometry.rotations import HeadAngles, matrix_from_head_angles
from flame_fit.render import RenderOptions, TriangleMesh, make_rasterizer, render
from flame_fit.texture.texel_geometry import chart_of

YAW_DEGREES = (0.0, -45.0, 45.0, -90.0, 90.0, 180.0)
CAPTIONS = ("front", "45° right", "45° left", "90° right", "90° left", "behind")
PANEL = 384
CAPTION, FONT = 26, 15
BACKGROUND = (24, 26, 30)
CAPTION_COLOUR = (214, 217, 222)
STUDIO = 0.16
"""Linear grey behind the heads."""
DISTANCE = 1.2
"""Metres from the camera to the middle of the head."""
HEAD_SHARE = 0.9
"""Of a panel's side that the largest extent of the head takes."""
SUPERSAMPLING = 2
# Light from the side: what is left of an even light, and where the lamp stands.
SIDE_AMBIENT, LAMP = 0.35, (0.8, 0.3, 0.5)


@dataclass(frozen=True, eq=False)
class SheetView:
    """How the first picture of a sheet sees the head.

    Attributes:
        camera: In pixels of a panel.
        translation: From the model's axes to the camera's world, metres.
        lighting: Of the picture.
    """

    camera: Camera
    translation: Float[Tensor, "3"]
    lighting: Float[Tensor, "9 3"]


def sheet_view(vertices: Float[Tensor, "V 3"], *, panel: int = PANEL) -> SheetView:
    """Return the camera, place and light of a sheet's first picture.

    Args:
        vertices: Of the head in model axes, metres.
        panel: Pixels along each side of a picture.
    """
    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    focal = HEAD_SHARE * panel * DISTANCE / float((high - low).amax())
    camera = Camera(
        focal=vertices.new_full((1, 2), focal),
        principal_point=vertices.new_full((1, 2), 0.5 * panel),
    )
    place = -0.5 * (low + high) - vertices.new_tensor((0.0, 0.0, DISTANCE))
    return SheetView(camera, place, white_lighting()[0].to(vertices))


def head_sheet(
    vertices: Float[Tensor, "V 3"],
    albedo: Float[Tensor, "U U 3"],
    assets: FlameAssets,
    *,
    panel: int = PANEL,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a head from six sides: in even light above, under a lamp at its left below.

    Args:
        vertices: Of the head in model axes, metres.
        albedo: Linear albedo.
        assets: Its model.
        panel: Pixels along each side of a picture.

    Raises:
        AssetError: The model has no chart.
    """
    view = sheet_view(vertices, panel=panel)
    lamp = directional_to_sh(
        torch.nn.functional.normalize(vertices.new_tensor([LAMP]), dim=1),
        vertices.new_ones(1, 3),
    )[0]
    lights = (view.lighting, SIDE_AMBIENT * view.lighting + lamp)
    turns = torch.stack([_turn(degrees) for degrees in YAW_DEGREES]).to(vertices)
    centre = view.translation + vertices.new_tensor((0.0, 0.0, DISTANCE))
    turned = (vertices + centre) @ turns.transpose(1, 2)
    placed = TriangleMesh(turned + (view.translation - centre), assets.faces)
    rows = [_row(placed, view.camera, albedo, light, assets, panel) for light in lights]
    picture = Image.new("RGB", (panel * len(YAW_DEGREES), len(rows) * panel + CAPTION), BACKGROUND)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=FONT)
    for number, row in enumerate(rows):
        picture.paste(Image.fromarray(row), (0, number * panel))
    for number, caption in enumerate(CAPTIONS):
        middle = ((number + 0.5) * panel, len(rows) * panel + CAPTION / 2)
        draw.text(middle, caption, fill=CAPTION_COLOUR, font=font, anchor="mm")
    return np.asarray(picture)


def _turn(yaw_degrees: float) -> Float[Tensor, "3 3"]:
    return matrix_from_head_angles(
        HeadAngles(*torch.deg2rad(torch.tensor([yaw_degrees, 0.0, 0.0])))
    )


def _row(
    mesh: TriangleMesh,
    camera: Camera,
    albedo: Float[Tensor, "U U 3"],
    lighting: Float[Tensor, "9 3"],
    assets: FlameAssets,
    panel: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return pictures of all heads of a batch side by side."""
    seen = render(
        mesh,
        chart_of(assets),
        camera,
        albedo[None].to(mesh.vertices),
        lighting[None].to(mesh.vertices),
        image_size=(panel, panel),
        rasterizer=make_rasterizer("warp", mesh.vertices.device),
        options=RenderOptions(supersampling=SUPERSAMPLING),
    )
    pictures = seen.over(mesh.vertices.new_full((1, panel, panel, 3), STUDIO))
    srgb = linear_to_srgb(pictures.clamp(0.0, 1.0)).cpu().numpy()
    return np.concatenate(list((srgb * 255.0).round().astype(np.uint8)), axis=1)
