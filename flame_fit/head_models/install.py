"""Taking downloaded files into the user's asset folder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from flame_fit.asset_files import sha256_of, user_asset_folder
from flame_fit.errors import AssetError
from flame_fit.head_models.recognise import Recognised, file_format, recognise_file, slug
from flame_fit.head_models.records import AssetRecord, is_whole, read_records, write_asset
from flame_fit.untrusted import open_zip, read_obj

MAXIMUM_FILES = 10_000
"""Files of a folder that are looked at."""
MAXIMUM_NOTICE_BYTES = 64 * 2**10
SHORT_DIGEST = 8
PACKAGE_ASSETS = frozenset({"open_head", "open_head_texture"})
"""Names of what comes with the package."""
_NOTICE_NAME = re.compile(r"(licen[cs]e|read.?me|terms|copying)", re.IGNORECASE)
_NOTICE_SUFFIXES = frozenset({"", ".md", ".txt"})
_JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class InstallOutcome:
    """What became of one file.

    Attributes:
        given: The path the user gave.
        source: The file, and the archive around it.
        record: What was installed, None if nothing was.
        is_new: False where the same file had been installed before.
        reason: Why nothing was installed.
    """

    given: Path
    source: str
    record: AssetRecord | None = None
    is_new: bool = False
    reason: str = ""


@dataclass(frozen=True)
class _Candidate:
    """A file to be looked at.

    Attributes:
        given: The path the user gave.
        path: Where it is now, perhaps in a temporary folder.
        source: How it is named.
        is_named: Whether the user named this very file.
        notice: Licence or read-me text beside it.
    """

    given: Path
    path: Path
    source: str
    is_named: bool
    notice: str = ""


def _silent(source: str) -> None:
    """Report nothing."""


def install(
    paths: Sequence[Path],
    *,
    folder: Path | None = None,
    on_file: Callable[[str], None] = _silent,
) -> tuple[InstallOutcome, ...]:
    """Install head models and what goes with them from files, folders and zip archives.

    Each file is recognised by its content, converted once, and written with a record of its origin.
    The same file is not installed twice; a different one never takes the name of another.

    Args:
        paths: What the user downloaded.
        folder: Where to; the user's asset folder by default.
        on_file: Called with the name of each file as it is looked at.

    Returns:
        One outcome for each file; those that could not be used have a reason.

    Raises:
        InputError: The folder cannot be written to.
    """
    target = user_asset_folder() if folder is None else folder
    outcomes: list[InstallOutcome] = []
    for given in paths:
        with tempfile.TemporaryDirectory(prefix="flame_fit_") as scratch:
            try:
                for candidate in _candidates(given, Path(scratch)):
                    on_file(candidate.source)
                    outcomes.append(_install_one(candidate, target))
            except AssetError as error:
                outcomes.append(InstallOutcome(given, str(given), reason=str(error)))
    return tuple(outcomes)


def _install_one(candidate: _Candidate, target: Path) -> InstallOutcome:
    """Install one file unless it is there already."""
    digest = sha256_of(candidate.path)
    records = read_records(target)
    same = next((record for record in records if record.source_sha256 == digest), None)
    if same is not None and is_whole(target, same):
        return InstallOutcome(candidate.given, candidate.source, record=same)
    try:
        found = _recognised(candidate)
    except AssetError as error:
        return InstallOutcome(candidate.given, candidate.source, reason=str(error))
    name = same.name if same is not None else _free_name(records, found.name, digest)
    record = AssetRecord(
        name=name,
        kind=found.kind,
        title=found.title,
        purpose=found.purpose,
        terms=found.terms.short,
        licence=found.terms.licence,
        notice=candidate.notice,
        citation=found.terms.citation,
        url=found.terms.url,
        source=candidate.source,
        source_sha256=digest,
        sha256="",
        installed=datetime.now(timezone.utc).date().isoformat(),
    )
    written = write_asset(target, record, found.arrays)
    return InstallOutcome(candidate.given, candidate.source, record=written, is_new=True)


def _recognised(candidate: _Candidate) -> Recognised:
    """Recognise a file; a picture is a texture only where the user says so."""
    path = candidate.path
    if file_format(path) != "picture":
        return recognise_file(path)
    chart = path.with_suffix(".obj")
    if not (candidate.is_named or chart.is_file()):
        raise AssetError(
            f"{path.name} is a picture; name it by itself, or put the .obj of its chart beside it "
            "under the same name, to install it as a texture map"
        )
    found = recognise_file(path)
    return _with_chart(found, chart) if chart.is_file() else found


def _with_chart(found: Recognised, chart: Path) -> Recognised:
    """Return a map together with the mesh and the chart it is drawn for."""
    mesh = read_obj(chart)
    if mesh.uv is None or mesh.uv_faces is None:
        raise AssetError(f"{chart.name} has no texture coordinates for the map beside it")
    arrays = {**found.arrays, "f": mesh.faces, "vt": mesh.uv, "ft": mesh.uv_faces}
    return Recognised(
        found.kind, found.name, f"{found.title}, with chart", found.purpose, found.terms, arrays
    )


def _free_name(records: Sequence[AssetRecord], name: str, digest: str) -> str:
    """Return the name, with a part of the digest where another file has it."""
    wanted = slug(name)
    taken = {record.name for record in records} | PACKAGE_ASSETS
    return wanted if wanted not in taken else f"{wanted}_{digest[:SHORT_DIGEST]}"


def _candidates(given: Path, scratch: Path) -> Iterator[_Candidate]:
    """Return the files of a path the user gave; archives are unpacked one by one.

    Raises:
        AssetError: There is no such file, or no file in it.
    """
    if given.is_dir():
        files = _files_in(given)
        notice = _notice(files)
        for number, path in enumerate(files):
            source = str(path.relative_to(given.parent))
            if _is_archive(path):
                yield from _members(given, path, scratch / str(number), source=source)
            elif not _is_notice(path):
                yield _Candidate(given, path, source, is_named=False, notice=notice)
        return
    if not given.is_file():
        raise AssetError(f"{given} does not exist; check the path")
    if _is_archive(given):
        yield from _members(given, given, scratch, source=given.name)
    else:
        yield _Candidate(given, given, given.name, is_named=True)


def _members(given: Path, archive: Path, scratch: Path, *, source: str) -> Iterator[_Candidate]:
    """Unpack an archive member by member, each into a folder of its own."""
    content = open_zip(archive)
    names = [member.name for member in content.members if not _is_junk(Path(member.name))]
    notices = [name for name in names if _is_notice(Path(name))]
    notice = "\n\n".join(_text(content.read(name)) for name in notices)
    for number, name in enumerate(names):
        if name in notices:
            continue
        # Where the content cannot tell two releases apart, the names of file and folder may.
        within = "_".join((archive.stem, *Path(name).parts[:-1]))
        path = scratch / str(number) / within / Path(name).name
        path.parent.mkdir(parents=True)
        path.write_bytes(content.read(name))
        yield _Candidate(given, path, f"{source}: {name}", is_named=False, notice=notice)
        path.unlink()


def _files_in(folder: Path) -> list[Path]:
    """Return the files below a folder in a fixed order."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_junk(path.relative_to(folder))
    ]
    if not files:
        raise AssetError(f"{folder} holds no file; give the folder of your downloads")
    if len(files) > MAXIMUM_FILES:
        raise AssetError(f"{folder} holds {len(files)} files, at most {MAXIMUM_FILES} are allowed")
    return files


def _is_archive(path: Path) -> bool:
    return path.stat().st_size > 0 and file_format(path) == "archive"


def _is_junk(path: Path) -> bool:
    return any(part in _JUNK or part.startswith(".") for part in path.parts)


def _is_notice(path: Path) -> bool:
    return bool(_NOTICE_NAME.search(path.name)) and path.suffix.lower() in _NOTICE_SUFFIXES


def _notice(files: Sequence[Path]) -> str:
    """Return the licence and read-me texts among files."""
    short = (path for path in files if _is_notice(path))
    return "\n\n".join(
        _text(path.read_bytes()) for path in short if path.stat().st_size <= MAXIMUM_NOTICE_BYTES
    )


def _text(data: bytes) -> str:
    return data[:MAXIMUM_NOTICE_BYTES].decode("utf-8", errors="replace").strip()
