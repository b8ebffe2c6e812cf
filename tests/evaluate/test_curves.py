"""The cumulative curve as numbers and as a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flame_fit.errors import InputError
from flame_fit.evaluate import NamedCurve, draw_curves, error_curve
from flame_fit.evaluate.curve_picture import COLOURS, SIZE
from flame_fit.evaluate.statistics import middle_value


def named(name: str, errors: torch.Tensor) -> NamedCurve:
    return NamedCurve(name, error_curve(errors, limit=7.0), middle_value(errors))


def test_the_curve_is_the_share_of_errors_up_to_each_threshold() -> None:
    found = error_curve(torch.tensor((3.0, 1.0, 1.0, 9.0)), limit=4.0, steps=4)
    assert found.thresholds.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found.shares.tolist() == [0.0, 0.5, 0.5, 0.75, 0.75]


def test_the_median_of_an_even_number_is_between_the_two_in_the_middle() -> None:
    assert middle_value(torch.tensor((5.0, 1.0, 2.0))) == 2.0
    assert middle_value(torch.tensor((5.0, 1.0, 2.0, 4.0))) == 3.0


def test_a_curve_needs_errors_and_a_positive_end() -> None:
    with pytest.raises(InputError, match="no errors to draw"):
        error_curve(torch.zeros(0), limit=7.0)
    for limit in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="expected a positive length"):
            error_curve(torch.ones(3), limit=limit)


def colour_places(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of pixels that have exactly this colour."""
    return np.argwhere((image == np.array(colour)).all(-1))


def test_the_picture_shows_the_better_curve_above_and_to_the_left() -> None:
    spread = torch.linspace(0.0, 1.0, 500)
    image = draw_curves([named("good", 2.0 * spread), named("bad", 6.0 * spread)], title="Two")
    assert image.shape == (SIZE[1], SIZE[0], 3)
    good, bad = (colour_places(image, colour) for colour in COLOURS[:2])
    # Left of the legend, the first column at which each curve has risen by half.
    middle = (good[:, 0].min() + good[:, 0].max()) / 2
    left_good = good[np.abs(good[:, 0] - middle) < 20][:, 1].min()
    left_bad = bad[np.abs(bad[:, 0] - middle) < 20][:, 1].min()
    assert left_good < left_bad


def test_a_curve_of_even_errors_is_a_straight_line() -> None:
    image = draw_curves([named("even", 7.0 * torch.linspace(0.0, 1.0, 2000))], title="Even")
    places = colour_places(image, COLOURS[0])
    width, height = SIZE
    plot = places[(places[:, 1] < width // 2) & (places[:, 0] > height // 2 + 20)]
    slope, offset = np.polyfit(plot[:, 1], plot[:, 0], 1)
    assert np.abs(plot[:, 0] - slope * plot[:, 1] - offset).max() < 4.0


def test_many_and_long_names_stay_in_the_picture() -> None:
    curves = [named("a rather long name of a method " * 4, torch.ones(3)) for _ in range(9)]
    image = draw_curves(curves, title="t" * 200)
    assert (image[:, :3] == 255).all() and (image[:, -3:] == 255).all()


def test_no_curve_is_no_picture() -> None:
    with pytest.raises(InputError, match="no curve to draw"):
        draw_curves([], title="Nothing")
