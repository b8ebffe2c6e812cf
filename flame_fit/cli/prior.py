"""`flame-fit prior calibrate`: learn from finished fits who is likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from flame_fit.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.parsing import PROGRAM, parse_arguments
from flame_fit.errors import FlameFitError, InputError, UsageError

if TYPE_CHECKING:
    from flame_fit.export import ExportParams

SUMMARY = "Learn the prior of identity from many finished fits."
ACTIONS = ("calibrate",)
NOWHERE = Path()


@dataclass(frozen=True)
class CalibrateCommand:
    """Learn the mean and the spread of identity coefficients from finished fits."""

    fits: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FITS_DIR")]
    """Folder of results; every params.npz in it counts."""
    out: Path = Path("identity_prior.npz")
    """File to write; give it to `flame-fit fit --identity-prior`."""
    fitted_with: Path | None = None
    """Identity prior that the fits were made with, if they were made with one."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit prior` and return its exit code."""
    if not arguments or arguments[0] not in (*ACTIONS, "-h", "--help"):
        given = repr(arguments[0]) if arguments else "nothing"
        raise UsageError(f"prior {given} is unknown; give one of: {', '.join(ACTIONS)}")
    rest = arguments[1:] if arguments[0] in ACTIONS else arguments
    default = CalibrateCommand(fits=NOWHERE)
    command = parse_arguments(CalibrateCommand, rest, name="prior calibrate", default=default)
    if command.fits == NOWHERE:
        raise UsageError("no folder given; give the folder of finished fits")
    return _calibrate(command, errors)


def _calibrate(command: CalibrateCommand, errors: Console) -> int:
    from flame_fit.export import read_params
    from flame_fit.pipeline.identity_prior import (
        calibrate,
        likelihood_of,
        read_identity_prior,
        write_identity_prior,
    )

    files = sorted(command.fits.rglob("params.npz"))
    if not files:
        raise InputError(f"{command.fits}: holds no params.npz; give the --out folder of fits")
    before = None if command.fitted_with is None else read_identity_prior(command.fitted_with)
    found, first, failed = [], None, 0
    for file in files:
        try:
            params = read_params(file)
            first = first or params
            _require_same_model(params, first)
            found.append(likelihood_of(params, before))
        except FlameFitError as error:
            failed += 1
            errors.print(f"{PROGRAM}: {file}: {error}")
    if first is None:
        raise InputError(f"{command.fits}: none of {len(files)} fits can be used")
    prior = calibrate(found, model_sha256=first.model_sha256)
    write_identity_prior(prior, command.out)
    deviations = prior.covariance.diagonal() ** 0.5
    print(
        f"{command.out}: from {prior.count} fits; standard deviations {deviations.min():.2f} to "
        f"{deviations.max():.2f}, mean at most {abs(prior.mean).max():.2f} from zero"
    )
    return EXIT_SOME_FAILED if failed else EXIT_OK


def _require_same_model(params: ExportParams, first: ExportParams) -> None:
    same = params.model_sha256 == first.model_sha256 and len(params.shape) == len(first.shape)
    if not same:
        raise InputError(
            f"{len(params.shape)} coefficients of {params.model_name}, the first fit has "
            f"{len(first.shape)} of {first.model_name}; give fits of one model and preset"
        )
