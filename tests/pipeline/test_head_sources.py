"""What is asked about a face: the choice of sources, and that what they say reaches the fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from flame_fit.config import PRESETS, FitConfig
from flame_fit.errors import InputError, NoFaceError, UsageError
from flame_fit.flame import load_assets
from flame_fit.geometry import SurfacePoints
from flame_fit.image_files import Photo, load_image
from flame_fit.observation import DenseCorrespondences, FaceEvidence, Landmarks, MaskPatch, Parsing
from flame_fit.pipeline import FitSession, head_sources, own_source
from flame_fit.pipeline.dense_points import points_of_mesh
from flame_fit.priors.dense_networks import LabelMap, UvMap
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from flame_fit.priors.head_network import HeadReading, TrainedHeadNetwork
from flame_fit.priors.head_network.weights import Calibration
from flame_fit.texture.layout_transfer import CarriedPoints

CPU = torch.device("cpu")
COUNT = 7


@pytest.fixture(scope="module")
def head():
    return load_assets()


def face(**changes) -> FaceEvidence:
    rng = np.random.default_rng(0)
    pixels = (100.0 + 50.0 * rng.random((478, 2))).astype(np.float32)
    given = {
        "landmarks": (
            Landmarks("mediapipe478", pixels, np.ones(478, np.float32), pixels[:, 0].copy()),
        ),
        "box": (100.0, 100.0, 150.0, 150.0),
        "score": 1.0,
        "roll": 0.0,
        "person": MaskPatch(np.ones((4, 4), np.float32), np.zeros(2), 64.0),
        "detector": "test",
    }
    return FaceEvidence(**{**given, **changes})


def photo(name: str = "me.png") -> Photo:
    return Photo(Path(name), np.full((256, 256, 3), 128, np.uint8))


def test_nothing_is_asked_where_nothing_is_wanted(head):
    found = head_sources.head_sources(FitConfig(uv="none", parser="none"), head, device=CPU)
    assert (found.every, found.dense, found.parsing) == ((), "none", "none")
    seen = face()
    assert found.ask(photo(), seen) is seen


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uv": Path("map.tif")}, r"--uv map.tif is neither a checkpoint .* nor a PNG file"),
        ({"parser": Path("map.tif")}, r"--parser map.tif is neither a checkpoint .* nor a PNG"),
        ({"dinov3": Path("d.pth")}, r"--dinov3 is given, and neither .* is a checkpoint"),
    ],
)
def test_options_that_lead_nowhere_are_refused(head, changes, message):
    config = replace(FitConfig(uv="none", parser="none"), **changes)
    with pytest.raises(UsageError, match=message):
        head_sources.head_sources(config, head, device=CPU)


def test_the_face_mesh_is_drawn_out(head):
    found = head_sources.head_sources(FitConfig(uv="mesh", parser="none"), head, device=CPU)
    seen = found.ask(photo(), face())
    assert found.dense == "face mesh"
    assert len(seen.dense.pixels) == len(points_of_mesh(head).face_index)
    assert seen.parsing is None


def trained() -> TrainedHeadNetwork:
    points = SurfacePoints(torch.arange(COUNT), torch.full((COUNT, 3), 1.0 / 3.0))
    mirror = torch.arange(len(points.face_index))
    return TrainedHeadNetwork(nn.Linear(1, 1), points, mirror, Calibration())


def reading() -> HeadReading:
    numbers = np.arange(COUNT, dtype=np.float32)
    dense = DenseCorrespondences(
        trained().points, np.stack([numbers, numbers], 1), 1.0 + numbers, numbers, 1.0 + numbers
    )
    shares = np.zeros((FACE_LABELS.count, 8, 8), np.float32)
    shares[FaceLabel.SKIN] = 1.0
    return HeadReading(dense, Parsing(shares, FACE_LABELS.names, np.zeros(2), 32.0))


@pytest.fixture
def own(monkeypatch):
    """The own network, standing in for its answer, and how often it is asked."""
    asked = []

    def read(srgb, mesh, person, network):
        asked.append((mesh, person))
        return reading()

    monkeypatch.setattr(own_source, "load_head_network", lambda *, device: trained())
    monkeypatch.setattr(own_source, "read_head", read)
    return asked


def test_the_own_network_is_asked_once_for_both_answers(head, own):
    found = head_sources.head_sources(FitConfig(uv="own", parser="own"), head, device=CPU)
    seen = found.ask(photo(), face())
    assert (found.dense, found.parsing) == ("own network", "own network")
    assert len(own) == 1
    mesh, person = own[0]
    assert np.array_equal(mesh[:, :2], face().landmarks[0].pixels)
    assert np.array_equal(mesh[:, 2], face().landmarks[0].depth)
    assert person.scale == 64.0
    assert np.array_equal(seen.dense.pixels, reading().dense.pixels)
    assert seen.parsing.labels == FACE_LABELS.names


@pytest.mark.parametrize("uv", ["own", "none"])
def test_only_what_is_wanted_of_the_own_network_is_used(head, own, uv):
    parser = "none" if uv == "own" else "own"
    found = head_sources.head_sources(FitConfig(uv=uv, parser=parser), head, device=CPU)
    seen = found.ask(photo(), face())
    assert (seen.dense is None) == (uv == "none")
    assert (seen.parsing is None) == (parser == "none")


def test_points_that_another_model_does_not_have_are_not_known():
    valid = torch.tensor([True, False, True, True, True, True, True])
    moved = SurfacePoints(torch.arange(COUNT) + 5, torch.full((COUNT, 3), 1.0 / 3.0))
    found = own_source.carried(reading().dense, lambda points: CarriedPoints(moved, valid))
    assert torch.equal(found.points.face_index, moved.face_index)
    assert np.array_equal(np.isfinite(found.sigma), valid.numpy())
    assert np.array_equal(np.isfinite(found.depth_sigma), valid.numpy())


def test_landmarks_of_a_file_need_the_face_mesh_beside_them(monkeypatch):
    few = Landmarks("ibug68", np.zeros((68, 2), np.float32), np.ones(68, np.float32))
    away = face(box=(0.0, 0.0, 9.0, 9.0))
    near = replace(face(), landmarks=(few,), box=(102.0, 98.0, 152.0, 148.0))
    monkeypatch.setattr(own_source, "find_faces", lambda *_, **__: [away, face()])
    mesh = own_source.face_mesh_near(photo(), near, detector="auto")
    assert np.array_equal(mesh[:, :2], face().landmarks[0].pixels)
    monkeypatch.setattr(own_source, "find_faces", lambda *_, **__: [away])
    with pytest.raises(NoFaceError, match=r"the own network needs a face .* give --uv none"):
        own_source.face_mesh_near(photo(), near, detector="auto")


class Predictor:
    """Stands in for a published network."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def predict(self, srgb):
        self.sizes.append(srgb.shape)
        height, width = srgb.shape[:2]
        uv = np.full((height, width, 2), 0.5, np.float32)
        return UvMap(uv, np.ones((height, width), np.float32))


