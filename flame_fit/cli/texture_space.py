"""`flame-fit texture-space`: linear texture spaces for head models."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK, EXIT_USAGE
from flame_fit.cli.parsing import PROGRAM
from flame_fit.errors import UsageError

SUMMARY = "Make, show, convert and sample texture spaces for head models."
# Each is a module `texture_space_NAME` of this package with a SUMMARY and
# `run(arguments, errors=...)`.
ACTIONS = (
    "build",
    "bootstrap",
    "from-basel",
    "convert",
    "show",
    "sample",
    "train-decoder",
    "train-inpainting",
)


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit texture-space ACTION` and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage()
        return EXIT_OK if arguments else EXIT_USAGE
    if arguments[0] not in ACTIONS:
        raise UsageError(f"action {arguments[0]!r} is unknown; give one of: {', '.join(ACTIONS)}")
    return _module(arguments[0]).run(arguments[1:], errors=errors)


def _module(action: str) -> ModuleType:
    return importlib.import_module(f"flame_fit.cli.texture_space_{action.replace('-', '_')}")


def _print_usage() -> None:
    print(f"usage: {PROGRAM} texture-space ACTION ...\n")
    for action in ACTIONS:
        print(f"  {action:<18}{_module(action).SUMMARY}")
