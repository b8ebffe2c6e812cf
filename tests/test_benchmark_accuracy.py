"""The benchmark's accuracy: known heads, variants of the fit, and its tables."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from flame_fit.config import PRESETS
from flame_fit.errors import InputError, NoFaceError
from flame_fit.evaluate.face_landmarks import model_landmarks
from flame_fit.flame import FlameParams
from flame_fit.geometry.rotations import (
    HeadAngles,
    matrix_from_head_angles,
    matrix_to_axis_angle,
)
from flame_fit.scene import SceneParams
from flame_fit.synth.foreign_head import ForeignHead
from scripts.benchmarking import accuracy, foreign_truth, parity
from scripts.benchmarking.truth import (
    CaseErrors,
    SyntheticCase,
    TruthTools,
    neutral_head,
    removed_share,
)

ERRORS = CaseErrors(0.5, 1.0, 0.6, 2.0, 1.0, 3.0, 0.1)


def test_a_fit_that_is_the_truth_has_no_error():
    case = SyntheticCase("plain", 1000)
    found = case.errors(case.setup().scene, TruthTools.load().model)
    assert max(found.geometry_mm, found.posed_mm) < 1e-3 < 0.3 < found.template_mm
    assert max(found.pose_degrees, found.view_degrees, found.landmark_pixels, found.light) < 1e-3


def test_a_fit_that_is_wrong_has_the_error_that_was_made():
    case, model = SyntheticCase("plain", 1001), TruthTools.load().model
    scene = case.setup().scene
    moved = dataclasses.replace(scene.camera, principal_point=scene.camera.principal_point + 3.0)
    mean = dataclasses.replace(scene.flame, shape=torch.zeros_like(scene.flame.shape))
    shifted = case.errors(dataclasses.replace(scene, camera=moved), model)
    assert shifted.landmark_pixels == pytest.approx(math.hypot(3.0, 3.0), rel=1e-4)
    assert max(shifted.geometry_mm, shifted.posed_mm) < 1e-3
    template = case.errors(dataclasses.replace(scene, flame=mean), model)
    assert template.geometry_mm == pytest.approx(template.template_mm, rel=1e-5)
    dimmed = case.errors(dataclasses.replace(scene, lighting=0.5 * scene.lighting), model)
    assert dimmed.light < 1e-3


def test_removed_share_is_over_all_heads():
    worse = dataclasses.replace(ERRORS, geometry_mm=3.0, template_mm=2.0)
    assert removed_share([ERRORS]) == pytest.approx(0.5)
    assert removed_share([ERRORS, worse]) == pytest.approx(1.0 - 3.5 / 3.0)
    assert math.isnan(removed_share([]))


def test_every_term_is_removed_in_turn_and_baselines_have_no_evidence():
    names = [variant.name for variant in accuracy.ablations()]
    for term in set(accuracy.term_names()) - {accuracy.ALWAYS}:
        assert f"without {term}" in names or f"with {term}" in names
    for variant in accuracy.ablations()[1:]:
        changed = [
            term
            for term in accuracy.term_names()
            if getattr(variant.config.weights, term) != getattr(PRESETS["standard"].weights, term)
        ]
        changed += [
            f"--{source}"
            for source in accuracy.SOURCES
            if getattr(variant.config, source) != getattr(PRESETS["standard"], source)
        ]
        assert changed == [variant.name.split()[1]]
    template, landmarks, *presets = accuracy.presets_and_baselines()
    assert [variant.name for variant in presets] == list(PRESETS)
    for term in set(accuracy.term_names()) - {*accuracy.PRIORS, *accuracy.LANDMARKS}:
        assert getattr(landmarks.config.weights, term) == 0
        assert getattr(template.config.weights, term) == 0
    assert template.config.weights.identity == accuracy.PINNED


def test_every_source_is_left_out_in_turn_where_it_is_asked(monkeypatch):
    asking = dataclasses.replace(PRESETS["standard"], uv="mesh", parser="own")
    monkeypatch.setattr(accuracy, "PRESETS", {"standard": asking})
    last = accuracy.ablations()[-2:]
    assert [variant.name for variant in last] == ["without --uv", "without --parser"]
    assert [(each.config.uv, each.config.parser) for each in last] == [
        ("none", "own"),
        ("mesh", "none"),
    ]
    seen = accuracy._as_asked(_FakeFace(_FakeEvidence("points", "labels")), last[0].config)
    assert (seen.evidence.dense, seen.evidence.parsing) == (None, "labels")


@dataclasses.dataclass(frozen=True)
class _FakeEvidence:
    dense: object = None
    parsing: object = None


@dataclasses.dataclass(frozen=True)
class _FakeFace:
    evidence: _FakeEvidence = _FakeEvidence()


class _FakeSession:
    def __init__(self, config):
        self.config, self.tools = config, dataclasses.make_dataclass("Tools", ["model"])(None)

    def observe(self, photo):
        if photo.name == "empty.png":
            raise NoFaceError(f"{photo}: no face")
        return [_FakeFace()]

    def fit_faces(self, faces):
        assert faces == [_FakeFace()]
        if self.config.preset == "fast":
            raise InputError("no fit")
        return [dataclasses.make_dataclass("Result", ["scene"])("a scene")]


@dataclasses.dataclass(frozen=True)
class _FakeCase:
    group: str

    def write_photo(self, folder):
        path = folder / ("empty.png" if self.group == "c" else "photo.png")
        path.write_bytes(b"")
        return path

    def errors(self, fitted, model):
        assert fitted == "a scene"
        return ERRORS


def test_fits_are_counted_and_failures_shown(monkeypatch):
    monkeypatch.setattr(accuracy, "_session", _FakeSession)
    variants = [accuracy.Variant(name, PRESETS[name]) for name in ("standard", "fast")]
    seen = []
    outcomes = accuracy.measure(
        variants,
        [_FakeCase("a"), _FakeCase("a"), _FakeCase("b"), _FakeCase("c")],
        workers=1,
        on_fit=lambda: seen.append(None),
    )
    assert len(seen) == 4
    first, second, third = accuracy.accuracy_tables(outcomes, title="Accuracy")
    assert first.title == "Accuracy: a, 2 photos"
    assert second.title == "Accuracy: b, 1 photos"
    assert [row[-1] for row in third.rows] == ["1", "1"]
    good, failed = first.rows
    assert good == (
        *("standard", "50 %", "+0.000 mm", "0.500", "1.000", "0.600"),
        *("2.00", "1.00", "3.00", "0.10", "0"),
    )
    assert failed == ("fast", *("-",) * 9, "2")


@pytest.fixture
def own_head_as_foreign(monkeypatch):
    """A head of the model itself in the place of the foreign one."""
    model = TruthTools.load().model
    shape = torch.zeros(1, model.shape_count)
    shape[0, :5] = torch.tensor([1.0, -1.0, 2.0, 0.5, -2.0])
    vertices = neutral_head(model, shape)
    head = ForeignHead(
        vertices=vertices,
        faces=model.assets.faces,
        chart=model.assets.chart,
        texture=torch.full((1, 8, 8, 3), 0.5),
        eyes=(),
        landmarks=model_landmarks(vertices, model.assets.faces, assets=model.assets),
        face=model.assets.regions.mask("face"),
    )
    monkeypatch.setattr(foreign_truth, "_head", lambda folder: head)
    foreign_truth._template_millimetres.cache_clear()
    yield shape
    foreign_truth._template_millimetres.cache_clear()


def test_a_foreign_head_is_compared_in_its_own_place(own_head_as_foreign, tmp_path):
    case, model = foreign_truth.ForeignCase(tmp_path, 4), TruthTools.load().model
    placement = case.placement()
    rest = FlameParams.zeros(shape=model.shape_count, expression=1)
    joint = model.mesh(dataclasses.replace(rest, shape=own_head_as_foreign)).joints[:, 0]
    place = placement.translation - joint + joint @ placement.rotation.T
    flame = dataclasses.replace(
        rest,
        shape=own_head_as_foreign,
        head_rotation=matrix_to_axis_angle(placement.rotation[None]),
        translation=place,
    )
    scene = SceneParams(flame, placement.camera, torch.zeros(1, 1), case.lighting())
    found = case.errors(scene, model)
    assert max(found.geometry_mm, found.posed_mm) < 1e-2 < 0.3 < found.template_mm
    assert max(found.pose_degrees, found.view_degrees, found.landmark_pixels) < 0.02
    assert found.light < 1e-5
    turned = matrix_from_head_angles(HeadAngles(*torch.deg2rad(torch.tensor([3.0, 0.0, 0.0]))))
    turned = dataclasses.replace(
        flame, head_rotation=matrix_to_axis_angle((turned @ placement.rotation)[None])
    )
    wrong = case.errors(dataclasses.replace(scene, flame=turned), model)
    assert wrong.pose_degrees == pytest.approx(3.0, abs=0.02)
    assert wrong.posed_mm < 1e-2


def test_without_the_research_data_there_are_no_foreign_heads(tmp_path):
    assert foreign_truth.foreign_cases(tmp_path) == []
    (tmp_path / "data" / foreign_truth.GROUP).mkdir(parents=True)
    views = foreign_truth.foreign_cases(tmp_path)
    assert len(views) == len(foreign_truth.VIEWS)
    assert {view.group for view in views} == {foreign_truth.GROUP}


class _Shifted:
    """A session whose heads are larger by a share on every device but the first."""

    def __init__(self, config):
        self.tools = dataclasses.make_dataclass("Tools", ["model"])(TruthTools.load().model)
        self._larger = config.device != "cpu"

    def fit(self, photo):
        scene = SyntheticCase("plain", 1002).setup().scene
        if self._larger:
            shape = scene.flame.shape.clone()
            shape[0, 0] += 0.1
            scene = dataclasses.replace(
                scene,
                flame=dataclasses.replace(scene.flame, shape=shape),
                lighting=scene.lighting + 0.25,
            )
        return [dataclasses.make_dataclass("Result", ["scene"])(scene)]


def test_devices_are_compared_vertex_by_vertex(monkeypatch, astronaut):
    monkeypatch.setattr(parity, "FitSession", _Shifted)
    (same,) = parity.compare_devices([astronaut], "cpu")
    assert (same.neutral_mm, same.posed_mm, same.light) == (0.0, 0.0, 0.0)
    (found,) = parity.compare_devices([astronaut], "other")
    basis = TruthTools.load().model.assets.shape_basis[..., 0]
    assert found.neutral_mm == pytest.approx(100.0 * float(basis.norm(dim=-1).max()), rel=1e-2)
    assert found.posed_mm > 0.0
    assert found.light == pytest.approx(0.25, rel=1e-3)
    (row,) = parity.parity_table([found], "other").rows
    assert row[0] == "astronaut.png"
