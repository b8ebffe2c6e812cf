"""Finding, verifying and fetching the files a fit needs."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_fit.errors import AssetError, InputError
from flame_fit.untrusted import read_npz as read_npz

CACHE_VARIABLE = "FLAME_FIT_CACHE"
ASSETS_VARIABLE = "FLAME_FIT_ASSETS"
OFFLINE_VARIABLE = "FLAME_FIT_OFFLINE"

MAXIMUM_DOWNLOAD_BYTES = 512 * 2**20
PIP_TIMEOUT_SECONDS = 300.0
READ_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class WheelMember:
    """One file inside a wheel."""

    path: str
    """Path inside the wheel."""
    sha256: str
    """Pinned digest of the file in lower-case hexadecimal."""

    @property
    def name(self) -> str:
        """File name without folders: what the file is called once extracted."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class WheelTag:
    """Which build of a package to download, whatever machine and Python this is."""

    python: str = "3.12"
    abi: str = "cp312"
    platform: str = "manylinux_2_28_x86_64"


def cache_folder() -> Path:
    """Return the folder for files that can be fetched again; it need not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return _platform_folder("LOCALAPPDATA", "Library/Caches", "XDG_CACHE_HOME", ".cache")


def user_asset_folder() -> Path:
    """Return the folder for model files a user installs; it need not exist yet."""
    return _platform_folder(
        "APPDATA", "Library/Application Support", "XDG_DATA_HOME", ".local/share"
    )


def asset_folders() -> tuple[Path, ...]:
    """Return the folders searched for assets, first match wins."""
    package = Path(__file__).resolve().parent
    chosen = [Path(part) for part in os.environ.get(ASSETS_VARIABLE, "").split(os.pathsep) if part]
    return (*chosen, user_asset_folder(), package / "_assets", package.parent / "assets")


def find_asset(name: str) -> Path:
    """Return the path of an asset by file name, from the first folder that has it.

    Raises:
        AssetError: no folder has it; the message names all of them.
    """
    folders = asset_folders()
    for folder in folders:
        candidate = folder / name
        if candidate.is_file():
            return candidate
    places = ", ".join(str(folder) for folder in folders)
    raise AssetError(
        f"asset '{name}' was not found in {places}; "
        f"put it into one of them or set {ASSETS_VARIABLE} to its folder"
    )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is either whole or absent; its folder is made if need be.

    Raises:
        InputError: the place cannot be written to.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {path} ({reason}); choose a folder you may write to"
        ) from error


def fetch_url(url: str, *, sha256: str, destination: Path, timeout_seconds: float = 5.0) -> Path:
    """Download a file unless it is there already, and verify it.

    Args:
        url: an http or https address.
        sha256: expected digest in lower-case hexadecimal.
        destination: path of the file to be; returned.
        timeout_seconds: longest wait for the server to answer or send on.

    Raises:
        AssetError: offline, unreachable, too large, or not the expected file.
    """
    if _is_verified(destination, sha256):
        return destination
    _forbid_when_offline(destination.name, url)
    if not url.startswith(("https://", "http://")):
        raise AssetError(f"cannot fetch '{url}': only http and https addresses are allowed")
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            data = response.read(MAXIMUM_DOWNLOAD_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise AssetError(
            f"cannot fetch {url} ({_one_line(error)}); check the connection, "
            f"or put the file at {destination} yourself"
        ) from error
    if len(data) > MAXIMUM_DOWNLOAD_BYTES:
        raise AssetError(f"{url} is larger than {MAXIMUM_DOWNLOAD_BYTES} bytes; it is not the file")
    _write_verified(destination, data, sha256=sha256, source=url)
    return destination


def fetch_wheel_members(
    requirement: str,
    members: Sequence[WheelMember],
    destination: Path,
    *,
    tag: WheelTag = WheelTag(),  # noqa: B008 - a frozen value
) -> tuple[Path, ...]:
    """Return named files out of a wheel, downloaded with pip when they are not there already.

    Nothing is installed and nothing of the wheel is run. Several processes may do this at once.

    Args:
        requirement: exact requirement, such as "mediapipe==0.10.21".
        members: the files wanted and their digests.
        destination: folder that receives them, under their names without folders.
        tag: the build to download; only its data files are used.

    Returns:
        One path for each member, in order.

    Raises:
        AssetError: offline, no pip, no such wheel, or a file that is not the expected one.
    """
    paths = tuple(destination / member.name for member in members)
    wanted = [
        member
        for member, path in zip(members, paths, strict=True)
        if not _is_verified(path, member.sha256)
    ]
    if wanted:
        _forbid_when_offline(", ".join(member.name for member in wanted), requirement)
        with tempfile.TemporaryDirectory(prefix="flame_fit_") as folder:
            wheel = _download_wheel(requirement, Path(folder), tag=tag)
            for member in wanted:
                _extract_member(wheel, member, destination)
    return paths


def _platform_folder(windows: str, mac: str, xdg: str, unix: str) -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get(windows) or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / mac
    else:
        base = Path(os.environ.get(xdg) or Path.home() / unix)
    return base / "flame_fit"


def _is_verified(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _forbid_when_offline(name: str, source: str) -> None:
    if os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
        raise AssetError(
            f"{name} is not in the cache and {OFFLINE_VARIABLE} forbids fetching it from {source}; "
            f"unset {OFFLINE_VARIABLE} once"
        )


def _write_verified(path: Path, data: bytes, *, sha256: str, source: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise AssetError(
            f"{path.name} from {source} has sha256 {found}, expected {sha256}; it was not kept"
        )
    write_atomically(path, data)


def _download_wheel(requirement: str, folder: Path, *, tag: WheelTag) -> Path:
    """Download one wheel into a folder with this interpreter's pip."""
    if importlib.util.find_spec("pip") is None:
        raise AssetError(
            f"pip is needed to fetch {requirement} but {sys.executable} has none; "
            f"run '{sys.executable} -m ensurepip'"
        )
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-input", "--no-deps", "--only-binary=:all:", "--implementation=cp",
        f"--python-version={tag.python}", f"--abi={tag.abi}", f"--platform={tag.platform}",
        f"--dest={folder}", requirement,
    ]  # fmt: skip
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AssetError(
            f"pip did not fetch {requirement} within {PIP_TIMEOUT_SECONDS:.0f} s; "
            "check the connection and try again"
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        reason = (result.stderr.strip().splitlines() or ["no wheel was written"])[-1]
        raise AssetError(
            f"pip could not fetch {requirement} ({reason}); "
            "check the connection or the package index and try again"
        )
    return wheels[0]


def _extract_member(wheel: Path, member: WheelMember, destination: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member.path).file_size
            if size > MAXIMUM_DOWNLOAD_BYTES:
                raise AssetError(f"{member.path} in {wheel.name} has {size} bytes, too many to use")
            data = archive.read(member.path)
    except (KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise AssetError(
            f"{wheel.name} has no readable '{member.path}' ({_one_line(error)}); "
            "the pinned version may have been replaced"
        ) from error
    _write_verified(destination / member.name, data, sha256=member.sha256, source=wheel.name)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
