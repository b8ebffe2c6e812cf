"""A small head-like model for tests: closed, smooth, symmetric, with all a model can have."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.flame.assets import (
    CONTOUR_POINTS,
    POSE_FEATURES,
    ContourTable,
    FlameAssets,
    LandmarkEmbeddings,
    Regions,
    UvChart,
)
from flame_fit.geometry.topology import SurfacePoints

SEMI_AXES = (0.075, 0.11, 0.095)
"""Metres: half the width, height and depth of the head."""
RINGS = 15
SEGMENTS = 20
"""Even, so that the mesh has a mirror plane."""
SEED_VALUE = 7
JOINT_PLACES = (
    (0.0, -0.10, -0.01),
    (0.0, -0.05, -0.01),
    (0.0, -0.02, 0.01),
    (0.03, 0.03, 0.07),
    (-0.03, 0.03, 0.07),
)
JOINT_REACH = (0.05, 0.07, 0.05, 0.02, 0.02)
"""Metres over which a joint's share in the skin falls off."""
REGION_LIMITS = {
    "face": ((-1.0, 1.0), (-0.8, 0.7), (0.1, 1.0)),
    "skin": ((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0)),
    "scalp": ((-1.0, 1.0), (0.6, 1.0), (-1.0, 1.0)),
    "neck": ((-1.0, 1.0), (-1.0, -0.8), (-1.0, 1.0)),
    "left_eye_region": ((0.1, 0.7), (0.0, 0.5), (0.4, 1.0)),
    "right_eye_region": ((-0.7, -0.1), (0.0, 0.5), (0.4, 1.0)),
    "lips": ((-0.4, 0.4), (-0.6, -0.2), (0.5, 1.0)),
}
"""Regions as boxes over x, y, z in units of the semi-axes."""


def tiny_assets(*, shape_count: int = 6, expression_count: int = 4) -> FlameAssets:
    """Return a FLAME-format ellipsoid head of 302 vertices in float32, always the same one.

    It faces +z, its texture seam is at the back, and its bases are random smooth displacements of
    about 3 mm for a coefficient of one.
    """
    directions = _directions()
    generator = torch.Generator().manual_seed(SEED_VALUE)
    template = directions * torch.tensor(SEMI_AXES)
    faces = _faces()
    weights = _skinning_weights(template)
    return FlameAssets(
        name="tiny",
        sha256="0" * 64,
        licence="CC0-1.0",
        v_template=template,
        faces=faces,
        shape_basis=_smooth_basis(directions, shape_count, generator),
        expression_basis=_smooth_basis(directions, expression_count, generator),
        pose_basis=_smooth_basis(directions, POSE_FEATURES, generator),
        joint_regressor=_joint_regressor(template),
        parents=(-1, 0, 1, 1, 1),
        skinning_weights=weights,
        chart=_chart(faces),
        regions=_regions(directions),
        mirror_vertex=_mirror_vertex(),
        landmarks=_landmarks(template, faces),
        arkit_names=("jawOpen", "mouthSmileLeft", "mouthSmileRight"),
        arkit_basis=_smooth_basis(directions, 3, generator),
        eyelid_basis=_smooth_basis(directions, 2, generator),
    )


def _directions() -> Float[Tensor, "V 3"]:
    """Return unit vectors: rings from the top down, each from the back over -x; then the poles."""
    polar = torch.arange(1, RINGS + 1) * (math.pi / (RINGS + 1))
    turn = torch.arange(SEGMENTS) * (2.0 * math.pi / SEGMENTS)
    sine = polar.sin()[:, None]
    ring = torch.stack(
        (-sine * turn.sin(), polar.cos()[:, None].expand(-1, SEGMENTS), -sine * turn.cos()), dim=-1
    ).reshape(-1, 3)
    poles = torch.tensor(((0.0, 1.0, 0.0), (0.0, -1.0, 0.0)))
    return torch.cat((ring, poles))


def _faces() -> Int[Tensor, "F 3"]:
    top, bottom = RINGS * SEGMENTS, RINGS * SEGMENTS + 1
    triangles: list[tuple[int, int, int]] = []
    for segment in range(SEGMENTS):
        following = (segment + 1) % SEGMENTS
        triangles.append((top, segment, following))
        last = (RINGS - 1) * SEGMENTS
        triangles.append((bottom, last + following, last + segment))
        for ring in range(RINGS - 1):
            upper, lower = ring * SEGMENTS, (ring + 1) * SEGMENTS
            triangles.append((upper + segment, lower + segment, lower + following))
            triangles.append((upper + segment, lower + following, upper + following))
    return torch.tensor(triangles)


