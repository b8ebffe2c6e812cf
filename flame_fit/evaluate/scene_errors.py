"""Errors of landmarks, dense correspondence, pose, light and albedo against a known truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flame_fit.appearance import shade
from flame_fit.errors import InputError
from flame_fit.evaluate.statistics import middle_value

IBUG_EYES = (tuple(range(36, 42)), tuple(range(42, 48)))
"""Outlines of the person's right and left eye among 68 points; the outer corners are 36 and 45."""
MESH_EYES = ((33, 133), (362, 263))
"""Corners of both eyes in MediaPipe's face mesh; the outer ones are 33 and 263."""
EYES = {68: IBUG_EYES, 468: MESH_EYES, 478: MESH_EYES}
OUTER_CORNERS = {68: (36, 45), 468: (33, 263), 478: (33, 263)}
DENSE_LIMITS = (2.0, 5.0)
SPHERE_COUNT = 2000

Normaliser = Literal["interocular", "interpupil", "box"]


@dataclass(frozen=True, eq=False)
class LandmarkError:
    """Distances of landmarks in a picture."""

    nme: float
    """Mean distance over the normalising length."""
    pixels: Float[Tensor, "L"]
    """Distance of each point."""
    length: float
    """The normalising length in pixels."""


@dataclass(frozen=True)
class DenseError:
    """Errors of dense correspondence, in pixels."""

    median: float
    within_2: float
    """Share of points that are at most 2 pixels off."""
    within_5: float
    count: int


@dataclass(frozen=True)
class PoseError:
    """How a head stands, against how it should."""

    degrees: float
    """Angle between the two rotations in camera axes."""
    view_degrees: float
    """The same as seen along the ray to each head: a head to the side shows another side."""
    distance_share: float
    """How much too far (positive) or too near the head is, as a share of the true distance."""


@dataclass(frozen=True)
class LightError:
    """How differently two lights shade what can be seen."""

    relative: float
    """Root mean square difference of the shading after exposure, over that of the true shading."""
    exposure: float
    """The factor on the estimate that makes them most alike."""


@dataclass(frozen=True)
class AlbedoError:
    """Differences of albedo in linear light."""

    absolute: float
    """Mean absolute difference."""
    relative: float
    """Root mean square difference after exposure, over that of the true albedo."""
    exposure: float
    """The factor on the estimate that makes them most alike."""


def landmark_error(
    pixels: Float[Tensor, "L 2"],
    truth: Float[Tensor, "L 2"],
    *,
    normaliser: Normaliser = "interocular",
) -> LandmarkError:
    """Return the normalised mean error of 68 iBUG or 468/478 face-mesh points.

    Args:
        pixels: Estimated points.
        truth: True points, which also give the normalising length.
        normaliser: Distance of the outer eye corners (as the 300-W benchmark has it), distance of
            the eyes' middles, or the root of the area of the points' box.

    Raises:
        InputError: Another number of points with a normaliser that needs eyes, or no length.
    """
    count = len(truth)
    if normaliser == "box":
        sides = truth.amax(0) - truth.amin(0)
        length = float(sides.prod().sqrt())
    elif count not in EYES:
        raise InputError(
            f"got {count} landmarks; '{normaliser}' needs 68, 468 or 478 points, 'box' takes any"
        )
    elif normaliser == "interocular":
        first, second = OUTER_CORNERS[count]
        length = float((truth[first] - truth[second]).norm())
    else:
        right, left = (truth[list(points)].mean(0) for points in EYES[count])
        length = float((right - left).norm())
    if not length > 0.0:
        raise InputError("the true landmarks have no extent; there is nothing to compare with")
    distances = (pixels - truth).norm(dim=-1)
    return LandmarkError(nme=float(distances.mean()) / length, pixels=distances, length=length)


def dense_error(
    estimate: Float[Tensor, "*n 2"],
    truth: Float[Tensor, "*n 2"],
    mask: Bool[Tensor, "*n"],
    *,
    pixels_per_unit: float = 1.0,
) -> DenseError:
    """Return how far dense correspondences are off.

    Args:
        estimate: Image positions of chart points in pixels, or chart positions (UV) of pixels.
        truth: The same, true.
        mask: Where both are defined.
        pixels_per_unit: For UV the size of the texture, so that errors are in texels.

    Raises:
        InputError: The mask is empty.
    """
    if not bool(mask.any()):
        raise InputError("the mask is empty; there is no correspondence to compare")
    distances = (estimate[mask] - truth[mask]).norm(dim=-1).double() * pixels_per_unit
    near, far = DENSE_LIMITS
    return DenseError(
        median=middle_value(distances),
        within_2=float((distances <= near).double().mean()),
        within_5=float((distances <= far).double().mean()),
        count=len(distances),
    )


