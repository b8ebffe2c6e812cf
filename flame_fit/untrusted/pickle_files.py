"""Reading `.pkl` files as plain data."""

from pathlib import Path

from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, read_file
from flame_fit.untrusted.pickle_machine import read_instructions
from flame_fit.untrusted.pickle_values import plain_value
from flame_fit.untrusted.refusal import Refused, asset_error


def read_pickle(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> object:
    """Read a pickle of any protocol as plain data; nothing it contains is ever run.

    Arrays, sparse matrices, chumpy objects and tensors come back as numpy arrays; a chumpy
    expression of a kind that models do not need as an `UnresolvedExpression`. Text is latin-1.

    Args:
        path: the file.
        maximum_bytes: most bytes the file, and the arrays in it, may take.

    Raises:
        AssetError: missing, damaged, too large, or asking for anything that models do not have.
    """
    data = read_file(path, maximum_bytes=maximum_bytes)
    return decode_pickle(data, name=path, maximum_bytes=maximum_bytes)


def decode_pickle(data: bytes, *, name: Path | str, maximum_bytes: int = MAXIMUM_BYTES) -> object:
    """Return what a pickle in memory holds, as `read_pickle` does.

    Args:
        data: the pickle.
        name: what messages call it.
        maximum_bytes: most bytes the arrays in it may take.

    Raises:
        AssetError: damaged, too large, or asking for anything that models do not have.
    """
    try:
        content = read_instructions(data)
        return plain_value(content.root, maximum_bytes=maximum_bytes)
    except Refused as error:
        raise asset_error(name, error, kind=".pkl") from error
