"""No photo's result ever takes the place of another photo's."""

from dataclasses import replace
from itertools import permutations

import pytest

from flame_fit.asset_files import sha256_of
from flame_fit.export import write_result
from flame_fit.export.naming import face_folder, result_folders


def photo_at(path, content=b"photo"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(photos, out, **options):
    return [folder.name for folder in result_folders(photos, out, **options)]


def write_result_of(scene, photo, folder):
    report = replace(scene.report, photo=str(photo.resolve()), photo_sha256=sha256_of(photo))
    write_result(replace(scene, report=report), folder)


def test_a_folder_is_named_after_its_photo(tmp_path):
    photos = [tmp_path / "me.jpg", tmp_path / "you.v2.png"]
    assert names(photos, tmp_path / "out") == ["me", "you.v2"]


def test_same_names_take_their_parents_name(tmp_path):
    photos = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "a" / "y.png"]
    assert names(photos, tmp_path / "out") == ["a-x", "b-x", "y"]


def test_same_names_in_one_folder_take_their_extension(tmp_path):
    photos = [tmp_path / "a" / "x.png", tmp_path / "a" / "x.JPG"]
    assert names(photos, tmp_path / "out") == ["a-x", "a-x-jpg"]


def test_names_that_differ_in_case_only_are_kept_apart(tmp_path):
    photos = [tmp_path / "a" / "X.png", tmp_path / "b" / "x.png"]
    assert names(photos, tmp_path / "out") == ["a-X", "b-x"]


@pytest.mark.parametrize("every_face", [False, True])
def test_names_never_collide_in_any_order(tmp_path, every_face):
    photos = [
        tmp_path / "a" / "x.png",
        tmp_path / "b" / "x.png",
        tmp_path / "c" / "a" / "x.png",
        tmp_path / "a-x.png",
        tmp_path / "a-x-2.png",
        tmp_path / "..png",
        tmp_path / " .png",
    ]
    for order in list(permutations(photos))[::97]:
        folders = names(order, tmp_path / "out", every_face=every_face)
        assert len({name.casefold() for name in folders}) == len(photos)
        assert all(name.strip(". ") == name for name in folders)


def test_a_folder_of_another_photo_is_left_alone(scene, tmp_path):
    first = photo_at(tmp_path / "a" / "x.png", b"first")
    second = photo_at(tmp_path / "b" / "x.png", b"second")
    out = tmp_path / "out"
    write_result_of(scene, first, out / "x")
    assert names([second], out) == ["b-x"]
    assert names([first], out) == ["x"]


def test_a_moved_photo_finds_its_folder_again(scene, tmp_path):
    first = photo_at(tmp_path / "a" / "x.png")
    write_result_of(scene, first, tmp_path / "out" / "x")
    moved = photo_at(tmp_path / "elsewhere" / "x.png")
    assert names([moved], tmp_path / "out") == ["x"]


def test_a_folder_that_no_fit_wrote_is_left_alone(tmp_path):
    photo = photo_at(tmp_path / "a" / "x.png")
    (tmp_path / "out" / "x").mkdir(parents=True)
    assert names([photo], tmp_path / "out") == ["x"]
    (tmp_path / "out" / "x" / "thesis.txt").write_text("mine")
    assert names([photo], tmp_path / "out") == ["a-x"]


def test_faces_of_one_photo_have_folders_of_their_own(scene, tmp_path):
    photo = photo_at(tmp_path / "a" / "x.png", b"first")
    other = photo_at(tmp_path / "b" / "x.png", b"second")
    out = tmp_path / "out"
    (folder,) = result_folders([photo], out, every_face=True)
    places = [face_folder(folder, face=index) for index in (1, 2, 3)]
    assert [place.name for place in places] == ["x-face1", "x-face2", "x-face3"]
    write_result_of(scene, photo, places[0])
    assert names([other], out, every_face=True) == ["b-x"]