def rotation_degrees(first: Float[Tensor, "3 3"], second: Float[Tensor, "3 3"]) -> float:
    """Return the angle of the rotation between two rotations."""
    turn = (first @ second.mT).double()
    # The arc tangent keeps its precision near 0 and 180 degrees, where the arc cosine loses half.
    axis = torch.stack((turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]))
    return math.degrees(math.atan2(float(axis.norm()), float(turn.trace()) - 1.0))


def pose_error(
    rotation: Float[Tensor, "3 3"],
    true_rotation: Float[Tensor, "3 3"],
    *,
    place: Float[Tensor, "3"],
    true_place: Float[Tensor, "3"],
) -> PoseError:
    """Return how far a head's pose is off, in world axes with the camera at the origin.

    Args:
        rotation: From the head's to world axes.
        true_rotation: The same, true.
        place: Where the head is, in metres.
        true_place: The same, true.
    """
    distance, true_distance = float(place.norm()), float(true_place.norm())
    return PoseError(
        degrees=rotation_degrees(rotation, true_rotation),
        view_degrees=rotation_degrees(
            _onto_axis(place) @ rotation.double(), _onto_axis(true_place) @ true_rotation.double()
        ),
        distance_share=distance / true_distance - 1.0,
    )


def light_error(
    lighting: Float[Tensor, "9 3"],
    true_lighting: Float[Tensor, "9 3"],
    *,
    normals: Float[Tensor, "n 3"] | None = None,
) -> LightError:
    """Return how differently two lights shade a matte white surface, up to exposure.

    Args:
        lighting: Estimated spherical harmonics, as in `flame_fit.appearance`.
        true_lighting: The true ones.
        normals: Unit normals in world axes that can be seen; evenly over the half sphere that faces
            the camera by default.

    Raises:
        InputError: The true light is dark everywhere on the normals.
    """
    if normals is None:
        normals = visible_normals(SPHERE_COUNT).to(lighting)
    seen = shade(normals[None], lighting[None])[0].double()
    true = shade(normals[None], true_lighting[None].to(lighting))[0].double()
    exposure, relative = _up_to_exposure(seen, true, name="true light")
    return LightError(relative=relative, exposure=exposure)


def albedo_error(
    albedo: Float[Tensor, "*n 3"], truth: Float[Tensor, "*n 3"], mask: Bool[Tensor, "*n"]
) -> AlbedoError:
    """Return the difference of two linear albedo maps or lists on a mask.

    One photo cannot tell bright skin from bright light, hence the error up to exposure.

    Raises:
        InputError: The mask is empty, or the true albedo is black.
    """
    if not bool(mask.any()):
        raise InputError("the mask is empty; there is no albedo to compare")
    found, true = albedo[mask].double(), truth[mask].double()
    exposure, relative = _up_to_exposure(found, true, name="true albedo")
    return AlbedoError(
        absolute=float((found - true).abs().mean()), relative=relative, exposure=exposure
    )


def visible_normals(count: int) -> Float[Tensor, "count 3"]:
    """Return unit vectors spread evenly over the half sphere towards the camera (+z)."""
    step = torch.arange(count, dtype=torch.float64)
    z = (step + 0.5) / count
    angle = step * (math.pi * (3.0 - math.sqrt(5.0)))
    radius = (1.0 - z * z).sqrt()
    return torch.stack((radius * angle.cos(), radius * angle.sin(), z), dim=-1)


def _up_to_exposure(
    estimate: Float[Tensor, "n 3"], truth: Float[Tensor, "n 3"], *, name: str
) -> tuple[float, float]:
    """Return the best factor on the estimate and the relative error that it leaves."""
    power = float(truth.square().mean())
    if not power > 0.0:
        raise InputError(f"the {name} is black; there is nothing to compare with")
    own = float(estimate.square().mean())
    exposure = max(float((estimate * truth).mean()) / own, 0.0) if own > 0.0 else 0.0
    left = float((exposure * estimate - truth).square().mean())
    return exposure, math.sqrt(left / power)


def _onto_axis(place: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Return the shortest rotation that turns the ray to a place onto the camera's axis, -z."""
    ray = torch.nn.functional.normalize(place.double(), dim=0)
    # Rodrigues' formula for the turn from `ray` to (0, 0, -1), by its axis times its sine.
    x, y, z = ray.tolist()
    cross = torch.tensor(((0.0, 0.0, x), (0.0, 0.0, y), (-x, -y, 0.0))).to(ray)
    return torch.eye(3).to(ray) + cross + cross @ cross / (1.0 - z)
