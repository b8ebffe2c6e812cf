"""A texture that a decoder has drawn is found again in a picture of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace, linear_to_srgb, srgb_to_linear
from flame_fit.appearance.texture_space import decode
from flame_fit.config import FitConfig, TextureName
from flame_fit.export import params_bytes, read_params
from flame_fit.flame import FlameMesh
from flame_fit.geometry import points_on_surface, project
from flame_fit.image_files import Photo, save_png
from flame_fit.observation import FaceEvidence, Landmarks
from flame_fit.optim.joint_descent import JointSettings
from flame_fit.pipeline import FitSession, look
from flame_fit.pipeline.decoder_fit import (
    DecoderFit,
    LatentPlan,
    LatentStage,
    fit_decoder_texture,
)
from flame_fit.pipeline.head_crop import head_square
from flame_fit.pipeline.plan import plan_for
from flame_fit.pipeline.refine import PhotoFace
from flame_fit.pipeline.result import FitResult
from flame_fit.priors.face_likeness import load_identity_network, load_perceptual_network
from flame_fit.scene import SceneParams
from flame_fit.synth import random_scene, render_scene
from flame_fit.texture.from_photo import codes_alone
from flame_fit.texture.texel_geometry import face_region
from tests.pipeline.decoders import LAYOUT, write_decoder
from tests.priors.face_likeness.states import small_backbone, small_lpips, small_vgg16

SIZE = (256, 256)
SEED = 2001


@dataclass(frozen=True)
class Known:
    """A head with a texture of the decoder, and a picture of it."""

    session: FitSession
    scene: SceneParams
    albedo: torch.Tensor
    face: PhotoFace

    def fit(self, stages: LatentPlan, **changes: object) -> DecoderFit:
        tools = self.session.tools
        return fit_decoder_texture(
            self.face, self.scene, replace(tools.decoder, **changes),
            tools=tools, plan=self.session.plan, seed=0, stages=stages,
        )  # fmt: skip

    def face_error(self, albedo: torch.Tensor) -> float:
        """Mean absolute error of a map on the face."""
        inside = face_region(self.session.assets, "face")[
            self.session.tools.layout.texels.surface.face_index
        ]
        gap = (albedo - self.albedo).abs().mean(dim=-1)
        texel = self.session.tools.layout.texels.texel[inside]
        side, own = self.session.config.texture_size, gap.shape[0]
        row, column = (part * own // side for part in (texel // side, texel % side))
        return float(gap[row, column].mean())


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Known:
    path = write_decoder(tmp_path_factory.mktemp("decoder") / "mine.safetensors")
    config = FitConfig(
        texture="decoder", texture_decoder=path, texture_size=64, uv="none", parser="none"
    )
    session = FitSession(config)
    tools = session.tools
    assert tools.decoder is not None
    vector = torch.randn(1, LAYOUT.latent, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        drawn = tools.decoder.albedo(tools.decoder.albedo.generator.latents(vector))[0]
    albedo = drawn.clamp(0.0, 1.0)
    scene = random_scene(tools.model, tools.texture_space, seed=SEED, image_size=SIZE)
    scene = replace(scene, texture_code=torch.zeros(1, 0))
    space = TextureSpace(linear_to_srgb(albedo), albedo.new_zeros(*albedo.shape, 0), torch.zeros(0))
    shot = render_scene(
        scene, tools.model, space, image_size=SIZE, rasterizer=tools.rasterizer, seed=SEED
    )
    mesh = tools.model.mesh(scene.flame)
    face = PhotoFace(
        Photo(Path("synthetic.png"), shot.srgb),
        _evidence(_landmarks(session, scene, mesh)),
        head_square(mesh, scene.camera),
    )
    return Known(session, scene, albedo, face)


def _landmarks(session: FitSession, scene: SceneParams, mesh: FlameMesh) -> np.ndarray:
    points = session.tools.model.landmark_points(mesh, "mediapipe")
    return project(scene.camera, points_on_surface(mesh.vertices, mesh.faces, points)).pixels[
        0
    ].numpy()  # fmt: skip


def _evidence(pixels: np.ndarray) -> FaceEvidence:
    return FaceEvidence(
        landmarks=(Landmarks("mediapipe478", pixels, np.ones(len(pixels), np.float32)),),
        box=(*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist()),
        score=1.0,
        roll=0.0,
        person=None,
        detector="truth",
    )


def short(stage: LatentStage | None, steps: int) -> LatentStage:
    assert stage is not None
    return replace(stage, descent=JointSettings(steps, stage.descent.cool_down))


def test_the_texture_is_found_where_the_head_is_known(known) -> None:
    plan = LatentPlan(texture=short(LatentPlan().texture, 50), joint=None)
    found = known.fit(plan)
    assert known.session.tools.decoder is not None
    mean = known.session.tools.decoder.draws.space.mean
    usual = known.face_error(srgb_to_linear(mean))
    assert known.face_error(found.albedo) < 0.5 * usual
    assert [report.name for report in found.reports] == [
        "light of the texture decoder",
        "texture latents",
    ]
    assert found.reports[1].cost < 0.3 * found.reports[1].start_cost
    assert found.scene.flame is known.scene.flame
    white = known.session.tools.decoder.whitening.white(found.latents)
    usual_length = torch.full((LAYOUT.latent_count,), LAYOUT.latent**0.5)
    torch.testing.assert_close(white.norm(dim=-1), usual_length, atol=1e-3, rtol=0)


def test_the_joint_stage_moves_latents_light_and_head(known) -> None:
    plan = LatentPlan(short(LatentPlan().texture, 1), short(LatentPlan().joint, 4))
    before = {name: value.clone() for name, value in vars(known.scene.flame).items()}
    alone = known.fit(replace(plan, joint=None))
    found = known.fit(plan)
    report = found.reports[-1]
    assert report.name == "texture latents and head" and report.cost < report.start_cost
    assert float((found.latents - alone.latents).abs().max()) > 1e-4
    assert float((found.scene.lighting - alone.scene.lighting).abs().max()) > 1e-4
    assert torch.equal(found.scene.camera.focal, known.scene.camera.focal)
    for name, value in vars(known.scene.flame).items():
        assert torch.equal(value, before[name]), name
        if name != "eyes":
            assert not torch.equal(getattr(found.scene.flame, name), value), name


def test_identity_and_looks_count_where_their_networks_are_given(known, tmp_path) -> None:
    paths = [tmp_path / name for name in ("backbone.pth", "vgg16.pth", "vgg.pth")]
    for path, state in zip(paths, (small_backbone(), small_vgg16(), small_lpips()), strict=True):
        torch.save(state, path)
    plan = LatentPlan(short(LatentPlan().texture, 3), joint=None)
    found = known.fit(
        plan,
        identity=load_identity_network(paths[0]),
        perceptual=load_perceptual_network(paths[1], paths[2]),
    )
    terms = {term.name: term for term in found.reports[-1].terms}
    assert list(terms) == ["colour", "identity", "perceptual", "latent_spread"]
    assert all(terms[name].unweighted > 0 for name in ("identity", "perceptual"))
    total = sum(term.weighted for term in terms.values())
    assert found.reports[-1].cost == pytest.approx(total, rel=1e-4)


@dataclass(frozen=True)
class Asked:
    """A fit as a user asks for it, with a few steps of the decoder's stages."""

    result: FitResult
    decoder: DecoderFit

    def map(self, name: str) -> torch.Tensor:
        (image,) = (each.image for each in self.result.export.maps if each.name == name)
        return torch.from_numpy(image)

    def texture(self) -> torch.Tensor:
        return torch.from_numpy(self.result.export.texture.astype(np.float32) / 255.0)


