"""Every FLAME release: recognised by content, converted, and the same head as its formulas give."""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.asset_files import sha256_of
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, FlameModel, FlameParams, load_assets
from flame_fit.flame.releases import ConvertedRelease, read_release, recognise
from scripts.fuzzing.mutations import model_arrays
from tests.flame import python_two_pickle
from tests.flame.flame_template import EYEBALLS, flame_template_head
from tests.flame.release_files import FILE_NAMES, PICKLE_KINDS, release_arrays, write_release
from tests.flame.release_topology import FACES, VERTICES

EXPECTED = {
    "flame2017": ("flame2017", "generic"),
    "flame2019": ("flame2019", "generic"),
    "flame2020": ("flame2020", "generic"),
    "flame2020_male": ("flame2020", "male"),
    "flame2020_female": ("flame2020", "female"),
    "flame2023": ("flame2023", "generic"),
    "flame2023_no_jaw": ("flame2023_no_jaw", "generic"),
    "flame2023_no_jaw_four_joints": ("flame2023_no_jaw", "generic"),
    "flame2023_open": ("flame2023_open", "generic"),
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """One release: its file, what it was converted to, the model, and its numbers in float64."""

    kind: str
    path: Path
    converted: ConvertedRelease
    assets: FlameAssets
    arrays: dict[str, np.ndarray]


LIKE_ANOTHER = ("flame2019", "flame2020_male")
"""Their layouts are those of flame2017 and flame2020_female; one file of 53 MB each is enough."""


@pytest.fixture(scope="module", params=[k for k in PICKLE_KINDS if k not in LIKE_ANOTHER])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = write_release(tmp_path_factory.mktemp("release"), request.param)
    converted = read_release(path)
    archive = path.with_suffix(".npz")
    np.savez(archive, allow_pickle=False, **converted.arrays)
    yield Loaded(
        kind=request.param,
        path=path,
        converted=converted,
        assets=load_assets(archive),
        arrays=release_arrays(request.param),
    )
    path.unlink()
    archive.unlink()


def test_each_release_is_recognised(loaded: Loaded) -> None:
    release = loaded.converted.release
    assert (release.kind, release.gender) == EXPECTED[loaded.kind]
    free = "CC BY 4.0" in release.licence
    assert free == (loaded.kind == "flame2023_open")
    assert "Li" in release.citation and release.source.startswith("https://flame")
    assert release.name.startswith(release.kind) and " " not in release.name


@pytest.mark.parametrize("kind", LIKE_ANOTHER)
def test_releases_of_the_same_layout(kind: str) -> None:
    release = recognise(release_arrays(kind), hint=FILE_NAMES[kind])
    assert (release.kind, release.gender) == EXPECTED[kind]


def test_each_release_gets_the_same_layout(loaded: Loaded) -> None:
    arrays = loaded.converted.arrays
    shapes = {key: value.shape for key, value in arrays.items()}
    assert shapes == {
        "v_template": (VERTICES, 3),
        "f": (FACES, 3),
        "shapedirs": (VERTICES, 3, 400),
        "n_shape": (),
        "n_expression": (),
        "posedirs": (VERTICES, 3, 36),
        "J_regressor": (5, VERTICES),
        "kintree_table": (2, 5),
        "weights": (VERTICES, 5),
        "meta": (),
    }
    assert {value.dtype.str for value in arrays.values() if value.dtype.kind == "f"} == {"<f4"}
    assert (int(arrays["n_shape"]), int(arrays["n_expression"])) == (300, 100)
    assert arrays["kintree_table"].tolist() == [[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]
    meta = json.loads(str(arrays["meta"]))
    assert meta["source_sha256"] == sha256_of(loaded.path) == loaded.converted.sha256
    assert meta["name"] == loaded.converted.release.name == loaded.assets.name
    assert meta["licence"] == loaded.assets.licence


def test_a_conversion_describes_itself(loaded: Loaded) -> None:
    assert read_release(loaded.path.with_suffix(".npz")).release == loaded.converted.release


def test_a_published_pickle_loads_at_once(tmp_path: Path) -> None:
    path = write_release(tmp_path, "flame2023_open")
    assets = load_assets(path)
    expected = read_release(path).arrays
    for name, key in (("v_template", "v_template"), ("pose_basis", "posedirs")):
        np.testing.assert_array_equal(getattr(assets, name), expected[key])
    np.testing.assert_array_equal(assets.expression_basis, expected["shapedirs"][..., 300:])
    assert assets.sha256 == sha256_of(path)
    path.unlink()


def rodrigues(vectors: np.ndarray) -> np.ndarray:
    """R = I + sin(t) K + (1 - cos(t)) K^2 with K the cross product with the unit axis."""
    angles = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angles[..., 0], 1e-300), -1, 0)
    zero = np.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    cross = np.stack(rows, axis=-1).reshape(*vectors.shape[:-1], 3, 3)
    return np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * cross @ cross


