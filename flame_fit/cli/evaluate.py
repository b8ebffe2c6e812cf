"""`flame-fit evaluate`: how good meshes and fits are."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from flame_fit import __version__
from flame_fit.cli.console import ItemProgress, progress_bar, start_logging
from flame_fit.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from flame_fit.cli.parsing import PROGRAM, parse_arguments, require_writable
from flame_fit.errors import FlameFitError, UsageError

if TYPE_CHECKING:
    from flame_fit.evaluate import (
        Failure,
        FitsSummary,
        GeometrySet,
        GeometrySettings,
        LandmarkPlaces,
        MeshItem,
        PairResult,
    )

SUMMARY = "Measure meshes against scans, or sum up many fits."
TROUBLE = (FlameFitError, RuntimeError, MemoryError, OSError)
EVALUATION_FILE, CURVE_FILE = "evaluation.json", "curve.png"


@dataclass(frozen=True)
class GeometryCommand:
    """Measure how far predicted meshes are from scans of the same people.

    A mesh belongs to the scan of its name, or to the only scan that is given. Landmarks are seven
    points, right and left being the person's: right outer and inner eye corner, left inner and
    outer eye corner, bottom of the nose, right and left mouth corner. They come from a file beside
    a mesh that is called like it (.npy, .txt, .json, .pp), or from the head model.
    """

    predicted: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MESH...")]
    """Meshes, folders of meshes, or folders that `flame-fit fit` wrote; a folder is one method."""
    truth: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="SCAN...")] = ()
    """Scans or folders of scans."""
    out: Path = Path("evaluation")
    """Folder for evaluation.json and curve.png."""
    landmarks: Path | None = None
    """Landmarks of the predicted meshes: a file for all, or a folder of files called like them."""
    truth_landmarks: Path | None = None
    """The same of the scans."""
    protocol: Literal["now", "surface"] = "now"
    """`now`: that of the NoW benchmark. `surface`: points spread evenly over both whole surfaces,
    both ways; without landmarks the files must lie in one frame."""
    metrical: bool = False
    """Keep the predicted size; else the size that fits best is taken, as one photo shows none."""
    unit: Literal["auto", "m", "cm", "mm"] = "auto"
    """Of the predicted meshes; counts with --metrical, and where there are no landmarks."""
    truth_unit: Literal["auto", "m", "cm", "mm"] = "auto"
    """Of the scans; auto tells it by their size."""
    posed: bool = False
    """Take the posed head of a fit instead of the neutral one."""
    model: str = "open_head"
    """Head model, by name or path, that knows the landmarks of meshes with its topology."""
    limit: float = 7.0
    """Where the curve ends, in millimetres."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


@dataclass(frozen=True)
class FitsCommand:
    """Sum up the reports of many fits."""

    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DIR...")]
    """Folders that `flame-fit fit` wrote, or folders of such folders."""
    out: Path = Path("evaluation")
    """Folder for evaluation.json."""


def run(arguments: Sequence[str], *, errors: Console) -> int:
    """Run `flame-fit evaluate geometry|fits` and return its exit code."""
    actions = {"geometry": _run_geometry, "fits": _run_fits}
    if not arguments or arguments[0] not in (*actions, "-h", "--help"):
        got = f"got {arguments[0]!r}" if arguments else "nothing was given"
        raise UsageError(f"evaluate what? {got}; give geometry or fits and then --help")
    if arguments[0] not in actions:
        print(f"usage: {PROGRAM} evaluate geometry|fits ...\n")
        print("  geometry  Measure how far predicted meshes are from scans of the same people.")
        print("  fits      Sum up the reports of many fits.")
        return EXIT_OK
    return actions[arguments[0]](arguments[1:], errors=errors)


