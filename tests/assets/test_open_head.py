"""The committed head: topology, rig, components and the people they make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from scripts.open_head import anthropometry

PATH = Path(__file__).resolve().parents[2] / "assets" / "open_head.npz"
PEOPLE = 3000
REGIONS = {
    "face", "skin", "forehead", "nose", "lips", "brows", "left_eyelids", "right_eyelids",
    "left_eye_region", "right_eye_region", "left_ear", "right_ear", "scalp", "neck",
    "left_eyeball", "right_eyeball", "left_iris", "right_iris", "mouth_interior", "teeth",
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The arrays as a reader gets them."""

    vertices: np.ndarray
    faces: np.ndarray
    shapes: np.ndarray
    expressions: np.ndarray
    pose: np.ndarray
    raw: dict[str, np.ndarray]

    def region(self, name: str) -> np.ndarray:
        return self.raw["region_masks"][self.raw["region_names"].tolist().index(name)]

    def action(self, name: str) -> np.ndarray:
        index = self.raw["arkit_names"].tolist().index(name)
        return self.raw["arkit_dirs"][:, :, index] * self.raw["arkit_scale"][index]

    def eye(self, side: str) -> tuple[np.ndarray, float]:
        ball = self.vertices[np.flatnonzero(self.region(f"{side}_eyeball"))[[0, -1]]]
        return ball.mean(axis=0), float(np.linalg.norm(ball[0] - ball[1]) / 2)


@pytest.fixture(scope="module")
def head() -> Head:
    with np.load(PATH, allow_pickle=False) as data:
        raw = {key: data[key] for key in data.files}
    directions = raw["shapedirs"].astype(np.float32) * raw["shapedirs_scale"]
    count = int(raw["n_shape"])
    return Head(
        raw["v_template"].astype(np.float64),
        raw["f"].astype(np.int64),
        directions[:, :, :count],
        directions[:, :, count:],
        raw["posedirs"].astype(np.float64) * raw["posedirs_scale"],
        raw,
    )


def pose_jaw(head: Head, angle: float, *, correct: bool = True) -> np.ndarray:
    """Linear blend skinning with the jaw alone turned about x."""
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    feature = np.zeros(36)
    feature[9:18] = (turn - np.eye(3)).ravel()
    pivot = head.raw["J_regressor"][2].astype(np.float64) @ head.vertices
    rest = head.vertices + (head.pose @ feature if correct else 0.0)
    moved = (rest - pivot) @ turn.T + pivot
    return rest + head.raw["weights"][:, 2:3] * (moved - rest)


