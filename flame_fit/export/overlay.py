"""The overview picture of a fit: photo, render over photo, shape and texture side by side."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from flame_fit.export.scene import OverlayImages

PANEL_HEIGHT = 512
GAP = 8
CAPTION_HEIGHT = 36
FONT_SIZE = 18
BACKGROUND = (24, 26, 30)
CAPTION_COLOUR = (214, 217, 222)
STUDIO_TOP = np.array([86.0, 92.0, 102.0])
STUDIO_BOTTOM = np.array([38.0, 41.0, 47.0])
DOT_COLOUR = (120, 255, 170)
DOT_RADIUS = 1.3
# Dots are drawn this many times larger and averaged down, which makes their edges smooth.
DOT_OVERSAMPLING = 4
DOT_OPACITY = 0.75
# Share of a heat colour that is left where the clay is black.
SHADE_FLOOR = 0.35
# Coverage from which a pixel counts as the head's own.
OPAQUE = 0.99


def compose_overlay(
    images: OverlayImages,
    texture: UInt8[np.ndarray, "U U 3"],
    *,
    panel_height: int = PANEL_HEIGHT,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the captioned row of four panels of one height.

    Args:
        images: Photo, render and clay shape of one size.
        texture: sRGB texture, row 0 is v = 1.
        panel_height: Of every panel in pixels; each keeps its aspect.
    """
    render = over_photo(images)
    panels = [
        _fit_height(images.photo, panel_height),
        _with_dots(_fit_height(render, panel_height), images, scale=panel_height / len(render)),
        _fit_height(_on_studio(images), panel_height),
        _fit_height(texture, panel_height),
    ]
    return _row(panels, ("photo", "fit", _shape_caption(images), "texture"))


def over_photo(images: OverlayImages) -> UInt8[np.ndarray, "h w 3"]:
    """Return the render laid over the photo by its coverage."""
    return _mix(images.render, images.photo, images.coverage)


def _on_studio(images: OverlayImages) -> UInt8[np.ndarray, "h w 3"]:
    """Return the clay shape before a soft vertical gradient."""
    height, width = images.coverage.shape
    position = np.linspace(0.0, 1.0, height)[:, None, None]
    backdrop = STUDIO_TOP * (1.0 - position) + STUDIO_BOTTOM * position
    return _mix(
        _tinted_shape(images), np.broadcast_to(backdrop, (height, width, 3)), images.coverage
    )


def _tinted_shape(images: OverlayImages) -> UInt8[np.ndarray, "h w 3"]:
    """Return the clay shape, coloured by how unsure it is if that is given."""
    if images.deviation_mm is None:
        return images.shape
    share = np.clip(images.deviation_mm / _full_scale(images), 0.0, 1.0)
    levels = np.round(255.0 * share).astype(np.uint8)
    heat = np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO))[..., ::-1]
    shade = images.shape.astype(np.float32).mean(axis=-1, keepdims=True) / 255.0
    return np.round(heat * (SHADE_FLOOR + (1.0 - SHADE_FLOOR) * shade)).astype(np.uint8)


def _full_scale(images: OverlayImages) -> float:
    """Return the deviation, in millimetres, that has the brightest colour."""
    inside = images.deviation_mm[images.coverage > OPAQUE]  # type: ignore[index]
    return max(float(inside.max()), 1e-3) if len(inside) else 1.0


def _shape_caption(images: OverlayImages) -> str:
    if images.deviation_mm is None:
        return "shape"
    return f"deviation, black 0 to yellow {_full_scale(images):.1f} mm"


def _mix(
    front: np.ndarray, back: np.ndarray, coverage: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    alpha = np.clip(coverage, 0.0, 1.0)[..., None].astype(np.float32)
    return np.round(front * alpha + back * (1.0 - alpha)).astype(np.uint8)


def _fit_height(image: UInt8[np.ndarray, "h w 3"], height: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    scale = height / image.shape[0]
    if scale == 1.0:
        return image
    width = max(round(image.shape[1] * scale), 1)
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    )


def _with_dots(
    panel: UInt8[np.ndarray, "h w 3"], images: OverlayImages, *, scale: float
) -> UInt8[np.ndarray, "h w 3"]:
    if images.landmarks is None:
        return panel
    height, width = panel.shape[:2]
    large = Image.new("L", (width * DOT_OVERSAMPLING, height * DOT_OVERSAMPLING))
    draw = ImageDraw.Draw(large)
    radius = DOT_RADIUS * DOT_OVERSAMPLING
    for x, y in (images.landmarks * scale * DOT_OVERSAMPLING).tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    mask = np.asarray(large.reduce(DOT_OVERSAMPLING), dtype=np.float32) / 255.0
    dots = np.broadcast_to(np.array(DOT_COLOUR, dtype=np.float32), panel.shape)
    return _mix(dots, panel, mask * DOT_OPACITY)


def _row(
    panels: list[UInt8[np.ndarray, "h _ 3"]], captions: tuple[str, ...]
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Set panels side by side with a caption centred under each."""
    height = panels[0].shape[0]
    width = sum(panel.shape[1] for panel in panels) + GAP * (len(panels) + 1)
    picture = Image.new("RGB", (width, height + GAP + CAPTION_HEIGHT), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT_SIZE)
    left = GAP
    for panel, caption in zip(panels, captions, strict=True):
        picture.paste(Image.fromarray(panel), (left, GAP))
        centre = (left + panel.shape[1] / 2, height + GAP + CAPTION_HEIGHT / 2)
        draw.text(centre, caption, fill=CAPTION_COLOUR, font=font, anchor="mm")
        left += panel.shape[1] + GAP
    return np.asarray(picture)
