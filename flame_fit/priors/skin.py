"""How much each pixel of a crop is bare skin, by place and by the colours of this face."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from flame_fit.image_files import srgb8_to_linear
from flame_fit.priors.face_mesh_topology import CHIN, MOUTH, TOP
from flame_fit.priors.face_regions import face_region, features_of_face, inner_skin, skin_holes
from flame_fit.priors.face_shares import FaceShares
from flame_fit.priors.hair_strands import hair_strands
from flame_fit.priors.skin_colour import (
    colour_features,
    fit_other_colours,
    fit_skin_colour,
    other_log_density,
    skin_log_density,
)

# Colours are judged on a copy in which the face is this high: hair strands still show, noise does
# not.
_FACE_HEIGHT = 160
_SIDE_LIMIT = 640
# How far around the face its surround is sampled, in pixels of that copy.
_SURROUND, _GAP = 40, 5
# Log-odds for skin that the place alone gives: at the rim of the face and beyond (neck, ears),
# where hair and clothes are as likely, and deep inside.
_ODDS_AT_RIM, _ODDS_INSIDE, _RIM_WIDTH = -0.5, 3.0, 25.0
_SMOOTHING_SIGMA = 1.5
# Brows, lips and nostrils take the weight of the skin around them, out to this far.
_FEATURE_SIGMA = 7.0
_MIN_SEEDS = 100
# Share of the inner face that is allowed to look odd: moles, highlights, what covers it.
_ODD_SHARE = 0.05
_HALF = 0.5
# Log-odds that a parsing and, beside it, the colour can give at most: what it is sure of is what it
# says, whatever the colour; where it changes from one thing to another the colour draws the line.
_PARSED_ODDS, _COLOUR_ODDS = 6.0, 2.0


def skin_weight(
    srgb: UInt8[np.ndarray, "H W 3"],
    pixels: Float[np.ndarray, "n 2"],
    *,
    person: Float[np.ndarray, "H W"] | None = None,
    coverage: Float[np.ndarray, "H W"] | None = None,
    shares: FaceShares | None = None,
    exclude_holes: bool = True,
) -> Float[np.ndarray, "H W"]:
    """Weight 0..1 of bare skin for every pixel of a crop; brows and lips count as skin.

    Without a parsing hands in front of the face, which have its colour, are only dropped outside
    the region.

    Args:
        srgb: The crop.
        pixels: Face mesh in crop pixels.
        person: Person mask on the crop.
        coverage: Where the rendered head shows skin; the mesh region with a raised forehead
            without it.
        shares: What a parsing says of the crop.
        exclude_holes: Leave out eye openings and the mouth opening.
    """
    size = srgb.shape[:2]
    region = face_region(pixels, size) if coverage is None else coverage.astype(np.float32)
    if person is not None:
        region = region * person.astype(np.float32)
    scale = min(_FACE_HEIGHT / max(float(np.ptp(pixels[:, 1])), 1.0), _SIDE_LIMIT / max(size))
    if scale >= 1:
        likelihood = skin_likelihood(srgb, pixels, region, shares=shares)
    else:
        small = (round(size[1] * scale), round(size[0] * scale))
        zoom = np.array([small[0] / size[1], small[1] / size[0]])
        likelihood = skin_likelihood(
            _shrunk(srgb, small),
            pixels * zoom,
            _shrunk(region, small),
            shares=None
            if shares is None
            else FaceShares(*(_shrunk(each, small) for each in vars(shares).values())),
        )
        likelihood = cv2.resize(likelihood, size[::-1], interpolation=cv2.INTER_LINEAR)
    weight = region * likelihood
    if not exclude_holes:
        return weight
    holes = skin_holes(pixels, size)
    return weight * (1.0 - (holes if shares is None else np.maximum(holes, shares.inner)))


def skin_likelihood(
    srgb: UInt8[np.ndarray, "H W 3"],
    pixels: Float[np.ndarray, "n 2"],
    region: Float[np.ndarray, "H W"],
    *,
    shares: FaceShares | None = None,
) -> Float[np.ndarray, "H W"]:
    """Probability of skin by colour in a region, 0..1, and by a parsing where there is one.

    The face's own colour is fitted to its inner skin, then to all that looks like it; the colours
    of hair, clothes and background are those of the surround that do not.

    Args:
        srgb: Crop in which the face is about 160 pixels high.
        pixels: Face mesh in crop pixels.
        region: Where skin may be.
        shares: What a parsing, coarser than the crop, says of it.
    """
    size = srgb.shape[:2]
    features = colour_features(srgb8_to_linear(srgb))
    allowed = region if shares is None else region * (shares.skin > _HALF)
    inside = allowed > _HALF
    outline = features_of_face(pixels, size)
    seeds = inner_skin(pixels, size) * allowed > _HALF
    if seeds.sum() < _MIN_SEEDS:
        return np.ones(size, dtype=np.float32) if shares is None else shares.skin
    colour = fit_skin_colour(features, seeds, pixels)
    density = skin_log_density(features, colour)
    typical = float(np.quantile(density[seeds], _ODD_SHARE))
    oval = face_region(pixels, size) > _HALF
    alike = inside & (density > typical) & (outline < _HALF)
    colour = fit_skin_colour(features, alike, pixels)
    density = skin_log_density(features, colour)
    other = fit_other_colours(features, _surround(inside, pixels, density < typical))
    by_colour = density - other_log_density(features, other)
    if shares is not None:
        joined = _joined(shares, by_colour, outline)
        skin = oval & (joined * region > _HALF)
        return joined * (1.0 - _strands(features, skin, shares.hair, pixels, outline))
    depth = cv2.distanceTransform((inside & oval).astype(np.uint8), cv2.DIST_L2, 3)
    odds = _ODDS_AT_RIM + (_ODDS_INSIDE - _ODDS_AT_RIM) * np.minimum(depth / _RIM_WIDTH, 1.0)
    likelihood = _connected(_probability(odds + by_colour), seeds)
    return _fill_features(likelihood, outline)


def _probability(odds: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Log-odds, smoothed, as a probability."""
    odds = cv2.GaussianBlur(np.clip(odds, -12, 12).astype(np.float32), (0, 0), _SMOOTHING_SIGMA)
    return 1.0 / (1.0 + np.exp(-odds))


