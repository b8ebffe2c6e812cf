"""Contact sheets of the head: what its components, joints and textures look like.

Run from the repository's root: `python -m scripts.open_head.contact_sheet`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from flame_fit.appearance.colour import linear_to_srgb
from flame_fit.appearance.texture_space import TextureSpace, decode, load_texture_space
from flame_fit.flame import FlameMesh, FlameModel, FlameParams, load_assets
from flame_fit.geometry.cameras import Camera
from flame_fit.render import Rasterizer, RenderOptions, make_rasterizer, render

DISTANCE = 0.95
"""Metres from the camera to the head."""
VIEW_HEIGHT = 0.320
"""Metres that a tile shows at that distance."""
VIEW_CENTRE = -0.004
COMPONENTS_SHOWN = 10
COMPONENTS_PER_ROW = 5
SIGMA = 2.0
TURN_DEGREES = 22.0
JAW_DEGREES = (10.0, 20.0)
GAZE_DEGREES = 25.0
PEOPLE_SEED = 7
BACKGROUND = 0.80
JPEG_QUALITY = 88
LIGHT = ((0, 0.76), (1, 0.12), (2, 0.20), (3, 0.20))
"""Soft light from the front, above and the person's left: (spherical-harmonic index, value)."""


@dataclass(frozen=True)
class Studio:
    """Everything a tile is rendered with.

    Attributes:
        model: The head.
        space: Its texture space.
        rasterizer: Finds the visible triangles.
        size: Height and width of a tile in pixels.
    """

    model: FlameModel
    space: TextureSpace
    rasterizer: Rasterizer
    size: int

    def neutral(self) -> FlameParams:
        """Return the mean head before the camera, turned a little to show its depth."""
        turn = torch.tensor([[0.0, float(np.deg2rad(TURN_DEGREES)), 0.0]])
        zeros = FlameParams.zeros(
            shape=self.model.shape_count, expression=self.model.expression_count
        )
        return replace(
            zeros,
            head_rotation=turn,
            translation=torch.tensor([[0.0, -VIEW_CENTRE, -DISTANCE]]),
        )

    def tile(
        self,
        params: FlameParams,
        *,
        texture_code: Float[Tensor, "1 K"] | None = None,
        added: Float[Tensor, "V 3"] | None = None,
    ) -> UInt8[np.ndarray, "H W 3"]:
        """Render one head in sRGB.

        Args:
            params: Shape, expression and pose.
            texture_code: Code of its texture; the mean by default.
            added: Offsets added to the head at rest, metres.
        """
        model = self.model
        if added is not None:
            moved = replace(model.assets, v_template=model.assets.v_template + added)
            model = FlameModel(moved)
        code = torch.zeros(1, len(self.space.scale)) if texture_code is None else texture_code
        texture = decode(self.space, code).clamp(0.0, 1.0)
        mesh = _centred(model.mesh(params))
        focal = self.size * DISTANCE / VIEW_HEIGHT
        camera = Camera(torch.full((1, 2), focal), torch.full((1, 2), self.size / 2))
        lighting = torch.zeros(1, 9, 3)
        for index, value in LIGHT:
            lighting[0, index] = value
        picture = render(
            mesh,
            model.assets.chart,
            camera,
            texture,
            lighting,
            image_size=(self.size, self.size),
            rasterizer=self.rasterizer,
            options=RenderOptions(supersampling=2),
        )
        background = torch.full((1, self.size, self.size, 3), BACKGROUND)
        image = linear_to_srgb(picture.over(background).clamp(0.0, 1.0))
        return (image[0].numpy() * 255 + 0.5).astype(np.uint8)


def _centred(mesh: FlameMesh) -> FlameMesh:
    """Bring a turned head back to the middle of the tile."""
    middle = (mesh.vertices.amax(1) + mesh.vertices.amin(1)) / 2
    shift = middle * middle.new_tensor([1.0, 0.0, 0.0])
    return replace(mesh, vertices=mesh.vertices - shift[:, None])


def labelled(tile: UInt8[np.ndarray, "H W 3"], text: str) -> UInt8[np.ndarray, "H W 3"]:
    """Write a few words into a tile's lower left corner."""
    written = tile.copy()
    origin = (5, tile.shape[0] - 6)
    cv2.putText(written, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
    return written


def grid(tiles: Sequence[UInt8[np.ndarray, "H W 3"]], columns: int) -> UInt8[np.ndarray, "H W 3"]:
    """Lay tiles out row by row; what is missing in the last row stays light."""
    blank = np.full_like(tiles[0], 230)
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.concatenate(filled[i : i + columns], 1) for i in range(0, len(filled), columns)]
    return np.concatenate(rows, 0)


