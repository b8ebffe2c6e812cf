"""The colours of a Basel Face Model as a texture space of one of our head models.

Our model's template is bent onto the Basel model's mean face; every texel of our chart then has a
place on it and takes its mean colour and components from there. What the Basel model does not show
(back of the head, neck, mouth, eyeballs) is filled in by fields that are smooth over the skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.appearance import TextureSpace
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import points_on_surface, vertex_normals
from flame_fit.geometry.registration import (
    DEFAULT_SCHEDULE,
    Correspondence,
    RegistrationSchedule,
    register,
    surface_correspondence,
)
from flame_fit.head_models.basel_file import BaselModel, read_basel_model
from flame_fit.head_models.basel_landmarks import (
    BaselLandmarks,
    detected_landmarks,
    has_named_landmarks,
    named_landmarks,
)
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.priors.model_files import resolve_face_models
from flame_fit.texture import TexelGeometry, build_texel_geometry, smooth_field, surface_operator
from flame_fit.texture.dilate import dilate
from flame_fit.texture.surface_values import accumulate_vertices, interpolate_vertices
from flame_fit.texture.texel_geometry import INNER_REGIONS, MOUTH_REGIONS, face_region

HIDDEN_REGIONS = (*INNER_REGIONS, "eye_sockets")
"""Parts that Basel Face Models do not have; they go along and seek nothing."""
REACH_METRES = 0.004
"""How far a texel may be off the Basel model and still show its colour."""
BLEND_RINGS = 3
"""Triangles from the rim of what is seen over which it goes over into the smooth field."""
FIELD_LENGTH = 0.010
"""Metres over which colours are smoothed to be continued behind the rim."""
CHUNK_COMPONENTS = 16
BYTE_RANGE = 255.0
DEFAULT_SIZE, DEFAULT_COMPONENTS = 512, 100


@dataclass(frozen=True, eq=False)
class BaselTexture:
    """A texture space out of a Basel Face Model, and how it came about.

    Attributes:
        space: sRGB, drawn on the model's chart.
        seen: Texels whose colour is the Basel model's own.
        kind: Which Basel model.
        landmark_source: Where the landmarks of the registration are from.
        distance_mm: Mean distance of the seen texels from the Basel model after registration.
    """

    space: TextureSpace
    seen: Bool[Tensor, "U U"]
    kind: str
    landmark_source: str
    distance_mm: float


def basel_texture_space(
    path: Path,
    assets: FlameAssets,
    *,
    size: int = DEFAULT_SIZE,
    most_components: int | None = DEFAULT_COMPONENTS,
    detector: str | None = None,
    backdrop: Float[Tensor, "B B 3"] | None = None,
    schedule: RegistrationSchedule = DEFAULT_SCHEDULE,
) -> BaselTexture:
    """Carry the colours of a Basel Face Model to a head model.

    Args:
        path: `01_MorphableModel.mat` (2009) or a `.h5` file (2017, 2019).
        assets: The model; needs a chart and landmarks.
        size: Texels along each side.
        most_components: Most colour components to keep, the first ones; None for all.
        detector: Finds the landmarks of the mean face; by default the points that the file names
            are used, and the detector `auto` where it names none, as in 2009.
        backdrop: sRGB map on the model's chart that shows eyeballs and the inside of the mouth; by
            default they take the colour of the skin around them.
        schedule: How the registration softens.

    Raises:
        AssetError: The file is no Basel Face Model, or our model lacks something.
    """
    basel = read_basel_model(path, most_components=most_components)
    landmarks = _landmarks(basel, assets, detector)
    registered = _registered(basel, assets, landmarks, schedule)
    texels = build_texel_geometry(assets, size)
    found = _texel_places(basel, assets, texels, registered)
    if not found.valid.any():
        raise AssetError(
            f"{path}: no texel of model '{assets.name}' comes to lie on its mean; is it a face?"
        )
    carried = _carry(basel, assets, texels, found)
    mean, basis = carried[..., 0], carried[..., 1:]
    seen = torch.from_numpy(found.valid)
    if backdrop is not None:
        mean = _with_backdrop(mean, seen, assets, texels, backdrop)
    return BaselTexture(
        space=TextureSpace(
            mean=dilate(texels.to_map(mean), texels),
            basis=_dilated_components(basis, texels),
            scale=torch.ones(basis.shape[-1]),
            chart=assets.chart,
        ),
        seen=texels.to_map(seen[:, None].float())[..., 0] > 0,
        kind=basel.kind,
        landmark_source=landmarks.source,
        distance_mm=1000.0 * float(found.distance[found.valid].mean()),
    )


def texture_space_bytes(space: TextureSpace) -> bytes:
    """Return a texture space as a published `.npz`: `mean` and `tex_dir`, 0 to 255, BGR, float32.

    `vt` and `ft` beside them are the chart it is drawn on.
    """
    basis = space.basis * space.scale
    arrays = {
        "mean": np.flip(space.mean.cpu().numpy(), axis=2) * np.float32(BYTE_RANGE),
        "tex_dir": np.flip(basis.cpu().numpy(), axis=2) * np.float32(BYTE_RANGE),
    }
    if space.chart is not None:
        arrays["vt"] = space.chart.uv.cpu().numpy()
        arrays["ft"] = space.chart.faces.cpu().numpy().astype(np.int32)
    return npz_bytes(arrays)


def _landmarks(basel: BaselModel, assets: FlameAssets, detector: str | None) -> BaselLandmarks:
    if detector is None and has_named_landmarks(basel):
        return named_landmarks(basel, assets)
    return detected_landmarks(basel, assets, resolve_face_models(detector or "auto"))


def _registered(
    basel: BaselModel,
    assets: FlameAssets,
    landmarks: BaselLandmarks,
    schedule: RegistrationSchedule,
) -> Float[np.ndarray, "V 3"]:
    """Return our template's vertices bent onto the Basel model's mean face."""
    weight = np.ones(len(assets.v_template))
    regions = assets.regions
    for name in () if regions is None else set(HIDDEN_REGIONS) & set(regions.names):
        weight[regions.mask(name).cpu().numpy()] = 0.0  # type: ignore[union-attr]
    return register(
        assets.v_template.double().cpu().numpy(),
        assets.faces.cpu().numpy(),
        basel.vertices,
        basel.faces,
        source_landmarks=landmarks.own,
        target_landmarks=landmarks.places,
        vertex_weight=weight,
        schedule=schedule,
    )


def _texel_places(
    basel: BaselModel,
    assets: FlameAssets,
    texels: TexelGeometry,
    registered: Float[np.ndarray, "V 3"],
) -> Correspondence:
    """Return where the covered texels lie on the Basel model."""
    vertices, faces = torch.from_numpy(registered)[None], assets.faces.cpu()
    points = points_on_surface(vertices, faces, texels.surface)[0]
    normals = points_on_surface(vertex_normals(vertices, faces), faces, texels.surface)[0]
    normals = torch.nn.functional.normalize(normals, dim=-1)
    found = surface_correspondence(
        points.numpy(), normals.numpy(), basel.vertices, basel.faces, maximum_distance=REACH_METRES
    )
    # The inside of the mouth lies close behind the lips but is not what they show.
    within = face_region(assets, *MOUTH_REGIONS)[texels.surface.face_index].numpy()
    return replace(found, valid=found.valid & ~within)


def _carry(
    basel: BaselModel, assets: FlameAssets, texels: TexelGeometry, found: Correspondence
) -> Float[Tensor, "N 3 C"]:
    """Return mean and components, in this order, at the covered texels, completed."""
    corners = torch.from_numpy(basel.faces)[found.surface.face_index]
    share = found.surface.barycentrics.float()
    seen = torch.from_numpy(found.valid).float()
    trust = _trust(seen, assets, texels)
    columns = np.concatenate((basel.colour[..., None], basel.colour_basis), axis=-1)
    operator = surface_operator(assets.v_template, assets.faces)
    parts = []
    for first in range(0, columns.shape[-1], CHUNK_COMPONENTS):
        part = torch.from_numpy(
            np.ascontiguousarray(columns[..., first : first + CHUNK_COMPONENTS], dtype=np.float32)
        )
        own = interpolate_vertices(part.flatten(1), corners.int(), share)
        total = accumulate_vertices(
            torch.cat((own * seen[:, None], seen[:, None]), dim=1),
            texels.corners,
            texels.surface.barycentrics,
            vertex_count=len(assets.v_template),
        )
        values = total[:, :-1] / total[:, -1:].clamp_min(1e-6)
        weight = (total[:, -1] / texels.vertex_texels.clamp_min(1e-6)).clamp_max(1.0)
        rest = (weight[:, None] * values).sum(0) / weight.sum()
        field = smooth_field(
            values, weight, rest.expand_as(values), operator=operator, length=FIELD_LENGTH
        )
        smooth = interpolate_vertices(field, texels.corners, texels.surface.barycentrics)
        parts.append((smooth + trust[:, None] * (own - smooth)).unflatten(1, (3, -1)))
    return torch.cat(parts, dim=-1)


def _trust(
    seen: Float[Tensor, "N"], assets: FlameAssets, texels: TexelGeometry
) -> Float[Tensor, "N"]:
    """Return how much of a texel's own colour is used: 1 inside what is seen, 0 outside.

    Over a few rings of triangles along the rim it rises from 0 to 1, so that no edge is left.
    """
    total = accumulate_vertices(
        seen[:, None], texels.corners, texels.surface.barycentrics,
        vertex_count=len(assets.v_template),
    )[:, 0]  # fmt: skip
    whole = (total > 0.999 * texels.vertex_texels).float()  # noqa: PLR2004
    # Vertices that no texel belongs to have nothing to say.
    whole[texels.vertex_texels == 0] = 1.0
    rise, faces = torch.zeros_like(whole), assets.faces.to(torch.int64)
    inside = whole
    for _ in range(BLEND_RINGS):
        rise = rise + inside / BLEND_RINGS
        least = inside[faces].amin(dim=1)
        for corner in range(3):
            inside = inside.scatter_reduce(0, faces[:, corner], least, "amin")
    blended = interpolate_vertices(rise[:, None], texels.corners, texels.surface.barycentrics)
    return blended[:, 0] * seen


def _with_backdrop(
    mean: Float[Tensor, "N 3"],
    seen: Bool[Tensor, "N"],
    assets: FlameAssets,
    texels: TexelGeometry,
    backdrop: Float[Tensor, "B B 3"],
) -> Float[Tensor, "N 3"]:
    """Put another map's eyes and mouth where the Basel model shows none."""
    channels = torch.nn.functional.interpolate(
        backdrop.permute(2, 0, 1)[None].to(mean),
        size=(texels.size, texels.size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    shown = texels.from_map(channels[0].permute(1, 2, 0))
    inner = face_region(assets, *INNER_REGIONS)[texels.surface.face_index] & ~seen
    return torch.where(inner[:, None], shown, mean)


def _dilated_components(
    basis: Float[Tensor, "N 3 K"], texels: TexelGeometry
) -> Float[Tensor, "U U 3 K"]:
    """Return components as maps, islands widened as those of the mean are."""
    maps = torch.zeros(texels.size, texels.size, 3, basis.shape[-1])
    for component in range(basis.shape[-1]):
        maps[..., component] = dilate(texels.to_map(basis[..., component]), texels)
    return maps
