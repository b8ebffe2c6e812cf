"""What was seen in a photo: landmarks and evidence in photo pixels, and crops of it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.geometry import SurfacePoints
from flame_fit.geometry.cameras import Crop
from flame_fit.image_files import Photo, warp_pixels

LandmarkKind = Literal["mediapipe478", "mediapipe468", "ibug68"]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Named points of one face in photo pixels.

    Attributes:
        kind: Which points these are: MediaPipe's mesh of 468 with or without ten iris points, or
            iBUG-68.
        pixels: Photo pixels, (0.5, 0.5) the centre of the first.
        confidence: 0 (ignore) to 1 (as good as such a point gets).
        depth: Relative depth in photo pixels, larger is farther from the camera; None where
            unknown.
    """

    kind: LandmarkKind
    pixels: Float[np.ndarray, "L 2"]
    confidence: Float[np.ndarray, "L"]
    depth: Float[np.ndarray, "L"] | None = None


@dataclass(frozen=True, eq=False)
class MaskPatch:
    """A soft mask known on a square part of a photo, zero outside.

    Attributes:
        values: 0..1, rows from the top.
        origin: Photo pixel (x, y) of the patch's upper left corner.
        scale: Photo pixels per mask pixel.
    """

    values: Float[np.ndarray, "h w"]
    origin: Float[np.ndarray, "2"]
    scale: float

    def on_crop(self, crop: Crop) -> Float[np.ndarray, "H W"]:
        """The mask resampled to the pixels of a crop (of one image)."""
        zoom = float(crop.scale.reshape(-1)[0]) * self.scale
        offset = crop.offset.detach().cpu().double().numpy().reshape(-1, 2)[0]
        corner = (self.origin - offset) * float(crop.scale.reshape(-1)[0])
        return self._resampled(zoom, corner, size=crop.size)

    def on_photo(self, photo: Photo) -> Float[np.ndarray, "H W"]:
        """The mask resampled to the pixels of its photo."""
        return self._resampled(self.scale, self.origin, size=(photo.height, photo.width))

    def _resampled(
        self, zoom: float, corner: Float[np.ndarray, "2"], *, size: tuple[int, int]
    ) -> Float[np.ndarray, "H W"]:
        # OpenCV puts pixel centres at whole numbers, this project at halves.
        shift = corner + 0.5 * (zoom - 1.0)
        matrix = np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]])
        return cv2.warpAffine(self.values, matrix, size[::-1], flags=cv2.INTER_LINEAR)


@dataclass(frozen=True, eq=False)
class DenseCorrespondences:
    """Where points all over a head lie in a photo, whether they are seen or hidden.

    Attributes:
        points: Points of a head's surface: as a network tells them OpenHead's, as evidence of a
            fit those of its head model.
        pixels: Where each lies, photo pixels.
        sigma: Standard deviation of that by axis, photo pixels.
        depth: Metres from the neck joint along the camera's axis, larger is farther.
        depth_sigma: Standard deviation of that, metres.
    """

    points: SurfacePoints
    pixels: Float[np.ndarray, "N 2"]
    sigma: Float[np.ndarray, "N"]
    depth: Float[np.ndarray, "N"]
    depth_sigma: Float[np.ndarray, "N"]


@dataclass(frozen=True, eq=False)
class Parsing:
    """What each pixel of a square part of a photo shows.

    Attributes:
        probabilities: Of each label, summing to one; rows from the top.
        labels: Their names, in the order of the first axis.
        origin: Photo pixel (x, y) of the patch's upper left corner.
        scale: Photo pixels per pixel of the patch.
    """

    probabilities: Float[np.ndarray, "C h w"]
    labels: tuple[str, ...]
    origin: Float[np.ndarray, "2"]
    scale: float

    def share(self, labels: Collection[str]) -> MaskPatch:
        """The summed probability of some labels."""
        chosen = [self.labels.index(label) for label in labels]
        return MaskPatch(self.probabilities[chosen].sum(axis=0), self.origin, self.scale)


@dataclass(frozen=True, eq=False)
class FaceEvidence:
    """Everything seen of one face in one photo, in photo pixels.

    Attributes:
        landmarks: One set per source; the first is the one found by the detector.
        box: x0, y0, x1, y1 of the face (chin to mid-forehead).
        score: The detector's probability that this is a face.
        roll: Radians by which the head is turned in the image plane, clockwise on screen.
        person: Where the person is, None where segmentation was switched off.
        detector: The backend that ran, for the report.
        dense: Where points all over the head lie, None where nothing was asked; its points lie on
            the head model that is fitted.
        parsing: What the pixels show, None where no network was asked.
    """

    landmarks: tuple[Landmarks, ...]
    box: tuple[float, float, float, float]
    score: float
    roll: float
    person: MaskPatch | None
    detector: str
    dense: DenseCorrespondences | None = None
    parsing: Parsing | None = None

    @property
    def size(self) -> float:
        """Side of a square as large as the box, in photo pixels."""
        return float(np.sqrt((self.box[2] - self.box[0]) * (self.box[3] - self.box[1])))


def crop_srgb(photo: Photo, crop: Crop) -> UInt8[np.ndarray, "H W 3"]:
    """The sRGB pixels of a crop, filtered when shrunk; edge pixels repeat outside the photo."""
    scale = float(crop.scale.reshape(-1)[0])
    x, y = crop.offset.detach().cpu().double().numpy().reshape(-1, 2)[0]
    shift = -scale * np.array([x, y]) + 0.5 * (scale - 1.0)
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return warp_pixels(photo.srgb, matrix, size=crop.size)