def _run_geometry(arguments: Sequence[str], *, errors: Console) -> int:
    default = GeometryCommand(predicted=())
    command = parse_arguments(GeometryCommand, arguments, name="evaluate geometry", default=default)
    if not command.predicted or not command.truth:
        missing = "scans; name them after --truth" if command.predicted else "meshes to measure"
        raise UsageError(f"no {missing}; see {PROGRAM} evaluate geometry --help")
    if not 0.0 < command.limit < math.inf:
        raise UsageError(f"--limit is {command.limit}; give a positive number of millimetres")
    start_logging(errors, verbose=command.verbose)
    require_writable(command.out)
    sets = _evaluate_sets(command, errors)
    _write_geometry(command, sets)
    _print_geometry(command, sets)
    complete = all(each.results and not each.failures for each in sets)
    return EXIT_OK if complete else EXIT_SOME_FAILED


def _evaluate_sets(command: GeometryCommand, errors: Console) -> list[GeometrySet]:
    """Evaluate every mesh; one that fails does not stop the others."""
    from flame_fit.evaluate import Failure, GeometrySet, mesh_sets

    predicted = mesh_sets(command.predicted, posed=command.posed)
    truths = [item for each in mesh_sets(command.truth) for item in each.items]
    sets = []
    with progress_bar(errors) as progress:
        show = ItemProgress(progress, total=sum(len(each.items) for each in predicted))
        show.stage("loading the head model")
        measure = _Measure.of(command, truths)
        for each in predicted:
            results: list[PairResult] = []
            failures: list[Failure] = []
            for item in each.items:
                show.photo(item.path)
                show.stage("measuring")
                outcome = measure.item(item)
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                    show.error(outcome.reason)
                else:
                    results.append(outcome)
                show.advance()
            sets.append(GeometrySet.of(each.name, results, failures, limit=command.limit))
    return sets


@dataclass(frozen=True)
class _Measure:
    """How one mesh is measured."""

    truths: Sequence[MeshItem]
    settings: GeometrySettings
    places: LandmarkPlaces
    verbose: bool

    @staticmethod
    def of(command: GeometryCommand, truths: Sequence[MeshItem]) -> _Measure:
        from flame_fit.evaluate import GeometrySettings, LandmarkPlaces
        from flame_fit.head_models import load_head_model

        settings = GeometrySettings(
            protocol=command.protocol,
            metrical=command.metrical,
            unit=command.unit,
            truth_unit=command.truth_unit,
        )
        places = LandmarkPlaces(
            prediction=command.landmarks,
            truth=command.truth_landmarks,
            model=load_head_model(command.model),
        )
        return _Measure(truths, settings, places, command.verbose)

    def item(self, item: MeshItem) -> PairResult | Failure:
        """Return the distances of one mesh from its scan, or why there are none."""
        from flame_fit.evaluate import Failure, evaluate_pair, matching_truth

        try:
            truth = matching_truth(item, self.truths)
            return evaluate_pair(item.path, truth.path, settings=self.settings, places=self.places)
        except TROUBLE as error:
            if isinstance(error, FlameFitError):
                return Failure(item.path, str(error))
            if self.verbose:
                logging.getLogger(__name__).exception("%s", item.path)
            reason = f"{type(error).__name__} ({(str(error).splitlines() or [''])[0]})"
            line = f"{item.path}: unexpected {reason}; run with --verbose, report it"
            return Failure(item.path, line)


def _write_geometry(command: GeometryCommand, sets: Sequence[GeometrySet]) -> None:
    from flame_fit.asset_files import write_atomically
    from flame_fit.evaluate import draw_curves, geometry_json, named_curves
    from flame_fit.image_files import save_png

    text = geometry_json(
        sets, protocol=command.protocol, metrical=command.metrical, version=__version__
    )
    write_atomically(command.out / EVALUATION_FILE, text.encode())
    curves = named_curves(sets)
    if curves:
        kind = "metrical" if command.metrical else "scale free"
        protocol = "NoW protocol" if command.protocol == "now" else "whole surfaces"
        title = f"Distance of scan points from the predicted surface ({protocol}, {kind})"
        save_png(command.out / CURVE_FILE, draw_curves(curves, title=title))
    else:
        # An earlier picture would seem to belong to these numbers.
        (command.out / CURVE_FILE).unlink(missing_ok=True)


