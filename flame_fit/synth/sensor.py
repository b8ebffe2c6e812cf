"""From light to a file: exposure, colour cast, blur, noise, sRGB, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.appearance import linear_to_srgb
from flame_fit.errors import UsageError

MINIMUM_QUALITY, MAXIMUM_QUALITY = 1, 100
BYTE_RANGE = 255.0
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of sRGB values."""
SHAKEN, COMPRESSED = 0.15, 0.7
"""Shares of pictures with motion blur and with JPEG compression."""

GREY, COARSE, GRADED = 0.06, 0.3, 0.5
"""Shares of rough pictures without colour, of low resolution, with changed contrast or colour."""


@dataclass(frozen=True)
class Sensor:
    """A camera's faults; the default has none.

    Attributes:
        exposure: Factor on all light; what goes beyond 1 is clipped.
        cast: Factors on red, green and blue.
        blur: Standard deviation of the defocus, pixels.
        shake: Length of the motion blur, pixels.
        shake_direction: Of the motion, radians from the right downwards.
        shot_noise: Standard deviation at full light; it falls with the root of the light.
        read_noise: Standard deviation in the dark, as a share of full light.
        jpeg_quality: 1 to 100; None for no compression.
        seed: Source of the noise.
        resolution: Share of the picture's resolution that is real.
        contrast: Factor on the distance of sRGB values from their middle.
        saturation: Factor on the distance of sRGB colours from grey; 0 is a grey picture.
    """

    exposure: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    shake: float = 0.0
    shake_direction: float = 0.0
    shot_noise: float = 0.0
    read_noise: float = 0.0
    jpeg_quality: int | None = None
    seed: int = 0
    resolution: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        quality = self.jpeg_quality
        if quality is not None and not MINIMUM_QUALITY <= quality <= MAXIMUM_QUALITY:
            raise UsageError(f"jpeg_quality is {quality}; give 1 to 100, or None")
        if not 0.0 < self.resolution <= 1.0:
            raise UsageError(f"resolution is {self.resolution}; give a share above 0, at most 1")
        names = ("exposure", "blur", "shake", "shot_noise", "read_noise", "contrast", "saturation")
        for name in names:
            if getattr(self, name) < 0.0:
                raise UsageError(f"{name} is {getattr(self, name)}; it cannot be negative")


def develop(linear: Float[np.ndarray, "H W 3"], sensor: Sensor) -> UInt8[np.ndarray, "H W 3"]:
    """Return the sRGB picture that a sensor makes of light.

    Args:
        linear: Light, 1 is where a perfect sensor at exposure 1 clips.
        sensor: Its faults.
    """
    light = np.maximum(linear.astype(np.float64), 0.0) * sensor.exposure
    light = light * np.asarray(sensor.cast)
    if sensor.blur > 0.0:
        light = cv2.GaussianBlur(light, (0, 0), sensor.blur, borderType=cv2.BORDER_REPLICATE)
    if sensor.shake > 0.0:
        light = cv2.filter2D(light, -1, _streak(sensor), borderType=cv2.BORDER_REPLICATE)
    # Brighter light than full scale still fills the well: noise comes before the clip.
    if sensor.shot_noise > 0.0 or sensor.read_noise > 0.0:
        generator = np.random.default_rng(sensor.seed)
        deviation = np.sqrt(sensor.shot_noise**2 * light + sensor.read_noise**2)
        light = light + deviation * generator.standard_normal(light.shape)
    srgb = linear_to_srgb(light.clip(0.0, 1.0)) * BYTE_RANGE
    pixels = _graded(srgb, sensor).round().astype(np.uint8)
    return pixels if sensor.jpeg_quality is None else _compressed(pixels, sensor.jpeg_quality)