def boundary_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Closed chains of edges that only one triangle uses."""
    edges = {(int(t[k]), int(t[(k + 1) % 3])) for t in faces for k in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops = []
    while following:
        start, here = following.popitem()
        loop = [start]
        while here != start:
            loop.append(here)
            here = following.pop(here)
        loops.append(np.array(loop))
    return loops


def sample_measures(head: Head, codes: np.ndarray) -> np.ndarray:
    pairs = head.raw["measure_vertices"]
    ends = pairs.ravel()
    points = head.vertices[ends] + np.einsum("nk,vck->nvc", codes, head.shapes[ends])
    apart = (points[:, 0::2] - points[:, 1::2]) * head.raw["measure_axes"]
    return np.linalg.norm(apart, axis=2)


def test_size_and_keys(head: Head) -> None:
    assert 4000 <= len(head.vertices) <= 7000
    assert head.shapes.shape[2] == 300
    assert 30 <= head.expressions.shape[2] <= 100
    assert json.loads(str(head.raw["meta"]))["licence"] == "CC0-1.0"
    assert set(head.raw["region_names"].tolist()) >= REGIONS
    assert head.region("face").sum() > 1500
    assert np.isfinite(head.vertices).all()


def test_triangles_are_manifold_and_used(head: Head) -> None:
    edges = head.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert (np.unique(head.faces) == np.arange(len(head.vertices))).all()


def test_neck_ends_in_one_smooth_loop(head: Head) -> None:
    teeth = head.region("teeth")
    loops = [loop for loop in boundary_loops(head.faces) if not teeth[loop].all()]
    assert len(loops) == 1
    ring = head.vertices[loops[0]]
    assert head.region("neck")[loops[0]].all()
    steps = np.roll(ring, -1, axis=0) - ring
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    turning = np.rad2deg(np.arccos((steps * np.roll(steps, -1, axis=0)).sum(1).clip(-1, 1)))
    assert turning.max() < 40


def test_mirror_is_an_involution_and_the_head_symmetric(head: Head) -> None:
    mirror = head.raw["mirror_vertex"]
    assert (mirror[mirror] == np.arange(len(mirror))).all()
    reflected = head.vertices[mirror] * [-1, 1, 1]
    assert np.abs(reflected - head.vertices).max() < 1e-5
    triangles = {tuple(sorted(t)) for t in head.faces.tolist()}
    assert all(tuple(sorted(t)) in triangles for t in mirror[head.faces].tolist())
    for name in ("ear", "eyeball", "eyelids", "eye_region", "iris"):
        assert (head.region(f"left_{name}") == head.region(f"right_{name}")[mirror]).all()


def test_eyeballs_are_closed_spheres_ahead_of_the_ears(head: Head) -> None:
    for side, sign in (("left", 1), ("right", -1)):
        centre, radius = head.eye(side)
        ball = head.region(f"{side}_eyeball")
        distance = np.linalg.norm(head.vertices[ball] - centre, axis=1)
        assert np.abs(distance - radius).max() < 1e-6
        assert sign * centre[0] > 0.02
        assert centre[2] > head.vertices[head.region(f"{side}_ear"), 2].max()
        iris = head.vertices[head.region(f"{side}_iris")]
        assert 0.0052 < np.hypot(*(iris - centre)[:, :2].T).max() < 0.0066


def test_eyeballs_stay_spheres_for_every_identity(head: Head) -> None:
    code = np.random.default_rng(1).standard_normal(300)
    person = head.vertices + head.shapes @ code
    ball = person[head.region("left_eyeball")]
    centre = (ball[0] + ball[-1]) / 2
    distance = np.linalg.norm(ball - centre, axis=1)
    assert np.ptp(distance) < 5e-5
    assert np.abs((ball[0] - ball[-1])[:2]).max() < 5e-5, "the eyes no longer look ahead"


def test_rig_sums(head: Head) -> None:
    weights, regressor = head.raw["weights"], head.raw["J_regressor"]
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-5
    assert weights.min() >= 0
    assert np.abs(regressor.sum(axis=1) - 1).max() < 1e-5
    assert regressor.min() >= 0
    assert head.raw["kintree_table"].tolist() == [[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]
    joints = regressor @ head.vertices
    assert np.abs(joints[:3, 0]).max() < 1e-5
    for joint, side in ((3, "left"), (4, "right")):
        assert np.abs(joints[joint] - head.eye(side)[0]).max() < 1e-5


def test_jaw_joint_gives_the_sources_jaw_opening(head: Head) -> None:
    angle = np.deg2rad(json.loads(str(head.raw["meta"]))["jaw"]["angle_degrees"])
    wanted = head.vertices + head.action("jawOpen")
    moving = np.linalg.norm(head.action("jawOpen"), axis=1) > 5e-4
    errors = np.linalg.norm(pose_jaw(head, angle) - wanted, axis=1)[moving]
    plain = np.linalg.norm(pose_jaw(head, angle, correct=False) - wanted, axis=1)[moving]
    assert errors.mean() < 0.3e-3
    assert errors.max() < 1.5e-3
    assert plain.mean() > 5 * errors.mean()


def test_opening_the_jaw_lowers_the_chin(head: Head) -> None:
    measures = head.raw["measure_names"].tolist()
    menton = head.raw["measure_vertices"][measures.index("face_length_menton_sellion"), 0]
    opened = pose_jaw(head, 0.3)
    assert opened[menton, 1] < head.vertices[menton, 1] - 0.012
    assert np.abs(opened - head.vertices)[head.region("scalp")].max() < 1e-5


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_lids_stay_off_the_eyeball(head: Head, amount: float) -> None:
    for index, side in enumerate(("left", "right")):
        centre, radius = head.eye(side)
        lids = head.region(f"{side}_eyelids")
        open_distance = np.linalg.norm(head.vertices - centre, axis=1)
        skin = lids & (open_distance >= radius)
        placed = head.vertices + amount * head.raw["eyelid_dirs"][:, :, index]
        clearance = np.linalg.norm(placed[skin] - centre, axis=1) - radius
        assert clearance.min() > -1e-5


def test_shut_lids_hide_the_eye(head: Head) -> None:
    shut = head.vertices + head.raw["eyelid_dirs"].sum(axis=2)
    for side in ("left", "right"):
        front = np.flatnonzero(head.region(f"{side}_iris"))
        corners = shut[head.faces[~head.region(f"{side}_eyeball")[head.faces].any(axis=1)]]
        for vertex in front:
            assert _covered(shut[vertex], corners)


def _covered(point: np.ndarray, corners: np.ndarray) -> bool:
    """Whether a triangle lies in front of a point seen along z."""
    return _depth_ahead(point, corners) > 0


def _depth_ahead(point: np.ndarray, corners: np.ndarray) -> float:
    """How far along z the foremost triangle before or behind a point is; -inf where none is."""
    a, b, c = corners[:, 0] - point, corners[:, 1] - point, corners[:, 2] - point

    def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]

    u, v, w = cross(b, c), cross(c, a), cross(a, b)
    total = u + v + w
    inside = ((u >= 0) & (v >= 0) & (w >= 0)) | ((u <= 0) & (v <= 0) & (w <= 0))
    inside &= np.abs(total) > 1e-16
    depth = (u * a[:, 2] + v * b[:, 2] + w * c[:, 2])[inside] / total[inside]
    return float(depth.max(initial=-np.inf))


def random_people(head: Head, count: int) -> np.ndarray:
    codes = np.random.default_rng(5).standard_normal((count, head.shapes.shape[2]))
    return head.vertices + np.einsum("vcs,ns->nvc", head.shapes, codes, optimize=True)


def skin_before(head: Head, person: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far ahead along z the foremost skin around the mouth lies; negative: behind."""
    skin = head.region("skin")[head.faces].all(axis=1)
    middle = head.vertices[head.faces].mean(axis=1)
    around = (middle[:, 2] > -0.03) & (np.abs(middle[:, 1] + 0.035) < 0.065)
    corners = person[head.faces[skin & around]]
    ahead = np.full(len(points), -np.inf)
    for index, point in enumerate(points):
        # A hair up and down as well: the slit between the lips is no skin but hides teeth.
        for shift in (-0.001, 0.0, 0.001):
            place = point + [0.0, shift, 0.0]
            ahead[index] = max(ahead[index], _depth_ahead(place, corners))
    return ahead


