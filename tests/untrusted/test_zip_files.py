"""Archives: harmless ones are read, and no trap gets as far as being unpacked."""

import zipfile
from pathlib import Path

import pytest

from flame_fit.errors import AssetError
from flame_fit.untrusted import ZipMember, open_zip
from scripts.fuzzing.hostile_files import archive_attacks, zipped

MAXIMUM_BYTES = 64 * 2**20


def test_members_are_listed_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FLAME2020/", b"")
        archive.writestr("FLAME2020/generic_model.pkl", b"model" * 100)
        archive.writestr("Readme.pdf", b"text")
    folder = open_zip(path)
    assert folder.members == (
        ZipMember("FLAME2020/generic_model.pkl", 500),
        ZipMember("Readme.pdf", 4),
    )
    assert folder.read("FLAME2020/generic_model.pkl") == b"model" * 100
    assert dict(folder.read_all()) == {
        "FLAME2020/generic_model.pkl": b"model" * 100,
        "Readme.pdf": b"text",
    }
    with pytest.raises(AssetError, match="holds no 'other'; check that it is the right file"):
        folder.read("other")


def test_traps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trap.zip"
    for case in archive_attacks():
        if case.name == "nested":
            continue
        path.write_bytes(case.data)
        with pytest.raises(AssetError) as raised:
            list(open_zip(path, maximum_bytes=MAXIMUM_BYTES).read_all())
        text = str(raised.value)
        assert str(path) in text and "\n" not in text and text.isprintable(), case.name
        assert list(tmp_path.iterdir()) == [path], case.name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../up.npy", "leads out of the archive; nothing was unpacked"),
        ("/etc/passwd", "leads out of the archive"),
        ("C:\\windows\\a", "leads out of the archive"),
        ("a/../../b", "leads out of the archive"),
    ],
)
def test_climbing_names_are_named(name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "trap.zip"
    path.write_bytes(zipped({name: b"x"}))
    with pytest.raises(AssetError, match=message):
        open_zip(path)


def test_ratio_and_number_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "trap.zip"
    path.write_bytes(zipped({"a": bytes(100 * 2**20)}, method=zipfile.ZIP_DEFLATED))
    with pytest.raises(AssetError, match="which is a trap"):
        open_zip(path)
    path.write_bytes(zipped({str(number): b"" for number in range(10_001)}))
    with pytest.raises(AssetError, match="10001 members; allowed are 10000"):
        open_zip(path)
