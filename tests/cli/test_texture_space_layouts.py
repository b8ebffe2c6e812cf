"""`flame-fit texture-space convert|show|sample`: what is passed on, written and refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from flame_fit import head_models
from flame_fit.appearance import load_texture_space
from flame_fit.cli import texture_space
from flame_fit.errors import UsageError
from flame_fit.flame import load_assets
from flame_fit.head_models.basel import texture_space_bytes
from flame_fit.head_models.layout_heads import model_layout
from flame_fit.head_models.layouts import HeadPart
from flame_fit.head_models.textures import DEFAULT_TEXTURE
from tests.priors.texture_decoder.states import small_state


def run(*arguments) -> int:
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    return texture_space.run([str(argument) for argument in arguments], errors=errors)


def picture(path: Path, value: int = 120, size: int = 64) -> Path:
    cv2.imwrite(str(path), np.full((size, size, 3), value, np.uint8))
    return path


@pytest.fixture(scope="module")
def read_once() -> dict:
    return {}


@pytest.fixture(autouse=True)
def _models_are_read_once(read_once: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenHead and its texture are the same in every test; reading them takes a second each."""
    for name in ("load_head_model", "load_head_texture"):
        read = getattr(head_models, name)

        def cached(*arguments, read=read, **options):
            key = (read, *(str(part)[:40] for part in arguments), *options.items())
            if arguments[0] not in ("open_head", DEFAULT_TEXTURE):
                return read(*arguments, **options)
            if key not in read_once:
                read_once[key] = read(*arguments, **options)
            return read_once[key]

        monkeypatch.setattr(head_models, name, cached)


@pytest.fixture
def meshes(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for finding the face on a mesh: the mesh is OpenHead's skin, 2 cm bigger."""
    calls = []

    def layout(path, *, picture, detector, on_stage):
        calls.append((path, None if picture is None else float(picture.mean()), detector))
        reference = model_layout(head_models.load_head_model("open_head"))
        skin = np.flatnonzero(reference.part == HeadPart.SKIN)
        return replace(
            reference,
            name=path.stem,
            faces=reference.faces[skin],
            chart=replace(reference.chart, faces=reference.chart.faces[torch.from_numpy(skin)]),
            part=np.zeros(len(skin), dtype=int),
        )

    monkeypatch.setattr("flame_fit.head_models.layout_heads.mesh_layout", layout)
    return calls


def test_a_picture_is_carried_to_a_head_model(tmp_path: Path, meshes: list, capsys) -> None:
    source, out = picture(tmp_path / "uv.png"), tmp_path / "made.png"
    code = run(
        "convert", source, "--from", "hifi3dpp", "--head", tmp_path / "head.obj", "--out", out
    )
    assert code == 0
    ((path, mean, detector),) = meshes
    assert path == tmp_path / "head.obj" and detector == "auto"
    assert 0.15 < mean < 0.25, "the face is looked for in linear light"
    made = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16 and made.shape == (64, 64, 3)
    assert abs(int(made[20, 32, 0]) - 120 * 257) < 300
    eyes = made[50:, :10].astype(float) / 257
    assert eyes.max() > 180, "the eyes are the head's own"
    shown = capsys.readouterr().out
    assert "head on open_head, 0 components at 64 texels" in shown


def test_a_space_is_carried_to_a_mesh_with_its_chart(tmp_path: Path, meshes: list) -> None:
    small = load_texture_space(component_count=2)
    space = tmp_path / "space.npz"
    space.write_bytes(texture_space_bytes(replace(small, chart=load_assets().chart)))
    out, look = tmp_path / "made.npz", picture(tmp_path / "look.png", 200)
    mesh = tmp_path / "other.OBJ"
    code = run("convert", space, "--to", mesh, "--head-texture", look, "--size", 32,
               "--components", 1, "--out", out)  # fmt: skip
    assert code == 0
    assert meshes[0][0] == mesh and meshes[0][1] > 0.5
    made = load_texture_space(out)
    assert made.mean.shape == (32, 32, 3) and made.scale.shape == (1,)
    assert made.chart is not None and len(made.chart.faces) < len(load_assets().faces)


def test_a_backdrop_can_be_given(tmp_path: Path, meshes: list) -> None:
    source, out = picture(tmp_path / "uv.png"), tmp_path / "made.png"
    back = picture(tmp_path / "back.png", 10)
    run("convert", source, "--from", tmp_path / "a.obj", "--backdrop", back, "--out", out)
    made = cv2.imread(str(out))
    assert made[58, 4].max() < 15 and made[20, 32].min() > 115


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "a.npz"), "0 textures were given; give one"),
        (("a.npz", "--out", "a.jpg"), r"is no such file; give --out FILE\.npz or FILE\.png"),
        (("b.npz", "--out", "a.npz"), r"texture b\.npz does not exist; check the path"),
        (("a.npz", "--out", "a.npz"), "--from and --to are both open_head"),
        (("a.npz", "--to", "hifi3dpp", "--out", "a.npz"), "--to hifi3dpp needs the mesh"),
        (
            ("a.npz", "--to", "b.obj", "--head", "c.obj", "--out", "a.npz"),
            "--head names the mesh of hifi3dpp; give --from or --to hifi3dpp too",
        ),
        (
            ("a.npz", "--to", "b.obj", "--size", "0", "--out", "a.npz"),
            "--size is 0; give 1 to 8192",
        ),
    ],
)
def test_wrong_use_of_convert_is_one_line(
    arguments, message, meshes: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.npz").touch()
    with pytest.raises(UsageError, match=message):
        run("convert", *arguments)
    assert not meshes


def test_a_space_with_components_is_no_picture(tmp_path: Path, meshes: list) -> None:
    with pytest.raises(UsageError, match="is a picture and the space has 1 components; give --out"):
        run("convert", "open_head_texture", "--components", 1, "--to", tmp_path / "b.obj",
            "--size", 16, "--out", tmp_path / "a.png")  # fmt: skip
    assert not (tmp_path / "a.png").exists()


def test_show_draws_a_sheet(tmp_path: Path, capsys) -> None:
    out = tmp_path / "sheet.png"
    assert run("show", "--out", out, "--components", 1, "--panel", 40) == 0
    assert cv2.imread(str(out)).shape[1] == 2 * (3 * 40 + 4 * 6)
    assert "open_head_texture on open_head, 1 of 48 components" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"is no such file; give --out FILE\.png"):
        run("show", "--out", tmp_path / "sheet.jpg")
    with pytest.raises(UsageError, match="2 texture spaces were given"):
        run("show", "a", "b", "--out", out)
    with pytest.raises(UsageError, match="--components must be 0 or more"):
        run("show", "--components", -1, "--out", out)


