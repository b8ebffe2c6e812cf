"""Distances between landmarks of the head, and a published survey of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

MEASURES = (
    "face_length_menton_sellion",
    "bizygomatic_breadth",
    "bigonial_breadth",
    "head_breadth",
    "head_length",
    "minimum_frontal_breadth",
    "nose_length_subnasale_sellion",
    "nose_breadth",
    "nose_protrusion",
    "lip_length",
    "interpupillary_distance",
    "menton_crown_length",
)
SURVEY_MILLIMETRES = (
    ((122.7, 7.0), (113.4, 6.1)),
    ((143.5, 6.9), (135.1, 6.5)),
    ((120.4, 10.4), (110.1, 8.9)),
    ((153.0, 6.0), (146.8, 5.6)),
    ((197.3, 7.4), (187.5, 7.2)),
    ((105.5, 5.7), (102.9, 5.4)),
    ((52.0, 4.1), (48.2, 3.8)),
    ((36.6, 4.1), (33.2, 3.9)),
    ((21.1, 2.7), (19.8, 2.7)),
    ((51.1, 4.2), (48.0, 4.0)),
    ((64.5, 3.6), (61.9, 3.5)),
    ((232.0, 8.6), (218.0, 8.9)),
)
"""Mean and standard deviation of men, then of women, for each measure.

As quoted from Zhuang and Bradtmiller, "Head-and-face anthropometric survey of U.S. respirator
users", J. Occup. Environ. Hyg. 2 (2005) 567-576. The article itself could not be opened when this
was written; the values are quoted from memory of its table. The survey has no vertical size of the
whole head: `menton_crown_length` stands in for it, with round values in the range of ANSUR (Gordon
et al., 1988 Anthropometric Survey of U.S. Army Personnel, Natick TR-89/044), also from memory.
"""
CORRELATIONS = (
    ("face_length_menton_sellion", "nose_length_subnasale_sellion", 0.55),
    ("face_length_menton_sellion", "head_length", 0.30),
    ("face_length_menton_sellion", "bizygomatic_breadth", 0.20),
    ("face_length_menton_sellion", "bigonial_breadth", 0.20),
    ("face_length_menton_sellion", "lip_length", 0.20),
    ("face_length_menton_sellion", "interpupillary_distance", 0.20),
    ("menton_crown_length", "face_length_menton_sellion", 0.60),
    ("menton_crown_length", "nose_length_subnasale_sellion", 0.35),
    ("menton_crown_length", "head_length", 0.40),
    ("menton_crown_length", "head_breadth", 0.25),
    ("menton_crown_length", "bizygomatic_breadth", 0.25),
    ("menton_crown_length", "interpupillary_distance", 0.20),
    ("bizygomatic_breadth", "bigonial_breadth", 0.60),
    ("bizygomatic_breadth", "head_breadth", 0.65),
    ("bizygomatic_breadth", "head_length", 0.25),
    ("bizygomatic_breadth", "minimum_frontal_breadth", 0.50),
    ("bizygomatic_breadth", "nose_breadth", 0.30),
    ("bizygomatic_breadth", "lip_length", 0.30),
    ("bizygomatic_breadth", "interpupillary_distance", 0.45),
    ("bigonial_breadth", "head_breadth", 0.40),
    ("bigonial_breadth", "head_length", 0.20),
    ("bigonial_breadth", "minimum_frontal_breadth", 0.35),
    ("bigonial_breadth", "nose_breadth", 0.30),
    ("bigonial_breadth", "lip_length", 0.30),
    ("bigonial_breadth", "interpupillary_distance", 0.30),
    ("head_breadth", "head_length", 0.20),
    ("head_breadth", "minimum_frontal_breadth", 0.50),
    ("head_breadth", "interpupillary_distance", 0.35),
    ("head_length", "minimum_frontal_breadth", 0.25),
    ("head_length", "nose_protrusion", 0.15),
    ("head_length", "interpupillary_distance", 0.25),
    ("minimum_frontal_breadth", "interpupillary_distance", 0.35),
    ("nose_length_subnasale_sellion", "nose_protrusion", 0.25),
    ("nose_breadth", "nose_protrusion", -0.25),
    ("nose_breadth", "lip_length", 0.45),
    ("nose_breadth", "interpupillary_distance", 0.30),
    ("lip_length", "interpupillary_distance", 0.30),
)
"""Correlations within a sex, rounded to 0.05, typical of published head surveys; others are 0.

