"""What was seen in a photo: landmarks and evidence in photo pixels, and crops of it."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from flame_fit.geometry.cameras import Crop
from flame_fit.image_files import Photo, srgb8_to_linear, warp_pixels

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
class FaceEvidence:
    """Everything seen of one face in one photo, in photo pixels.

    Attributes:
        landmarks: One set per source; the first is the one found by the detector.
        box: x0, y0, x1, y1 of the face (chin to mid-forehead).
        score: The detector's probability that this is a face.
        roll: Radians by which the head is turned in the image plane, clockwise on screen.
        person: Where the person is, None where segmentation was switched off.
        detector: The backend that ran, for the report.
    """

    landmarks: tuple[Landmarks, ...]
    box: tuple[float, float, float, float]
    score: float
    roll: float
    person: MaskPatch | None
    detector: str

    @property
    def size(self) -> float:
        """Side of a square as large as the box, in photo pixels."""
        return float(np.sqrt((self.box[2] - self.box[0]) * (self.box[3] - self.box[1])))


@dataclass(frozen=True, eq=False)
class LandmarkTargets:
    """Landmarks of a batch in crop pixels, as a solver reads them.

    Attributes:
        kind: As in `Landmarks`.
        pixels: Crop pixels.
        confidence: 0..1.
        depth: Relative depth in crop pixels, larger is farther; None where unknown.
    """

    kind: LandmarkKind
    pixels: Float[Tensor, "b L 2"]
    confidence: Float[Tensor, "b L"]
    depth: Float[Tensor, "b L"] | None = None


@dataclass(frozen=True, eq=False)
class Observation:
    """The working crop a head is fitted to.

    Attributes:
        image: Linear light, 0..1.
        weight: How much a pixel is bare skin, 0..1.
        landmarks: Point sets in crop pixels.
        crop: Where the crop lies in the photo.
    """

    image: Float[Tensor, "b H W 3"]
    weight: Float[Tensor, "b H W"]
    landmarks: tuple[LandmarkTargets, ...]
    crop: Crop


def working_crop(evidence: FaceEvidence, *, size: int = 512, margin: float = 2.0) -> Crop:
    """A square crop centred on a face; it may leave the photo.

    Args:
        evidence: The face.
        size: Side of the crop in crop pixels.
        margin: Side of the crop over the longer side of the face box.
    """
    x0, y0, x1, y1 = evidence.box
    side = margin * max(x1 - x0, y1 - y0)
    offset = torch.tensor([[(x0 + x1 - side) / 2, (y0 + y1 - side) / 2]], dtype=torch.float32)
    scale = torch.tensor([[size / side]], dtype=torch.float32)
    return Crop(offset=offset, scale=scale, size=(size, size))


def crop_srgb(photo: Photo, crop: Crop) -> UInt8[np.ndarray, "H W 3"]:
    """The sRGB pixels of a crop, filtered when shrunk; edge pixels repeat outside the photo."""
    scale = float(crop.scale.reshape(-1)[0])
    x, y = crop.offset.detach().cpu().double().numpy().reshape(-1, 2)[0]
    shift = -scale * np.array([x, y]) + 0.5 * (scale - 1.0)
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return warp_pixels(photo.srgb, matrix, size=crop.size)


def crop_linear(photo: Photo, crop: Crop) -> Float[np.ndarray, "H W 3"]:
    """The pixels of a crop in linear light."""
    return srgb8_to_linear(crop_srgb(photo, crop))


def targets_on_crop(landmarks: Landmarks, crop: Crop) -> LandmarkTargets:
    """One face's landmarks in the pixels of its crop, as a batch of one."""
    scale = crop.scale.reshape(-1)[0]
    pixels = (
        torch.from_numpy(landmarks.pixels).to(crop.offset) - crop.offset.reshape(-1, 2)[0]
    ) * scale
    depth = None
    if landmarks.depth is not None:
        depth = (torch.from_numpy(landmarks.depth).to(crop.offset) * scale)[None]
    confidence = torch.from_numpy(landmarks.confidence).to(crop.offset)[None]
    return LandmarkTargets(
        kind=landmarks.kind, pixels=pixels[None], confidence=confidence, depth=depth
    )
