"""The cumulative error curve as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from flame_fit.errors import InputError
from flame_fit.evaluate.statistics import ErrorCurve

SIZE = (1440, 960)
"""Width and height in pixels."""
OVERSAMPLING = 3
"""Lines are drawn this many times larger and averaged down, which makes their edges smooth."""
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 126, 54, 90, 116
PAPER = (255, 255, 255)
INK = (38, 42, 48)
FAINT_INK = (112, 118, 126)
GRID = (232, 234, 237)
AXIS = (150, 155, 162)
# Distinct for most colour-blind people: Okabe and Ito, "Color universal design", 2008.
COLOURS = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167),
    (230, 159, 0), (86, 180, 233), (110, 90, 60), (60, 60, 60),
)  # fmt: skip
LINE_WIDTH = 2.6
GRID_WIDTH = 1.25
LABEL_SIZE, TITLE_SIZE = 22, 28
SHARE_STEP = 20
STEPS_WANTED = 8
NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LONGEST_NAME = 420.0
LEGEND_LINE = 44
LEGEND_ROW = 38
LEGEND_PAD, LEGEND_GAP = 20, 16


@dataclass(frozen=True, eq=False)
class NamedCurve:
    """A curve with the name that the legend gives it."""

    name: str
    curve: ErrorCurve
    """Thresholds in millimetres."""
    median: float
    """Millimetres."""


def draw_curves(
    curves: Sequence[NamedCurve], *, title: str, axis: str = "distance from the scan, mm"
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a plot of the share of points within each distance, in percent.

    Args:
        curves: Of the same thresholds, best with at most eight.
        title: Above the plot.
        axis: Under the plot.

    Raises:
        InputError: There is no curve.
    """
    if not curves:
        raise InputError("there is no curve to draw")
    limit = max(float(each.curve.thresholds[-1]) for each in curves)
    frame = _Frame(limit)
    image = Image.new("RGB", (OVERSAMPLING * SIZE[0], OVERSAMPLING * SIZE[1]), PAPER)
    lines = ImageDraw.Draw(image)
    frame.grid(lines)
    for each, colour in zip(curves, _colours(len(curves)), strict=True):
        frame.curve(lines, each, colour)
    image = image.resize(SIZE, Image.Resampling.BOX)
    frame.labels(ImageDraw.Draw(image), title=title, axis=axis)
    return np.asarray(_with_legend(image, curves, frame))


@dataclass(frozen=True)
class _Frame:
    """Where numbers lie in the picture."""

    limit: float

    def x(self, value: float) -> float:
        width = SIZE[0] - MARGIN_LEFT - MARGIN_RIGHT
        return MARGIN_LEFT + width * value / self.limit

    def y(self, percent: float) -> float:
        height = SIZE[1] - MARGIN_TOP - MARGIN_BOTTOM
        return MARGIN_TOP + height * (1.0 - percent / 100.0)

    def ticks(self) -> list[float]:
        """Return round numbers along the lower axis."""
        rough = self.limit / STEPS_WANTED
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(nice * unit for nice in NICE_STEPS if nice * unit >= rough * (1.0 - 1e-9))
        return [step * k for k in range(int(self.limit / step * (1.0 + 1e-9)) + 1)]

    def grid(self, lines: ImageDraw.ImageDraw) -> None:
        for value in self.ticks():
            _line(
                lines,
                [(self.x(value), self.y(0.0)), (self.x(value), self.y(100.0))],
                GRID,
                GRID_WIDTH,
            )
        for percent in range(0, 101, SHARE_STEP):
            ends = [
                (self.x(0.0), self.y(float(percent))),
                (self.x(self.limit), self.y(float(percent))),
            ]
            _line(lines, ends, AXIS if percent == 0 else GRID, GRID_WIDTH)

    def curve(
        self, lines: ImageDraw.ImageDraw, each: NamedCurve, colour: tuple[int, int, int]
    ) -> None:
        thresholds, shares = each.curve.thresholds.tolist(), each.curve.shares.tolist()
        places = [
            (self.x(threshold), self.y(100.0 * share))
            for threshold, share in zip(thresholds, shares, strict=True)
        ]
        _line(lines, places, colour, LINE_WIDTH)
        if each.median <= self.limit:
            foot = [(self.x(each.median), self.y(0.0)), (self.x(each.median), self.y(50.0))]
            _line(lines, foot, _pale(colour), GRID_WIDTH)
            _dot(lines, foot[1], colour)

    def labels(self, text: ImageDraw.ImageDraw, *, title: str, axis: str) -> None:
        small, large = _font(LABEL_SIZE), _font(TITLE_SIZE)
        for value in self.ticks():
            place = (self.x(value), self.y(0.0) + 14)
            text.text(place, f"{value:g}", FAINT_INK, small, anchor="ma")
        for percent in range(0, 101, SHARE_STEP):
            place = (self.x(0.0) - 16, self.y(float(percent)))
            text.text(place, f"{percent} %", FAINT_INK, small, anchor="rm")
        middle = (self.x(0.0) + self.x(self.limit)) / 2.0
        text.text((middle, SIZE[1] - 36), axis, INK, small, anchor="mm")
        shown = _shortened(title, large, self.x(self.limit) - self.x(0.0))
        text.text((self.x(0.0), MARGIN_TOP / 2.0), shown, INK, large, anchor="lm")