@pytest.fixture
def ask(known, tmp_path, monkeypatch):
    """Fits the known picture with a texture made of what is asked for."""
    photo = save_png(tmp_path / "photo.png", known.face.photo.srgb)
    stages = LatentPlan(short(LatentPlan().texture, 2), short(LatentPlan().joint, 2))

    def fitted(texture: TextureName) -> Asked:
        fits = []

        def fit(*given, **named):
            fits.append(fit_decoder_texture(*given, **named, stages=stages))
            return fits[-1]

        monkeypatch.setattr(look, "fit_decoder_texture", fit)
        config = replace(known.session.config, texture=texture)
        monkeypatch.setattr(known.session, "plan", plan_for(config))
        (result,) = known.session.fit(photo)
        return Asked(result, *fits)

    return fitted


def test_a_fit_can_be_asked_for_it(ask, tmp_path) -> None:
    asked = ask("decoder")
    result, decoder = asked.result, asked.decoder
    names = [stage.name for stage in result.report.stages]
    assert names[-2:] == ["texture latents", "texture latents and head"]
    assert torch.equal(result.scene.lighting, decoder.scene.lighting)
    kept = tmp_path / "params.npz"
    kept.write_bytes(params_bytes(result.export.params))
    np.testing.assert_array_equal(read_params(kept).texture_latents, decoder.latents.numpy())
    assert int(asked.map("confidence").max()) == 0
    drawn = linear_to_srgb(decoder.albedo)
    wide = drawn.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    inside = asked.map("mask") > 0
    assert float((asked.texture() - wide).abs()[inside].mean()) < 0.02


@pytest.mark.parametrize("texture", ["complete", "bake"])
def test_it_lies_below_what_the_photo_shows(known, ask, texture) -> None:
    """Few steps leave the decoder off the truth, which the photo shows where it shows anything."""
    asked, tools = ask(texture), known.session.tools
    codes = decode(tools.texture_space, asked.result.scene.texture_code)[0].clamp(0.0, 1.0)
    true, drawn, usual = (
        linear_to_srgb(codes_alone(albedo, layout=tools.layout))
        for albedo in (known.albedo, asked.decoder.albedo, codes)
    )
    inside, confidence = asked.map("mask") > 0, asked.map("confidence").float() / 255.0
    shown, unseen = inside & (confidence > 0.5), inside & (confidence == 0.0)

    def gap(first: torch.Tensor, second: torch.Tensor, where: torch.Tensor) -> float:
        return float((first - second).abs()[where].mean())

    made = asked.texture()
    assert gap(made, true, shown) < 0.85 * gap(drawn, true, shown)
    assert gap(usual, drawn, unseen) > 0.05
    if texture == "bake":
        assert gap(made, drawn, unseen) < 0.5 / 255
    else:
        # The tone of what is shown, and what the network fills in, lie between them.
        assert gap(made, drawn, unseen) < 0.4 * gap(made, usual, unseen)
