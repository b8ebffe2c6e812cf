"""Texture spaces: file layout, decoding, samples and their derivative, errors."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.appearance.colour import srgb_to_linear
from flame_fit.appearance.texture_space import (
    TextureSpace,
    decode,
    load_texture_space,
    sample_basis,
    sampled_albedo,
    sampled_albedo_jacobian,
)
from flame_fit.errors import AssetError, UsageError

SIZE, COMPONENTS = 8, 3


@pytest.fixture
def space() -> TextureSpace:
    generator = torch.Generator().manual_seed(0)
    return TextureSpace(
        mean=torch.rand(SIZE, SIZE, 3, generator=generator).double(),
        basis=0.1 * torch.randn(SIZE, SIZE, 3, COMPONENTS, generator=generator).double(),
        scale=torch.tensor((1.0, 2.0, 0.5)).double(),
    )


def published(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "mean": rng.uniform(0, 255, (SIZE, SIZE, 3)),
        "tex_dir": rng.normal(0, 10, (SIZE, SIZE, 3, COMPONENTS)).astype(np.float32),
    }


def test_published_layout_is_bgr_and_255(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = published(rng)
    np.savez(tmp_path / "space.npz", **arrays, vt=np.zeros(3))
    found = load_texture_space(tmp_path / "space.npz")
    np.testing.assert_allclose(found.mean[..., 0], arrays["mean"][..., 2] / 255, rtol=1e-6)
    np.testing.assert_allclose(found.basis[..., 1, :], arrays["tex_dir"][..., 1, :] / 255)
    assert found.scale.tolist() == [1.0, 1.0, 1.0]
    first = load_texture_space(tmp_path / "space.npz", component_count=1)
    assert torch.equal(first.basis, found.basis[..., :1])


def test_counts_with_a_scale_are_decoded(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = published(rng)
    counts = np.round(arrays["tex_dir"] * 100).astype(np.int16)
    np.savez(
        tmp_path / "space.npz",
        mean=arrays["mean"].astype(np.uint8),
        tex_dir=counts,
        tex_dir_scale=np.full(COMPONENTS, 0.01, dtype=np.float32),
    )
    found = load_texture_space(tmp_path / "space.npz")
    np.testing.assert_allclose(found.basis.flip(2).numpy(), arrays["tex_dir"] / 255, atol=3e-5)


def test_decoding_is_linear_light_of_mean_plus_components(space: TextureSpace) -> None:
    code = torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0]]).double()
    albedo = decode(space, code)
    torch.testing.assert_close(albedo[0], srgb_to_linear(space.mean))
    expected = space.mean + space.basis @ (space.scale * code[1])
    torch.testing.assert_close(albedo[1], srgb_to_linear(expected))
    torch.testing.assert_close(
        decode(space, code[1:, :1])[0],
        srgb_to_linear(space.mean + space.basis[..., 0] * code[1, 0]),
    )
    with pytest.raises(UsageError, match="4 texture codes were given; the space has 3"):
        decode(space, torch.zeros(1, 4).double())


def test_samples_at_texel_centres_are_the_decoded_map(space: TextureSpace) -> None:
    code = torch.tensor([[0.3, -0.2, 0.5]]).double()
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    uv = torch.stack(((columns + 0.5) / SIZE, 1 - (rows + 0.5) / SIZE), dim=-1).double()
    found = sampled_albedo(sample_basis(space, uv.reshape(-1, 2)), code)
    torch.testing.assert_close(found.reshape(1, SIZE, SIZE, 3), decode(space, code))


def test_up_in_the_chart_is_up_in_the_image(space: TextureSpace) -> None:
    top_left = sample_basis(space, torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double())
    torch.testing.assert_close(top_left.mean[0], space.mean[0, 0])
    torch.testing.assert_close(top_left.mean[1], space.mean[-1, -1])


def test_between_centres_samples_are_bilinear(space: TextureSpace) -> None:
    uv = torch.tensor([[2.0 / SIZE, 1 - 3.5 / SIZE]]).double()
    expected = 0.5 * (space.mean[3, 1] + space.mean[3, 2])
    torch.testing.assert_close(sample_basis(space, uv).mean[0], expected)


def test_derivative_by_the_code(space: TextureSpace) -> None:
    sampled = sample_basis(space, torch.rand(6, 2).double())
    code = torch.tensor([[0.1, 0.2, -0.3]]).double()
    expected = torch.autograd.functional.jacobian(lambda c: sampled_albedo(sampled, c), code)
    torch.testing.assert_close(sampled_albedo_jacobian(sampled, code), expected[:, :, :, 0])


def test_files_of_another_kind_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = published(rng)
    path = tmp_path / "space.npz"
    with pytest.raises(AssetError, match="space.npz does not exist; check the path"):
        load_texture_space(path)
    np.savez(path, mean=arrays["mean"])
    with pytest.raises(AssetError, match="'tex_dir' is missing; it is not a texture space"):
        load_texture_space(path)
    np.savez(path, mean=arrays["mean"][:4], tex_dir=arrays["tex_dir"])
    with pytest.raises(AssetError, match="expected U x U x 3"):
        load_texture_space(path)
    arrays["mean"][0, 0, 0] = np.nan
    np.savez(path, **arrays)
    with pytest.raises(AssetError, match="not finite"):
        load_texture_space(path)
    np.savez(path, **published(rng))
    with pytest.raises(UsageError, match="5 texture components were asked for"):
        load_texture_space(path, component_count=5)


def test_the_first_components_decode_as_all_with_zeros(space: TextureSpace) -> None:
    code = torch.tensor([[0.4, -1.0, 0.0]]).double()
    assert torch.allclose(decode(space.first(2), code[:, :2]), decode(space, code))
    with pytest.raises(UsageError, match="3 texture codes were given; the space has 2"):
        decode(space.first(2), code)