def _with_legend(image: Image.Image, curves: Sequence[NamedCurve], frame: _Frame) -> Image.Image:
    """Return the picture with names and medians in the lower right corner, where curves are not."""
    font = _font(LABEL_SIZE)
    names = [_shortened(each.name, font, LONGEST_NAME) for each in curves]
    medians = [f"median {each.median:.2f} mm" for each in curves]
    name_width = max(font.getlength(name) for name in names)
    median_width = max(font.getlength(median) for median in medians)
    width = LEGEND_LINE + name_width + median_width + 2 * LEGEND_GAP + 2 * LEGEND_PAD
    height = LEGEND_ROW * len(curves) + LEGEND_PAD
    right, bottom = frame.x(frame.limit) - LEGEND_PAD, frame.y(0.0) - LEGEND_PAD
    left, top = right - width, bottom - height
    veil = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(veil).rounded_rectangle(
        (left, top, right, bottom), radius=8, fill=(*PAPER, 235), outline=(*GRID, 255), width=2
    )
    image = Image.alpha_composite(image.convert("RGBA"), veil).convert("RGB")
    text = ImageDraw.Draw(image)
    start = left + LEGEND_PAD
    for row, (name, colour) in enumerate(zip(names, _colours(len(names)), strict=True)):
        y = top + LEGEND_PAD / 2.0 + LEGEND_ROW * (row + 0.5)
        text.rectangle((start, y - 1, start + LEGEND_LINE, y + 2), fill=colour)
        text.text((start + LEGEND_LINE + LEGEND_GAP, y), name, INK, font, anchor="lm")
        text.text((right - LEGEND_PAD, y), medians[row], FAINT_INK, font, anchor="rm")
    return image


def _line(
    lines: ImageDraw.ImageDraw,
    places: Sequence[tuple[float, float]],
    colour: tuple[int, int, int],
    width: float,
) -> None:
    enlarged = [(OVERSAMPLING * x, OVERSAMPLING * y) for x, y in places]
    lines.line(enlarged, fill=colour, width=round(OVERSAMPLING * width), joint="curve")


def _dot(
    lines: ImageDraw.ImageDraw, place: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    x, y = (OVERSAMPLING * value for value in place)
    radius = 2.2 * LINE_WIDTH * OVERSAMPLING
    lines.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PAPER)
    radius = 1.6 * LINE_WIDTH * OVERSAMPLING
    lines.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _colours(count: int) -> list[tuple[int, int, int]]:
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _pale(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = ((value + 2 * 255) // 3 for value in colour)
    return red, green, blue


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Return the text, its end left out if it is wider than this many pixels."""
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while kept and font.getlength(f"{text[:kept]}...") > width:
        kept -= 1
    return f"{text[:kept]}..."


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise InputError("this Pillow draws no text; install one with FreeType")
    return font
