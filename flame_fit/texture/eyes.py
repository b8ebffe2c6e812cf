"""Eyeballs: colours that depend on the distance from the pupil alone.

Lids hide most of an eyeball, the iris included. What is seen of iris and sclera is averaged over
circles around the pupil and painted on the hidden part of the same circle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from flame_fit.flame import FlameAssets
from flame_fit.texture.surface_values import interpolate_vertices, smoothstep
from flame_fit.texture.texel_geometry import EYE_SIDES, TexelGeometry, face_region

RING_COUNT = 48
# Radians from the pupil to the last ring; the lids never open further.
LAST_RING = 1.1
# Weight of the other eye's ring beside the own one's.
OTHER_EYE = 0.02
# Share of a ring that must be seen for its mean to be trusted half.
RING_TRUST = 0.03
# Red over blue between that of the prior's sclera (0) and of the face (1) at which a texel is
# certainly lid, and certainly sclera.
LID_HUE = 0.8
SCLERA_HUE = 0.4
LEAST_HUE_SPAN = 0.2
# Log albedo that an unseen eyeball loses to the shadow of the lids, which smooth light has not.
LID_SHADOW = 0.7
# Log red over blue above the prior's from which sclera turns into a coloured reflection.
SCLERA_BLUE = -0.3
BLUE = -0.6
# Log albedo over that of the face below which a texel is lash or corner, above which sclera.
LASH_BRIGHTNESS = -0.9
SCLERA_BRIGHTNESS = -0.4


@dataclass(frozen=True, eq=False)
class EyeTexels:
    """The texels of one eyeball.

    Attributes:
        row: Rows of the texel geometry.
        ring: Distance from the pupil in rings, at most `RING_COUNT - 1`.
        iris_ring: Where the iris ends.
    """

    row: Int[Tensor, " K"]
    ring: Float[Tensor, " K"]
    iris_ring: float


@dataclass(frozen=True, eq=False)
class EyeSight:
    """What is known of an eyeball's texels.

    Attributes:
        prior: Log albedo without any photo.
        own: Log albedo as seen.
        trust: Confidence in `own`, 0 where it is not seen.
    """

    prior: Float[Tensor, "K 3"]
    own: Float[Tensor, "K 3"]
    trust: Float[Tensor, " K"]


@dataclass(frozen=True, eq=False)
class EyeRings:
    """Colours of one eyeball by distance from the pupil.

    Attributes:
        total: Sum of trusted log albedo in each ring.
        weight: Sum of trust in each ring.
        count: Texels in each ring.
    """

    total: Float[Tensor, "R 3"]
    weight: Float[Tensor, " R"]
    count: Float[Tensor, " R"]


def eye_texels(assets: FlameAssets, texels: TexelGeometry) -> tuple[EyeTexels, ...]:
    """Return the eyeballs of a model that marks eyeballs and irises, none of another model."""
    eyes = []
    for side in EYE_SIDES:
        ball, iris = (face_region(assets, f"{side}_{part}") for part in ("eyeball", "iris"))
        if not (bool(ball.any()) and bool(iris.any())):
            continue
        centre = assets.v_template[assets.faces[ball].unique()].mean(dim=0)
        axis = assets.v_template[assets.faces[iris].unique()].mean(dim=0) - centre
        row = ball.index_select(0, texels.surface.face_index).nonzero()[:, 0]
        position = interpolate_vertices(
            assets.v_template, texels.corners[row], texels.surface.barycentrics[row]
        )
        cosine = functional.cosine_similarity(position - centre, axis[None], dim=1)
        angle = cosine.clamp(-1.0, 1.0).acos()
        ring = (angle / LAST_RING * (RING_COUNT - 1)).clamp_max(RING_COUNT - 1.0)
        in_iris = iris.index_select(0, texels.surface.face_index.index_select(0, row))
        eyes.append(EyeTexels(row, ring, float(ring[in_iris].amax()) if in_iris.any() else 0.0))
    return tuple(eyes)


def complete_eyes(
    eyes: tuple[EyeTexels, ...],
    sights: tuple[EyeSight, ...],
    skin: Float[Tensor, " 3"] | None,
) -> tuple[EyeSight, ...]:
    """Return whole eyeballs: as seen where they are seen, in rings elsewhere.

    Args:
        eyes: The texels.
        sights: What is seen of each.
        skin: Typical log albedo of the face, None where no face is seen.
    """
    likeness = [_sclera_likeness(sight, eye, skin) for eye, sight in zip(eyes, sights, strict=True)]
    rings = [
        ring_colours(sight.own, sight.trust * like.sclera, eye)
        for eye, sight, like in zip(eyes, sights, likeness, strict=True)
    ]
    sights = tuple(
        replace(sight, trust=sight.trust * (1.0 - like.lid))
        for sight, like in zip(sights, likeness, strict=True)
    )
    whole = []
    for index, (eye, sight) in enumerate(zip(eyes, sights, strict=True)):
        other = rings[1 - index] if len(rings) == len(EYE_SIDES) else None
        hidden = fill_eye(sight.prior - LID_SHADOW, rings[index], other, eye)
        colour = torch.lerp(hidden, sight.own, sight.trust[:, None])
        whole.append(replace(sight, own=colour))
    return tuple(whole)


@dataclass(frozen=True, eq=False)
class _Likeness:
    """What texels of an eyeball look like, each 0..1."""

    sclera: Float[Tensor, " K"]
    lid: Float[Tensor, " K"]


def _sclera_likeness(
    sight: EyeSight, eye: EyeTexels, skin: Float[Tensor, " 3"] | None
) -> _Likeness:
    """Tell sclera from lid and lash by colour; inside the iris everything is taken for the eye.

    A lid as fitted never ends at exactly the pixel where it ends in the photo. Lid has the colour
    of the face, sclera is greyer, lashes are darker than both.
    """
    one = torch.ones_like(sight.trust)
    if skin is None:
        return _Likeness(one, torch.zeros_like(one))
    red_over_blue = sight.own[:, 0] - sight.own[:, 2]
    prior = sight.prior[:, 0] - sight.prior[:, 2]
    span = (skin[0] - skin[2] - prior).clamp_min(LEAST_HUE_SPAN)
    grey = smoothstep((red_over_blue - prior) / span, LID_HUE, SCLERA_HUE)
    blue = smoothstep(red_over_blue - prior, SCLERA_BLUE, BLUE)
    bright = smoothstep(sight.own.mean(dim=1) - skin.mean(), LASH_BRIGHTNESS, SCLERA_BRIGHTNESS)
    outside = eye.ring > eye.iris_ring
    lid = torch.where(outside, (1.0 - grey) * bright, 0.0)
    return _Likeness(torch.where(outside, grey * bright * (1.0 - blue), one), lid)


def ring_colours(
    log_albedo: Float[Tensor, "K 3"], trust: Float[Tensor, " K"], eye: EyeTexels
) -> EyeRings:
    """Add up what is seen of an eyeball around the pupil.

    Args:
        log_albedo: Logarithm of the albedo of each texel of the eye.
        trust: Confidence of each, 0 where it is not seen.
        eye: The texels.
    """
    rings = log_albedo.new_zeros(RING_COUNT, 5)
    unit = torch.ones_like(trust)
    columns = torch.cat([log_albedo * trust[:, None], trust[:, None], unit[:, None]], dim=1)
    inner, share = _split(eye.ring)
    rings.index_add_(0, inner, columns * (1.0 - share)[:, None])
    rings.index_add_(0, (inner + 1).clamp_max(RING_COUNT - 1), columns * share[:, None])
    return EyeRings(rings[:, :3], rings[:, 3], rings[:, 4])


def fill_eye(
    log_albedo: Float[Tensor, "K 3"], own: EyeRings, other: EyeRings | None, eye: EyeTexels
) -> Float[Tensor, "K 3"]:
    """Return a whole eyeball in the colours of its rings, as given where no ring was seen.

    Args:
        log_albedo: What to show where nothing is known.
        own: Rings of this eye.
        other: Rings of the other eye, which count where this one is hidden.
        eye: The texels.
    """
    total, weight = own.total, own.weight
    if other is not None:
        total, weight = total + OTHER_EYE * other.total, weight + OTHER_EYE * other.weight
    colour = total / weight.clamp_min(1e-6)[:, None]
    needed = RING_TRUST * OTHER_EYE * own.count
    trust = weight / (weight + needed).clamp_min(1e-6)
    inner, share = _split(eye.ring)
    outer = (inner + 1).clamp_max(RING_COUNT - 1)
    ring = torch.lerp(colour[inner], colour[outer], share[:, None])
    trusted = torch.lerp(trust[inner], trust[outer], share)
    return torch.lerp(log_albedo, ring, trusted[:, None])


def _split(ring: Float[Tensor, " K"]) -> tuple[Tensor, Tensor]:
    """Return the ring below a distance and how far it lies towards the next."""
    inner = ring.floor()
    return inner.to(torch.int64), ring - inner