They stand in for the survey's own matrix, which the article does not print in full.
"""


@dataclass(frozen=True)
class DistancePairs:
    """Measures as distances between two vertices.

    Attributes:
        names: Name of each measure.
        vertices: The two ends of each measure.
        axes: Ones for the axes that count: all three, or y alone for a vertical distance.
    """

    names: tuple[str, ...]
    vertices: Int[np.ndarray, "k 2"]
    axes: Float[np.ndarray, "k 3"]


@dataclass(frozen=True)
class Survey:
    """Published statistics of the measures, metres.

    Attributes:
        men: Means of men.
        women: Means of women.
        covariance: Covariance within a sex, averaged over the sexes.
    """

    men: Float[np.ndarray, " k"]
    women: Float[np.ndarray, " k"]
    covariance: Float[np.ndarray, "k k"]

    def pooled_deviation(self) -> Float[np.ndarray, " k"]:
        """Standard deviations of men and women taken together in equal parts."""
        return np.sqrt(np.diag(self.covariance) + ((self.women - self.men) / 2) ** 2)


def published_survey() -> Survey:
    """The survey as numbers."""
    table = np.array(SURVEY_MILLIMETRES) / 1000.0
    correlation = np.eye(len(MEASURES))
    for first, second, value in CORRELATIONS:
        i, j = MEASURES.index(first), MEASURES.index(second)
        correlation[i, j] = correlation[j, i] = value
    deviation = np.sqrt((table[:, :, 1] ** 2).mean(axis=1))
    return Survey(
        men=table[:, 0, 0],
        women=table[:, 1, 0],
        covariance=correlation * np.outer(deviation, deviation),
    )


def distances(
    vertices: Float[np.ndarray, "*n V 3"], pairs: DistancePairs
) -> Float[np.ndarray, "*n k"]:
    """The measures of one or many heads, metres."""
    ends = vertices[..., pairs.vertices, :]
    return np.linalg.norm((ends[..., 0, :] - ends[..., 1, :]) * pairs.axes, axis=-1)


def gradients(
    vertices: Float[np.ndarray, "V 3"], pairs: DistancePairs
) -> Float[np.ndarray, "k V 3"]:
    """Derivative of every measure by every vertex."""
    slopes = np.zeros((len(pairs.vertices), *vertices.shape))
    for index, (a, b) in enumerate(pairs.vertices):
        unit = (vertices[a] - vertices[b]) * pairs.axes[index]
        unit = unit / np.linalg.norm(unit)
        slopes[index, a] += unit
        slopes[index, b] -= unit
    return slopes


@dataclass(frozen=True)
class LandmarkInputs:
    """What the landmark rules look at.

    Attributes:
        vertices: A symmetric adult head, metres, the middle of the eyes 30 mm above and 25 mm ahead
            of the origin.
        normals: Unit vertex normals.
        skin: Skin without the ears.
        mirror: Vertex on the other side.
        lip_corner: Left end of the lips' seam.
        eye_fronts: Front poles of the left and the right eyeball.
    """

    vertices: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    skin: Bool[np.ndarray, " V"]
    mirror: Int[np.ndarray, " V"]
    lip_corner: int
    eye_fronts: tuple[int, int]


def find_landmarks(head: LandmarkInputs) -> DistancePairs:
    """The ends of every measure, by the definition of its landmarks.

    The windows are metres in the frame of `LandmarkInputs`; they only separate one bump or hollow
    from the next, the landmark itself is an extreme inside its window.
    """
    x, y, z = head.vertices.T
    midline = head.skin & (head.mirror == np.arange(len(x)))
    front = midline & _between(z, 0.02, np.inf)
    left = head.skin & (x > 0)

    def extreme(window: Bool[np.ndarray, " V"], key: Float[np.ndarray, " V"]) -> int:
        return int(np.flatnonzero(window)[np.argmax(np.round(key[window], 6))])

    pronasale = extreme(front & _between(y, -0.03, 0.01), z)
    sellion = extreme(front & _between(y, 0.02, 0.042), -z)
    subnasale = extreme(front & _between(y, y[pronasale] - 0.02, y[pronasale] - 0.006), -z)
    glabella = extreme(front & _between(y, 0.04, 0.066), z)
    chin_direction = np.deg2rad(25)
    menton = extreme(
        front & _between(y, -np.inf, -0.06),
        -np.cos(chin_direction) * y + np.sin(chin_direction) * z,
    )
    back = extreme(
        midline & (z < 0) & _between(y, 0.02, np.inf), np.hypot(z - z[glabella], y - y[glabella])
    )
    zygion = extreme(left & _between(y, -0.012, 0.010) & _between(z, -0.025, 0.01), x)
    gonion = extreme(left & _between(y, -0.068, -0.058) & _between(z, -0.042, -0.012), x)
    euryon = extreme(left & _between(y, 0.03, np.inf), x)
    facing_aside = head.normals[:, 0] > 0.85  # noqa: PLR2004
    ahead = _between(z, 0.035, np.inf) & _between(x, 0.0, 0.03)
    wing = left & _between(y, -0.022, -0.003) & ahead & facing_aside
    alare = extreme(wing, x)
    turning = -np.abs(head.normals[:, 0] - head.normals[:, 2])
    temple = extreme(
        left & _between(y, 0.042, 0.056) & (z > 0) & _between(x, 0.04, np.inf), turning
    )
    mirror = head.mirror
    ends = (
        (menton, sellion),
        (zygion, mirror[zygion]),
        (gonion, mirror[gonion]),
        (euryon, mirror[euryon]),
        (glabella, back),
        (temple, mirror[temple]),
        (subnasale, sellion),
        (alare, mirror[alare]),
        (pronasale, subnasale),
        (head.lip_corner, mirror[head.lip_corner]),
        head.eye_fronts,
        (menton, extreme(midline, y)),
    )
    axes = np.ones((len(MEASURES), 3))
    axes[MEASURES.index("menton_crown_length")] = (0.0, 1.0, 0.0)
    return DistancePairs(MEASURES, np.array(ends, dtype=np.int64), axes)


def _between(values: Float[np.ndarray, " V"], low: float, high: float) -> Bool[np.ndarray, " V"]:
    return (values > low) & (values < high)