def published_vertices(
    arrays: dict[str, np.ndarray], coefficients: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    """Vertices by the formulas of the SMPL and FLAME papers, for one head, in float64.

    v(b, p) = sum_j w_j G'_j (t + S b + P (R(p) - I)), with G'_j the chain of joint transforms with
    the rest pose taken off, in homogeneous coordinates; joints J = regressor (t + S b).
    """
    shaped = arrays["v_template"] + arrays["shapedirs"] @ coefficients
    joints = arrays["J_regressor"] @ shaped
    rotations = rodrigues(pose)
    posed = shaped + arrays["posedirs"] @ (rotations[1:] - np.eye(3)).ravel()
    chain = []
    for joint, parent in enumerate(arrays["kintree_table"][0].astype(np.int64)):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0)
        chain.append(chain[parent] @ local if joint else local)
    moved = []
    for transform, joint in zip(chain, joints, strict=True):
        rest = np.eye(4)
        rest[:3, 3] = -joint
        moved.append(transform @ rest)
    blended = np.einsum("vj,jkl->vkl", arrays["weights"], np.array(moved))
    homogeneous = np.concatenate((posed, np.ones((len(posed), 1))), axis=-1)
    return np.einsum("vkl,vl->vk", blended, homogeneous)[:, :3]


def test_each_release_gives_the_published_formulas(loaded: Loaded) -> None:
    rng = np.random.default_rng(3)
    model = FlameModel(loaded.assets, dtype=torch.float64)
    for scale in (0.0, 1.0, 1.0):
        coefficients = scale * rng.normal(size=400)
        pose = scale * 0.5 * rng.normal(size=(5, 3))
        translation = scale * rng.normal(size=3)
        mesh = model.mesh(parameters(coefficients, pose, translation))
        joints = loaded.arrays["weights"].shape[1]
        used = pose if joints == 5 else np.delete(pose, 2, axis=0)
        expected = published_vertices(loaded.arrays, coefficients, used) + translation
        np.testing.assert_allclose(mesh.vertices[0].numpy(), expected, atol=1e-6, rtol=0)


def parameters(coefficients: np.ndarray, pose: np.ndarray, translation: np.ndarray) -> FlameParams:
    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64).reshape(1, -1)

    return FlameParams(
        shape=tensor(coefficients[:300]),
        expression=tensor(coefficients[300:]),
        head_rotation=tensor(pose[0]),
        neck=tensor(pose[1]),
        jaw=tensor(pose[2]),
        eyes=tensor(pose[3:]),
        translation=tensor(translation),
    )


def test_the_jaw_of_a_release_without_one_moves_nothing(loaded: Loaded) -> None:
    model = FlameModel(loaded.assets, dtype=torch.float64)
    pose = np.zeros((5, 3))
    pose[2] = (0.3, 0.1, 0.0)
    rest = model.mesh(parameters(np.zeros(400), 0 * pose, np.zeros(3))).vertices
    moved = model.mesh(parameters(np.zeros(400), pose, np.zeros(3))).vertices
    largest = float((moved - rest).abs().max())
    assert largest < 1e-9 if "no_jaw" in loaded.kind else largest > 0.01


def test_rotations_and_translation_have_the_published_meaning(loaded: Loaded) -> None:
    """The root turns the head about the root joint, an eye turns its eyeball, then all shifts."""
    model = FlameModel(loaded.assets, dtype=torch.float64)
    shift, zero = np.array([0.1, -0.2, 0.7]), np.zeros((5, 3))
    rest = model.mesh(parameters(np.zeros(400), zero, np.zeros(3)))
    turn = zero.copy()
    turn[0] = (0.2, 0.5, -0.3)
    turned = model.mesh(parameters(np.zeros(400), turn, shift))
    root = rest.joints[0, 0].numpy()
    expected = (rest.vertices[0].numpy() - root) @ rodrigues(turn[0]).T + root + shift
    np.testing.assert_allclose(turned.vertices[0].numpy(), expected, atol=1e-9)
    gaze = zero.copy()
    gaze[3] = (0.0, 0.4, 0.0)
    looked = model.mesh(parameters(np.zeros(400), gaze, np.zeros(3)))
    moved = (looked.vertices - rest.vertices)[0].norm(dim=-1) > 1e-3
    places = rest.vertices[0][moved]
    assert 50 < int(moved.sum()) < 700
    assert float((places - rest.joints[0, 3]).norm(dim=-1).max()) < 0.03
    assert float(rest.joints[0, 3, 0]) > 0.02, "the left eye is on the person's left"


@pytest.mark.parametrize("kind", ["plain_npz", "open_head"])
def test_archives_are_read_too(kind: str, tmp_path: Path) -> None:
    path = write_release(tmp_path, kind)
    converted = read_release(path)
    if kind == "open_head":
        assert converted.release.name == "open_head" and converted.release.licence == "CC0-1.0"
        assert set(converted.arrays) == set(np.load(path).files)
    else:
        assert converted.release.kind == "flame2017_or_2019"
    assert load_assets(path).faces.shape[1] == 3


