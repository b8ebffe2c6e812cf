"""DINOv3 by its properties: rotation, switched-off biases, odd sizes, frozen weights."""

import pytest
import torch

from flame_fit.priors.dense_networks import VARIANTS, DinoV3, VitSize
from flame_fit.priors.dense_networks.dinov3 import rotation_periods
from tests.priors.dense_networks.weights import made_up

TINY = VitSize(width=32, depth=2, heads=2)


@pytest.fixture(scope="module")
def model():
    found = DinoV3(TINY)
    found.load_state_dict(made_up(found.state_dict()))
    return found


def images(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_periods_are_those_of_the_released_files():
    """The sixteen values that Meta's files hold for heads of 64 channels."""
    assert rotation_periods(16).tolist() == [
        1.0, 1.3359375, 1.78125, 2.375, 3.15625, 4.21875, 5.625, 7.5,
        10.0, 13.3125, 17.75, 23.75, 31.625, 42.25, 56.25, 75.0,
    ]  # fmt: skip


def test_periods_of_the_file_are_used(model):
    other = DinoV3(TINY)
    other.load_state_dict(model.state_dict())
    other.rope_embed.periods.mul_(1.01)
    picture = images(1, 3, 64, 48)
    assert (other(picture) - model(picture)).abs().max() > 1e-3


def test_the_bias_of_keys_says_nothing(model):
    other = DinoV3(TINY)
    other.load_state_dict(model.state_dict())
    for block in other.blocks:
        block.attn.qkv.bias[TINY.width : 2 * TINY.width] += 5.0
    picture = images(1, 3, 32, 32)
    assert torch.equal(other(picture), model(picture))
    other.blocks[0].attn.qkv.bias[0] += 5.0
    assert not torch.allclose(other(picture), model(picture))


def test_places_in_the_image_matter_and_order_is_by_rows(model):
    picture = images(1, 3, 32, 48)
    rows = model(picture)
    assert rows.shape == (1, 32, 2, 3)
    turned = model(picture.flip(-1)).flip(-1)
    assert not torch.allclose(rows, turned, atol=1e-3)
    # Only the patch at row 1, column 2 changes its own token by far the most.
    changed = picture.clone()
    changed[..., 16:32, 32:48] += 3.0
    difference = (model(changed) - rows).square().sum(dim=1)[0]
    assert int(difference.argmax()) == 1 * 3 + 2


def test_pixels_beyond_whole_patches_are_not_seen(model):
    picture = images(1, 3, 47, 35)
    assert torch.equal(model(picture), model(picture[..., :32, :32]))


def test_batches_agree_with_single_images(model):
    both = images(2, 3, 32, 32)
    apart = torch.cat([model(each[None]) for each in both])
    assert torch.allclose(model(both), apart, atol=1e-5)


def test_training_mode_changes_nothing_and_nothing_is_trained(model):
    picture = images(1, 3, 32, 32)
    expected = model.eval()(picture)
    assert torch.equal(model.train()(picture), expected)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_published_sizes():
    with torch.device("meta"):
        counts = {
            name: sum(parameter.numel() for parameter in DinoV3(size).parameters())
            for name, size in VARIANTS.items()
        }
    assert counts == {"vits16": 21_601_152, "vitb16": 85_669_632, "vitl16": 303_154_176}
    assert {size.periods for size in VARIANTS.values()} == {16}


def test_half_precision_training_keeps_places_exact(model):
    """Under autocast only the matrix products are rounded; places are computed in float32."""
    picture = images(1, 3, 64, 64)
    expected = model(picture)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(picture)
        rotation = model.rope_embed(4, 4)
    assert rotation.dtype == torch.float32
    assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max()
