"""Reading `.pt` and `.ckpt` files as plain data."""

from pathlib import Path

import numpy as np

from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, read_file
from flame_fit.untrusted.pickle_machine import Deferred, read_instructions
from flame_fit.untrusted.pickle_values import plain_value
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
    data = read_file(path, maximum_bytes=maximum_bytes)
    try:
        if data.startswith(ZIP_START):
            return _read_zip(path, maximum_bytes)
        content = read_legacy(data)
        return plain_value(
            content.root,
            maximum_bytes=maximum_bytes,
            storages=lambda reference: content.storages[parse_reference(reference).key],
        )
    except Refused as error:
        raise asset_error(path, error, kind=".pt") from error


def _read_zip(path: Path, maximum_bytes: int) -> object:
    folder = open_zip(path, maximum_bytes=maximum_bytes, kind=".pt")
    prefix = _prefix(folder)
    names = {member.name for member in folder.members}
    order = f"{prefix}byteorder"
    if order in names and folder.read(order) != b"little":
        raise Refused("the tensors have the other byte order; save them on another machine")
    content = read_instructions(folder.read(prefix + PICKLE_NAME), with_storages=True)

    def storage(reference: Deferred) -> np.ndarray:
        parsed = parse_reference(reference)
        return storage_values(parsed, folder.read(f"{prefix}data/{parsed.key}"))

    return plain_value(content.root, maximum_bytes=maximum_bytes, storages=storage)


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
