"""What may happen to a picture before a network sees it, so that renders pass for photographs."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

# Shares of pictures to which each thing happens.
JPEG_SHARE, GREY_SHARE, SOFT_SHARE, SHARP_SHARE, SMALL_SHARE = 0.5, 0.08, 0.35, 0.2, 0.35
NOISE_SHARE, COLOURED_NOISE, BLOTCHY_NOISE, WINDOW_SHARE = 0.5, 0.6, 0.4, 0.3


def changed_colours(
    image: Float[np.ndarray, "S S 3"], generator: np.random.Generator
) -> Float[np.ndarray, "S S 3"]:
    """Return a picture (0..1) in other light, by another camera.

    Args:
        image: sRGB.
        generator: Of the choices.
    """
    gain = np.exp(generator.normal(0.0, 0.12, 3) + generator.normal(0.0, 0.25)).astype(np.float32)
    image = image * gain
    image = np.clip(image, 1e-4, None) ** np.float32(np.exp(generator.normal(0.0, 0.25)))
    middle = np.float32(image.mean())
    image = middle + (image - middle) * np.float32(np.exp(generator.normal(0.0, 0.25)))
    grey = image.mean(axis=-1, keepdims=True)
    colourful = 0.0 if generator.random() < GREY_SHARE else np.exp(generator.normal(0.0, 0.3))
    image = grey + (image - grey) * np.float32(min(colourful, 2.0))
    if generator.random() < WINDOW_SHARE:
        image = image + _gradient(image.shape[0], generator)[..., None]
    return np.clip(image, 0.0, 1.0)


def through_a_camera(
    image: Float[np.ndarray, "S S 3"], generator: np.random.Generator
) -> UInt8[np.ndarray, "S S 3"]:
    """Return a picture blurred, shrunk, noisy and compressed.

    Args:
        image: sRGB, 0..1.
        generator: Of the choices.
    """
    size = image.shape[0]
    if generator.random() < SOFT_SHARE:
        image = cv2.GaussianBlur(image, (0, 0), float(generator.uniform(0.3, 1.8)))
    if generator.random() < SMALL_SHARE:
        small = int(size * generator.uniform(0.3, 0.9))
        image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    if generator.random() < SHARP_SHARE:
        soft = cv2.GaussianBlur(image, (0, 0), 1.5)
        image = image + np.float32(generator.uniform(0.2, 1.0)) * (image - soft)
    if generator.random() < NOISE_SHARE:
        sigma = np.float32(np.exp(generator.uniform(np.log(0.004), np.log(0.06))))
        grains = 3 if generator.random() < COLOURED_NOISE else 1
        noise = generator.standard_normal((size, size, grains), dtype=np.float32)
        if generator.random() < BLOTCHY_NOISE:
            noise = cv2.GaussianBlur(noise, (0, 0), 0.8).reshape(size, size, grains) * 2.0
        image = image + sigma * noise
    pixels = np.clip(image * 255.0 + 0.5, 0, 255).astype(np.uint8)
    if generator.random() < JPEG_SHARE:
        quality = int(generator.uniform(25, 95))
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return pixels


def blob(size: int, generator: np.random.Generator) -> Float[np.ndarray, "S S"]:
    """Return a soft mask of a random round or angular shape somewhere in a square."""
    corners = int(generator.integers(3, 9))
    angle = np.sort(generator.uniform(0.0, 2.0 * np.pi, corners))
    radius = size * generator.uniform(0.04, 0.2) * generator.uniform(0.5, 1.5, corners)
    stretch = np.exp(generator.normal(0.0, 0.5))
    centre = size * generator.uniform(0.1, 0.9, 2)
    outline = centre + np.stack(
        [radius * np.cos(angle) * stretch, radius * np.sin(angle) / stretch], axis=1
    )
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], (1.0,))
    return cv2.GaussianBlur(mask, (0, 0), float(generator.uniform(0.5, 2.0)))


def _gradient(size: int, generator: np.random.Generator) -> Float[np.ndarray, "S S"]:
    """Return light that falls off over a picture, as through a window."""
    direction = generator.standard_normal(2)
    direction /= np.linalg.norm(direction)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    return (generator.uniform(0.05, 0.35) * (x * direction[0] + y * direction[1])).astype(
        np.float32
    )
