"""Stacked data are those of the items, and come apart again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from flame_fit.geometry.tensors import stack, take


@dataclass(frozen=True)
class Inner:
    values: Tensor


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    rows: Tensor


def item(value, count, name="a"):
    return Outer(name, Inner(torch.full((1, 2), value)), torch.full((1, count, 3), value))


def test_items_lie_side_by_side_and_short_ones_end_in_zeros():
    both = stack([item(1.0, 2), item(2.0, 4)])
    assert both.rows.shape == (2, 4, 3)
    assert torch.equal(both.rows[0, 2:], torch.zeros(2, 3))
    assert torch.equal(both.inner.values, torch.tensor([[1.0, 1.0], [2.0, 2.0]]))


def test_an_item_comes_out_again_and_shared_values_are_kept():
    both = stack([item(1.0, 4), item(2.0, 4)])
    assert torch.equal(take(both, 1).rows, item(2.0, 4).rows)
    shared = Outer("a", Inner(torch.ones(1, 2)), both.rows)
    assert torch.equal(take(shared, 1).inner.values, torch.ones(1, 2))


def test_what_cannot_be_stacked_must_agree():
    with pytest.raises(ValueError, match="name differs"):
        stack([item(1.0, 2), item(1.0, 2, name="b")])
