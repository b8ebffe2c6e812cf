"""`flame-fit uv` and `flame-fit parse`: photos in, pictures out; trainings; smaller checkpoints."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from flame_fit import cli
from flame_fit.cli.dense_infer import InferencePlan, infer, name_jobs
from flame_fit.cli.dense_pictures import NamedPicture
from flame_fit.image_files import load_image
from flame_fit.priors.dense_networks import DenseNetwork, ParsingPredictor, UvPredictor
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from tests.training.made import TINY, write_dinov3, write_parsing

SIZE = ("--image_size", "64", "48")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Checkpoints and photos; the checkpoints are too large to be kept after the tests."""
    folder = tmp_path_factory.mktemp("dense")
    torch.manual_seed(1)
    dinov3 = torch.load(write_dinov3(folder / "dinov3.pth"), weights_only=True)
    for kind in ("uv", "parsing"):
        network = DenseNetwork(kind, variant=TINY)
        network.encoder.dinov3.load_state_dict(dinov3)
        torch.save({"state_dict": network.state_dict()}, folder / f"{kind}.ckpt")
    photos = folder / "photos"
    photos.mkdir()
    picture = np.random.default_rng(0).integers(0, 255, size=(60, 90, 3), dtype=np.uint8)
    Image.fromarray(cv2.blur(picture, (9, 9))).save(photos / "plain.png")
    turned = Image.fromarray(cv2.blur(picture[:50, :80], (7, 7)))
    orientation = Image.Exif()
    orientation[0x0112] = 6
    turned.save(photos / "turned.JPG", exif=orientation, format="JPEG")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    yield folder
    shutil.rmtree(folder)


def run(*arguments):
    return cli.main([*map(str, arguments)])