def component_sheet(
    studio: Studio, field: Literal["shape", "expression"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Show the mean and the first components of identity or expression at -2 and +2 sigma."""
    neutral = studio.neutral()
    if field == "expression":
        neutral = replace(neutral, head_rotation=torch.zeros(1, 3))
    tiles = []
    for first in range(0, COMPONENTS_SHOWN, COMPONENTS_PER_ROW):
        for sign in (-1, 1):
            tiles.append(labelled(studio.tile(neutral), "mean"))
            for index in range(first, first + COMPONENTS_PER_ROW):
                code = getattr(neutral, field).clone()
                code[0, index] = sign * SIGMA
                tile = studio.tile(replace(neutral, **{field: code}))
                tiles.append(labelled(tile, f"{field} {index + 1}: {sign * SIGMA:+.0f}"))
    return grid(tiles, COMPONENTS_PER_ROW + 1)


def motion_sheet(studio: Studio) -> UInt8[np.ndarray, "H W 3"]:
    """Show the jaw, the eyes and the lids."""
    neutral = replace(studio.neutral(), head_rotation=torch.zeros(1, 3))
    tiles = [labelled(studio.tile(neutral), "rest")]
    for degrees in JAW_DEGREES:
        jaw = torch.tensor([[np.deg2rad(degrees), 0.0, 0.0]], dtype=torch.float32)
        tiles.append(labelled(studio.tile(replace(neutral, jaw=jaw)), f"jaw {degrees:.0f} deg"))
    gaze = float(np.deg2rad(GAZE_DEGREES))
    looks = {
        "to the left": (0.0, gaze),
        "to the right": (0.0, -gaze),
        "up": (-gaze, 0.0),
        "down": (gaze, 0.0),
    }
    for name, (pitch, yaw) in looks.items():
        eyes = torch.tensor([[pitch, yaw, 0.0, pitch, yaw, 0.0]])
        tiles.append(labelled(studio.tile(replace(neutral, eyes=eyes)), f"eyes {name}"))
    lids = studio.model.assets.eyelid_basis
    if lids is not None:
        for name, amount in {"left lid": (1.0, 0.0), "both lids": (1.0, 1.0)}.items():
            added = lids @ torch.tensor(amount)
            tiles.append(labelled(studio.tile(neutral, added=added), f"{name} closed"))
    return grid(tiles, 5)


def people_sheet(studio: Studio, rows: int, columns: int) -> UInt8[np.ndarray, "H W 3"]:
    """Show random people: shape and texture drawn from the model's own distributions."""
    generator = torch.Generator().manual_seed(PEOPLE_SEED)
    neutral = studio.neutral()
    tiles = []
    for index in range(rows * columns):
        turn = neutral.head_rotation * (1 - index % 3)
        shape = torch.randn(1, studio.model.shape_count, generator=generator)
        code = torch.randn(1, len(studio.space.scale), generator=generator)
        params = replace(neutral, shape=shape, head_rotation=turn)
        tiles.append(studio.tile(params, texture_code=code))
    return grid(tiles, columns)


def texture_sheet(studio: Studio) -> UInt8[np.ndarray, "H W 3"]:
    """Show the mean head in the first components of the texture space at -2 and +2 sigma."""
    neutral = replace(studio.neutral(), head_rotation=torch.zeros(1, 3))
    tiles = []
    for first in range(0, COMPONENTS_SHOWN, COMPONENTS_PER_ROW):
        for sign in (-1, 1):
            tiles.append(labelled(studio.tile(neutral), "mean"))
            for index in range(first, first + COMPONENTS_PER_ROW):
                code = torch.zeros(1, len(studio.space.scale))
                code[0, index] = sign * SIGMA
                tile = studio.tile(neutral, texture_code=code)
                tiles.append(labelled(tile, f"texture {index + 1}: {sign * SIGMA:+.0f}"))
    return grid(tiles, COMPONENTS_PER_ROW + 1)


def chart_sheet(studio: Studio, size: int) -> UInt8[np.ndarray, "H W 3"]:
    """Show the mean texture, bare and under the edges of the UV chart."""
    code = torch.zeros(1, len(studio.space.scale))
    texture = linear_to_srgb(decode(studio.space, code)[0].clamp(0.0, 1.0)).numpy()
    bare = cv2.resize((texture * 255 + 0.5).astype(np.uint8), (size, size))
    chart = studio.model.assets.chart
    corners = chart.uv[chart.faces].numpy() * [1, -1] + [0, 1]
    fraction_bits = 4
    pixels = ((corners * size - 0.5) * 2**fraction_bits).round().astype(np.int32)
    drawn = cv2.polylines(
        bare.copy(),
        list(pixels),
        isClosed=True,
        color=(250, 250, 250),
        thickness=1,
        lineType=cv2.LINE_AA,
        shift=fraction_bits,
    )
    return np.concatenate([bare, drawn], axis=1)


def write_sheet(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write a JPEG."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", image[..., ::-1], quality)[1]
    path.write_bytes(encoded.tobytes())


def main() -> None:
    """Write all sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", default="assets/open_head.npz")
    parser.add_argument("--texture", default="assets/open_head_texture.npz")
    parser.add_argument("--out", type=Path, default=Path("assets"))
    arguments = parser.parse_args()
    model = FlameModel(load_assets(arguments.head))
    space = load_texture_space(arguments.texture)
    rasterizer = make_rasterizer("warp", "cpu")
    small = Studio(model, space, rasterizer, 240)
    large = Studio(model, space, rasterizer, 300)
    with torch.no_grad():
        sheets = {
            "identity": component_sheet(small, "shape"),
            "expression": component_sheet(small, "expression"),
            "texture": texture_sheet(small),
            "motion": motion_sheet(large),
            "people": people_sheet(large, 4, 6),
            "chart": chart_sheet(large, 760),
        }
    for name, image in sheets.items():
        write_sheet(arguments.out / f"contact_{name}.jpg", image)


if __name__ == "__main__":
    main()