def test_teeth_stay_behind_the_skin_for_every_identity(head: Head) -> None:
    teeth = head.region("teeth")
    for person in random_people(head, 60):
        assert skin_before(head, person, person[teeth]).min() > 0.003


def test_upper_teeth_end_below_the_lip_and_before_the_lower_row(head: Head) -> None:
    """As in people: a smile shows them, and they bite over the others."""
    teeth, in_middle = head.region("teeth"), np.abs(head.vertices[:, 0]) < 0.004
    jaw = head.raw["weights"][:, 2] > 0.5
    upper, lower = (head.vertices[teeth & in_middle & row] for row in (~jaw, jaw))
    lip_edge = head.vertices[lips_edges(head)[1]]
    middle = np.interp(0.0, lip_edge[:, 0], lip_edge[:, 1])
    assert 0.002 < middle - upper[:, 1].min() < 0.005
    assert 0.001 < lower[:, 1].max() - upper[:, 1].min() < 0.005
    assert 0.002 < upper[:, 2].max() - lower[:, 2].max() < 0.006


def test_inner_mouth_stays_behind_the_skin_for_every_identity(head: Head) -> None:
    inside = np.flatnonzero(head.region("mouth_interior") & (head.vertices[:, 2] > 0.02))
    for person in random_people(head, 10):
        assert skin_before(head, person, person[inside]).min() > 0.0


def lips_edges(head: Head) -> list[np.ndarray]:
    """Where the skin turns into the mouth: lower and upper lip, from right to left."""
    (ring,) = boundary_loops(head.faces[head.region("mouth_interior")[head.faces].any(axis=1)])
    across = head.vertices[ring, 0]
    ring = np.roll(ring, -int(across.argmin()))
    corner = int(head.vertices[ring, 0].argmax())
    lips = [ring[: corner + 1], np.append(ring[corner:], ring[0])[::-1]]
    return sorted(lips, key=lambda lip: np.interp(0.0, *head.vertices[lip, :2].T))


