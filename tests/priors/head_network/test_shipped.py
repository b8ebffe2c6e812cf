"""The file that is shipped: whose first stages it holds, and that it reads heads it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flame_fit.flame import FlameModel
from flame_fit.geometry import points_on_surface, project
from flame_fit.head_models import load_head_model, load_head_texture
from flame_fit.image_files import Photo
from flame_fit.priors import find_faces
from flame_fit.priors.face_labels import FaceLabel
from flame_fit.priors.head_network import labels_of_pixels, load_head_network, read_head
from flame_fit.priors.model_files import person_model
from flame_fit.render import make_rasterizer
from flame_fit.synth import SyntheticPhoto, draw_setup, render_scene

# Operations of face_landmark.tflite whose outputs the four stages of the trunk are.
STAGES = (51, 80, 109, 137)
SIZE = (384, 384)


@pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")
def test_the_trunk_is_mediapipes_face_mesh_network() -> None:
    """Parity with LiteRT on a random picture; the file keeps half precision."""
    from ai_edge_litert.interpreter import Interpreter

    path = person_model().with_name("face_landmark.tflite")
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], [1, 256, 256, 3])
    interpreter.allocate_tensors()
    picture = np.random.default_rng(0).random((1, 256, 256, 3), dtype=np.float32)
    interpreter.set_tensor(given["index"], picture)
    interpreter.invoke()
    outputs = {each["index"]: each["outputs"][0] for each in interpreter._get_ops_details()}
    trunk = load_head_network().network.trunk
    with torch.no_grad():
        found = trunk(torch.from_numpy(picture).permute(0, 3, 1, 2))
    stages = (found.quarter, found.eighth, found.sixteenth, found.coarsest)
    for operation, stage in zip(STAGES, stages, strict=True):
        expected = interpreter.get_tensor(outputs[operation]).transpose(0, 3, 1, 2)
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(stage.numpy(), expected, atol=3e-3 * scale, rtol=0)


@pytest.fixture(scope="module")
def head() -> FlameModel:
    return FlameModel(load_head_model("open_head"))


def _photo(head: FlameModel, seed: int) -> SyntheticPhoto:
    space = load_head_texture("open_head_texture", head.assets)
    setup = draw_setup("plain", seed, head, space, image_size=SIZE)
    return render_scene(
        setup.scene,
        head,
        space,
        image_size=SIZE,
        rasterizer=make_rasterizer("warp", "cpu"),
        supersampling=1,
        staging=setup.staging,
    )


@pytest.mark.parametrize("seed", [95_001, 95_002])
def test_heads_it_never_saw_are_read(head: FlameModel, seed: int) -> None:
    made = _photo(head, seed)
    photo = Photo(Path("made"), made.srgb)
    face = find_faces(photo)[0]
    marks = face.landmarks[0]
    assert marks.depth is not None
    mesh = np.concatenate([marks.pixels, marks.depth[:, None]], axis=1)
    trained = load_head_network()
    reading = read_head(photo.srgb, mesh, face.person, trained)

    world = head.mesh(made.scene.flame)
    truth = project(
        made.scene.camera, points_on_surface(world.vertices, world.faces, trained.points)
    )
    error = np.linalg.norm(reading.dense.pixels - truth.pixels[0].numpy(), axis=1)
    # Twice the middle of hundreds of heads.
    assert np.median(error) < 0.045 * face.size
    # The camera looks along -z.
    depth = truth.depth[0].numpy() + float(world.joints[0, 1, 2])
    assert np.median(np.abs(reading.dense.depth - depth)) < 0.012
    # The deviations are of the errors' size.
    assert 0.3 < np.median(error / reading.dense.sigma) < 3.0

    labels = labels_of_pixels(reading.parsing, photo)
    skin = np.isin(made.truth.labels, (FaceLabel.SKIN, FaceLabel.NOSE))
    found = np.isin(labels, (FaceLabel.SKIN, FaceLabel.NOSE))
    assert (skin & found).sum() > 0.8 * (skin | found).sum()
