"""Which mesh belongs to which scan, by names of files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_fit.errors import InputError
from flame_fit.evaluate import MeshItem, landmark_file, matching_truth, mesh_sets


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def truths(folder: Path) -> list[MeshItem]:
    (found,) = mesh_sets([folder])
    return list(found.items)


def test_meshes_of_a_folder_go_to_the_scans_of_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "pred/b.obj", "pred/a.ply", "pred/a.txt", "pred/.hidden.obj")
    touch(tmp_path, "scans/a.obj", "scans/b.npz", "scans/c.ply")
    (found,) = mesh_sets([tmp_path / "pred"])
    assert (found.name, [item.path.name for item in found.items]) == ("pred", ["a.ply", "b.obj"])
    matched = [matching_truth(item, truths(tmp_path / "scans")).path.name for item in found.items]
    assert matched == ["a.obj", "b.npz"]


def test_many_photos_of_a_person_go_to_the_scan_of_the_person(tmp_path: Path) -> None:
    touch(tmp_path, "pred/anna/selfie/01.obj", "pred/anna/neutral/01.obj", "pred/ben/selfie/02.obj")
    touch(tmp_path, "scans/anna/scan_7.obj", "scans/ben/scan_8.obj")
    (found,) = mesh_sets([tmp_path / "pred"])
    matched = [matching_truth(item, truths(tmp_path / "scans")).path for item in found.items]
    assert [path.parent.name for path in matched] == ["anna", "anna", "ben"]


def test_fits_are_known_by_the_names_of_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "out/a/report.json", "out/a/neutral.obj", "out/a/mesh.obj")
    touch(tmp_path, "out/b/report.json", "out/b/neutral.obj", "out/b/mesh.obj")
    touch(tmp_path, "scans/a.ply", "scans/b.ply")
    (neutral,) = mesh_sets([tmp_path / "out"])
    assert [item.path.name for item in neutral.items] == ["neutral.obj"] * 2
    matched = [matching_truth(item, truths(tmp_path / "scans")).path.stem for item in neutral.items]
    assert matched == ["a", "b"]
    (posed,) = mesh_sets([tmp_path / "out"], posed=True)
    assert [item.path.name for item in posed.items] == ["mesh.obj"] * 2
    (one,) = mesh_sets([tmp_path / "out" / "b"])
    assert matching_truth(one.items[0], truths(tmp_path / "scans")).path.stem == "b"


def test_each_folder_is_a_method_and_the_files_are_one_together(tmp_path: Path) -> None:
    touch(tmp_path, "x/mesh/a.obj", "y/mesh/a.obj", "b.obj", "c.obj")
    given = [tmp_path / name for name in ("b.obj", "x/mesh", "c.obj", "y/mesh")]
    found = mesh_sets(given)
    assert [each.name for each in found] == ["files", "mesh", str(tmp_path / "y" / "mesh")]
    assert [len(each.items) for each in found] == [2, 1, 1]
    assert mesh_sets([tmp_path / "b.obj"])[0].name == "b"


def test_a_single_scan_is_that_of_every_mesh() -> None:
    only = MeshItem(Path("scan.ply"), ("scan",))
    assert matching_truth(MeshItem(Path("a.obj"), ("a",)), [only]) is only


def test_what_cannot_be_matched_is_named(tmp_path: Path) -> None:
    scans = [MeshItem(Path(f"{k}/x.ply"), ("x", str(k))) for k in range(2)]
    with pytest.raises(InputError, match=r"a\.obj: no scan is called 'a' or 'b'"):
        matching_truth(MeshItem(Path("a.obj"), ("a", "b")), scans)
    with pytest.raises(InputError, match=r"x\.obj: several scans are called 'x' \(0/x\.ply, 1/x"):
        matching_truth(MeshItem(Path("x.obj"), ("x",)), scans)
    with pytest.raises(InputError, match="none: no such file or folder"):
        mesh_sets([tmp_path / "none"])
    with pytest.raises(InputError, match=r"holds no mesh; expected \.obj, \.ply, \.npz"):
        mesh_sets([tmp_path])


def test_landmarks_lie_beside_the_mesh_or_where_they_are_said_to_be(tmp_path: Path) -> None:
    touch(tmp_path, "a.obj", "a.txt", "b.npy", "b.obj", "c.npy", "marks/a.json", "marks/d.pp")
    touch(tmp_path, "d/neutral.obj")
    marks = tmp_path / "marks"
    assert landmark_file(tmp_path / "a.obj", None) == tmp_path / "a.txt"
    assert landmark_file(tmp_path / "b.obj", None) == tmp_path / "b.npy"
    # A cloud of points is not its own landmarks.
    assert landmark_file(tmp_path / "c.npy", None) is None
    assert landmark_file(tmp_path / "a.obj", marks) == marks / "a.json"
    assert landmark_file(tmp_path / "d" / "neutral.obj", marks) == marks / "d.pp"
    assert landmark_file(tmp_path / "b.obj", marks) is None
    assert landmark_file(tmp_path / "b.obj", tmp_path / "c.npy") == tmp_path / "c.npy"
    with pytest.raises(InputError, match="none: no such file or folder; give landmark files"):
        landmark_file(tmp_path / "a.obj", tmp_path / "none")
