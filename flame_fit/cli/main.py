"""Choosing the command, and exit codes for what goes wrong."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from rich.console import Console

from flame_fit import __version__
from flame_fit.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE
from flame_fit.cli.parsing import PROGRAM
from flame_fit.errors import FlameFitError, UsageError

# Each is a module of this package with a SUMMARY and `run(arguments, errors=console) -> int`.
COMMANDS = (
    "fit",
    "merge",
    "evaluate",
    "assets",
    "params",
    "texture-space",
    "prior",
    "synth",
    "uv",
    "parse",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: Arguments without the program's name, those of the process by default.
    """
    # Threads that spin while they wait make a fit five times slower beside one busy program, and
    # a quiet machine gains a seventh at most. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Otherwise MKL rounds by where in memory a matrix happens to lie, and a solver that stops a
    # step earlier for it turns that into half a millimetre. No cost in time could be measured.
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    arguments = list(sys.argv[1:] if argv is None else argv)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            _print_usage()
            return EXIT_OK if arguments else EXIT_USAGE
        if arguments[0] == "--version":
            print(f"{PROGRAM} {__version__}")
            return EXIT_OK
        name = arguments[0]
        if name not in COMMANDS:
            raise UsageError(f"command {name!r} is unknown; give one of: {', '.join(COMMANDS)}")
        return _module(name).run(arguments[1:], errors=errors)
    except UsageError as error:
        errors.print(f"{PROGRAM}: {error}")
        return EXIT_USAGE
    except FlameFitError as error:
        for line in (*error.details, f"{PROGRAM}: {error}"):
            errors.print(line)
        return EXIT_SOME_FAILED
    except Exception as error:  # noqa: BLE001 (no user should meet a stack trace unasked)
        if "--verbose" in arguments:
            raise
        reason = (str(error).splitlines() or [""])[0]
        errors.print(f"{PROGRAM}: unexpected {type(error).__name__} ({reason}); report it, please")
        return EXIT_SOME_FAILED
    except KeyboardInterrupt:
        errors.print(f"{PROGRAM}: interrupted; finished results are complete, others not begun")
        return EXIT_INTERRUPTED


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"flame_fit.cli.{name.replace('-', '_')}")


def _print_usage() -> None:
    print(f"usage: {PROGRAM} COMMAND ... | --version | --help\n")
    for name in COMMANDS:
        print(f"  {name:<15}{_module(name).SUMMARY} {PROGRAM} {name} --help lists its options.")
