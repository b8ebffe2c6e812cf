"""What goes wrong with a file nobody vouches for, before it is known which file it is."""

from flame_fit.errors import AssetError

LONGEST_QUOTE = 60
"""Characters of a file that an error message repeats."""


class Refused(ValueError):
    """Content that is damaged, too large or not allowed; readers add the path and the remedy."""


def quoted(value: object) -> str:
    """Return text out of a file in a form that is safe to print: short, one line, escaped."""
    if isinstance(value, int):
        text = "a number of many digits" if value.bit_length() > 64 else str(value)  # noqa: PLR2004
    elif isinstance(value, str):
        text = ascii(value[:LONGEST_QUOTE])
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST_QUOTE + 2 else text[:LONGEST_QUOTE] + "..."


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks and unprintable characters."""
    words = " ".join(str(error).split())
    return "".join(c if c.isprintable() else "?" for c in words)[:200] or type(error).__name__


def asset_error(name: object, problem: BaseException, *, kind: str) -> AssetError:
    """Return the error a user sees for a file that cannot be read.

    Args:
        name: the file.
        problem: what was found.
        kind: what the file should be, such as ".npy".
    """
    if isinstance(problem, AssetError):
        return problem
    if isinstance(problem, Refused):
        return AssetError(f"{name}: {one_line(problem)}")
    return AssetError(
        f"{name} is not a readable {kind} file ({one_line(problem)}); copy or download it again"
    )
