"""Arguments to commands: parser errors as one line, and what all commands share."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import tyro

from flame_fit.errors import UsageError

PROGRAM = "flame-fit"
# How tyro frames its messages: edges, and rules between the reason and its hints.
BOX_EDGES = "╭╮╰╯│ "
BOX_RULE = re.compile(r"[─-]{4,}")
GUESS = re.compile(r"Perhaps you meant:\W+(--\S+)")

Command = TypeVar("Command")


def parse_arguments(
    command: type[Command],
    arguments: Sequence[str],
    *,
    name: str,
    default: Command,
    flag_pairs: bool = False,
) -> Command:
    """Return the dataclass of a command, filled from its arguments.

    Args:
        command: A dataclass whose fields are the options; their docstrings are the help.
        arguments: Arguments after the command's name.
        name: The command as it is typed, such as `fit` or `assets list`.
        default: Values of all options that are not given.
        flag_pairs: Whether every flag can be given and taken back: `--flag` and `--no-flag`.

    Raises:
        UsageError: If an option is unknown or its value wrong.
        SystemExit: After `--help`.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                command,
                args=list(arguments),
                default=default,
                prog=f"{PROGRAM} {name}",
                config=() if flag_pairs else (tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(_one_line(box.getvalue(), name=name)) from None


def require_writable(out: Path, *, option: str = "--out") -> None:
    """Make the output folder and try it before any work is done.

    Args:
        out: The folder.
        option: What gave it.

    Raises:
        UsageError: If nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(
            f"{option} {out} cannot be written ({error.strerror or error}); choose another folder"
        ) from error


def _one_line(box: str, *, name: str) -> str:
    """Return the reason in a box that the parser drew, without frame and further hints."""
    words: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip(BOX_EDGES)
        if words and (BOX_RULE.match(text) or text == "Got errors:"):
            break
        words += [] if BOX_RULE.match(text) else text.split()
    reason = " ".join(words).rstrip(".") or "the arguments cannot be read"
    guess = GUESS.search(box)
    hint = f"did you mean {guess[1]}? " if guess else ""
    return f"{reason[0].lower()}{reason[1:]}; {hint}see {PROGRAM} {name} --help"
