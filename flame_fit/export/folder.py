"""Result folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from flame_fit.errors import UsageError
from flame_fit.export.gltf import glb_bytes
from flame_fit.export.obj import mtl_text, obj_text
from flame_fit.export.overlay import compose_overlay
from flame_fit.export.params_file import params_bytes
from flame_fit.export.report import FitReport, report_to_json
from flame_fit.export.scene import ExportMesh, ExportScene, TextureMap
from flame_fit.image_files import encode_png

REPORT_FILE = "report.json"
MATERIAL_FILE = "mesh.mtl"
TEXTURE_FILE = "texture.png"

ReportType = TypeVar("ReportType")


def write_result(scene: ExportScene, folder: str | Path) -> FitReport:
    """Write one fitted head into a folder, replacing an earlier result in one step.

    The files are made in a hidden folder beside it, which is then renamed; after a failure the
    earlier result is untouched. Files that the user put into an earlier result are kept.

    Args:
        scene: What to write.
        folder: The result's own folder; its parents are made.

    Returns:
        The report as written, with the export time in it.

    Raises:
        UsageError: If the folder cannot be written.
    """
    started = time.perf_counter()
    contents = _contents(scene)

    def finished() -> FitReport:
        return _finished(
            scene.report, files=tuple(contents), export_seconds=time.perf_counter() - started
        )

    return write_folder(Path(folder), contents, finished)


def write_folder(
    folder: Path, contents: Mapping[str, bytes], finish: Callable[[], ReportType]
) -> ReportType:
    """Write files and then their report into a folder, whole or not at all.

    Args:
        folder: The result's own folder; its parents are made.
        contents: The files by name.
        finish: Makes the report, a frozen dataclass, once the files lie there.

    Returns:
        The report.

    Raises:
        UsageError: If the folder cannot be written.
    """
    try:
        with replaced_folder(folder) as draft:
            for name, data in contents.items():
                (draft / name).write_bytes(data)
            report = finish()
            (draft / REPORT_FILE).write_text(report_to_json(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    return report


def _finished(report: FitReport, *, files: tuple[str, ...], export_seconds: float) -> FitReport:
    """Return the report with what is only known once the files lie there."""
    seconds = replace(
        report.seconds, export=export_seconds, total=report.seconds.total + export_seconds
    )
    return replace(report, seconds=seconds, files=files)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder that takes the place of `folder` if the block succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        yield draft
        _open_to_others(draft)
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@dataclass(frozen=True)
class EarlierResult:
    """What a folder says about the fit that wrote it.

    Attributes:
        photo: Path of the photo it was made from.
        photo_sha256: Of that file.
        files: Names of the files written, the report among them.
    """

    photo: str
    photo_sha256: str
    files: tuple[str, ...]


def earlier_result(folder: Path) -> EarlierResult | None:
    """Return what the report in a folder says, None if there is no readable report."""
    try:
        content = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        return EarlierResult(
            photo=str(content["photo"]),
            photo_sha256=str(content["photo_sha256"]),
            files=(REPORT_FILE, *map(str, content["files"])),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _contents(scene: ExportScene) -> dict[str, bytes]:
    """Return every file but the report, by name."""
    return {
        **head_contents(scene.mesh, scene.texture, scene.maps),
        "params.npz": params_bytes(scene.params),
        "overlay.png": encode_png(compose_overlay(scene.overlay, scene.texture)),
    }


def head_contents(
    mesh: ExportMesh, texture: UInt8[np.ndarray, "U U 3"], maps: tuple[TextureMap, ...]
) -> dict[str, bytes]:
    """Return the files of a textured head by name: meshes, material and maps.

    Args:
        mesh: Geometry and chart.
        texture: sRGB colours over the chart, row 0 is v = 1.
        maps: Further maps over the chart.
    """
    chart, eyes = (mesh.uv, mesh.uv_faces), mesh.eye_faces
    picture = encode_png(texture)

    def obj(vertices: Float[np.ndarray, "V 3"]) -> bytes:
        text = obj_text(vertices, mesh.faces, *chart, material_file=MATERIAL_FILE, eye_faces=eyes)
        return text.encode()

    with_eyes = eyes is not None and bool(eyes.any())
    return {
        "mesh.obj": obj(mesh.vertices),
        MATERIAL_FILE: mtl_text(texture_file=TEXTURE_FILE, with_eyes=with_eyes).encode(),
        TEXTURE_FILE: picture,
        "neutral.obj": obj(mesh.neutral_vertices),
        "mesh.glb": glb_bytes(
            mesh.vertices, mesh.faces, *chart, texture_png=picture, eye_faces=eyes
        ),
        **{f"texture_{item.name}.png": encode_png(item.image) for item in maps},
    }


def _open_to_others(draft: Path) -> None:
    """Give the folder the rights that a plain mkdir would; mkdtemp makes it private."""
    umask = os.umask(0)
    os.umask(umask)
    draft.chmod(0o777 & ~umask)


def _swap(draft: Path, folder: Path) -> None:
    """Rename the draft to the folder, keeping the user's own files of an earlier result."""
    if not folder.exists():
        draft.rename(folder)
        return
    earlier = draft.with_suffix(".earlier")
    folder.rename(earlier)
    try:
        draft.rename(folder)
    except BaseException:
        earlier.rename(folder)
        raise
    for entry in _added_by_user(earlier, folder):
        entry.rename(folder / entry.name)
    shutil.rmtree(earlier, ignore_errors=True)


def _added_by_user(earlier: Path, folder: Path) -> list[Path]:
    """Return what lies in the earlier result and was not written by it."""
    result = earlier_result(earlier)
    written = result.files if result else ()
    return [
        entry
        for entry in sorted(earlier.iterdir())
        if entry.name not in written and not (folder / entry.name).exists()
    ]
