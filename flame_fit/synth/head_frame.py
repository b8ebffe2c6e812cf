"""Where things are on a head: what props are placed by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.flame import FlameAssets, FlameMesh, FlameModel
from flame_fit.flame.landmarks import HEAD_JOINT
from flame_fit.geometry import points_on_surface

LEFT_EYE_JOINT, RIGHT_EYE_JOINT = 3, 4
EYE_DISTANCE = 0.0632
"""Metres between the eyes of a head of scale 1."""
BEHIND_EYES = 0.065
"""Metres from the eyes to the middle of a head of scale 1."""
ROWS, COLUMNS = 90, 180
"""Directions from the middle of the head for which its radius is known, every 2 degrees."""
LOWEST_SHARE = 0.03
LEAST_WEIGHT = 1e-3
"""Share of known neighbours from which a gap is filled."""
# Points of MediaPipe's face mesh.
BRIDGE, CHIN, FOREHEAD, NOSE_TIP, BETWEEN_BROWS = 168, 152, 10, 1, 9
UPPER_LIP, LOWER_LIP = 13, 14
RIGHT_CHEEK, LEFT_CHEEK = 50, 280
RIGHT_BROW, LEFT_BROW = 105, 334
LEFT_SIDE = 454


@dataclass(frozen=True, eq=False)
class HeadFrame:
    """A posed head in axes that move with it: x to its left, y up, z forward, metres.

    Attributes:
        rotation: World from head axes.
        centre: Middle of the head in world axes, which is the origin of the head's.
        vertices: Head axes.
        landmarks: MediaPipe's points, head axes.
        eyes: Left and right eyeball, head axes.
        neck_ring: Where the neck ends, head axes.
        assets: The model it is a head of.
    """

    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, "3"]
    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "L 3"]
    eyes: Float[np.ndarray, "2 3"]
    neck_ring: Float[np.ndarray, "n 3"]
    assets: FlameAssets

    @classmethod
    def of(cls, model: FlameModel, mesh: FlameMesh) -> HeadFrame:
        """Return the frame of the first head of a batch.

        Raises:
            AssetError: The model has no embedding of MediaPipe's points.
        """
        points = points_on_surface(
            mesh.vertices, mesh.faces, model.landmark_points(mesh, "mediapipe")
        )
        rotation = _array(mesh.joint_rotations[0, HEAD_JOINT])
        eyes = _array(mesh.joints[0, [LEFT_EYE_JOINT, RIGHT_EYE_JOINT]])
        scale = np.linalg.norm(eyes[0] - eyes[1]) / EYE_DISTANCE
        centre = eyes.mean(axis=0) - scale * BEHIND_EYES * rotation[:, 2]
        vertices = (_array(mesh.vertices[0]) - centre) @ rotation
        landmarks = (_array(points[0]) - centre) @ rotation
        return cls(
            rotation=rotation,
            centre=centre,
            vertices=vertices,
            landmarks=landmarks,
            eyes=(eyes - centre) @ rotation,
            neck_ring=_neck_ring(vertices, mesh.faces.cpu().numpy(), landmarks[CHIN]),
            assets=model.assets,
        )

    @property
    def scale(self) -> float:
        """Size of the head; 1 is average."""
        return float(np.linalg.norm(self.eyes[0] - self.eyes[1])) / EYE_DISTANCE

    @property
    def mouth(self) -> Float[np.ndarray, "3"]:
        """Between the lips."""
        return self.landmarks[[UPPER_LIP, LOWER_LIP]].mean(axis=0)

    @property
    def neck_base(self) -> Float[np.ndarray, "3"]:
        """Middle of the end of the neck."""
        return 0.5 * (self.neck_ring.min(axis=0) + self.neck_ring.max(axis=0))

    def neck_half_axes(self) -> Float[np.ndarray, "2"]:
        """Return half the width and half the depth of the neck at its end."""
        return 0.5 * np.ptp(self.neck_ring, axis=0)[[0, 2]]

    @cached_property
    def radius(self) -> Float[np.ndarray, "90 180"]:
        """Distance of the outermost surface from the middle of the head, by direction.

        Rows go from straight up to straight down, columns from the back over the right side, the
        front (the middle) and the left side to the back.
        """
        distance = np.linalg.norm(self.vertices, axis=1)
        elevation = np.arcsin(self.vertices[:, 1] / np.maximum(distance, 1e-9))
        azimuth = np.arctan2(self.vertices[:, 0], self.vertices[:, 2])
        row = np.clip((0.5 - elevation / np.pi) * ROWS, 0, ROWS - 1).astype(int)
        column = ((azimuth / (2 * np.pi) + 0.5) * COLUMNS).astype(int) % COLUMNS
        farthest = np.zeros((ROWS, COLUMNS))
        np.maximum.at(farthest, (row, column), distance)
        return _filled(farthest)

    def radius_at(
        self, azimuth: Float[np.ndarray, "..."], elevation: Float[np.ndarray, "..."]
    ) -> Float[np.ndarray, "..."]:
        """Return the distance of the surface from the middle of the head, metres.

        Args:
            azimuth: Degrees, 0 in front and positive to the head's left.
            elevation: Degrees above the horizontal plane; broadcast against the azimuth.
        """
        wrapped = np.pad(self.radius, ((1, 1), (1, 1)), mode="edge")
        wrapped[1:-1, 0], wrapped[1:-1, -1] = self.radius[:, -1], self.radius[:, 0]
        x = (azimuth / 360.0 + 0.5) * COLUMNS % COLUMNS + 0.5
        y = np.clip((0.5 - elevation / 180.0) * ROWS, 0, ROWS) + 0.5
        shape = np.broadcast_shapes(x.shape, y.shape)
        x, y = (np.broadcast_to(value, shape).reshape(1, -1) for value in (x, y))
        found = cv2.remap(
            wrapped.astype(np.float32),
            x.astype(np.float32),
            y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return found.reshape(shape).astype(np.float64)

    def elevation_of(self, landmark: int) -> float:
        """Return the direction of a landmark above the horizontal plane, degrees."""
        x, y, z = self.landmarks[landmark]
        return float(np.degrees(np.arctan2(y, np.hypot(x, z))))


def directions(
    azimuth: Float[np.ndarray, "..."], elevation: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... 3"]:
    """Return unit vectors in head axes from angles in degrees, broadcast against each other."""
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    flat = np.cos(elevation)
    return np.stack(
        (np.sin(azimuth) * flat, np.sin(elevation) + 0.0 * azimuth, np.cos(azimuth) * flat), -1
    )


def _array(tensor: Tensor) -> Float[np.ndarray, "*n"]:
    return tensor.detach().cpu().double().numpy()


def _neck_ring(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], chin: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "n 3"]:
    """Return the border of the mesh below the chin; of a closed mesh its lowest vertices."""
    edges = np.sort(np.concatenate((faces[:, :2], faces[:, 1:], faces[:, ::2])), axis=1)
    key, count = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_counts=True)
    border = np.unique(np.stack(np.divmod(key[count == 1], len(vertices))))
    ring = vertices[border][vertices[border, 1] < chin[1]]
    if len(ring) > 0:
        return ring
    return vertices[vertices[:, 1] <= np.quantile(vertices[:, 1], LOWEST_SHARE)]


def _filled(field: Float[np.ndarray, "90 180"]) -> Float[np.ndarray, "90 180"]:
    """Spread known (positive) values into the gaps, and smooth a little."""
    known = (field > 0.0).astype(np.float64)
    value = field.copy()
    for sigma in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        if (value > 0.0).all():
            break
        weight = _blur(known, sigma)
        estimate = _blur(field * known, sigma) / np.maximum(weight, 1e-12)
        gap = (value <= 0.0) & (weight > LEAST_WEIGHT)
        value[gap] = estimate[gap]
    return _blur(value, 0.7)


def _blur(field: Float[np.ndarray, "90 180"], sigma: float) -> Float[np.ndarray, "90 180"]:
    margin = min(int(3 * sigma) + 1, COLUMNS // 2)
    wide = np.pad(np.pad(field, ((0, 0), (margin, margin)), mode="wrap"), ((2, 2), (0, 0)), "edge")
    soft = cv2.GaussianBlur(wide, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return soft[2:-2, margin:-margin]
