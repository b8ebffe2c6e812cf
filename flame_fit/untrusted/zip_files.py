"""Zip archives nobody vouches for: names that climb, links, bombs and damage are refused."""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flame_fit.errors import AssetError
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, check_file
from flame_fit.untrusted.refusal import Refused, asset_error, quoted

MAXIMUM_MEMBERS = 10_000
MAXIMUM_DIRECTORY_BYTES = 16 * 2**20
"""Size of the table of contents, which is read into memory as a whole."""
MAXIMUM_RATIO = 400
"""Unpacked over packed size, for archives that unpack to much."""
HARMLESS_BYTES = 64 * 2**20
"""What an archive may unpack to, whatever its ratio."""
READ_CHUNK_BYTES = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_TAIL = 2**17
"""Bytes to read where the rest is asked for, which for a zip is its last record and comment."""
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
    RuntimeError, KeyError, IndexError, OverflowError, MemoryError, AttributeError,
)  # fmt: skip
"""What `zipfile` raises for damaged archives, by experiment."""


@dataclass(frozen=True)
class ZipMember:
    """One file in an archive."""

    name: str
    """Relative path with forward slashes; never climbs out of a folder."""
    size: int
    """Bytes when unpacked."""


@dataclass(frozen=True)
class ZipFolder:
    """An archive whose table of contents was checked."""

    path: Path
    members: tuple[ZipMember, ...]
    kind: str = ".zip"

    def read(self, name: str) -> bytes:
        """Return the content of one member.

        Raises:
            AssetError: there is no such member, or it is damaged.
        """
        with self.opened() as read:
            return read(name)

    @contextmanager
    def opened(self) -> Iterator[Callable[[str], bytes]]:
        """Give a function that reads members by name, for reading many of them.

        Raises:
            AssetError: there is no such member, or it is damaged.
        """
        sizes = {member.name: member.size for member in self.members}

        def read(name: str) -> bytes:
            if name not in sizes:
                raise AssetError(
                    f"{self.path} holds no {quoted(name)}; check that it is the right file"
                )
            with self._damage_reported():
                return _read_member(archive, name, sizes[name])

        with ExitStack() as stack:
            with self._damage_reported():
                archive = stack.enter_context(_opened(self.path))
            yield read

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of every member, one at a time.

        Raises:
            AssetError: a member is damaged.
        """
        with self.opened() as read:
            for member in self.members:
                yield member.name, read(member.name)

    @contextmanager
    def _damage_reported(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise asset_error(self.path, error, kind=self.kind) from error


def open_zip(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES, kind: str = ".zip") -> ZipFolder:
    """Check the table of contents of a zip archive; nothing is unpacked.

    Args:
        path: the archive.
        maximum_bytes: most bytes the members may take together when unpacked.
        kind: what the archive should be, for messages.

    Raises:
        AssetError: missing, damaged, too large, locked, or with names or links that lead elsewhere.
    """
    check_file(path)
    try:
        with _opened(path) as archive:
            entries = archive.infolist()
            _check_sizes(path, entries, maximum_bytes)
            members = tuple(
                ZipMember(entry.filename, entry.file_size)
                for entry in entries
                if _is_checked_file(entry)
            )
    except _DAMAGE as error:
        raise asset_error(path, error, kind=kind) from error
    if len({member.name for member in members}) != len(members):
        raise AssetError(f"{path} holds two files of one name; get it from its publisher")
    return ZipFolder(path=path, members=members, kind=kind)


class _BoundedFile:
    """An open file from which nobody can read much at once, whatever the archive announces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(min(count, MAXIMUM_DIRECTORY_BYTES + 1) if count >= 0 else _TAIL)
        if len(data) > MAXIMUM_DIRECTORY_BYTES:
            raise Refused("the table of contents of the archive is absurdly large; get it again")
        return data


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    bounded = _BoundedFile(path.open("rb"))
    try:
        with zipfile.ZipFile(bounded) as archive:  # pyright: ignore[reportArgumentType]
            yield archive
    finally:
        bounded.close()


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo], maximum_bytes: int) -> None:
    if len(entries) > MAXIMUM_MEMBERS:
        raise Refused(f"the archive has {len(entries)} members; allowed are {MAXIMUM_MEMBERS}")
    total = sum(entry.file_size for entry in entries)
    if total > maximum_bytes:
        raise Refused(
            f"it unpacks to {total} bytes, more than the {maximum_bytes} allowed here; "
            "it is not the expected file"
        )
    size = path.stat().st_size
    if total > HARMLESS_BYTES and total > MAXIMUM_RATIO * size:
        raise Refused(f"{size} bytes unpack to {total}, which is a trap; it is not the right file")
    by_place = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [entry.header_offset + entry.compress_size for entry in by_place]
    starts = [entry.header_offset for entry in by_place[1:]] + [size]
    if any(end > start for end, start in zip(ends, starts, strict=True)):
        raise Refused("members of the archive overlap, which is a trap; it is not the right file")


def _is_checked_file(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is a file rather than a folder, after checking it."""
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if not all(c.isprintable() and c not in "\\:" for c in name) or any(
        part in ("", ".", "..") for part in parts
    ):
        raise Refused(f"the member {quoted(name)} leads out of the archive; nothing was unpacked")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"the member {quoted(name)} is a link or device; nothing was unpacked")
    if entry.flag_bits & _ENCRYPTED:
        raise Refused(f"the member {quoted(name)} is locked with a password; unlock it first")
    if entry.compress_type not in _METHODS:
        raise Refused(
            f"the member {quoted(name)} is packed in an unusual way; pack it with deflate"
        )
    return not name.endswith("/")


def _read_member(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    parts, count = [], 0
    with archive.open(name) as file:
        while chunk := file.read(READ_CHUNK_BYTES):
            parts.append(chunk)
            count += len(chunk)
            if count > size:
                break
    if count != size:
        raise Refused(f"the member {quoted(name)} has another size than announced; get it again")
    return b"".join(parts)
