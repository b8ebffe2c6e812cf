"""Other tools' parameters: their vertices and pixels by their own formulas, and ours."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.io
import torch

from flame_fit.errors import AssetError, InputError, UsageError
from flame_fit.export import params_bytes
from flame_fit.export.foreign import load_params, save_params
from flame_fit.export.foreign.frames import (
    posed_vertices,
)
from flame_fit.untrusted import read_npy
from tests.export.foreign.tools import (
    EXPRESSION,
    IDENTITY,
    codes,
    formula,
    orthographic_codes,
    our_pixels,
    our_shading,
    shading_a,
    unit_vectors,
)
from tests.published_flame import rodrigues


@pytest.mark.parametrize(
    ("layout", "light_key", "side"), [("seed", "lit", 256), ("deca", "light", 224)]
)
def test_codes_of_the_seed_and_deca(tmp_path, rng, tiny, release, layout, light_key, side):
    content = orthographic_codes(rng, light_key)
    path = tmp_path / ("codes.npy" if layout == "seed" else "codes.mat")
    if layout == "seed":
        np.save(path, np.array(content, dtype=object), allow_pickle=True)
    else:
        scipy.io.savemat(path, content)
    imported = load_params(path, assets=tiny)
    params = imported.params
    assert imported.layout == layout

    pose, none = content["pose"][0], np.zeros(3)
    theirs = formula(
        release, content["shape"][0], content["exp"][0], pose[:3], none, pose[3:], none, none
    )
    ours = posed_vertices(params, tiny)
    shift = np.array([0.02, -0.03, -1.0])
    np.testing.assert_allclose(ours, theirs + shift, atol=1e-6)

    scale, shift_x, shift_y = content["cam"][0]
    normalised = scale * (theirs[:, :2] + (shift_x, shift_y)) * (1, -1)
    pixels = (normalised + 1) / 2 * side
    np.testing.assert_allclose(our_pixels(params, ours), pixels, atol=1e-3)
    np.testing.assert_array_equal(params.image_size, (side, side))
    np.testing.assert_array_equal(params.texture_code, content["tex"][0])

    normals = unit_vectors(rng)
    np.testing.assert_allclose(
        our_shading(params.lighting, normals), shading_a(content[light_key][0], normals), atol=1e-9
    )


def vhap_arrays(rng, pictures=3):
    return {
        "rotation": 0.3 * rng.normal(size=(pictures, 3)),
        "translation": 0.1 * rng.normal(size=(pictures, 3)),
        "neck_pose": 0.3 * rng.normal(size=(pictures, 3)),
        "jaw_pose": 0.2 * rng.normal(size=(pictures, 3)),
        "eyes_pose": 0.2 * rng.normal(size=(pictures, 6)),
        "shape": codes(rng, IDENTITY, 300),
        "expr": np.stack([codes(rng, EXPRESSION, 100) for _ in range(pictures)]),
        "focal_length": np.array([1.7]),
        "lights": rng.normal(size=(9, 3)),
        "static_offset": np.zeros((1, 302, 3)),
        "image_size": np.array([480, 640]),
        "timestep_id": np.arange(pictures),
    }


def test_a_picture_of_a_vhap_track(tmp_path, rng, tiny, release):
    content = vhap_arrays(rng)
    path = tmp_path / "tracked_flame_params_30.npz"
    np.savez(path, allow_pickle=False, **content)
    imported = load_params(path, assets=tiny, frame=2)
    params = imported.params
    assert imported.layout == "vhap"

    theirs = content["translation"][2] + formula(
        release, content["shape"], content["expr"][2], content["rotation"][2],
        content["neck_pose"][2], content["jaw_pose"][2], content["eyes_pose"][2],
    )  # fmt: skip
    camera = np.array([0.0, 0.0, 1.0])
    ours = posed_vertices(params, tiny)
    np.testing.assert_allclose(ours, theirs - camera, atol=1e-6)
    seen = theirs - camera
    pixels = 1.7 * 640 * seen[:, :2] / -seen[:, 2:] * (1, -1) + (320, 240)
    np.testing.assert_allclose(our_pixels(params, ours), pixels, atol=1e-3)
    normals = unit_vectors(rng)
    np.testing.assert_allclose(
        our_shading(params.lighting, normals), shading_a(content["lights"], normals), atol=1e-9
    )

    with pytest.raises(InputError, match="has 3 pictures, number 3 was asked for; give 0 to 2"):
        load_params(path, assets=tiny, frame=3)
    content["static_offset"][0, 5] = 0.001
    np.savez(path, allow_pickle=False, **content)
    assert "'static_offset' moves single vertices" in " ".join(load_params(path, assets=tiny).notes)
    del content["image_size"]
    np.savez(path, allow_pickle=False, **content)
    with pytest.raises(UsageError, match="give --image-size WIDTH HEIGHT"):
        load_params(path, assets=tiny)
    sized = load_params(path, assets=tiny, image_size=(640, 480)).params
    np.testing.assert_allclose(sized.focal, params.focal)


def head_tracker_arrays(rng):
    focal = 128 / np.tan(np.radians(10))
    return {
        "shape": codes(rng, IDENTITY, 300)[None],
        "exp": codes(rng, EXPRESSION, 100)[None],
        "head_pose": 0.2 * rng.normal(size=(1, 3)),
        "jaw_pose": 0.2 * rng.normal(size=(1, 3)),
        "eye_pose": 0.2 * rng.normal(size=(1, 6)),
        "tex": rng.normal(size=(1, 50)),
        "light": rng.normal(size=(1, 9, 3)),
        "cam": np.array([[0.3, -0.2, 0.1, 0.05, 0.02, 1.1]]),
        "fov": np.array([20.0]),
        "K": np.array([[[focal, 0, 128], [0, focal, 128], [0, 0, 1]]]),
    }


def test_a_picture_of_flame_head_tracker(tmp_path, rng, tiny, release):
    content = head_tracker_arrays(rng)
    path = tmp_path / "0.npz"
    np.savez(path, allow_pickle=False, **content)
    imported = load_params(path, assets=tiny, image_size=(512, 512))
    params = imported.params
    assert imported.layout == "flame-head-tracker"

    eyes = content["eye_pose"][0]
    theirs = formula(
        release, content["shape"][0], content["exp"][0], content["head_pose"][0], np.zeros(3),
        content["jaw_pose"][0], eyes,
    )  # fmt: skip
    a, b, c = content["cam"][0, :3]
    axes = rodrigues((0, 0, c)) @ rodrigues((0, a, 0)) @ rodrigues((b, 0, 0))
    # Their way: the camera's pose with y and z flipped, inverted, then the pinhole.
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, content["cam"][0, 3:]
    pose[:3, 1:3] *= -1
    homogeneous = np.c_[theirs, np.ones(len(theirs))]
    seen = (homogeneous @ np.linalg.inv(pose).T)[:, :3]
    projected = seen @ content["K"][0].T
    pixels = 2.0 * projected[:, :2] / projected[:, 2:]

    ours = posed_vertices(params, tiny)
    np.testing.assert_allclose(ours * (1, -1, -1), seen, atol=1e-6)
    np.testing.assert_allclose(our_pixels(params, ours), pixels, atol=1e-3)
    # Light stays with the world, which turns with the head.
    normals = unit_vectors(rng)
    np.testing.assert_allclose(
        our_shading(params.lighting, normals @ axes), shading_a(content["light"][0], normals),
        atol=1e-9,
    )  # fmt: skip


def test_an_identity_of_mica(tmp_path, rng, tiny):
    identity = codes(rng, IDENTITY, 300).astype(np.float32)
    path = tmp_path / "identity.npy"
    for array in (identity, identity[None]):
        np.save(path, array, allow_pickle=False)
        imported = load_params(path, assets=tiny)
        assert imported.layout == "mica"
        expected = tiny.v_template + tiny.shape_basis @ torch.from_numpy(identity[:IDENTITY])
        np.testing.assert_allclose(
            posed_vertices(imported.params, tiny) + (0, 0, 0.8), expected, atol=1e-6
        )


def test_a_pickle_that_would_run_code_runs_none(tmp_path, tiny):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    path = tmp_path / "codes.npy"
    np.save(path, np.array({"shape": Harmful()}, dtype=object), allow_pickle=True)
    with pytest.raises(AssetError):
        load_params(path, assets=tiny)
    assert not (tmp_path / "made").exists()
    with pytest.raises(AssetError):
        read_npy(path)


def test_errors_say_what_to_do(tmp_path, rng, fitted, tiny):
    content = orthographic_codes(rng, "lit")

    def saved(**changes):
        path = tmp_path / "codes.npy"
        np.save(path, np.array(content | changes, dtype=object), allow_pickle=True)
        return path

    with pytest.raises(
        InputError, match="'shape' has 100 identity coefficients, the model 6; give"
    ):
        load_params(saved(shape=np.ones((1, 100))), assets=tiny)
    with pytest.raises(InputError, match="'pose' is 1 x 5, expected 6 for each picture"):
        load_params(saved(pose=np.ones((1, 5))), assets=tiny)
    with pytest.raises(InputError, match="values that are not finite"):
        load_params(saved(cam=np.full((1, 3), np.nan)), assets=tiny)
    with pytest.raises(UsageError, match="layout seed has square images"):
        load_params(saved(), assets=tiny, image_size=(640, 480))
    with pytest.raises(InputError, match="lacks 'rotation'; it has cam, exp"):
        load_params(saved(), assets=tiny, layout="vhap")
    other = tmp_path / "other.npz"
    np.savez(other, allow_pickle=False, a=np.zeros(3))
    with pytest.raises(InputError, match="has a, which is none of the layouts flame-fit, vhap"):
        load_params(other, assets=tiny)
    other.rename(tmp_path / "other.txt")
    with pytest.raises(InputError, match=r"ends in '\.txt'; parameters are read from \.npy"):
        load_params(tmp_path / "other.txt", assets=tiny)

    foreign = replace(fitted, model_sha256="1" * 64, model_name="flame2020")
    with pytest.raises(UsageError, match="belong to model 'flame2020' .* not to 'tiny'"):
        save_params(foreign, assets=tiny, layout="vhap")
    own = tmp_path / "params.npz"
    own.write_bytes(params_bytes(foreign))
    with pytest.raises(UsageError, match="belongs to model 'flame2020' .* not to 'tiny'"):
        load_params(own, assets=tiny)
    flat = replace(fitted, projection="orthographic")
    for layout in ("vhap", "flame-head-tracker"):
        with pytest.raises(UsageError, match=f"layout {layout} has a perspective one only"):
            save_params(flat, assets=tiny, layout=layout)
    with pytest.raises(UsageError, match="axis 20 pixels off the centre"):
        save_params(
            replace(fitted, principal_point=np.array([340.0, 240.0])), assets=tiny, layout="vhap"
        )
    with pytest.raises(UsageError, match="the focal lengths are 900 and 800 pixels"):
        save_params(
            replace(fitted, focal=np.array([900.0, 800.0])),
            assets=tiny,
            layout="flame-head-tracker",
        )