def read(path):
    """A picture as it is stored, colours as RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, path
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def test_uv_of_a_folder_with_a_broken_photo(place, tmp_path, capsys):
    out = tmp_path / "out"
    code = run(
        "uv", "infer", "--input_dir", place / "photos", "--output_dir", out,
        "--checkpoint", place / "uv.ckpt", "--device", "cpu", "--batch_size", 2, "--save_overlay",
        "--alpha", "0.25", *SIZE,
    )  # fmt: skip
    printed = capsys.readouterr()
    assert code == cli.EXIT_SOME_FAILED
    assert printed.err.count("\n") == 1
    assert str(place / "photos/broken.jpg") in printed.err
    assert "2 photos done, 1 failed" in printed.out
    assert {path.name.partition("_")[0] for path in out.iterdir()} == {"plain", "turned"}
    predictor = UvPredictor.from_files(place / "uv.ckpt", image_size=(64, 48))
    for name, size in (("plain.png", (60, 90)), ("turned.JPG", (80, 50))):
        photo = load_image(place / "photos" / name).srgb
        found = predictor.predict(photo)
        assert found.mask.shape == photo.shape[:2] == size
        stem = out / name.partition(".")[0]
        whole = read(f"{stem}_uv.png")
        assert whole.dtype == np.uint16
        expected = np.concatenate([found.uv, found.mask[..., None]], axis=-1)
        # Two photos at a time are rounded a little differently from one.
        assert np.abs(whole / 65535 - expected).max() < 1e-4
        assert np.abs(read(f"{stem}_uv_vis.png") / 255 - expected).max() < 0.51 / 255 + 1e-4
        mask = read(f"{stem}_mask.png")
        assert np.array_equal(mask, read(f"{stem}_uv_vis.png")[..., 2])
        cover = 0.25 * found.mask[..., None]
        mixed = (1 - cover) * photo + cover * read(f"{stem}_uv_vis.png")
        assert np.abs(read(f"{stem}_overlay.png") - mixed).max() <= 1
        row = read(f"{stem}_visualization.png")
        assert row.shape == (size[0], 3 * size[1], 3)
        assert np.array_equal(row[:, : size[1]], photo)


def test_the_own_network_needs_no_checkpoint(astronaut, tmp_path, capsys):
    """Known places of the sample photo: the nose lies between the eyes on the chart, the person's
    right is at the left of the picture, and names say so."""
    faceless = tmp_path / "in/faceless.png"
    faceless.parent.mkdir()
    Image.new("RGB", (64, 64), (90, 90, 90)).save(faceless)
    (faceless.parent / "astronaut.png").write_bytes(astronaut.read_bytes())
    common = ("--output_dir", tmp_path, "--checkpoint", "own", "--no_overlay", "--device", "cpu")
    assert run("uv", "infer", "--input_dir", faceless.parent, *common) == cli.EXIT_SOME_FAILED
    assert f"{faceless}: no face found" in capsys.readouterr().err
    found = read(tmp_path / "astronaut_uv.png") / 65535
    right_cheek, nose, left_cheek = found[135, 205], found[120, 226], found[135, 250]
    assert min(part[2] for part in (right_cheek, nose, left_cheek)) > 0.5
    assert right_cheek[0] < nose[0] - 0.02
    assert left_cheek[0] > nose[0] + 0.02
    assert run("parse", "infer", "--input_dir", astronaut, *common) == cli.EXIT_OK
    labels = read(tmp_path / "astronaut_mask.png")
    assert labels[120, 226] == FaceLabel.NOSE
    assert labels[135, 205] == labels[135, 250] == FaceLabel.SKIN
    assert labels[20, 20] == FaceLabel.BACKGROUND


def test_classes_of_a_photo_and_what_is_there_already(place, tmp_path, capsys):
    arguments = (
        "parse", "infer", "--input-dir", place / "photos/plain.png", "--output-dir", tmp_path,
        "--checkpoint", place / "parsing.ckpt", "--no_overlay", "--num_classes", 19, *SIZE,
    )  # fmt: skip
    assert run(*arguments) == cli.EXIT_OK
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "plain_colour.png",
        "plain_mask.png",
    ]
    predictor = ParsingPredictor.from_files(place / "parsing.ckpt", image_size=(64, 48))
    labels = predictor.predict(load_image(place / "photos/plain.png").srgb).labels
    assert np.array_equal(read(tmp_path / "plain_mask.png"), labels)
    palette = np.array(FACE_LABELS.palette, dtype=np.uint8)
    assert np.array_equal(read(tmp_path / "plain_colour.png"), palette[labels])
    assert "1 photos done" in capsys.readouterr().out

    # With the option nothing is written again, without it everything is.
    (tmp_path / "plain_mask.png").write_bytes(b"old")
    assert run(*arguments, "--skip_existing") == cli.EXIT_OK
    assert "0 photos done, 1 kept" in capsys.readouterr().out
    assert (tmp_path / "plain_mask.png").read_bytes() == b"old"
    assert run(*arguments, "--skip_existing", "--save_overlay") == cli.EXIT_OK
    assert np.array_equal(read(tmp_path / "plain_mask.png"), labels)
    photo = read(tmp_path / "plain_visualization.png")[:, :90]
    background = labels == 0
    assert np.array_equal(read(tmp_path / "plain_overlay.png")[background], photo[background])


def test_a_checkpoint_without_dinov3_answers_the_same(place, tmp_path, capsys):
    small = tmp_path / "decoder.ckpt"
    checkpoint = place / "parsing.ckpt"
    assert run("parse", "extract", "--checkpoint", checkpoint, "--output", small) == cli.EXIT_OK
    printed = capsys.readouterr().out
    assert "319 tensors of a parsing network of 19 classes" in printed
    assert small.stat().st_size < checkpoint.stat().st_size
    photo = place / "photos/plain.png"
    common = ("parse", "infer", "--input_dir", photo, "--no-save-overlay", *SIZE)
    whole = (*common, "--checkpoint", checkpoint, "--output_dir", tmp_path / "a")
    apart = (*common, "--checkpoint", small, "--output_dir", tmp_path / "b")
    assert run(*whole) == cli.EXIT_OK
    assert run(*apart) == cli.EXIT_SOME_FAILED
    assert "leaves out DINOv3" in capsys.readouterr().err
    apart = (*apart, "--dinov3_checkpoint", place / "dinov3.pth")
    assert run(*apart, "--num_classes", 11) == cli.EXIT_USAGE
    assert "tells 19 classes apart, not 11" in capsys.readouterr().err
    assert run(*apart) == cli.EXIT_OK
    first, second = (tmp_path / name / "plain_mask.png" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(("command", "kind"), [("uv", "uv"), ("parse", "parsing")])
def test_every_weight_that_does_not_fit_is_printed(place, tmp_path, capsys, command, kind):
    state = torch.load(place / f"{kind}.ckpt", weights_only=True)["state_dict"]
    gone = [name for name in state if name.startswith("decoder.arm16") and "num_" not in name]
    for name in gone:
        del state[name]
    state["loss.weight"] = torch.ones(3)
    state["decoder.ffm_8.fc1.bias"] = torch.ones(2)
    wrong = tmp_path / "wrong.ckpt"
    torch.save(state, wrong)
    photo = ("--input_dir", place / "photos/plain.png", "--output_dir", tmp_path / "out")
    assert run(command, "infer", *photo, "--checkpoint", wrong) == cli.EXIT_SOME_FAILED
    wrong.unlink()
    *listed, message = capsys.readouterr().err.splitlines()
    assert len(gone) > 1
    assert listed == [
        *(f"missing     {name}" for name in gone),
        "unexpected  loss.weight",
        "misshaped   decoder.ffm_8.fc1.bias (2,), expected (64,)",
    ]
    assert message.startswith(f"flame-fit: {wrong} does not fit a ")
    assert f"{len(gone)} missing, 1 unexpected, 1 of another shape" in message


def test_a_network_is_trained_out_of_a_file_of_settings(place, tmp_path, capsys):
    pytest.importorskip("lightning", reason="needs the extra train: lightning")
    pytest.importorskip("tensorboard", reason="needs the extra train: tensorboard")
    write_parsing(tmp_path / "data", count=3)
    config = tmp_path / "settings.yaml"
    config.write_text(
        f"data: {{data_dir: {tmp_path / 'data'}, num_classes: 11, image_size: [32, 32]}}\n"
        f"network: {{dinov3_checkpoint: {place / 'dinov3.pth'}, from_scratch: true}}\n"
        "run: {batch_size: 2, max_epochs: 9, precision: 32-true, num_workers: 0}\n"
    )
    code = run(
        "parse", "train", f"--config={config}", "--max_epochs", 1, "--checkpoint_dir",
        tmp_path / "runs", "--log-dir", tmp_path / "logs", "--accelerator", "cpu",
    )  # fmt: skip
    printed = capsys.readouterr()
    assert code == cli.EXIT_OK, printed.err
    assert printed.err == ""
    assert "epoch 1 of 1: loss" in printed.out
    assert "held out: loss" in printed.out
    folder = tmp_path / "runs/face_parsing"
    assert f"{folder / 'last.ckpt'}: after 1 epochs" in printed.out
    out = ("--output_dir", tmp_path / "out", "--input_dir", place / "photos/plain.png")
    made = ("parse", "infer", "--checkpoint", folder / "last.ckpt", *out, *SIZE)
    assert run(*made) == cli.EXIT_OK
    assert read(tmp_path / "out/plain_mask.png").max() < 11
    shutil.rmtree(folder)


def test_settings_are_printed_as_a_file(tmp_path, capsys):
    pytest.importorskip("yaml", reason="needs the extra train")
    assert run("uv", "train", "--print_config", "--learning_rate", "2e-4") == cli.EXIT_OK
    text = capsys.readouterr().out
    assert "learning_rate: 0.0002" in text
    (tmp_path / "s.yaml").write_text(text)
    assert run("uv", "train", "--config", tmp_path / "s.yaml", "--print_config") == cli.EXIT_OK
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("uv",), "uv nothing is unknown; give one of: infer, train, extract"),
        (("parse", "guess"), "parse 'guess' is unknown"),
        (("uv", "infer"), "no photo given; give --input-dir"),
        (("uv", "infer", "--alpha", "2"), "--alpha is 2.0; give a number from 0 to 1"),
        (("parse", "infer", "--input-dir", "x", "--batch-size", "0"), "--batch-size is 0"),
        (("parse", "infer", "--device", "tpu"), "device 'tpu' is unknown"),
        (("uv", "train", "--batch_size", "1"), "--batch-size is 1"),
        (
            ("uv", "infer", "--input_dir", "x", "--checkpoint", "own", "--v-down"),
            "--v-down is for published networks; leave it out with own",
        ),
        (
            ("parse", "infer", "--input_dir", "x", "--checkpoint", "own", "--num-classes", "11"),
            "--num-classes is for published networks",
        ),
        (("parse", "train"), "--data-dir is not given"),
        (("parse", "train", "--max_epoch", "1"), "did you mean --max-epochs?"),
    ],
)
def test_wrong_use_is_said_in_one_line(arguments, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_pictures_do_not_land_among_the_photos(place, capsys):
    for given in (place / "photos", place / "photos/plain.png"):
        code = run("uv", "infer", "--input_dir", given, "--output_dir", place / "photos")
        assert code == cli.EXIT_USAGE
        assert "give another folder" in capsys.readouterr().err


def test_help_lists_the_actions(capsys):
    assert run("uv", "--help") == cli.EXIT_OK
    assert "extract" in capsys.readouterr().out


def test_every_photo_gets_names_of_its_own(tmp_path):
    names = ["a.png", "a.jpg", "A.JPG", "a-png.png", "b.c.png", "b.png"]
    jobs = name_jobs([tmp_path / name for name in names])
    found = [job.name.casefold() for job in jobs]
    assert len(set(found)) == len(names)
    assert found[3:] == ["a-png", "b.c", "b"]


def choosy(photos):
    """Looks at single photos only, and not at dark ones."""
    if len(photos) > 1 or photos[0].srgb.max() < 10:
        raise RuntimeError("out of memory\nand more")
    return (photos[0].srgb,)


def test_one_photo_does_not_cost_the_others_of_its_batch(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name, value in (("a", 200), ("b", 0), ("c", 100)):
        Image.new("RGB", (40, 40), (value, value, value)).save(tmp_path / f"in/{name}.png")
    plan = InferencePlan(
        input_dir=tmp_path / "in",
        output_dir=tmp_path / "out",
        endings=("_x.png",),
        batch_size=4,
        skip_existing=False,
    )
    code = infer(
        plan,
        lambda: choosy,
        lambda photo, answer: (NamedPicture("_x.png", 255 - answer),),
        errors=Console(stderr=True, soft_wrap=True),
    )
    assert code == cli.EXIT_SOME_FAILED
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "b.png: unexpected RuntimeError (out of memory)" in printed.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_x.png", "c_x.png"]
    assert (read(tmp_path / "out/c_x.png") == 155).all()