def test_lips_of_every_identity_are_as_shut_as_the_mean_heads(head: Head) -> None:
    lower, upper = lips_edges(head)
    places = head.vertices[lower, 0]
    lower = lower[np.abs(places) < 0.023]  # the corners belong to both lips
    places = head.vertices[lower, 0]

    def apart(person: np.ndarray) -> np.ndarray:
        across = head.vertices[upper, 0]
        facing = [np.interp(places, across, person[upper, axis]) for axis in range(3)]
        return np.stack(facing, axis=1) - person[lower]

    changes = np.stack([apart(p) - apart(head.vertices) for p in random_people(head, 60)])
    assert np.abs(changes[:, :, 1]).max() < 0.3e-3
    assert np.abs(changes[:, :, 1]).mean() < 0.1e-3


def test_components_are_sorted_and_carry_no_rigid_motion(head: Head) -> None:
    energy = (head.shapes.astype(np.float64) ** 2).sum(axis=(0, 1))
    # Nearly: the mouth's repair changes small components a little after they have been sorted.
    assert (np.diff(energy) < 0.3 * energy[:-1]).all()
    assert (energy[20:] < energy[:-20]).all()
    steady = head.region("skin") & ~head.region("neck")
    shift = head.shapes[steady].mean(axis=0)
    spread = np.sqrt((head.shapes[steady] ** 2).sum(axis=1).mean(axis=0))
    assert np.linalg.norm(shift[:, 0]) < 0.35 * spread[0]


def test_quantisation_is_finer_than_a_hundredth_of_a_millimetre(head: Head) -> None:
    for key in ("shapedirs_scale", "arkit_scale", "posedirs_scale"):
        assert head.raw[key].max() / 2 < 1e-5
    assert np.abs(head.raw["shapedirs"].astype(np.int32)).max() <= 32767
    rounding = head.raw["shapedirs_scale"].astype(np.float64) / np.sqrt(12)
    assert np.sqrt((rounding**2).sum()) < 1e-5


def test_population_measures_like_the_survey(head: Head) -> None:
    assert tuple(head.raw["measure_names"].tolist()) == anthropometry.MEASURES
    survey = anthropometry.published_survey()
    codes = np.random.default_rng(0).standard_normal((PEOPLE, 300))
    measures = sample_measures(head, codes)
    mean, wanted = measures.mean(axis=0), (survey.men + survey.women) / 2
    assert np.abs(mean / wanted - 1).max() < 0.10
    assert np.abs(measures.std(axis=0) / survey.pooled_deviation() - 1).max() < 0.25


@pytest.mark.parametrize("sex", ["men", "women"])
def test_each_sex_measures_like_the_survey(head: Head, sex: str) -> None:
    women = head.raw["women_shape"].astype(np.float64)
    unit, length = women / np.linalg.norm(women), np.linalg.norm(women)
    codes = np.random.default_rng(0).standard_normal((PEOPLE, 300))
    within = codes - np.outer(codes @ unit, unit) * (1 - np.sqrt(1 - length**2))
    measures = sample_measures(head, within + (women if sex == "women" else -women))
    table = np.array(anthropometry.SURVEY_MILLIMETRES)[:, 0 if sex == "men" else 1] / 1000
    assert np.abs(measures.mean(axis=0) / table[:, 0] - 1).max() < 0.10
    assert np.abs(measures.std(axis=0) / table[:, 1] - 1).max() < 0.25


def test_measures_correlate_as_in_the_survey(head: Head) -> None:
    women = head.raw["women_shape"].astype(np.float64)
    unit, length = women / np.linalg.norm(women), np.linalg.norm(women)
    codes = np.random.default_rng(0).standard_normal((PEOPLE, 300))
    within = codes - np.outer(codes @ unit, unit) * (1 - np.sqrt(1 - length**2))
    survey = anthropometry.published_survey()
    deviation = np.sqrt(np.diag(survey.covariance))
    wanted = survey.covariance / np.outer(deviation, deviation)
    assert np.abs(np.corrcoef(sample_measures(head, within).T) - wanted).max() < 0.12
