"""The command that renders training pictures: whole, the same everywhere, and going on."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest

from flame_fit import cli, head_models, synth
from flame_fit.cli import synth_pictures
from flame_fit.errors import AssetError
from flame_fit.flame import load_assets
from flame_fit.synth import training_paths
from flame_fit.training.uv_files import find_uv_items, read_uv


def run(*arguments):
    return cli.main(["synth", *map(str, arguments)])


def rendered(out, *options, count=2, layout="uv"):
    small = ("--count", count, "--image-size", 64, "--workers", 1)
    return run(layout, "--out", out, *small, *options)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Model and texture take a second to load, and every command loads them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_head_model", "load_head_texture"):
            patch.setattr(head_models, name, lru_cache(getattr(head_models, name)))
        yield


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    assert rendered(out) == cli.EXIT_OK
    return out


@pytest.fixture
def copied(data_set, tmp_path):
    out = tmp_path / "set"
    for name, data in contents(data_set).items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return out


def test_pictures_have_all_their_files_and_can_be_read(data_set):
    wanted = {path.as_posix() for number in range(2) for path in training_paths(number, "uv")}
    assert set(contents(data_set)) == wanted | {"synth.json"}
    items = find_uv_items(data_set)
    assert len({item.person for item in items}) == 2
    assert all(read_uv(item).mask.mean() > 0.01 for item in items)
    record = json.loads((data_set / "synth.json").read_text())
    assert record["model"] == "open_head"
    assert record["image_size"] == 64


def test_what_a_stopped_run_left_is_mended_and_what_is_there_stays(copied, data_set, capsys):
    before = contents(data_set)
    *_, labels, _, _, picture = training_paths(1, "uv")
    (copied / picture).unlink()
    part = copied / labels.parent / f".{labels.name}.0123.part"
    part.write_bytes(b"half")
    kept = copied / training_paths(0, "uv")[-1]
    kept.write_bytes(b"not touched")
    assert rendered(copied) == cli.EXIT_OK
    assert "2 pictures in the layout uv, 1 of them new" in capsys.readouterr().out
    after = contents(copied)
    assert not part.exists()
    assert after.pop(kept.relative_to(copied).as_posix()) == b"not touched"
    assert after == {name: data for name, data in before.items() if name in after}
    assert len(after) == len(before) - 1


def test_a_larger_count_adds_pictures_the_same_in_many_processes(copied, tmp_path):
    before = contents(copied)
    assert rendered(copied, count=3) == cli.EXIT_OK
    after = contents(copied)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + len(training_paths(2, "uv"))
    together = tmp_path / "together"
    # Pictures are handed out by fours: five go to two processes.
    assert rendered(together, "--workers", 2, count=5) == cli.EXIT_OK
    found = contents(together)
    assert {name: found[name] for name in after} == after


def test_another_seed_gives_other_pictures_and_the_other_layout_flat_folders(data_set, tmp_path):
    out = tmp_path / "parsing"
    assert rendered(out, "--seed", 1, count=1, layout="parsing") == cli.EXIT_OK
    found = contents(out)
    assert "segmentations/0000000_seg.png" in found
    first = contents(data_set)
    assert found["uvs/0000000_u.png"] != first["uvs/0000000/0000000_u.png"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--seed", 5), "holds pictures with seed 0, not 5; give another --out"),
        (("--image-size", 96), "holds pictures with image_size 64, not 96"),
    ],
)
def test_pictures_of_two_kinds_are_not_mixed(data_set, options, line, capsys):
    before = contents(data_set)
    assert rendered(data_set, *options) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert contents(data_set) == before


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_record_is_not_overwritten(content, tmp_path, capsys):
    out = tmp_path / "set"
    out.mkdir()
    (out / "synth.json").write_text(content)
    assert rendered(out) == cli.EXIT_USAGE
    assert "synth.json cannot be read" in capsys.readouterr().err
    assert (out / "synth.json").read_text() == content


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("depth",), "layout 'depth' is unknown; give one of: uv, parsing"),
        (("uv", "--count", 3), "no folder given; give --out DIR"),
        (("uv", "--out", "x"), "--count is 0; give a number from 1 to 10000000"),
        (("uv", "--out", "x", "--count", 1, "--image-size", 8), "give 32 pixels or more"),
        (("uv", "--out", "x", "--count", 1, "--seed", -1), "--seed is -1"),
        (("uv", "--out", "x", "--count", 1, "--workers", -2), "--workers is -2"),
    ],
)
def test_wrong_usage_is_one_line(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == cli.EXIT_USAGE
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_layout_prints_the_layouts(capsys):
    assert run() == cli.EXIT_USAGE
    assert run("--help") == cli.EXIT_OK
    assert "parsing" in capsys.readouterr().out


def test_a_picture_that_fails_is_named_and_does_not_stop_others(tmp_path, monkeypatch, capsys):
    take = synth.take_photo

    def trouble(setup, *arguments, **options):
        if setup.name.endswith("1"):
            raise AssetError("the texture is torn; mend it")
        return take(setup, *arguments, **options)

    monkeypatch.setattr(synth, "take_photo", trouble)
    out = tmp_path / "set"
    assert rendered(out, count=3) == cli.EXIT_SOME_FAILED
    lines = capsys.readouterr()
    assert "picture 1: the texture is torn; mend it" in lines.err
    assert "2 pictures in the layout uv, 2 of them new" in lines.out
    assert len(find_uv_items(out)) == 2
    monkeypatch.undo()
    assert rendered(out, count=3) == cli.EXIT_OK
    assert len(find_uv_items(out)) == 3


def test_a_model_that_does_not_say_where_its_face_is_is_refused(tmp_path, monkeypatch, capsys):
    bare = replace(load_assets("open_head"), regions=None)
    monkeypatch.setattr(head_models, "load_head_model", lambda name: bare)
    out = tmp_path / "set"
    assert rendered(out) == cli.EXIT_SOME_FAILED
    assert "has no regions nose, lips" in capsys.readouterr().err
    assert contents(out) == {}


def test_an_unexpected_error_is_explained_in_one_line():
    assert synth_pictures._explain(ValueError("a\nb")) == (
        "unexpected ValueError (a); run with --verbose, report it"
    )