def _print_geometry(command: GeometryCommand, sets: Sequence[GeometrySet]) -> None:
    """Print a row for each mesh and one for each set, in millimetres."""
    both_ways = command.protocol == "surface"
    table = _table("mesh", "scan")
    for heading in ("points", "median", "mean", "std", *(["back"] if both_ways else []), "scale"):
        table.add_column(heading, justify="right")
    for each in sets:
        for result in each.results:
            back = [f"{result.back_median:.3f}"] if result.back_median is not None else []
            table.add_row(
                _name(result.prediction),
                _name(result.truth),
                f"{len(result.distances)}",
                *(f"{value:.3f}" for value in (result.median, result.mean, result.std)),
                *back,
                f"{result.scale:.4g}",
            )
        for failure in each.failures:
            table.add_row(_name(failure.path), "failed")
        if each.results:
            count = sum(len(result.distances) for result in each.results)
            statistics = (f"{value:.3f}" for value in (each.median, each.mean, each.std))
            table.add_row(each.name, "all", f"{count}", *statistics, style="bold")
    console = Console(markup=False, highlight=False)
    console.print(table)
    starts = {result.start for each in sets for result in each.results}
    units = {result.unit for each in sets for result in each.results}
    if starts:
        console.print(
            f"millimetres; scans in {' and '.join(sorted(units))}; "
            f"alignment started from {' and '.join(sorted(starts))}; files in {command.out}",
            soft_wrap=True,
        )


def _name(path: Path) -> str:
    """Return a file's name with its folder, by which results of a fit differ."""
    return str(Path(path.parent.name) / path.name)


def _run_fits(arguments: Sequence[str], *, errors: Console) -> int:
    command = parse_arguments(
        FitsCommand, arguments, name="evaluate fits", default=FitsCommand(folders=())
    )
    if not command.folders:
        raise UsageError(f"no folder given; see {PROGRAM} evaluate fits --help")
    require_writable(command.out)
    from flame_fit.asset_files import write_atomically
    from flame_fit.evaluate import Failure, find_reports, fits_json, read_fit, summarise_fits

    rows, failures = [], []
    for report in find_reports(command.folders):
        try:
            rows.append(read_fit(report))
        except FlameFitError as error:
            failures.append(Failure(report, str(error)))
            errors.print(f"{PROGRAM}: {error}")
    summary = summarise_fits(rows, failures)
    write_atomically(
        command.out / EVALUATION_FILE, fits_json(summary, version=__version__).encode()
    )
    _print_fits(summary)
    return EXIT_SOME_FAILED if failures else EXIT_OK


def _print_fits(summary: FitsSummary) -> None:
    """Print a row for each fit, and the smallest, middle and largest values."""
    table = _table("fit", "photo", "status")
    for heading in ("nme", "psnr_model", "psnr", "coverage", "seconds"):
        table.add_column(heading, justify="right")
    for row in summary.rows:
        table.add_row(row.folder.name, row.photo, row.status, *_cells(row.values))
    for failure in summary.failures:
        table.add_row(failure.path.parent.name, "", "failed")
    if summary.rows:
        table.add_section()
        for name, values in (
            ("least", [column.least for column in summary.columns]),
            ("median", [column.median for column in summary.columns]),
            ("most", [column.most for column in summary.columns]),
        ):
            table.add_row(name, "", "", *_cells(values), style="bold")
    console = Console(markup=False, highlight=False)
    console.print(table)
    counts = ", ".join(f"{each.count} {each.status}" for each in summary.statuses) or "no fit"
    stages = ", ".join(f"{each.name} {each.median:.2f}" for each in summary.seconds)
    console.print(f"{counts}; median seconds: {stages}" if stages else counts, soft_wrap=True)


def _cells(values: Sequence[float]) -> list[str]:
    """Format the numbers of a fit; an empty cell where there is none."""
    formats = ("{:.4f}", "{:.1f}", "{:.1f}", "{:.2f}", "{:.2f}")
    return [
        form.format(value) if math.isfinite(value) else ""
        for form, value in zip(formats, values, strict=True)
    ]


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