def test_samples_are_random_and_repeatable(tmp_path: Path, capsys) -> None:
    small = load_texture_space(component_count=3)
    space = tmp_path / "space.npz"
    space.write_bytes(texture_space_bytes(small))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run("sample", space, "--count", 1, "--seed", seed, "--out", tmp_path / name) == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["sheet.png", "texture_000.png"]
    first, again, other = (
        cv2.imread(str(tmp_path / name / "texture_000.png"), cv2.IMREAD_UNCHANGED) for name in "abc"
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    run("sample", space, "--count", 1, "--spread", 0, "--out", tmp_path / "mean")
    mean = cv2.imread(str(tmp_path / "mean" / "texture_000.png"), cv2.IMREAD_UNCHANGED)
    wanted = small.mean.numpy()[..., ::-1] * 65535
    assert np.abs(mean - wanted).max() < 30
    assert "1 textures for open_head and sheet.png" in capsys.readouterr().out


def test_a_decoder_is_sampled_onto_a_head(tmp_path: Path, meshes: list) -> None:
    file, head = tmp_path / "texgan_small.pth", tmp_path / "head.obj"
    torch.save(small_state(), file)
    assert run("sample", file, "--head", head, "--size", 48, "--count", 1,
               "--out", tmp_path / "out") == 0  # fmt: skip
    made = cv2.imread(str(tmp_path / "out" / "texture_000.png"), cv2.IMREAD_UNCHANGED)
    assert made.shape == (48, 48, 3)
    crop = tmp_path / "texgan_cropface_small.pth"
    crop.write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="of variant face_crop needs --template"):
        run("sample", crop, "--head", head, "--out", tmp_path / "crop")
    template = picture(tmp_path / "template.png", 90)
    assert run("sample", crop, "--head", head, "--template", template, "--count", 1,
               "--size", 32, "--out", tmp_path / "crop") == 0  # fmt: skip
    assert meshes[-1][1] == pytest.approx(0.102, abs=0.01)
    with pytest.raises(UsageError, match="of variant whole takes no --template"):
        run("sample", file, "--head", head, "--template", template, "--out", tmp_path / "no")


def test_a_decoder_is_trained_and_sampled(tmp_path: Path, capsys) -> None:
    for number in range(3):
        picture(tmp_path / f"map{number}.png", 60 + 60 * number, size=32)
    out = tmp_path / "mine.safetensors"
    code = run("train-decoder", tmp_path, "--out", out, "--size", 8, "--latent", 4, "--channels", 8,
               "--steps", 40, "--batch", 3, "--device", "cpu")  # fmt: skip
    assert code == 0
    assert "3 maps at 8 texels, 40 steps; mean error on what was seen" in capsys.readouterr().out
    assert run("sample", out, "--count", 1, "--out", tmp_path / "drawn") == 0
    drawn = cv2.imread(str(tmp_path / "drawn" / "texture_000.png"), cv2.IMREAD_UNCHANGED)
    assert drawn.shape == (8, 8, 3)
    with pytest.raises(UsageError, match="0 folders were given; give one"):
        run("train-decoder", "--out", out)
    with pytest.raises(UsageError, match=r"is no such file; give --out FILE\.safetensors"):
        run("train-decoder", tmp_path, "--out", tmp_path / "mine.pth")
    with pytest.raises(UsageError, match="side is 24; give a power of two"):
        run("train-decoder", tmp_path, "--out", out, "--size", 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no folder to write to; give --out DIR"),
        (("a.npz", "b.npz", "--out", "x"), "2 texture spaces were given"),
        (("--count", "0", "--out", "x"), "--count must be 1 or more and --spread 0 or more"),
        (("--head", "a.obj", "--out", "x"), "are for decoders; leave them out"),
        (("a.pth", "--out", "x"), r"a\.pth draws for a mesh of its own; give it with --head"),
        (("a.safetensors", "--size", "8", "--out", "x"), "--size needs --head"),
    ],
)
def test_wrong_use_of_sample_is_one_line(
    arguments, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pth").touch()
    Path("a.safetensors").touch()
    with pytest.raises(UsageError, match=message):
        run("sample", *arguments)
