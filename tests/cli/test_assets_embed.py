"""`flame-fit assets embed`: wrong options in one line; a picture and a model file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from flame_fit.cli.assets_embed import run
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame import LandmarkEmbeddings, load_assets
from flame_fit.image_files import load_image
from flame_fit.priors.embedding_picture import check_picture
from flame_fit.priors.embedding_views import SeenView
from flame_fit.priors.model_files import resolve_face_models


@pytest.fixture
def errors() -> Console:
    return Console(stderr=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no model given"),
        (["open_head"], "nothing to write; give --out FILE.npz, --picture FILE.png or both"),
        (["open_head", "--out", "head.pkl"], "head.pkl is no .npz file"),
        (["open_head", "--picture", "check.gif"], "check.gif is no .png file"),
        (["open_head", "--picture", "a.png", "--views", "0"], "--views is 0; give 1 or more"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(
    arguments: list[str], message: str, errors: Console
) -> None:
    with pytest.raises(UsageError, match=message):
        run(arguments, errors=errors)


def test_landmarks_of_open_head_are_found_again(
    tmp_path: Path, errors: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        resolve_face_models("mediapipe468")
    except AssetError as error:
        pytest.skip(f"the detector cannot be had: {error}")
    picture, out = tmp_path / "check.png", tmp_path / "head.npz"
    arguments = ["open_head", "--views", "6", "--picture", str(picture), "--out", str(out)]
    assert run(arguments, errors=errors) == 0
    said = capsys.readouterr().out
    assert "mediapipe468: a face in 6 of 6 pictures" in said
    assert str(out) in said
    assert load_image(picture).srgb.shape == (2048, 4096, 3)
    before, after = load_assets(), load_assets(out)
    assert before.landmarks is not None
    assert after.landmarks is not None
    places = []
    for assets in (before, after):
        points = assets.landmarks.mediapipe
        corners = assets.v_template[assets.faces[points.face_index]]
        places.append((corners * points.barycentrics[..., None]).sum(dim=1).numpy())
    assert np.median(np.linalg.norm(places[0] - places[1], axis=1)) < 0.002
    torch.testing.assert_close(after.v_template, before.v_template)
    assert after.regions is not None


def test_the_check_picture_shows_what_was_seen_and_what_was_embedded() -> None:
    assets = load_assets()
    assert assets.landmarks is not None
    flat = assets.v_template.numpy()[:, :2] * [1.0, -1.0] * 1500 + 256
    view = SeenView(
        picture=np.full((512, 512, 3), 128, np.uint8),
        vertices=flat.astype(np.float64),
        depth=np.ones(len(flat)),
        facing=np.ones(len(flat)),
        landmarks=np.full((478, 2), 20.0),
        confidence=np.ones(478),
        yaw=0.0,
    )
    faces = assets.faces.numpy()
    picture = check_picture([view], assets.landmarks, faces)
    assert picture.shape == (2048, 4096, 3)
    assert tuple(picture[40, 40]) == (255, 0, 0)
    nothing = LandmarkEmbeddings(mediapipe=None, ibug=None, contour=None)
    plain = check_picture([view], nothing, faces)
    colours = {tuple(colour) for colour in picture[::1, 512:1024].reshape(-1, 3).tolist()}
    assert {(0, 255, 0), (255, 220, 0), (60, 120, 255)} <= colours
    assert (plain[200:] == 128).all(axis=-1).sum() > (picture[200:] == 128).all(axis=-1).sum()
