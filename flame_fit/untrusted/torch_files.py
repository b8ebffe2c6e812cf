"""Reading `.pt`, `.pth` and `.ckpt` files as plain data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_fit.errors import AssetError
from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, check_file, read_file
from flame_fit.untrusted.pickle_machine import Deferred, read_instructions
from flame_fit.untrusted.pickle_values import StorageReader, plain_value
from flame_fit.untrusted.refusal import Refused, asset_error, quoted
from flame_fit.untrusted.torch_storage import parse_reference, read_legacy, storage_values
from flame_fit.untrusted.zip_files import ZipFolder, open_zip

ZIP_START = b"PK\x03\x04"
PICKLE_NAME = "data.pkl"


def read_torch(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> object:
    """Read what `torch.save` wrote, in its present and its old format, with tensors as arrays.

    This is stricter than `torch.load(weights_only=True)`: it calls nothing at all, and it counts
    memory before it is used. Tensors of bf16 become float32.

    Args:
        path: the file.
        maximum_bytes: most bytes the file, and the tensors in it, may take.

    Raises:
        AssetError: missing, damaged, too large, or with objects other than tensors and containers.
    """
    with _refusals_named(path):
        return _content(path, maximum_bytes, with_foreign=False).value()


@dataclass(frozen=True, eq=False)
class TorchEntries:
    """The dict in a torch file, of which each entry is read when it is asked for.

    Entries may hold objects of classes that are not known here, as the bookkeeping of a training
    does; those entries cannot be read, and nothing of them is ever run.

    Attributes:
        path: the file.
        names: the keys that are text.
    """

    path: Path
    names: tuple[str, ...]
    _content: "_Content"

    def read(self, name: str) -> object:
        """Return one entry as `read_torch` would.

        Raises:
            AssetError: there is no such entry, it is damaged, too large, or holds objects other
                than tensors and containers.
        """
        if name not in self.names:
            raise AssetError(
                f"{self.path} holds no {quoted(name)}; check that it is the right file"
            )
        with _refusals_named(self.path):
            return self._content.value(name)

    def read_all(self) -> object:
        """Return the whole dict as `read_torch` would.

        Raises:
            AssetError: damaged, too large, or with objects other than tensors and containers.
        """
        with _refusals_named(self.path):
            return self._content.value()


def open_torch(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> TorchEntries:
    """Look into a file that `torch.save` wrote of a dict, such as a checkpoint of a training.

    Args:
        path: the file.
        maximum_bytes: most bytes the file, and the tensors read at once, may take.

    Raises:
        AssetError: missing, damaged, too large, or not a dict.
    """
    with _refusals_named(path):
        content = _content(path, maximum_bytes, with_foreign=True)
        if not isinstance(content.root, dict):
            raise Refused(f"the file holds a {type(content.root).__name__}, expected a dict")
        names = tuple(key for key in content.root if isinstance(key, str))
        return TorchEntries(path, names, content)


@dataclass(frozen=True, eq=False)
class _Content:
    """What the pickle of a torch file holds, not yet turned into arrays."""

    root: object
    source: "_ZipSource | _LegacySource"
    maximum_bytes: int

    def value(self, name: str | None = None) -> object:
        """Return the root, or one entry of it, as plain containers and arrays."""
        item = self.root[name] if isinstance(self.root, dict) and name is not None else self.root
        with self.source.opened() as storages:
            return plain_value(item, maximum_bytes=self.maximum_bytes, storages=storages)


@dataclass(frozen=True, eq=False)
class _ZipSource:
    folder: ZipFolder
    prefix: str

    @contextmanager
    def opened(self) -> Iterator[StorageReader]:
        with self.folder.opened() as read:

            def storage(reference: Deferred) -> np.ndarray:
                parsed = parse_reference(reference)
                return storage_values(parsed, read(f"{self.prefix}data/{parsed.key}"))

            yield storage


@dataclass(frozen=True, eq=False)
class _LegacySource:
    storages: dict[str, np.ndarray]

    @contextmanager
    def opened(self) -> Iterator[StorageReader]:
        yield lambda reference: self.storages[parse_reference(reference).key]


def _content(path: Path, maximum_bytes: int, *, with_foreign: bool) -> _Content:
    check_file(path, maximum_bytes=maximum_bytes)
    if not _begins_as_zip(path):
        data = read_file(path, maximum_bytes=maximum_bytes)
        legacy = read_legacy(data, with_foreign=with_foreign)
        return _Content(legacy.root, _LegacySource(legacy.storages), maximum_bytes)
    folder = open_zip(path, maximum_bytes=maximum_bytes, kind=".pt")
    prefix = _prefix(folder)
    names = {member.name for member in folder.members}
    order = f"{prefix}byteorder"
    if order in names and folder.read(order) != b"little":
        raise Refused("the tensors have the other byte order; save them on another machine")
    pickle = folder.read(prefix + PICKLE_NAME)
    content = read_instructions(pickle, with_storages=True, with_foreign=with_foreign)
    return _Content(content.root, _ZipSource(folder, prefix), maximum_bytes)


def _begins_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP_START)) == ZIP_START
    except OSError as error:
        raise asset_error(path, error, kind=".pt") from error


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise asset_error(path, error, kind=".pt") from error


def _prefix(folder: ZipFolder) -> str:
    """Return the folder inside the archive that holds the pickle, with its slash."""
    found = [
        member.name.removesuffix(PICKLE_NAME)
        for member in folder.members
        if member.name.count("/") == 1 and member.name.endswith(f"/{PICKLE_NAME}")
    ]
    if len(found) != 1:
        held = ", ".join(quoted(member.name) for member in folder.members[:3]) or "nothing"
        raise Refused(f"this is not a torch file; it holds {held}, expected one {PICKLE_NAME}")
    return found[0]
