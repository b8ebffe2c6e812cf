"""Colours of one face and of what surrounds it, as densities over log luminance and chroma."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

# Added to linear values before the logarithm: below it noise, not colour, is seen.
_NOISE_FLOOR = 0.01
# Standard deviations no colour falls below, in natural logarithms: luminance, chroma, chroma.
_FLOORS = np.array([0.22, 0.09, 0.09])
# Shadows darken skin far more often than lights brighten it, without changing its colour.
_DARKER_SCALE = 2.0
# How much the chroma may differ more for each unit of log luminance above the expected.
_HIGHLIGHT = 4.0
_SAMPLES = 3000
_ROUNDS = 8
# A quadratic bends itself to a hand or a fringe before it is found to be one: constants come first.
_CONSTANT_ROUNDS = 2
_RIDGE = 3e-3
_OTHER_COUNT = 5
_OTHER_FLOOR = 0.12
# Log density of a colour never seen in the surround; skin more than four deviations off is nothing
# known.
_UNKNOWN = -6.0


@dataclass(frozen=True, eq=False)
class SkinColour:
    """The colour of one face: channels that vary smoothly over it, and how much they scatter.

    Attributes:
        centre: Where x = y = 0 of the surface lies, crop pixels.
        radius: Half the face's size; coordinates are clamped to this distance from the centre.
        surface: Quadratic coefficients of log luminance and two log chroma channels.
        sigma: Standard deviations about the surface.
    """

    centre: Float[np.ndarray, "2"]
    radius: float
    surface: Float[np.ndarray, "6 3"]
    sigma: Float[np.ndarray, "3"]


@dataclass(frozen=True, eq=False)
class OtherColours:
    """Colours of the surround as a mixture of Gaussians with diagonal covariances."""

    share: Float[np.ndarray, "k"]
    mean: Float[np.ndarray, "k 3"]
    sigma: Float[np.ndarray, "k 3"]


def colour_features(linear: Float[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W 3"]:
    """Log luminance, log red over green and log blue over green, lightly smoothed."""
    logs = np.log(cv2.GaussianBlur(linear, (0, 0), 0.8) + np.float32(_NOISE_FLOOR))
    red, green, blue = logs[..., 0], logs[..., 1], logs[..., 2]
    return np.stack([(red + green + blue) / 3, red - green, blue - green], axis=-1)


def fit_skin_colour(
    features: Float[np.ndarray, "H W 3"],
    seeds: Bool[np.ndarray, "H W"],
    pixels: Float[np.ndarray, "n 2"],
) -> SkinColour:
    """The colour of the face from pixels most of which are skin, by re-weighted least squares."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    centre, radius = (low + high) / 2, float((high - low).max() / 2)
    rows, columns = np.nonzero(seeds)
    step = max(1, len(rows) // _SAMPLES)
    rows, columns = rows[::step], columns[::step]
    design = _quadratic(columns + 0.5, rows + 0.5, centre=centre, radius=radius)
    values = features[rows, columns].astype(np.float64)
    weight, sigma = np.ones(len(values)), _FLOORS
    surface = np.zeros((design.shape[1], 3))
    for iteration in range(_ROUNDS):
        used = 1 if iteration < _CONSTANT_ROUNDS else design.shape[1]
        part = design[:, :used]
        ridge = _RIDGE * len(values) * np.diag([0.0, *[1.0] * (used - 1)])
        normal = part.T @ (weight[:, None] * part) + ridge
        # The ridge pulls towards a constant surface, so values are taken about their median.
        middle = np.median(values, axis=0)
        surface = np.zeros_like(surface)
        surface[:used] = np.linalg.solve(normal, part.T @ (weight[:, None] * (values - middle)))
        surface[0] += middle
        residual = values - design @ surface
        sigma = np.maximum(1.4826 * np.median(np.abs(residual), axis=0), _FLOORS)
        weight = 1.0 / (1.0 + ((residual / sigma) ** 2).mean(axis=1)) ** 2
    return SkinColour(centre=centre, radius=radius, surface=surface, sigma=sigma)


def skin_log_density(
    features: Float[np.ndarray, "H W 3"], colour: SkinColour
) -> Float[np.ndarray, "H W"]:
    """Log density of each colour under the face's, in the units of `other_log_density`."""
    height, width = features.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    centre = colour.centre.astype(np.float32)
    design = _quadratic(x.ravel(), y.ravel(), centre=centre, radius=np.float32(colour.radius))
    expected = (design @ colour.surface.astype(np.float32)).reshape(features.shape)
    deviation = (features - expected) / colour.sigma.astype(np.float32)
    # Highlights lose their colour; a pixel brighter than its surround may be paler too.
    pale = 1.0 + _HIGHLIGHT * np.maximum(features[..., :1] - expected[..., :1], 0.0)
    deviation[..., 1:] /= pale
    darker = deviation[..., 0] < 0
    deviation[..., 0] = np.where(darker, deviation[..., 0] / _DARKER_SCALE, deviation[..., 0])
    spread = np.log(colour.sigma).sum() + np.log((1 + _DARKER_SCALE) / 2)
    return -0.5 * (deviation**2).sum(axis=-1) - np.float32(spread)


def fit_other_colours(
    features: Float[np.ndarray, "H W 3"], mask: Bool[np.ndarray, "H W"]
) -> OtherColours | None:
    """The colours of the pixels in a mask in a few clusters; None if there are too few."""
    values = features[mask]
    values = np.ascontiguousarray(values[:: max(1, len(values) // _SAMPLES)], dtype=np.float32)
    if len(values) < 10 * _OTHER_COUNT:
        return None
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 10, 0.01)
    # Starts are spread over the luminance so that the clusters do not depend on a random seed.
    order = np.argsort(values[:, 0], kind="stable")
    start = np.empty(len(values), dtype=np.int32)
    start[order] = np.arange(len(values)) * _OTHER_COUNT // len(values)
    flags = cv2.KMEANS_USE_INITIAL_LABELS
    _, labels, mean = cv2.kmeans(values, _OTHER_COUNT, start[:, None], criteria, 1, flags)
    groups = [values[labels[:, 0] == k] for k in range(_OTHER_COUNT)]
    sigma = [group.std(axis=0) if len(group) else np.ones(3) for group in groups]
    share = np.array([len(group) / len(values) for group in groups])
    return OtherColours(share=share, mean=mean, sigma=np.maximum(np.stack(sigma), _OTHER_FLOOR))


def other_log_density(
    features: Float[np.ndarray, "H W 3"], other: OtherColours | None
) -> Float[np.ndarray, "H W"]:
    """Log density under the surround's colours, with a floor for colours seen nowhere."""
    density = np.full(features.shape[:2], np.exp(_UNKNOWN), dtype=np.float32)
    if other is not None:
        for share, mean, sigma in zip(other.share, other.mean, other.sigma, strict=True):
            deviation = (features - mean.astype(np.float32)) / sigma.astype(np.float32)
            height = share / float(np.prod(sigma))
            density += np.float32(height) * np.exp(-0.5 * (deviation**2).sum(axis=-1))
    return np.log(density)


def _quadratic(
    x: Float[np.ndarray, "n"],
    y: Float[np.ndarray, "n"],
    *,
    centre: Float[np.ndarray, "2"],
    radius: float | np.floating,
) -> Float[np.ndarray, "n 6"]:
    u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
    # Outside the face the surface keeps its value at the rim: a parabola would run away.
    shrink = 1.0 / np.maximum(np.sqrt(u * u + v * v), 1.0)
    u, v = u * shrink, v * shrink
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