def test_a_release_on_flames_own_mesh(shared_data: Path, tmp_path: Path) -> None:
    head = flame_template_head(shared_data / "flame_topology")
    path = write_release(tmp_path, "flame2023_open", head=head)
    assets = load_assets(path)
    assert assets.name == "flame2023_open" and assets.faces.shape == (FACES, 3)
    joints = assets.joint_regressor @ assets.v_template
    for joint, part in zip((3, 4), EYEBALLS, strict=True):
        distances = (assets.v_template[part] - joints[joint]).norm(dim=-1)
        assert float(distances.min()) > 0.008 and float(distances.max()) < 0.02
        assert float(assets.skinning_weights[part, joint].min()) > 0.99
    assert float(joints[3, 0]) > 0.02 > -0.02 > float(joints[4, 0])
    path.unlink()


def test_published_files_are_known_by_their_digest() -> None:
    digests = {
        "efcd14cc4a69f3a3d9af8ded80146b5b6b50df3bd74cf69108213b144eba725b": "flame2020",
        "8fb1af0db1abb51053ead8fd1f2624a63d01c9602f4a4fb4ea23bd2c82017fa0": "flame2023",
        "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623": "flame2023_open",
    }
    for digest, kind in digests.items():
        assert recognise({}, sha256=digest, hint="misleading_2017_male.pkl").kind == kind


@pytest.mark.parametrize(
    ("hint", "kind", "gender"),
    [
        ("FLAME2020/generic_model.pkl", "flame2020", "generic"),
        ("downloads/female_model.pkl", "flame2020_or_2023", "female"),
        ("FLAME2023/male_model.pkl", "flame2023", "male"),
        ("2020 and 2023/model.pkl", "flame2020_or_2023", None),
        ("flame2017.pkl", "flame2020_or_2023", None),
    ],
)
def test_the_name_decides_only_what_the_content_cannot(
    hint: str, kind: str, gender: str | None
) -> None:
    arrays = {
        "v_template": np.zeros((VERTICES, 3)),
        "f": np.zeros((FACES, 3), int),
        "shapedirs": np.ones((VERTICES, 3, 400), np.float32),
        "weights": np.full((VERTICES, 5), 0.2),
    }
    release = recognise(arrays, hint=hint)
    assert (release.kind, release.gender) == (kind, gender)
    assert "non-commercial" in release.licence


def test_another_mesh_is_no_flame_release(tmp_path: Path) -> None:
    path = tmp_path / "my head.pkl"
    path.write_bytes(pickle.dumps(model_arrays()))
    release = read_release(path).release
    assert (release.kind, release.name) == ("other", "my head")
    assert release.licence.startswith("unknown")
    assert FlameModel(load_assets(path)).shape_count == 6


def test_joints_may_be_numbered_in_any_way(tmp_path: Path) -> None:
    arrays = model_arrays()
    arrays["kintree_table"] = np.array([[2**32 - 1, 10, 20, 20, 20], [10, 20, 30, 40, 50]])
    path = tmp_path / "a.pkl"
    path.write_bytes(python_two_pickle.dumps(arrays))
    assert load_assets(path).parents == (-1, 0, 1, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v_template": None}, "'v_template' is missing"),
        ({"v_template": 1000 * model_arrays()["v_template"]}, "in metres it would be about 0.3"),
        ({"v_template": np.full((302, 3), np.nan)}, "'v_template' is not finite"),
        ({"v_template": np.full((302, 3), 1e300)}, "'v_template' is not finite"),
        ({"f": np.full((4, 3), 302)}, "'f' has indices from 302 to 302"),
        ({"f": np.full((4, 3), 2**64 - 1, np.uint64)}, "'f' has indices from 18446744073709551615"),
        ({"n_shape": None}, "no 'n_shape' tells how many are identity"),
        ({"posedirs": np.zeros((302, 3, 9))}, "expected 302 x 3 x 36"),
        ({"weights": np.full((302, 5), 0.1)}, "miss the sum 1 by 0.5"),
        ({"kintree_table": np.zeros((2, 55), int)}, "has 55 joints, a head model has 5"),
        ({"kintree_table": np.array([[0, 3, 1, 1, 1], range(5)])}, "must be an earlier joint"),
        ({"J_regressor": "text"}, "'J_regressor' is missing"),
    ],
)
def test_what_is_wrong_is_named(change: dict, message: str, tmp_path: Path) -> None:
    arrays = {key: value for key, value in (model_arrays() | change).items() if value is not None}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(AssetError) as raised:
        load_assets(path)
    text = str(raised.value)
    assert message in text and str(path) in text and "\n" not in text
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(AssetError, match="holds a list, a head model is a dict of arrays"):
        load_assets(path)
    path.write_bytes(pickle.dumps({"x\n" * 50: 1, 5: 2} | {f"k{i}": np.ones(1) for i in range(99)}))
    with pytest.raises(AssetError) as raised:
        load_assets(path)
    assert "and more)" in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(AssetError, match="does not exist; check the path"):
        read_release(tmp_path / "none.pkl")