def _chart(faces: Int[Tensor, "F 3"]) -> UvChart:
    """Return the unrolled rings; seam and pole triangles have texture points of their own."""
    columns = SEGMENTS + 1
    ring = torch.arange(RINGS).repeat_interleave(columns)
    segment = torch.arange(columns).repeat(RINGS)
    rows = [torch.stack((segment / SEGMENTS, 1.0 - (ring + 1) / (RINGS + 1)), dim=-1)]
    middle = (torch.arange(SEGMENTS) + 0.5) / SEGMENTS
    rows.append(torch.stack((middle, torch.ones(SEGMENTS)), dim=-1))
    rows.append(torch.stack((middle, torch.zeros(SEGMENTS)), dim=-1))
    ring_count = RINGS * columns
    chart_faces = []
    for triangle in faces.tolist():
        on_ring = [vertex % SEGMENTS for vertex in triangle if vertex < RINGS * SEGMENTS]
        wraps = max(on_ring) - min(on_ring) > SEGMENTS // 2
        start = max(on_ring) if wraps else min(on_ring)
        corners = []
        for vertex in triangle:
            if vertex >= RINGS * SEGMENTS:
                pole = vertex - RINGS * SEGMENTS
                corners.append(ring_count + pole * SEGMENTS + start)
            else:
                column = vertex % SEGMENTS
                column = SEGMENTS if wraps and column == 0 else column
                corners.append(vertex // SEGMENTS * columns + column)
        chart_faces.append(corners)
    return UvChart(uv=torch.cat(rows).float(), faces=torch.tensor(chart_faces))


def _smooth_basis(
    directions: Float[Tensor, "V 3"], count: int, generator: torch.Generator
) -> Float[Tensor, "V 3 count"]:
    """Return displacements that are random second-order polynomials of the direction."""
    x, y, z = directions.unbind(-1)
    polynomials = torch.stack((torch.ones_like(x), x, y, z, x * y, y * z, x * z, x * x, y * y), -1)
    mix = torch.randn(polynomials.shape[-1], 3 * count, generator=generator)
    return 0.001 * (polynomials @ mix).reshape(-1, 3, count)


def _joint_regressor(template: Float[Tensor, "V 3"]) -> Float[Tensor, "J V"]:
    """Return positive weights with sum 1, strongest near each joint."""
    distance = torch.cdist(torch.tensor(JOINT_PLACES), template)
    return torch.softmax(-distance / 0.02, dim=-1)


def _skinning_weights(template: Float[Tensor, "V 3"]) -> Float[Tensor, "V J"]:
    distance = torch.cdist(template, torch.tensor(JOINT_PLACES))
    return torch.softmax(-((distance / torch.tensor(JOINT_REACH)) ** 2), dim=-1)


def _mirror_vertex() -> Int[Tensor, "V"]:
    ring = torch.arange(RINGS)[:, None] * SEGMENTS
    mirrored = (-torch.arange(SEGMENTS)) % SEGMENTS
    poles = torch.tensor((RINGS * SEGMENTS, RINGS * SEGMENTS + 1))
    return torch.cat(((ring + mirrored).flatten(), poles))


def _regions(directions: Float[Tensor, "V 3"]) -> Regions:
    masks: list[Bool[Tensor, "V"]] = []
    for limits in REGION_LIMITS.values():
        low = torch.tensor([limit[0] for limit in limits]) - 1e-4
        high = torch.tensor([limit[1] for limit in limits]) + 1e-4
        masks.append(((directions >= low) & (directions <= high)).all(-1))
    return Regions(names=tuple(REGION_LIMITS), masks=torch.stack(masks))


def _landmarks(template: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]) -> LandmarkEmbeddings:
    centres = template[faces].mean(1) / torch.tensor(SEMI_AXES)
    yaws = torch.arange(-60.0, 61.0, 15.0)
    outlines = torch.stack([_nearest_faces(centres, _outline(float(yaw))) for yaw in yaws])
    frontal = outlines[len(yaws) // 2]
    spiral = _front_spiral(478)
    inner = _nearest_faces(centres, _front_spiral(68 - CONTOUR_POINTS))
    return LandmarkEmbeddings(
        mediapipe=_with_weights(_nearest_faces(centres, spiral)),
        ibug=_with_weights(torch.cat((frontal, inner))),
        contour=ContourTable(yaw_degrees=yaws, points=_with_weights(outlines)),
    )


def _outline(yaw_degrees: float) -> Float[Tensor, "n 3"]:
    """Return directions on the rim of the face seen under a turn, from its right to its left."""
    angle = torch.linspace(-0.9 * math.pi / 2, 0.9 * math.pi / 2, CONTOUR_POINTS)
    turn = -math.radians(yaw_degrees)
    x, y, z = 0.95 * angle.sin(), -0.95 * angle.cos(), torch.full_like(angle, 0.3)
    return torch.stack(
        (
            math.cos(turn) * x + math.sin(turn) * z,
            y,
            -math.sin(turn) * x + math.cos(turn) * z,
        ),
        dim=-1,
    )


def _front_spiral(count: int) -> Float[Tensor, "n 3"]:
    """Return directions spread evenly over the front cap."""
    step = torch.arange(count)
    z = 1.0 - 0.7 * (step + 0.5) / count
    angle = step * math.pi * (3.0 - math.sqrt(5.0))
    radius = (1.0 - z * z).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin(), z), dim=-1)


def _nearest_faces(
    centres: Float[Tensor, "F 3"], directions: Float[Tensor, "n 3"]
) -> Int[Tensor, "n"]:
    unit = torch.nn.functional.normalize(centres, dim=-1)
    return (torch.nn.functional.normalize(directions, dim=-1) @ unit.T).argmax(-1)


def _with_weights(face_index: Int[Tensor, "*n"]) -> SurfacePoints:
    weights = torch.tensor((0.5, 0.3, 0.2)).expand(*face_index.shape, 3)
    return SurfacePoints(face_index=face_index, barycentrics=weights.contiguous())
