"""What a texture decoder needs is loaded, and what does not go together refused."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch

from flame_fit.appearance import linear_to_srgb, srgb_to_linear
from flame_fit.config import DecoderOptions, FitConfig
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import FlameAssets
from flame_fit.head_models import load_head_model
from flame_fit.head_models.layout_heads import model_layout
from flame_fit.head_models.layout_textures import DecodedAlbedo
from flame_fit.pipeline import decoder_tools
from flame_fit.pipeline.decoder_tools import DecoderTools, draw_maps, load_decoder_tools
from flame_fit.texture.texel_geometry import build_texel_geometry, face_region
from tests.pipeline.decoders import LAYOUT, tiny_decoder, write_decoder
from tests.priors.face_likeness.states import small_backbone, small_lpips, small_vgg16

CPU = torch.device("cpu")


def config(path: Path, options: DecoderOptions | None = None) -> FitConfig:
    return replace(FitConfig(), texture_decoder=path, decoder=options or DecoderOptions())


@lru_cache(maxsize=1)
def head() -> FlameAssets:
    return load_head_model("open_head")


def loaded(path: Path, options: DecoderOptions | None = None) -> DecoderTools:
    found = load_decoder_tools(config(path, options), head(), device=CPU)
    assert found is not None
    return found


def test_nothing_is_loaded_where_nothing_is_asked_for() -> None:
    assert load_decoder_tools(FitConfig(), head(), device=CPU) is None


def test_an_own_decoder_draws_on_the_models_chart(tmp_path: Path) -> None:
    tools = loaded(write_decoder(tmp_path / "mine.safetensors"))
    latents = tiny_decoder().latents(torch.randn(2, LAYOUT.latent))
    expected = tiny_decoder()(latents)
    torch.testing.assert_close(linear_to_srgb(tools.albedo(latents)), expected)
    assert tools.identity is None and tools.perceptual is None
    white = tools.whitening.white(tiny_decoder().mapping(torch.randn(4000, LAYOUT.latent)))
    torch.testing.assert_close(white.std(dim=0), torch.ones(LAYOUT.latent), atol=0.1, rtol=0)


def test_the_judges_are_loaded_where_their_files_are_given(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("backbone.pth", "vgg16.pth", "vgg.pth")]
    for path, state in zip(paths, (small_backbone(), small_vgg16(), small_lpips()), strict=True):
        torch.save(state, path)
    options = DecoderOptions(identity=paths[0], vgg16=paths[1], lpips=paths[2])
    tools = loaded(write_decoder(tmp_path / "mine.safetensors"), options)
    assert tools.identity is not None and tools.perceptual is not None


def test_the_published_whitening_is_read_where_it_lies_beside(tmp_path: Path) -> None:
    path = write_decoder(tmp_path / "mine.safetensors")
    mean, deviation = torch.randn(LAYOUT.latent), torch.rand(LAYOUT.latent) + 0.5
    torch.save({"w_avg": mean[None, None], "w_std": deviation[None, None]}, tmp_path / "mine.pt")
    whitening = loaded(path).whitening
    torch.testing.assert_close(whitening.mean, mean)
    torch.testing.assert_close(whitening.deviation, deviation)


def test_the_space_of_a_decoder_has_its_mean_and_variance() -> None:
    draws = draw_maps(DecodedAlbedo(tiny_decoder()), count=12)
    space = draws.space
    generator = torch.Generator().manual_seed(0)
    vectors = torch.cat([torch.randn(1, LAYOUT.latent, generator=generator) for _ in range(12)])
    maps = tiny_decoder()(tiny_decoder().latents(vectors)).clamp(0.0, 1.0)
    torch.testing.assert_close(space.mean, maps.mean(dim=0), atol=1e-4, rtol=0)
    assert space.basis.shape == (LAYOUT.side, LAYOUT.side, 3, 11)
    found = space.basis.square().sum(dim=-1)
    torch.testing.assert_close(found, maps.var(dim=0), atol=1e-4, rtol=1e-2)
    flat = space.basis.flatten(0, 2)
    products = flat.T @ flat
    torch.testing.assert_close(products, products.diagonal().diag(), atol=1e-3, rtol=0)
    shown = space.mean + (space.basis @ draws.codes.T).movedim(-1, 0)
    torch.testing.assert_close(shown, maps, atol=2e-3, rtol=0)
    for number, vector in enumerate(vectors):
        latent = draws.nearest(0.9 * draws.codes[number] + 0.05)
        torch.testing.assert_close(latent, tiny_decoder().mapping(vector[None])[0])


def test_decoders_of_other_meshes_need_their_mesh(tmp_path: Path) -> None:
    published = tmp_path / "texgan_ffhq_uv.pth"
    torch.save(tiny_decoder().state_dict(), published)
    with pytest.raises(UsageError, match="draws for a mesh of its own; .* --decoder.head FILE.obj"):
        loaded(published)
    with pytest.raises(UsageError, match="variant face_crop needs --decoder.template"):
        loaded(published, DecoderOptions(variant="face_crop"))
    with pytest.raises(UsageError, match="variant whole takes no --decoder.template"):
        loaded(published, DecoderOptions(template=tmp_path / "template.png"))
    with pytest.raises(AssetError, match="nothing.safetensors"):
        loaded(tmp_path / "nothing.safetensors")


def test_a_published_decoder_is_carried_onto_the_head(tmp_path: Path, monkeypatch) -> None:
    """The mesh is the head itself here, so that each texel keeps its place."""
    asked = []

    def layout(path: Path, *, picture: torch.Tensor | None):
        asked.append((path, picture))
        return model_layout(head())

    monkeypatch.setattr(decoder_tools, "mesh_layout", layout)
    published = tmp_path / "texgan_ffhq_uv.pth"
    torch.save(tiny_decoder().state_dict(), published)
    tools = load_decoder_tools(
        replace(config(published, DecoderOptions(head=Path("head.obj"))), texture_size=64),
        head(),
        device=CPU,
    )
    assert tools is not None and asked == [(Path("head.obj"), None)]
    latents = tiny_decoder().latents(torch.randn(1, LAYOUT.latent))
    wanted = srgb_to_linear(tiny_decoder()(latents))[0]
    wide = wanted.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    texels = build_texel_geometry(head(), 64)
    skin = face_region(head(), "face")[texels.surface.face_index]
    found = texels.from_map(tools.albedo(latents)[0])[skin]
    assert float((found - texels.from_map(wide)[skin]).abs().mean()) < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texture": "decoder"}, "--texture decoder needs a decoder; .* --texture-decoder FILE"),
        (
            {"texture": "pca", "texture_decoder": Path("mine.safetensors")},
            "--texture pca uses no decoder; give --texture decoder",
        ),
        (
            {"decoder": DecoderOptions(identity=Path("backbone.pth"))},
            "--decoder options need a decoder; give --texture-decoder FILE",
        ),
    ],
)
def test_options_that_nothing_would_use_are_refused(change, message) -> None:
    with pytest.raises(UsageError, match=message):
        replace(FitConfig(), **change)


def test_half_of_the_perceptual_files_are_refused() -> None:
    with pytest.raises(UsageError, match="--decoder.vgg16 and --decoder.lpips go together"):
        DecoderOptions(vgg16=Path("vgg16.pth"))
