"""Folders like those of finished fits, made from a texture space that is known.

Nothing is fitted: albedo maps are drawn from the space, seen from chance directions behind chance
occluders, tinted, made noisy and written as a fit would write them.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flame_fit.appearance import TextureSpace, decode, linear_to_srgb
from flame_fit.flame import FlameAssets
from flame_fit.geometry import vertex_normals
from flame_fit.image_files import encode_png
from flame_fit.texture import TexelGeometry, build_texel_geometry, face_region
from flame_fit.texture.surface_values import interpolate_vertices, smoothstep

# Cosines between which a texel goes from unseen to well seen.
FACING = (0.15, 0.5)
MOST_TURN_DEGREES, MOST_NOD_DEGREES = 60.0, 25.0
# Occluders of a map, and their radii as shares of the chart.
MOST_OCCLUDERS = 4
RADII = (0.02, 0.12)
LEVELS = 255.0
MIDDLE, CONTRAST = 0.5, 0.5


@dataclass(frozen=True)
class SyntheticFits:
    """How the maps are made.

    Attributes:
        count: How many.
        size: Texels along each side.
        components: First ones of the truth that the maps differ in.
        noise: Standard deviation of each colour of each texel, sRGB.
        brightness: Standard deviation of the logarithm of a map's brightness factor.
        tint: The same of the tint of each colour.
        leaks: Share of occluders that are taken for skin.
        seed: Of the chance.
    """

    count: int = 300
    size: int = 512
    components: int = 20
    noise: float = 0.01
    brightness: float = 0.1
    tint: float = 0.04
    leaks: float = 0.1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class SyntheticTruth:
    """What lies behind the maps.

    Attributes:
        codes: Of each map.
        log_factors: Logarithms of their colour factors.
        seen: Sum of the confidences of all maps at each covered texel.
    """

    codes: Float[Tensor, "n K"]
    log_factors: Float[Tensor, "n 3"]
    seen: Float[Tensor, " T"]


def write_synthetic_fits(
    folder: Path, truth: TextureSpace, assets: FlameAssets, plan: SyntheticFits
) -> SyntheticTruth:
    """Write a folder for each map into a folder.

    Args:
        folder: Where to.
        truth: The space, drawn on the model's chart at the size of the maps.
        assets: The head model.
        plan: How they are made.
    """
    texels = build_texel_geometry(assets, plan.size)
    generator = torch.Generator().manual_seed(plan.seed)
    codes = torch.randn(plan.count, plan.components, generator=generator)
    tint = plan.tint * torch.randn(plan.count, 3, generator=generator)
    factors = tint - tint.mean(dim=1, keepdim=True)
    factors = factors + plan.brightness * torch.randn(plan.count, 1, generator=generator)
    seen = torch.zeros(len(texels.texel))
    for index in range(plan.count):
        albedo = decode(truth, codes[index : index + 1])[0].clamp(0.0, 1.0)
        albedo = (albedo * torch.exp(factors[index])).clamp(0.0, 1.0)
        filled = decode(truth, codes[index : index + 1, :0])[0] * torch.exp(factors[index])
        confidence = _confidence(assets, texels, generator)
        hidden, leaked = _occluders(plan, generator)
        confidence = torch.where(hidden, 0.0, confidence)
        srgb = linear_to_srgb(torch.where(confidence[..., None] > 0, albedo, filled.clamp(0, 1)))
        srgb = srgb + plan.noise * torch.randn(srgb.shape, generator=generator)
        srgb = torch.where(leaked[..., None], 0.1, srgb)
        seen += texels.from_map(confidence[..., None])[:, 0]
        _write(folder / f"{index:05d}", srgb, confidence, texels, assets)
    return SyntheticTruth(codes, factors, seen)


def _confidence(
    assets: FlameAssets, texels: TexelGeometry, generator: torch.Generator
) -> Float[Tensor, "U U"]:
    """Return how well the texels are seen from a chance direction; hair hides scalp and neck."""
    turn, nod = (2.0 * torch.rand(2, generator=generator) - 1.0).tolist()
    turn = math.radians(MOST_TURN_DEGREES) * turn
    nod = math.radians(MOST_NOD_DEGREES) * nod
    towards = torch.tensor(
        [math.sin(turn) * math.cos(nod), math.sin(nod), math.cos(turn) * math.cos(nod)]
    )
    normals = vertex_normals(assets.v_template[None], assets.faces)[0]
    at_texels = interpolate_vertices(normals, texels.corners, texels.surface.barycentrics)
    cosine = functional.normalize(at_texels, dim=1) @ towards
    hair = face_region(assets, "scalp", "neck")[texels.surface.face_index]
    seen = smoothstep(cosine, *FACING) * ~hair
    return texels.to_map(seen[:, None])[..., 0]


def _occluders(plan: SyntheticFits, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return where known occluders are, and where ones that were taken for skin."""
    centre = (torch.arange(plan.size) + 0.5) / plan.size
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    hidden = torch.zeros(plan.size, plan.size, dtype=torch.bool)
    leaked = hidden.clone()
    for _ in range(int(torch.randint(MOST_OCCLUDERS + 1, (1,), generator=generator))):
        x, y, width, height, chance = torch.rand(5, generator=generator).tolist()
        span = RADII[1] - RADII[0]
        wide, high = RADII[0] + span * width, RADII[0] + span * height
        inside = ((columns - x) / wide) ** 2 + ((rows - y) / high) ** 2 < 1.0
        (leaked if chance < plan.leaks else hidden)[inside] = True
    return hidden, leaked & ~hidden


def _write(
    folder: Path,
    srgb: Float[Tensor, "U U 3"],
    confidence: Float[Tensor, "U U"],
    texels: TexelGeometry,
    assets: FlameAssets,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    maps = {
        "texture.png": srgb,
        "texture_confidence.png": confidence,
        "texture_mask.png": texels.covered().float(),
    }
    for name, image in maps.items():
        (folder / name).write_bytes(encode_png(_bytes(image)))
    report = {
        "status": "ok",
        "photo": f"/photos/{folder.name}.jpg",
        "photo_sha256": hashlib.sha256(folder.name.encode()).hexdigest(),
        "face": 1,
        "landmark_nme": 0.01,
        "psnr_model": 30.0,
        "coverage": 0.6,
        "model": {"name": assets.name, "sha256": assets.sha256, "licence": assets.licence},
        "warnings": [],
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _bytes(image: Tensor) -> np.ndarray:
    return (image.clamp(0.0, 1.0) * LEVELS).round().numpy().astype(np.uint8)


def known_space(space: TextureSpace, size: int, *, deviations: Float[Tensor, " K"]) -> TextureSpace:
    """Return the first components of a space at another size and with other variances.

    The mean is drawn towards grey, so that no map is clipped and the truth stays linear.

    Args:
        space: Any space.
        size: Texels along each side.
        deviations: Root mean square over the chart of what each component adds, sRGB from 0 to 1.
    """

    def resized(image: Tensor) -> Tensor:
        pixels = image.contiguous().numpy()
        return torch.from_numpy(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA))

    count = len(deviations)
    basis = torch.stack([resized(space.basis[..., k]) for k in range(count)], dim=-1)
    present = (basis**2).mean(dim=(0, 1, 2)).sqrt()
    return TextureSpace(
        mean=MIDDLE + CONTRAST * (resized(space.mean) - MIDDLE),
        basis=basis * (deviations / present),
        scale=torch.ones(count),
        chart=space.chart,
    )