class Parser:
    def predict(self, srgb):
        shares = np.zeros((FACE_LABELS.count, 32, 32), np.float32)
        shares[FaceLabel.HAIR] = 1.0
        return LabelMap(np.zeros(srgb.shape[:2], np.uint8), shares, FACE_LABELS)


def test_published_networks_see_a_square_around_the_head(head, monkeypatch):
    uv, parser = Predictor(), Parser()
    given = []

    def loaded(network):
        def load(path, *, dinov3, device):
            given.append((path, dinov3))
            return network

        return load

    monkeypatch.setattr(head_sources.UvPredictor, "from_files", loaded(uv))
    monkeypatch.setattr(head_sources.ParsingPredictor, "from_files", loaded(parser))
    config = FitConfig(uv=Path("u.ckpt"), parser=Path("p.ckpt"), dinov3=Path("d.pth"))
    found = head_sources.head_sources(config, head, device=CPU)
    assert given == [(Path("u.ckpt"), Path("d.pth")), (Path("p.ckpt"), Path("d.pth"))]
    assert found.dense == "checkpoint u.ckpt"
    seen = found.ask(photo(), face())
    assert uv.sizes == [(512, 512, 3)]
    known = np.isfinite(seen.dense.sigma)
    low, high = seen.dense.pixels[known].min(axis=0), seen.dense.pixels[known].max(axis=0)
    assert np.allclose(low, [75.0, 70.0], atol=4.0)
    assert np.allclose(high, [175.0, 170.0], atol=4.0)
    assert np.allclose(seen.parsing.origin, [75.0, 70.0])
    assert seen.parsing.scale == pytest.approx(100.0 / 32)


def test_files_reach_the_fit_and_the_report_and_what_is_covered_is_no_skin(astronaut, tmp_path):
    plain = replace(PRESETS["fast"], texture_size=128, uv="mesh", parser="none")
    session = FitSession(plain)
    (before,) = session.fit(astronaut)
    _, top, _, bottom = session.observe(astronaut)[0].evidence.box
    labels = np.full(load_image(astronaut).srgb.shape[:2], int(FaceLabel.SKIN), np.uint8)
    labels[:5] = int(FaceLabel.HAIR)
    labels[round(0.5 * (top + bottom)) :] = int(FaceLabel.FACEWEAR)
    folder = tmp_path / "labels"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "astronaut_mask.png"), labels)
    (after,) = FitSession(replace(plain, parser=folder)).fit(astronaut)
    assert before.report.backends.dense == "face mesh"
    assert after.report.backends.parser == f"files {folder}"
    terms = [term.name for term in before.report.stages[1].terms]
    assert "dense" in terms
    assert "dense_depth" not in terms
    assert after.report.coverage < 0.8 * before.report.coverage
    # A beard is no skin to be lit, and still belongs into the texture.
    labels[labels == int(FaceLabel.FACEWEAR)] = int(FaceLabel.BEARD)
    assert cv2.imwrite(str(folder / "astronaut_mask.png"), labels)
    (bearded,) = FitSession(replace(plain, parser=folder)).fit(astronaut)
    assert bearded.report.coverage > 0.95 * before.report.coverage
    with pytest.raises(InputError, match=r"no astronaut_mask.png or .* leave --parser out"):
        FitSession(replace(plain, parser=tmp_path)).fit(astronaut)
