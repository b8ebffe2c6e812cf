"""Which predicted mesh belongs to which scan: by file and folder names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_fit.errors import InputError
from flame_fit.evaluate.surface_files import LANDMARK_SUFFIXES, MESH_SUFFIXES

REPORT_FILE = "report.json"
NEUTRAL_MESH, POSED_MESH = "neutral.obj", "mesh.obj"


@dataclass(frozen=True)
class MeshItem:
    """One mesh and the names by which it can be found, the most telling first."""

    path: Path
    keys: tuple[str, ...]


@dataclass(frozen=True)
class MeshSet:
    """The meshes of one method: those of a folder, or all that were given as files."""

    name: str
    items: tuple[MeshItem, ...]


def mesh_sets(given: Sequence[Path], *, posed: bool = False) -> tuple[MeshSet, ...]:
    """Return the meshes of files and folders; each folder is a set, the files are one together.

    A folder with results of `flame-fit fit` gives the mesh of each result, which is found by the
    name of its folder; another one gives all meshes in it and below it.

    Args:
        given: Files and folders.
        posed: Take the posed head of a fit instead of the neutral one.

    Raises:
        InputError: Something does not exist, or a folder has no mesh.
    """
    sets: dict[str, tuple[MeshItem, ...]] = {}
    files: list[MeshItem] = []
    for path in given:
        if path.is_dir():
            name = path.resolve().name
            sets[str(path) if name in sets else name] = _folder_items(path, posed=posed)
        elif path.exists():
            files.append(MeshItem(path, (path.stem,)))
        else:
            raise InputError(f"{path}: no such file or folder; give meshes or folders of meshes")
    if files:
        name = files[0].path.stem if len(files) == 1 else "files"
        sets = {name: tuple(files), **{key: items for key, items in sets.items() if key != name}}
    return tuple(MeshSet(name, items) for name, items in sets.items())


def matching_truth(item: MeshItem, truths: Sequence[MeshItem]) -> MeshItem:
    """Return the scan of a predicted mesh: the only one there is, or the one of the same name.

    The mesh's own name is looked for first, then those of the folders it lies in, so that many
    photos of a person can be compared with one scan.

    Raises:
        InputError: No scan has such a name, or several have.
    """
    if len(truths) == 1:
        return truths[0]
    for key in item.keys:
        named = [truth for truth in truths if key in truth.keys]
        if len(named) == 1:
            return named[0]
        if named:
            paths = ", ".join(str(truth.path) for truth in named[:3])
            raise InputError(f"{item.path}: several scans are called '{key}' ({paths})")
    raise InputError(f"{item.path}: no scan is called {' or '.join(repr(k) for k in item.keys)}")


def landmark_file(mesh: Path, given: Path | None) -> Path | None:
    """Return the file with the landmarks of a mesh: in what was given, else beside the mesh.

    Args:
        mesh: The mesh's file.
        given: A file for all meshes, or a folder with a file for each mesh, called as the mesh or
            as its folder.

    Raises:
        InputError: What was given does not exist.
    """
    if given is not None and not given.exists():
        raise InputError(f"{given}: no such file or folder; give landmark files")
    if given is not None and not given.is_dir():
        return given
    folder = mesh.parent if given is None else given
    stems = (mesh.stem,) if given is None else (mesh.stem, mesh.parent.name)
    for stem in stems:
        for suffix in LANDMARK_SUFFIXES:
            candidate = folder / f"{stem}{suffix}"
            if candidate != mesh and candidate.is_file():
                return candidate
    return None


def _folder_items(folder: Path, *, posed: bool) -> tuple[MeshItem, ...]:
    wanted = POSED_MESH if posed else NEUTRAL_MESH
    results = sorted(path.parent for path in folder.rglob(REPORT_FILE))
    fits = [result / wanted for result in results if (result / wanted).is_file()]
    if fits:
        return tuple(MeshItem(path, _folder_names(path, folder)) for path in fits)
    meshes = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in MESH_SUFFIXES and path.is_file() and path.name[0] != "."
    )
    if not meshes:
        raise InputError(f"{folder}: holds no mesh; expected {', '.join(MESH_SUFFIXES)}")
    return tuple(MeshItem(path, (path.stem, *_folder_names(path, folder)[:-1])) for path in meshes)


def _folder_names(path: Path, root: Path) -> tuple[str, ...]:
    """Return the names of the folders around a file, the nearest first, the root's own last."""
    return (*reversed(path.relative_to(root).parent.parts), root.resolve().name)
