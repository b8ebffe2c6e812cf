"""The command line with everything real behind it, on good photos and on all sorts of bad ones."""

import contextlib
import io
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trimesh

from flame_fit import cli
from flame_fit.export import read_params
from flame_fit.image_files import encode_png, load_image

BAD_PHOTOS = ("wall.png", "text.jpg", "cut.png", "nothing.png", "bomb.png")


def png_header(width, height):
    """A PNG that announces a size and holds nothing."""
    fields = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(fields) - 4) + fields + struct.pack(">I", zlib.crc32(fields))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.fixture(scope="module")
def photos(tmp_path_factory, astronaut):
    """Two photos of one name, and everything that is no photo of a face."""
    folder = tmp_path_factory.mktemp("photos")
    whole = astronaut.read_bytes()
    mirrored = encode_png(load_image(astronaut).srgb[:, ::-1])
    contents = {
        "a/me.png": whole,
        "b/me.png": mirrored,
        "wall.png": encode_png(np.full((200, 200, 3), 128, dtype=np.uint8)),
        "text.jpg": b"this is no picture",
        "cut.png": whole[: len(whole) // 2],
        "nothing.png": b"",
        "bomb.png": png_header(20_000, 20_000),
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@dataclass(frozen=True)
class Call:
    code: int
    out: Path
    errors: list[str]


@pytest.fixture(scope="module")
def call(photos):
    """One call with all of them; the good ones are in the middle."""
    out = photos / "out"
    names = [*BAD_PHOTOS[:2], "a/me.png", *BAD_PHOTOS[2:4], "b/me.png", *BAD_PHOTOS[4:]]
    arguments = ["fit", *(str(photos / name) for name in names), "--preset", "fast"]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = cli.main([*arguments, "--out", str(out)])
    return Call(code, out, errors.getvalue().splitlines())


def test_bad_photos_fail_alone_with_one_line_each(call, photos):
    assert call.code == cli.EXIT_SOME_FAILED
    assert {entry.name for entry in call.out.iterdir()} == {"a-me", "b-me"}
    assert len(call.errors) == len(BAD_PHOTOS), call.errors
    for name, line in zip(BAD_PHOTOS, call.errors, strict=True):
        assert line.startswith("flame-fit: ")
        assert str(photos / name) in line
        assert "unexpected" not in line


@pytest.mark.parametrize("name", ["a-me", "b-me"])
def test_results_are_whole_and_open_elsewhere(call, name):
    folder = call.out / name
    report = json.loads((folder / "report.json").read_text())
    assert {entry.name for entry in folder.iterdir()} == {*report["files"], "report.json"}
    assert Path(report["photo"]).parent.name == name[0]
    assert report["config"]["preset"] == "fast"
    scene = trimesh.load(folder / "mesh.obj", process=False)
    parts = {part.visual.material.name: part for part in scene.geometry.values()}
    assert set(parts) == {"head", "eyes"}
    mesh, side = parts["head"], report["config"]["texture_size"]
    assert all(part.visual.material.image.size == (side, side) for part in parts.values())
    size = np.ptp(mesh.vertices, axis=0)
    assert ((size > 0.12) & (size < 0.45)).all(), "a head is measured in metres"
    params = read_params(folder / "params.npz")
    assert params.translation[2] < -0.1, "the head is in front of the camera"
    assert params.model_sha256 == report["model"]["sha256"]


def test_a_mirrored_photo_turns_the_head_the_other_way(call):
    turned = [
        read_params(call.out / name / "params.npz").head_rotation[1] for name in ("a-me", "b-me")
    ]
    assert turned[0] * turned[1] < 0
    assert abs(turned[0] + turned[1]) < np.radians(4.0)


def test_fits_of_one_person_become_one_head(call, tmp_path, capsys):
    out = tmp_path / "whole"
    fits = [call.out / name for name in ("a-me", "b-me")]
    assert cli.main(["merge", *map(str, fits), "--out", str(out)]) == cli.EXIT_OK
    assert "of the face seen in 2 photos" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert {entry.name for entry in out.iterdir()} == {*report["files"], "report.json"}
    singles = [json.loads((fit / "report.json").read_text()) for fit in fits]
    assert report["coverage"] > max(single["coverage"] for single in singles)
    assert [source["photo"] for source in report["sources"]] == ["me.png", "me.png"]
    scene = trimesh.load(out / "mesh.glb", process=False)
    assert len(scene.geometry) == 2
    # A face and its mirror image are one face that is even, nearly.
    texture = load_image(out / "texture.png").srgb.astype(float)
    seen = load_image(out / "texture_confidence.png").srgb[..., 0] > 250
    seen &= seen[:, ::-1]
    assert np.abs(texture - texture[:, ::-1])[seen].mean() < 12.0


def test_a_photo_without_a_face_has_an_exit_code_of_its_own(photos, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["fit", str(photos / "wall.png"), "--out", str(out)]) == cli.EXIT_NO_FACE
    assert not list(out.iterdir())


def test_photos_can_be_fitted_in_processes_of_their_own(photos, tmp_path, capsys):
    out = tmp_path / "out"
    names = [str(photos / name) for name in ("a/me.png", "text.jpg", "b/me.png")]
    code = cli.main(["fit", *names, "--preset", "fast", "--jobs", "2", "--out", str(out)])
    assert code == cli.EXIT_SOME_FAILED
    assert {entry.name for entry in out.iterdir()} == {"a-me", "b-me"}
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "text.jpg" in error
