"""People for the inpainting network to learn from: painted skin that no mirror explains.

Half of them come from OpenHead's texture space, half are painted anew; then make-up, freckles,
moles and stubble are laid over, and last what is seldom the same on both sides: patches, marks,
scars and wrinkles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flame_fit.appearance import TextureSpace, load_texture_space, srgb_to_linear
from flame_fit.appearance.texture_space import decode
from flame_fit.asset_files import find_asset
from flame_fit.flame import FlameModel, load_assets
from flame_fit.render import Rasterizer, make_rasterizer
from flame_fit.synth.face_map import FaceMap, face_map, texture_brows
from flame_fit.synth.skin_look import random_skin_look, with_look
from flame_fit.texture import TextureLayout, texture_layout
from flame_fit.texture.surface_values import interpolate_vertices
from scripts.open_head.chart import read_source
from scripts.open_head.paint_fields import PaintFields, paint_fields
from scripts.open_head.paint_person import draw_person, paint_person
from scripts.open_head.texels import rasterise_chart

SIZE = 128
"""Texels a side, as the network sees the chart."""
PAINTED = 0.5
"""Share of people that are painted anew instead of drawn from the texture space."""
CODE_SIGMA = 1.1
WAVES = 24
# Changes of the logarithm of albedo, red, green and blue: browner, redder, paler.
TINTS = ((-0.5, -0.8, -1.0), (0.05, -0.6, -0.4), (0.3, 0.35, 0.4))


@dataclass(frozen=True, eq=False)
class Studio:
    """What all people and pictures share.

    Attributes:
        model: OpenHead.
        space: Its texture space.
        layout: Its chart at the size that the network sees.
        mean: Of the texture space, sRGB of the covered texels.
        basis: Of the texture space, its scale included.
        points: Place of each texel on the template, metres.
        masks: Where beards, lips and so on lie.
        brows: Where the space has brows.
        fields: What painted people are made of.
        rasterizer: For pictures and visibility.
    """

    model: FlameModel
    space: TextureSpace
    layout: TextureLayout
    mean: Float[Tensor, "N 3"]
    basis: Float[Tensor, "N 3 K"]
    points: Float[Tensor, "N 3"]
    masks: FaceMap
    brows: Float[np.ndarray, "U U"]
    fields: PaintFields
    rasterizer: Rasterizer


def make_studio() -> Studio:
    """Load OpenHead and prepare for painting on its chart."""
    assets = load_assets()
    space = _smaller(load_texture_space(), SIZE)
    layout = texture_layout(assets, SIZE)
    texels = layout.texels
    head = find_asset("open_head.npz")
    with np.load(head, allow_pickle=False) as data:
        chart = rasterise_chart(data["vt"].astype(float), data["ft"], SIZE)
    scaled = (space.basis * space.scale).reshape(SIZE, SIZE, -1)
    return Studio(
        model=FlameModel(assets),
        space=space,
        layout=layout,
        mean=texels.from_map(space.mean),
        basis=texels.from_map(scaled).reshape(len(texels.texel), 3, -1),
        points=interpolate_vertices(assets.v_template, texels.corners, texels.surface.barycentrics),
        masks=face_map(assets, SIZE),
        brows=texture_brows(assets, space),
        fields=paint_fields(read_source(head), chart),
        rasterizer=make_rasterizer("warp", "cpu"),
    )


def _smaller(space: TextureSpace, size: int) -> TextureSpace:
    """Return a texture space at a smaller size, averaged over whole texels."""
    side = space.mean.shape[0]
    layers = torch.cat((space.mean, space.basis.reshape(side, side, -1)), dim=2)
    small = avg_pool2d(layers.permute(2, 0, 1)[None], side // size)[0].permute(1, 2, 0)
    small = small.contiguous()
    basis = small[..., 3:].reshape(size, size, 3, -1).contiguous()
    return TextureSpace(small[..., :3].contiguous(), basis, space.scale)


def random_texture(studio: Studio, generator: np.random.Generator) -> Float[Tensor, "U U 3"]:
    """Return the linear albedo of a random person."""
    if generator.random() < PAINTED:
        srgb = paint_person(studio.fields, draw_person(generator)).reshape(SIZE, SIZE, 3)
        albedo = srgb_to_linear(torch.from_numpy(srgb))
    else:
        count = studio.space.basis.shape[-1]
        code = torch.from_numpy(CODE_SIGMA * generator.standard_normal((1, count))).float()
        albedo = decode(studio.space, code)[0].clamp(0.002, 1.0)
    look = random_skin_look(generator)
    look = replace(look, tone=(1.0, 1.0, 1.0))
    albedo = torch.from_numpy(with_look(albedo.numpy(), look, studio.masks, studio.brows).texture)
    skin = torch.from_numpy(studio.masks.skin)[..., None]
    change = studio.layout.texels.to_map(_one_sided(studio.points, generator))
    return (albedo * torch.exp(change * skin)).clamp(0.002, 1.0)


def _one_sided(
    points: Float[Tensor, "N 3"], generator: np.random.Generator
) -> Float[Tensor, "N 3"]:
    """Return changes of log albedo that differ from side to side."""
    change = torch.zeros_like(points)
    for wavelength, deviation in ((0.12, 0.04), (0.05, 0.03)):
        for channel in ((0, 1, 2), (1,), (2,)):
            strength = deviation * abs(generator.standard_normal())
            change[:, channel] += strength * _waves(points, wavelength, generator)[:, None]
    for _ in range(generator.poisson(2.0)):
        middle = points[int(generator.integers(len(points)))]
        radius = np.exp(generator.uniform(np.log(0.002), np.log(0.02)))
        distance = (points - middle).norm(dim=1) / radius
        rough = 1.0 + 0.3 * _waves(points, 2.0 * radius, generator)
        patch = torch.sigmoid((rough - distance) / generator.uniform(0.05, 0.4))
        tint = torch.tensor(TINTS[int(generator.integers(len(TINTS)))])
        change += generator.uniform(0.1, 0.8) * patch[:, None] * tint
    for _ in range(generator.poisson(1.0)):
        change -= _line(points, generator)[:, None] * torch.tensor([0.8, 1.0, 1.0])
    return change


def _line(points: Float[Tensor, "N 3"], generator: np.random.Generator) -> Float[Tensor, " N"]:
    """Return a wrinkle or a scar: a dark line through a point, a few centimetres long."""
    middle = points[int(generator.integers(len(points)))]
    axes = torch.linalg.qr(torch.from_numpy(generator.standard_normal((3, 3))).float())[0]
    along, across, _ = ((points - middle) @ axes).unbind(1)
    length, width = generator.uniform(0.01, 0.04), generator.uniform(0.0006, 0.002)
    bend = generator.uniform(-10.0, 10.0) * along**2
    near = (points - middle).norm(dim=1) < length
    line = torch.exp(-0.5 * ((across - bend) / width) ** 2 - 2.0 * (along / length) ** 2)
    return generator.uniform(0.1, 0.5) * line * near


def _waves(
    points: Float[Tensor, "N 3"], wavelength: float, generator: np.random.Generator
) -> Float[Tensor, " N"]:
    """Return a smooth random function of place, mean 0 and variance 1."""
    direction = generator.standard_normal((3, WAVES))
    direction /= np.linalg.norm(direction, axis=0)
    frequency = 2.0 * np.pi * generator.uniform(0.6, 1.4, WAVES) / wavelength
    wave = torch.from_numpy(direction * frequency).float()
    phase = torch.from_numpy(generator.uniform(0.0, 2.0 * np.pi, WAVES)).float()
    return torch.cos(points @ wave + phase).sum(dim=1) * (2.0 / WAVES) ** 0.5
