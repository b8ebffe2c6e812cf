"""Finding, fetching and reading files: nothing half-written, nothing unverified, nothing run."""

import hashlib
import http.server
import importlib.util
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flame_fit import asset_files
from flame_fit.asset_files import (
    WheelMember,
    asset_folders,
    cache_folder,
    fetch_url,
    fetch_wheel_members,
    find_asset,
    sha256_of,
    write_atomically,
)
from flame_fit.errors import AssetError, InputError

CONTENT = b"a model file"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
MEMBER = WheelMember(path="tiny_pkg/data/model.tflite", sha256=DIGEST)


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/file" else 404)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *arguments: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from instead of the network."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_pkg-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER.path, CONTENT)
        wheel.writestr(
            "tiny_pkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-pkg\nVersion: 1.0"
        )
        wheel.writestr("tiny_pkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        wheel.writestr("tiny_pkg-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    return folder


def test_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAME_FIT_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    assert not cache_folder().exists(), "asking for a folder does not make it"
    monkeypatch.delenv("FLAME_FIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "flame_fit"


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    first, second, user = tmp_path / "a", tmp_path / "b", tmp_path / "user" / "flame_fit"
    monkeypatch.setenv("FLAME_FIT_ASSETS", f"{first}:{second}")
    assert asset_folders()[:3] == (first, second, user)
    write_atomically(user / "head.npz", b"")
    assert find_asset("head.npz") == user / "head.npz"
    write_atomically(second / "head.npz", b"")
    assert find_asset("head.npz") == second / "head.npz"
    with pytest.raises(AssetError) as error:
        find_asset("other.npz")
    text = one_line(error)
    assert all(str(folder) in text for folder in asset_folders())
    assert "FLAME_FIT_ASSETS" in text


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError) as error:
        write_atomically(path, b"three")
    assert "No space left on device" in one_line(error)
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="choose a folder you may write to"):
        write_atomically(tmp_path / "file" / "inner", b"")


def test_a_url_is_fetched_once(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    path = tmp_path / "deep" / "model.bin"
    assert fetch_url(f"{server}/file", sha256=DIGEST, destination=path) == path
    assert path.read_bytes() == CONTENT
    monkeypatch.setenv("FLAME_FIT_OFFLINE", "1")
    assert fetch_url("http://127.0.0.1:9/none", sha256=DIGEST, destination=path) == path


def test_a_damaged_copy_is_fetched_again(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    path = tmp_path / "model.bin"
    path.write_bytes(b"half a mod")
    fetch_url(f"{server}/file", sha256=DIGEST, destination=path)
    assert sha256_of(path) == DIGEST


def test_unexpected_content_is_not_kept(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    with pytest.raises(AssetError) as error:
        fetch_url(f"{server}/file", sha256="0" * 64, destination=tmp_path / "model.bin")
    assert f"has sha256 {DIGEST}, expected 0000" in one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_file_is_not_kept(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    monkeypatch.setattr(asset_files, "MAXIMUM_DOWNLOAD_BYTES", 3)
    with pytest.raises(AssetError, match="larger than 3 bytes"):
        fetch_url(f"{server}/file", sha256=DIGEST, destination=tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{server}/missing", "404"),
        ("http://127.0.0.1:9/none", "check the connection, or put the file at"),
        ("file:///etc/hostname", "only http and https"),
    ],
)
def test_unreachable_addresses(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.delenv("FLAME_FIT_OFFLINE", raising=False)
    with pytest.raises(AssetError) as error:
        fetch_url(url.format(server=server), sha256=DIGEST, destination=tmp_path / "model.bin")
    assert message in one_line(error)


def test_offline_forbids_the_network(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAME_FIT_OFFLINE", "1")
    with pytest.raises(AssetError, match="FLAME_FIT_OFFLINE forbids fetching"):
        fetch_url(f"{server}/file", sha256=DIGEST, destination=tmp_path / "model.bin")
    with pytest.raises(AssetError, match="model.tflite is not in the cache"):
        fetch_wheel_members("tiny-pkg==1.0", [MEMBER], tmp_path)


def test_wheel_members_are_extracted_with_pip(tmp_path: Path, local_index: Path) -> None:
    (path,) = fetch_wheel_members("tiny-pkg==1.0", [MEMBER], tmp_path / "cache")
    assert path == tmp_path / "cache" / "model.tflite"
    assert path.read_bytes() == CONTENT
    next(local_index.iterdir()).unlink()
    assert fetch_wheel_members("tiny-pkg==1.0", [MEMBER], tmp_path / "cache") == (path,)


def test_wheels_that_are_not_as_pinned(tmp_path: Path, local_index: Path) -> None:
    cases = {
        "'nowhere' (": WheelMember(path="nowhere", sha256=DIGEST),
        "expected 1111": WheelMember(path=MEMBER.path, sha256="1" * 64),
    }
    for message, member in cases.items():
        with pytest.raises(AssetError) as error:
            fetch_wheel_members("tiny-pkg==1.0", [member], tmp_path / "cache")
        assert message in one_line(error)
    with pytest.raises(AssetError) as error:
        fetch_wheel_members("tiny-pkg==2.0", [MEMBER], tmp_path / "cache")
    assert "pip could not fetch tiny-pkg==2.0" in one_line(error)
    assert not (tmp_path / "cache").exists()


def test_without_pip_the_remedy_is_named(
    tmp_path: Path, local_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match="-m ensurepip"):
        fetch_wheel_members("tiny-pkg==1.0", [MEMBER], tmp_path)
