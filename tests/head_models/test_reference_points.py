"""Which models OpenHead's points lie on already, and which cannot have them."""

from __future__ import annotations

import pytest

from flame_fit.errors import AssetError
from flame_fit.flame import load_assets
from flame_fit.head_models.reference_points import carry_from_reference
from flame_fit.testing import tiny_assets


def test_on_open_head_its_points_lie_already():
    assert carry_from_reference(load_assets()) is None


def test_a_model_without_eyeballs_cannot_carry_them():
    with pytest.raises(AssetError, match="model 'tiny' has no "):
        carry_from_reference(tiny_assets())
