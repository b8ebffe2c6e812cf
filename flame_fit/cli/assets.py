"""`flame-fit assets`: head models and what goes with them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK, EXIT_USAGE
from flame_fit.cli.parsing import PROGRAM
from flame_fit.errors import UsageError

SUMMARY = "Install, list, complete and export head models."
# Each is a module `assets_NAME` of this package with a SUMMARY and `run(arguments, errors=...)`.
ACTIONS = ("install", "list", "embed", "export")


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit assets ACTION` and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_usage()
        return EXIT_OK if arguments else EXIT_USAGE
    action = arguments[0]
    if action not in ACTIONS:
        raise UsageError(f"action {action!r} is unknown; give one of: {', '.join(ACTIONS)}")
    module = importlib.import_module(f"flame_fit.cli.assets_{action}")
    return module.run(arguments[1:], errors=errors)


def _print_usage() -> None:
    print(f"usage: {PROGRAM} assets ACTION ...\n")
    for action in ACTIONS:
        module = importlib.import_module(f"flame_fit.cli.assets_{action}")
        print(f"  {action:<9}{module.SUMMARY}")
