"""The command line: the only place that prints, seeds and decides on exit codes."""

from flame_fit.cli.exit_codes import EXIT_NO_FACE, EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE
from flame_fit.cli.main import main

__all__ = ["EXIT_NO_FACE", "EXIT_OK", "EXIT_SOME_FAILED", "EXIT_USAGE", "main"]
