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
SHAKEN, COMPRESSED = 0.15, 0.7
"""Shares of pictures with motion blur and with JPEG compression."""


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

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        quality = self.jpeg_quality
        if quality is not None and not MINIMUM_QUALITY <= quality <= MAXIMUM_QUALITY:
            raise UsageError(f"jpeg_quality is {quality}; give 1 to 100, or None")
        for name in ("exposure", "blur", "shake", "shot_noise", "read_noise"):
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
    pixels = srgb.round().astype(np.uint8)
    return pixels if sensor.jpeg_quality is None else _compressed(pixels, sensor.jpeg_quality)


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