def _graded(srgb: Float[np.ndarray, "H W 3"], sensor: Sensor) -> Float[np.ndarray, "H W 3"]:
    """Return the picture with its resolution, contrast and saturation."""
    if sensor.resolution < 1.0:
        height, width = srgb.shape[:2]
        small = (
            max(round(width * sensor.resolution), 1),
            max(round(height * sensor.resolution), 1),
        )
        srgb = cv2.resize(srgb, small, interpolation=cv2.INTER_AREA)
        srgb = cv2.resize(srgb, (width, height), interpolation=cv2.INTER_LINEAR)
    if sensor.contrast != 1.0:
        srgb = 0.5 * BYTE_RANGE + sensor.contrast * (srgb - 0.5 * BYTE_RANGE)
    if sensor.saturation != 1.0:
        grey = (srgb @ np.asarray(LUMA))[..., None]
        srgb = grey + sensor.saturation * (srgb - grey)
    return srgb.clip(0.0, BYTE_RANGE)


def random_sensor(generator: np.random.Generator) -> Sensor:
    """Return an ordinary camera: most pictures are decent, some are dark, soft or noisy."""
    noise = float(np.exp(generator.normal(-4.6, 0.7)))
    return Sensor(
        exposure=float(np.exp(generator.normal(0.0, 0.2))),
        cast=tuple(np.exp(generator.normal(0.0, 0.05, 3)).tolist()),
        blur=float(max(generator.normal(0.2, 0.4), 0.0)),
        shake=float(generator.uniform(1.5, 5.0)) if generator.random() < SHAKEN else 0.0,
        shake_direction=float(generator.uniform(0.0, np.pi)),
        shot_noise=2.0 * noise,
        read_noise=0.3 * noise,
        jpeg_quality=int(generator.integers(60, 98)) if generator.random() < COMPRESSED else None,
        seed=int(generator.integers(2**31)),
    )


def random_rough_sensor(generator: np.random.Generator) -> Sensor:
    """Return a camera of a wider range than `random_sensor`: also coarse, grey or pale pictures."""
    noise = float(np.exp(generator.normal(-4.3, 0.9)))
    chance = generator.random(6)
    coarse = generator.uniform(0.25, 0.9)
    saturation = 0.0 if chance[0] < GREY else float(generator.uniform(0.5, 1.4))
    return Sensor(
        exposure=float(np.exp(generator.normal(0.0, 0.35))),
        cast=tuple(np.exp(generator.normal(0.0, 0.10, 3)).tolist()),
        blur=float(max(generator.normal(0.1, 0.7), 0.0)),
        shake=float(generator.uniform(1.5, 6.0)) if chance[1] < SHAKEN else 0.0,
        shake_direction=float(generator.uniform(0.0, np.pi)),
        shot_noise=2.0 * noise,
        read_noise=0.3 * noise,
        jpeg_quality=int(generator.integers(25, 98)) if chance[2] < COMPRESSED else None,
        seed=int(generator.integers(2**31)),
        resolution=float(coarse) if chance[3] < COARSE else 1.0,
        contrast=float(generator.uniform(0.7, 1.3)) if chance[4] < GRADED else 1.0,
        saturation=saturation if chance[5] < GRADED or saturation == 0.0 else 1.0,
    )


def _streak(sensor: Sensor) -> Float[np.ndarray, "n n"]:
    """Return the kernel of a straight motion, filtered so that any length and direction works."""
    half = int(np.ceil(sensor.shake / 2.0)) + 1
    row, column = np.mgrid[-half : half + 1, -half : half + 1]
    along = np.cos(sensor.shake_direction) * column + np.sin(sensor.shake_direction) * row
    across = -np.sin(sensor.shake_direction) * column + np.cos(sensor.shake_direction) * row
    inside = np.clip(0.5 * sensor.shake + 0.5 - np.abs(along), 0.0, 1.0)
    kernel = inside * np.clip(1.0 - np.abs(across), 0.0, 1.0)
    return kernel / kernel.sum()


def _compressed(pixels: UInt8[np.ndarray, "H W 3"], quality: int) -> UInt8[np.ndarray, "H W 3"]:
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])
