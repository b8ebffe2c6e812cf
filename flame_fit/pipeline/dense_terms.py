"""Points all over the head, as a network or a map of texture coordinates sees them, as terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.geometry import SurfacePoints
from flame_fit.geometry.tensors import stack
from flame_fit.observation import DenseCorrespondences, FaceEvidence
from flame_fit.pipeline.landmark_terms import PointNoise
from flame_fit.pipeline.terms import DepthTerm, PointTerm, Term, shared_weight
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class DenseSettings:
    """What dense points are worth beside what they say of themselves.

    A point says itself how far it errs; `sigma` comes on top, metres: what the head model cannot
    follow, and what a network errs more on heads unlike those it was trained on. With less of it
    and more worth, heads of the training's kind are fitted better, others worse than without.

    Attributes:
        dense: Where the points lie in the photo.
        dense_depth: How deep they lie.
        points: At most this many are compared, evenly out of all; neighbours say the same.
    """

    dense: PointNoise = field(default_factory=lambda: PointNoise(0.002, 30.0))
    dense_depth: PointNoise = field(default_factory=lambda: PointNoise(0.003, 10.0))
    points: int = 600


def dense_terms(
    model: FlameModel,
    scene: SceneParams,
    evidence: Sequence[FaceEvidence],
    *,
    settings: DenseSettings,
) -> tuple[Term, ...]:
    """Return the terms of the dense points of a batch of faces; none where none were seen.

    Args:
        model: The head model, on whose surface the points lie.
        scene: The heads as they are now: the noise in pixels depends on their distance.
        evidence: What was seen of each: dense points in all of them or in none.
        settings: What the points are worth.
    """
    seen = [_thinned(each.dense, settings.points) for each in evidence if each.dense is not None]
    if not seen:
        return ()
    terms: list[Term] = []
    if settings.dense.weight > 0:
        spans = _metres_per_pixel(scene)
        terms.append(
            stack(
                [
                    _point_term(each, span, settings.dense, model)
                    for each, span in zip(seen, spans, strict=True)
                ]
            )
        )
    if settings.dense_depth.weight > 0 and any(np.isfinite(s.depth_sigma).any() for s in seen):
        terms.append(stack([_depth_term(each, settings.dense_depth, model) for each in seen]))
    return tuple(terms)


def _thinned(dense: DenseCorrespondences, count: int) -> DenseCorrespondences:
    """Return at most `count` of the points."""
    total = len(dense.pixels)
    if total <= count:
        return dense
    kept = np.linspace(0, total - 1, count).round().astype(int)
    index = torch.from_numpy(kept)
    return DenseCorrespondences(
        points=SurfacePoints(dense.points.face_index[index], dense.points.barycentrics[index]),
        pixels=dense.pixels[kept],
        sigma=dense.sigma[kept],
        depth=dense.depth[kept],
        depth_sigma=dense.depth_sigma[kept],
    )


def _metres_per_pixel(scene: SceneParams) -> list[float]:
    focal = scene.camera.focal[:, 0]
    if scene.camera.projection == "orthographic":
        return (1.0 / focal).tolist()
    return ((-scene.flame.translation[:, 2]).clamp_min(1e-3) / focal).tolist()


def _point_term(
    dense: DenseCorrespondences, metres_per_pixel: float, noise: PointNoise, model: FlameModel
) -> PointTerm:
    pixels, own = _row(dense.pixels, model), _row(dense.sigma, model)
    known = torch.isfinite(own)
    return PointTerm(
        name="dense",
        points=_batch_of_one(dense.points, model),
        pixels=pixels,
        sigma=torch.hypot(
            torch.where(known, own, 1.0), own.new_tensor(noise.sigma / metres_per_pixel)
        ),
        weight=shared_weight(known.to(own), worth=noise.worth, weight=noise.weight),
    )


def _depth_term(dense: DenseCorrespondences, noise: PointNoise, model: FlameModel) -> DepthTerm:
    depth, own = _row(dense.depth, model), _row(dense.depth_sigma, model)
    known = torch.isfinite(own)
    return DepthTerm(
        name="dense_depth",
        points=_batch_of_one(dense.points, model),
        depth=torch.where(known, depth, 0.0),
        sigma=torch.hypot(torch.where(known, own, 1.0), own.new_tensor(noise.sigma)),
        weight=shared_weight(known.to(own), worth=noise.worth, weight=noise.weight),
    )


def _row(values: Float[np.ndarray, "n *c"], model: FlameModel) -> Float[Tensor, "1 n *c"]:
    return torch.from_numpy(values).to(model.joint_template)[None]


def _batch_of_one(points: SurfacePoints, model: FlameModel) -> SurfacePoints:
    return SurfacePoints(
        points.face_index.to(model.device)[None],
        points.barycentrics.to(model.joint_template)[None],
    )
