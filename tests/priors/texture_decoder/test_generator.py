"""Generators: published names and shapes, determinism, gradients, files, whitening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.errors import AssetError, UsageError
from flame_fit.priors.dense_networks.key_report import WrongWeightsError
from flame_fit.priors.texture_decoder import (
    GeneratorLayout,
    TextureGenerator,
    Whitening,
    load_texture_generator,
    measure_whitening,
    read_whitening,
)
from tests.priors.texture_decoder.states import published_shapes, small_state


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("decoder") / "texgan_ffhq_uv.pth"
    torch.save(small_state(), file)
    return file


@pytest.fixture(scope="module")
def generator(path: Path) -> TextureGenerator:
    return load_texture_generator(path).generator


def test_the_published_generator_has_exactly_the_published_weights() -> None:
    with torch.device("meta"):
        state = TextureGenerator(GeneratorLayout()).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == published_shapes()
    assert GeneratorLayout().latent_count == 18
    # Known of the published 1024 pixel generator: 30.37 million parameters and its noise.
    noise = sum(v.numel() for name, v in state.items() if "noise_const" in name)
    parameters = sum(v.numel() for name, v in state.items() if name.split(".")[-1] not in (
        "noise_const", "resample_filter", "w_avg"))  # fmt: skip
    assert noise == 2_796_176 and parameters == 30_370_060


def test_a_file_is_read_whole(path: Path, generator: TextureGenerator) -> None:
    state = small_state()
    assert generator.layout == GeneratorLayout(16, 12, 256, 24, 3)
    assert set(state) == set(generator.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in generator.state_dict().items())
    assert not generator.training
    assert not any(weight.requires_grad for weight in generator.parameters())


def test_the_variant_is_told_by_the_name(path: Path, tmp_path: Path) -> None:
    assert load_texture_generator(path).variant == "whole"
    crop = tmp_path / "texgan_cropface630resize1024_ffhq_uv_interpolate.pth"
    crop.write_bytes(path.read_bytes())
    assert load_texture_generator(crop).variant == "face_crop"
    assert load_texture_generator(crop, variant="whole").variant == "whole"


def test_the_same_latents_give_the_same_texture(generator: TextureGenerator) -> None:
    latents = torch.randn(2, 6, 12, generator=torch.Generator().manual_seed(1))
    first, second = generator(latents), generator(latents)
    assert first.shape == (2, 16, 16, 3) and torch.equal(first, second)
    torch.testing.assert_close(generator(latents[1:])[0], first[1], atol=1e-5, rtol=1e-5)


def test_every_latent_matters_to_its_layer_only(generator: TextureGenerator) -> None:
    latents = torch.randn(1, 6, 12, generator=torch.Generator().manual_seed(1))
    latents.requires_grad_()
    generator(latents).square().sum().backward()
    assert latents.grad is not None and bool((latents.grad.abs().amax(dim=2) > 0).all())
    # The last latent reaches the last colours alone: without bias they are linear in its style.
    pictures = []
    for factor in (0.0, 1.0, 2.0):
        changed = latents.detach().clone()
        changed[:, 5] *= factor
        pictures.append(generator(changed))
    torch.testing.assert_close(
        pictures[2] - pictures[1], pictures[1] - pictures[0], atol=1e-4, rtol=1e-3
    )


def test_gradients_are_those_of_differences() -> None:
    torch.manual_seed(0)
    small = TextureGenerator(GeneratorLayout(8, 3, 32, 4, 2)).double()
    latents = torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(small, (latents,), atol=1e-5)


def test_the_mapping_does_not_see_the_length_of_a_vector(generator: TextureGenerator) -> None:
    vectors = torch.randn(3, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(generator.mapping(5 * vectors), generator.mapping(vectors))
    latents = generator.latents(vectors)
    assert latents.shape == (3, 6, 12)
    assert torch.equal(latents[:, 0], latents[:, 5])


def test_whitened_latents_have_unit_variance_and_come_back(generator: TextureGenerator) -> None:
    whitening = measure_whitening(generator, samples=2000)
    random = np.random.RandomState(123)  # noqa: NPY002 - what the published code draws with
    vectors = torch.from_numpy(random.randn(2000, 12)).float()
    latents = generator.mapping(vectors)
    torch.testing.assert_close(whitening.mean, latents.mean(0), atol=1e-4, rtol=1e-4)
    white = whitening.white(latents)
    torch.testing.assert_close(white.std(0, correction=0), torch.ones(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(whitening.latents(white), latents, atol=1e-5, rtol=1e-4)
    with pytest.raises(UsageError, match="1 samples were asked for; a deviation needs 2"):
        measure_whitening(generator, samples=1)


def test_published_statistics_are_read(tmp_path: Path) -> None:
    file = tmp_path / "texgan_ffhq_uv.pt"
    mean, deviation = torch.randn(1, 1, 12), torch.rand(1, 1, 12) + 0.1
    torch.save({"w_avg": mean, "w_std": deviation}, file)
    found = read_whitening(file, latent=12)
    assert isinstance(found, Whitening)
    assert torch.equal(found.mean, mean.flatten())
    assert torch.equal(found.deviation, deviation.flatten())
    with pytest.raises(AssetError, match="has no 'w_avg' of 512 numbers"):
        read_whitening(file, latent=512)
    torch.save({"w_avg": mean, "w_std": 0 * deviation}, file)
    with pytest.raises(AssetError, match="deviations that are not above 0"):
        read_whitening(file, latent=12)


def test_files_that_do_not_fit_are_told_with_every_difference(tmp_path: Path) -> None:
    state = small_state()
    del state["synthesis.b8.conv0.bias"]
    state["mapping.embed.weight"] = torch.zeros(3, 3)
    state["synthesis.b16.conv1.noise_const"] = torch.zeros(8, 8)
    state["mapping.fc1.bias"][0] = torch.nan
    file = tmp_path / "bad.pth"
    torch.save(state, file)
    with pytest.raises(WrongWeightsError, match="does not fit a StyleGAN2 generator") as caught:
        load_texture_generator(file)
    report = caught.value.report
    assert report.missing == ("synthesis.b8.conv0.bias",)
    assert report.unexpected == ("mapping.embed.weight",)
    assert [part.name for part in report.misshaped] == ["synthesis.b16.conv1.noise_const"]
    assert report.not_finite == ("mapping.fc1.bias",)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"synthesis.b4.const": torch.zeros(3)},
        {"synthesis.b16.torgb.weight": torch.zeros(())},
        {"mapping.fc0.weight": torch.zeros(())},
    ],
)
def test_other_networks_are_refused(tmp_path: Path, change: dict[str, torch.Tensor]) -> None:
    file = tmp_path / "other.pth"
    torch.save(small_state() | change, file)
    with pytest.raises(AssetError, match="is no StyleGAN2 generator|does not fit"):
        load_texture_generator(file)
    torch.save({"features.0.weight": torch.zeros(3)}, file)
    with pytest.raises(AssetError, match=r"is no StyleGAN2 generator, which has weights"):
        load_texture_generator(file)


def test_sizes_and_latents_that_cannot_be(generator: TextureGenerator) -> None:
    with pytest.raises(UsageError, match="a generator's side is 12; give a power of two"):
        GeneratorLayout(side=12)
    with pytest.raises(UsageError, match="leaves a layer of a generator without numbers"):
        GeneratorLayout(side=1024, channel_base=512)
    with pytest.raises(UsageError, match="latents are 1 x 12, the generator takes 6 x 12"):
        generator(torch.zeros(1, 1, 12))
