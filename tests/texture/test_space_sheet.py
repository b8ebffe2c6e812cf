"""Pictures of texture spaces show what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace
from flame_fit.errors import UsageError
from flame_fit.testing import tiny_assets
from flame_fit.texture.space_sheet import (
    CAPTION,
    GAP,
    head_pictures,
    texture_sheet,
    texture_space_sheet,
)

PANEL = 48


def grey_space(components: int = 3) -> TextureSpace:
    """Every component changes one colour everywhere, the first one most."""
    basis = torch.zeros(16, 16, 3, components)
    for number in range(components):
        basis[..., number % 3, number] = 0.1 / (number + 1)
    return TextureSpace(torch.full((16, 16, 3), 0.5), basis, torch.ones(components))


def panel_middle(sheet: np.ndarray, row: int, column: int, half: int = 0) -> list[int]:
    """The colour in the middle of a part of a sheet."""
    top = row * (PANEL + CAPTION + GAP) + GAP + PANEL // 2
    left = half * (3 * PANEL + 4 * GAP) + GAP + column * (PANEL + GAP) + PANEL // 2
    return sheet[top, left].tolist()


def test_rows_show_the_mean_and_both_directions() -> None:
    sheet = texture_space_sheet(grey_space(), tiny_assets(), components=2, panel=PANEL)
    assert sheet.shape == (3 * (PANEL + CAPTION + GAP), 2 * (3 * PANEL + 4 * GAP), 3)
    expected = {
        (0, 0, 0): (127.5, 127.5, 127.5),
        (0, 1, 0): (127.5, 127.5, 127.5),
        (1, 0, 0): (76.5, 127.5, 127.5),
        (1, 1, 0): (76.5, 127.5, 127.5),
        (1, 0, 1): (178.5, 127.5, 127.5),
        (1, 2, 1): (178.5, 127.5, 127.5),
        (2, 1, 1): (127.5, 153.0, 127.5),
    }
    for (row, column, half), colour in expected.items():
        np.testing.assert_allclose(panel_middle(sheet, row, column, half), colour, atol=1.5)
    wider = texture_space_sheet(
        grey_space(), tiny_assets(), components=1, deviations=4.0, panel=PANEL
    )
    np.testing.assert_allclose(panel_middle(wider, 1, 1), (25.5, 127.5, 127.5), atol=1.5)


def test_a_space_shows_what_it_has() -> None:
    alone = texture_space_sheet(grey_space(0), tiny_assets(), panel=PANEL)
    assert len(alone) == PANEL + CAPTION + GAP
    assert len(texture_space_sheet(grey_space(2), tiny_assets(), panel=PANEL)) == 3 * len(alone)
    with pytest.raises(UsageError, match="-1 components at 48 pixels cannot be shown"):
        texture_space_sheet(grey_space(), tiny_assets(), components=-1, panel=PANEL)


def test_textures_stand_two_a_row() -> None:
    textures = torch.stack([torch.full((8, 8, 3), value) for value in (0.0, 0.5, 1.0)])
    sheet = texture_sheet(textures, tiny_assets(), captions="abc", panel=PANEL)
    assert panel_middle(sheet, 0, 1) == [0, 0, 0] and panel_middle(sheet, 1, 1) == [255, 255, 255]
    assert panel_middle(sheet, 0, 0, half=1) == [188, 188, 188]
    single = texture_sheet(textures[:1], tiny_assets(), captions="a", panel=PANEL)
    assert single.shape[1] * 2 == sheet.shape[1]
    with pytest.raises(UsageError, match="no texture was given"):
        texture_sheet(textures[:0], tiny_assets(), captions="", panel=PANEL)


def test_heads_are_seen_from_the_front_and_turned() -> None:
    """Red on the person's left of the chart is on the right of the picture, and turns away."""
    assets = tiny_assets()
    assert assets.chart is not None
    texture = torch.zeros(64, 64, 3)
    texture[..., 1] = 0.5
    corners = assets.v_template[assets.faces].mean(1)[:, 0]
    uv = assets.chart.uv[assets.chart.faces].mean(1)[corners > 0.01]
    column, row = (uv[:, 0] * 64).long().clamp(0, 63), ((1 - uv[:, 1]) * 64).long().clamp(0, 63)
    texture[row, column] = torch.tensor((1.0, 0.0, 0.0))
    seen = head_pictures(texture, assets, panel=96)
    front, side = (picture.astype(int) for picture in (seen.front, seen.side))
    red = [(picture[..., 0] > picture[..., 1] + 60) for picture in (front, side)]
    assert red[0][:, 48:].sum() > 4 * red[0][:, :48].sum()
    assert red[1].sum() < red[0].sum()
