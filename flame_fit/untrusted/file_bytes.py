"""Reading whole files without hanging on pipes and devices or filling the memory."""

import stat
from pathlib import Path

from flame_fit.errors import AssetError

MAXIMUM_BYTES = 2 * 2**30
"""Largest file, and largest content of a file, that is read unless the caller says otherwise."""


def check_file(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> None:
    """Check that a path is an ordinary file of an acceptable size.

    Raises:
        AssetError: missing, a folder, a device, unreadable or too large.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise AssetError(f"{path} does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise AssetError(f"{path} cannot be read ({_reason(error)}); check the path") from error
    if not stat.S_ISREG(found.st_mode):
        raise AssetError(f"{path} is not an ordinary file; give the path of one")
    if found.st_size > maximum_bytes:
        raise AssetError(
            f"{path} has {found.st_size} bytes, more than the {maximum_bytes} allowed here; "
            "it is not the expected file"
        )


def read_file(path: Path, *, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        AssetError: missing, a folder, a device, unreadable or too large.
    """
    check_file(path, maximum_bytes=maximum_bytes)
    try:
        with path.open("rb") as file:
            # The file may grow between the check and the read.
            data = file.read(maximum_bytes + 1)
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({_reason(error)}); check the path") from error
    if len(data) > maximum_bytes:
        raise AssetError(f"{path} grew past {maximum_bytes} bytes while it was read; try again")
    return data


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