def _joined(
    shares: FaceShares,
    by_colour: Float[np.ndarray, "H W"],
    outline: Float[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W"]:
    """Probability by parsing and colour together; brows, lips and nostrils go by the parsing."""
    least = 1.0 / (1.0 + np.exp(_PARSED_ODDS))
    factor = np.exp(np.clip(by_colour, -_COLOUR_ODDS, _COLOUR_ODDS))
    alike = shares.skin_coloured
    skin = np.clip(shares.skin, least, 1.0 - least)
    other = np.maximum(1.0 - skin - alike, least)
    # What has skin's colours gains as much as skin where the colours are skin's.
    odds = np.log(skin * factor / (other + alike * factor))
    return (1.0 - outline) * _probability(odds) + outline * shares.skin


def _shrunk(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _strands(
    features: Float[np.ndarray, "H W 3"],
    skin: Bool[np.ndarray, "H W"],
    hair: Float[np.ndarray, "H W"],
    pixels: Float[np.ndarray, "n 2"],
    outline: Float[np.ndarray, "H W"],
) -> Float[np.ndarray, "H W"]:
    """How much of each pixel a strand of hair hides, 0..1."""
    found = hair_strands(features, skin, hair > _HALF, pixels, outline=outline > _HALF)
    if not found.any():
        return np.zeros_like(hair)
    return cv2.blur(cv2.dilate(found.astype(np.float32), np.ones((3, 3))), (3, 3))


def _connected(
    likelihood: Float[np.ndarray, "H W"], seeds: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"]:
    """Drop patches that no skin joins to the inner face: light in hair, a finger, a collar."""
    islands = (likelihood > _HALF).astype(np.uint8)
    count, found = cv2.connectedComponents(islands, connectivity=4)
    labels = np.asarray(found, dtype=np.int32)
    joined = np.zeros(count, dtype=np.float32)
    joined[np.unique(labels[seeds])] = 1.0
    joined[0] = 1.0
    return likelihood * cv2.blur(joined[labels], (3, 3))


def _surround(
    inside: Bool[np.ndarray, "H W"],
    pixels: Float[np.ndarray, "n 2"],
    unlike: Bool[np.ndarray, "H W"],
) -> Bool[np.ndarray, "H W"]:
    """Pixels of what may cover a face: all near it above the mouth, below those unlike skin."""
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
    near = (distance > _GAP) & (distance < _SURROUND)
    up = pixels[TOP] - pixels[CHIN]
    y, x = np.mgrid[0 : inside.shape[0], 0 : inside.shape[1]]
    above = (x - pixels[MOUTH, 0]) * up[0] + (y - pixels[MOUTH, 1]) * up[1] > 0
    return (near & (above | unlike)) | (inside & unlike)


def _fill_features(
    likelihood: Float[np.ndarray, "H W"], outline: Float[np.ndarray, "H W"]
) -> Float[np.ndarray, "H W"]:
    """Give brows, lips, lids and nostrils, of other colours, the weight of their surround."""
    known = 1.0 - outline
    mean = cv2.GaussianBlur(likelihood * known, (0, 0), _FEATURE_SIGMA)
    share = cv2.GaussianBlur(known, (0, 0), _FEATURE_SIGMA)
    return known * likelihood + outline * mean / np.maximum(share, 1e-3)
