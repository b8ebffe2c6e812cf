"""`flame-fit texture-space build` and `bootstrap`: options, output, rounds, resume."""

import io
import json

import pytest
from rich.console import Console

from flame_fit.appearance import load_texture_space
from flame_fit.cli import texture_space, texture_space_bootstrap
from flame_fit.cli.texture_space_build import shown_numbers
from flame_fit.errors import UsageError
from flame_fit.image_files import encode_png, load_image


def run(*arguments):
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    code = texture_space.run([str(argument) for argument in arguments], errors=errors)
    return code, errors.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build",), "no folder of fits given"),
        (("build", "fits", "--out", "space.png"), r"is no \.npz file; give --out FILE\.npz"),
        (("build", "fits", "--components", 0), "--components is 0; give a number from 1"),
        (("build", "fits", "--size", 8), "--size is 8; give 32 to 4096 texels"),
        (("build", "fits", "--held-out", 0.7), r"--held-out is 0\.7; give a share from 0 to 0\.5"),
        (("build", "fits", "--tint", -1), r"--tint is -1\.0; give a number from 0 upwards"),
        (("bootstrap",), "no photo given"),
        (("bootstrap", "a.png", "--rounds", 0), "--rounds is 0; give 1 or more"),
        (
            ("bootstrap", "a.png", "--size", 1024),
            "--fit.texture-size 512 is below --size 1024",
        ),
    ],
)
def test_wrong_use_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(*arguments)


def test_errors_are_shown_for_some_numbers_of_components():
    assert shown_numbers(50) == (0, 1, 2, 5, 10, 20, 50)
    assert shown_numbers(1) == (0, 1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, astronaut):
    """One person as she is and mirrored, and a picture of nobody."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = load_image(astronaut).srgb
    pictures = {
        "a": pixels,
        "b": pixels[:, ::-1],
        "wall": 0 * pixels + 90,
    }
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(encode_png(picture.copy()))
    return folder


def test_photos_become_a_space_in_two_rounds(photos, tmp_path, capsys):
    """The second round fits with the space of the first; what is there is not made again."""
    out = tmp_path / "out"
    options = ("--components", 1, "--size", 64, "--held-out", 0, "--keep-doubtful")
    options += ("--least-psnr", 0, "--fit.texture-size", 64)
    code, errors = run("bootstrap", photos, "--out", out, *options)
    assert code == 0 and "wall.png" in errors
    shown = capsys.readouterr().out
    assert "round 1" in shown and "round 2" in shown and "from 2 fits" in shown
    first = load_texture_space(out / "round1" / "texture_space.npz")
    assert first.scale.shape == (1,) and first.mean.shape[0] == 64
    used = [
        json.loads((out / f"round{number}" / "fits" / "a" / "report.json").read_text())
        for number in (1, 2)
    ]
    assert used[0]["texture_model"] == "open_head_texture"
    assert used[1]["texture_model"] == str(out / "round1" / "texture_space.npz")
    second = (out / "round2" / "texture_space.npz").read_bytes()
    assert (out / "texture_space.npz").read_bytes() == second
    (out / "round2" / "texture_space.npz").unlink()
    fitted = (out / "round2" / "fits" / "a" / "report.json").stat().st_mtime_ns
    code, errors = run("bootstrap", photos, "--out", out, *options)
    assert "round 1" in errors and "is there already" in errors
    assert (out / "round2" / "fits" / "a" / "report.json").stat().st_mtime_ns == fitted
    assert (out / "round2" / "texture_space.npz").read_bytes() == second
    with pytest.raises(UsageError, match="was begun with other options"):
        run("bootstrap", photos, "--out", out, *options, "--brightness", 0.2)


def test_the_preset_sets_the_other_options_of_the_fit():
    assert texture_space_bootstrap._preset_in(["--fit.preset", "detailed"]) == "detailed"
    assert texture_space_bootstrap._preset_in(["--fit.preset=standard", "x"]) == "standard"
    assert texture_space_bootstrap._preset_in(["x"]) == "fast"
