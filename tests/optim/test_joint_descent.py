"""Several unknowns go down together, each at its rate, some of them on spheres."""

from __future__ import annotations

import math

import pytest
import torch

from flame_fit.errors import UsageError
from flame_fit.optim import Status
from flame_fit.optim.joint_descent import JointSettings, Unknown, descend_jointly


def test_rows_on_a_sphere_keep_their_length_and_find_its_lowest_point() -> None:
    down = torch.tensor(((1.0, 0.0, 0.0), (0.0, 3.0, 4.0)))
    start = torch.tensor(((0.0, 2.0, 0.0), (5.0, 0.1, 0.0)))
    seen = []

    def cost(values):
        seen.append(values[0].detach().clone())
        return (values[0] * down).sum()

    settings = JointSettings(steps=300, cool_down=0.5)
    found = descend_jointly(cost, [Unknown(start, 0.1, on_sphere=True)], settings=settings)
    lengths = start.norm(dim=-1)
    for value in seen:
        torch.testing.assert_close(value.norm(dim=-1), lengths)
    lowest = -lengths[:, None] * down / down.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(found.values[0], lowest, atol=5e-3, rtol=0)
    assert found.status is Status.STEP_LIMIT and found.steps == 300


def test_each_unknown_moves_at_its_own_rate() -> None:
    """Adam's first step is as long as the rate, whatever the slope."""
    first = Unknown(torch.tensor((1.0, -1.0)), 0.1)
    second = Unknown(torch.tensor(((2.0,),)), 1e-3)
    found = descend_jointly(
        lambda values: values[0].square().sum() + 1e4 * values[1].square().sum(),
        [first, second],
        settings=JointSettings(steps=1, cool_down=0.1),
    )
    torch.testing.assert_close(found.values[0], torch.tensor((0.9, -0.9)))
    torch.testing.assert_close(found.values[1], torch.tensor(((1.999,),)))
    assert found.start_cost == pytest.approx(2.0 + 4e4)
    assert torch.equal(first.start, torch.tensor((1.0, -1.0)))


def test_the_rates_fall_to_nothing_at_the_end() -> None:
    places = []

    def cost(values):
        places.append(float(values[0].detach()))
        return values[0].sum()

    descend_jointly(
        cost, [Unknown(torch.zeros(1), 0.1)], settings=JointSettings(steps=8, cool_down=0.5)
    )
    steps = [before - after for before, after in zip(places, places[1:], strict=False)]
    shares = [1.0] * 5 + [0.5 - 0.5 * math.cos(math.pi * left) for left in (0.75, 0.5, 0.25)]
    assert steps == pytest.approx([0.1 * share for share in shares], rel=1e-4)


def test_the_best_values_are_kept_with_their_cost() -> None:
    def cost(values):
        return values[0].square().sum()

    found = descend_jointly(
        cost, [Unknown(torch.tensor((0.05,)), 1.0)], settings=JointSettings(3, cool_down=1.0)
    )
    assert found.cost == float(cost(found.values)) == pytest.approx(0.0025)


def test_a_cost_that_is_no_number_ends_it() -> None:
    found = descend_jointly(
        lambda values: values[0].sqrt().sum(),
        [Unknown(torch.tensor((0.15,)), 0.1)],
        settings=JointSettings(10, cool_down=0.1),
    )
    assert found.status is Status.NOT_FINITE
    assert float(found.values[0]) == pytest.approx(0.05)


@pytest.mark.parametrize(("steps", "share"), [(0, 0.5), (5, 0.0), (5, 1.5)])
def test_what_is_no_descent_is_refused(steps, share) -> None:
    with pytest.raises(UsageError, match="are no descent; give 1 step or more"):
        JointSettings(steps, share)
