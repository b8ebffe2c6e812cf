"""Binding companion files to a head model of their mesh."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from flame_fit.errors import AssetError
from flame_fit.flame import ContourTable, FlameAssets, LandmarkEmbeddings, Regions, UvChart
from flame_fit.flame.assets import CONTOUR_POINTS
from flame_fit.geometry import SurfacePoints
from flame_fit.head_models.flame_topology import HIFI3D_CHART_POINTS
from flame_fit.head_models.landmark_companions import (
    TABLE_LIMIT,
    LandmarkFile,
    PointArrays,
)
from flame_fit.head_models.mesh_companions import EyelidFile, MaskFile, TemplateFile

CHIN, NOSE_TIP, RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 8, 30, 36, 45
"""Among the 68 points."""
_WHOLE_COUNTS = (468, 478)
"""MediaPipe's points without and with irises."""
_IRIS_CENTRES = (468, 473)
"""Right and left, among MediaPipe's 478 points."""
_EYEBALLS = ("left_eyeball", "right_eyeball")
_SKIN, _IRIS = "skin", "_iris"


@dataclass(frozen=True, eq=False)
class Companions:
    """Companion files for one mesh, those to be preferred first."""

    landmarks: tuple[LandmarkFile, ...] = ()
    masks: tuple[MaskFile, ...] = ()
    eyelids: tuple[EyelidFile, ...] = ()
    templates: tuple[TemplateFile, ...] = ()


def attach_first(assets: FlameAssets, companions: Companions) -> FlameAssets:
    """Return a model with what its own file lacks and a companion has whole.

    That is the chart, the landmarks, their outline table and the eyelids; what has to be joined
    with derived data comes in by `attach_last`.

    Raises:
        AssetError: A companion does not lie on this mesh.
    """
    chart = assets.chart or _chart(assets, companions.templates)
    eyelids = assets.eyelid_basis
    if eyelids is None:
        eyelids = _eyelids(assets, companions.eyelids)
    return replace(
        assets,
        chart=chart,
        eyelid_basis=eyelids,
        landmarks=_landmarks(assets, companions.landmarks),
    )


def attach_last(assets: FlameAssets, companions: Companions) -> FlameAssets:
    """Return a complete model in which published masks and MediaPipe points replace derived ones.

    Published files have only some of them: 12 of the regions, 105 of the 478 points.
    """
    return replace(
        assets,
        regions=_merged_regions(assets, companions.masks),
        landmarks=_merged_mediapipe(assets, companions.landmarks),
    )


def chart_for(assets: FlameAssets, template: TemplateFile) -> UvChart | None:
    """Return a template's chart in the model's order of triangles, or None for another mesh."""
    rows = _matching_rows(assets.faces.cpu().numpy(), template.faces)
    if rows is None:
        return None
    uv_faces = np.take_along_axis(template.uv_faces[rows.row], rows.corner, axis=1)
    return UvChart(
        uv=torch.from_numpy(template.uv), faces=torch.from_numpy(uv_faces.astype(np.int64))
    )


@dataclass(frozen=True, eq=False)
class _Matching:
    """For each triangle the one with the same corners, and where its corners are there."""

    row: Int[np.ndarray, "F"]
    corner: Int[np.ndarray, "F 3"]


def _matching_rows(
    wanted: Int[np.ndarray, "F 3"], given: Int[np.ndarray, "G 3"]
) -> _Matching | None:
    if len(wanted) != len(given):
        return None
    first, second = (_sorted_rows(faces) for faces in (wanted, given))
    if not np.array_equal(np.sort(wanted, axis=1)[first], np.sort(given, axis=1)[second]):
        return None
    row = np.empty(len(wanted), dtype=np.int64)
    row[first] = second
    corner = (given[row][:, None, :] == wanted[:, :, None]).argmax(axis=2)
    return _Matching(row=row, corner=corner)


def _sorted_rows(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "F"]:
    return np.lexsort(np.sort(faces, axis=1).T)


def _chart(assets: FlameAssets, templates: tuple[TemplateFile, ...]) -> UvChart | None:
    """Return the first chart that fits; one drawn for another model's textures is not taken."""
    for template in templates:
        chart = chart_for(assets, template)
        if chart is not None and len(chart.uv) != HIFI3D_CHART_POINTS:
            return chart
    return None


def _eyelids(
    assets: FlameAssets, eyelids: tuple[EyelidFile, ...]
) -> Float[torch.Tensor, "V 3 2"] | None:
    """Return left and right, told apart by where they move the mesh."""
    x = assets.v_template[:, 0].cpu().numpy()
    sides: dict[bool, EyelidFile] = {}
    for eyelid in eyelids:
        sides.setdefault(bool(x @ np.linalg.norm(eyelid.displacement, axis=1) > 0), eyelid)
    if len(sides) < 2:  # noqa: PLR2004 - a left and a right eye
        return None
    both = (sides[True].displacement, sides[False].displacement)
    return torch.from_numpy(np.stack(both, axis=-1))


def _landmarks(assets: FlameAssets, files: tuple[LandmarkFile, ...]) -> LandmarkEmbeddings | None:
    """Return the model's own embeddings, completed by the first file that has each."""
    own = assets.landmarks or LandmarkEmbeddings(mediapipe=None, ibug=None, contour=None)
    mediapipe = own.mediapipe or _whole_mediapipe(files)
    contour, ibug = own.contour, own.ibug
    table = _first(files, "table")
    if contour is None and table is not None:
        contour = _contour(assets, table)
    if ibug is None:
        ibug = _ibug(files)
    if ibug is None and mediapipe is None and contour is None:
        return None
    if ibug is not None and own.ibug is None:
        _check_place(assets, ibug)
    return LandmarkEmbeddings(mediapipe=mediapipe, ibug=ibug, contour=contour)


def _first(files: tuple[LandmarkFile, ...], part: str) -> PointArrays | None:
    return next((found for file in files if (found := getattr(file, part)) is not None), None)


def _ibug(files: tuple[LandmarkFile, ...]) -> SurfacePoints | None:
    """Return the 68 points, or the inner ones behind the frontal row of a table."""
    whole, inner, table = (_first(files, part) for part in ("ibug", "inner", "table"))
    if whole is not None:
        return _surface(whole)
    if inner is None or table is None:
        return None
    outline = PointArrays(table.face_index[TABLE_LIMIT], table.barycentrics[TABLE_LIMIT])
    return _surface(
        PointArrays(
            face_index=np.concatenate([outline.face_index, inner.face_index]),
            barycentrics=np.concatenate([outline.barycentrics, inner.barycentrics]),
        )
    )


def _contour(assets: FlameAssets, table: PointArrays) -> ContourTable:
    """Return the table by rising yaw.

    Users of the published table disagree about the sign of its angle, so the points decide: on
    the side that the head turns to, the outline moves from the ear towards the middle of the face.
    """
    points = _surface(table)
    angle = torch.arange(-TABLE_LIMIT, TABLE_LIMIT + 1, dtype=torch.float32)
    left = _places(assets, points)[:, CONTOUR_POINTS // 2 + 1 :, 0].mean(dim=1)
    if float(left[-1]) <= float(left[TABLE_LIMIT]):
        return ContourTable(yaw_degrees=angle, points=points)
    turned = SurfacePoints(points.face_index.flip(0), points.barycentrics.flip(0))
    return ContourTable(yaw_degrees=angle, points=turned)


def _check_place(assets: FlameAssets, ibug: SurfacePoints) -> None:
    """Refuse points made for a mesh with another order of triangles."""
    x, y, z = _places(assets, ibug).unbind(-1)
    sides = float(x[RIGHT_EYE_CORNER]) < 0 < float(x[LEFT_EYE_CORNER])
    corners = z[[RIGHT_EYE_CORNER, LEFT_EYE_CORNER]]
    if not (sides and bool((z[NOSE_TIP] > corners).all()) and float(y[CHIN]) < float(y[NOSE_TIP])):
        raise AssetError(
            f"the landmark embedding does not lie on the face of model '{assets.name}': its "
            "triangles are in another order; remove the embedding, or take it away from the model"
        )


def _merged_regions(assets: FlameAssets, files: tuple[MaskFile, ...]) -> Regions | None:
    if assets.regions is None or not files:
        return assets.regions
    masks = dict(zip(assets.regions.names, assets.regions.masks.cpu().numpy(), strict=True))
    for name, mask in zip(files[0].names, files[0].masks, strict=True):
        masks[_on_its_side(assets, name, mask)] = mask
    for eyeball in _EYEBALLS:
        if eyeball in masks:
            iris = eyeball.split("_", maxsplit=1)[0] + _IRIS
            if iris in masks:
                masks[iris] = masks[iris] & masks[eyeball]
            if _SKIN in masks:
                masks[_SKIN] = masks[_SKIN] & ~masks[eyeball]
    return Regions(names=tuple(masks), masks=torch.from_numpy(np.stack(list(masks.values()))))


def _on_its_side(assets: FlameAssets, name: str, mask: np.ndarray) -> str:
    """Return the name with the person's side of the mask, whatever side the publisher means."""
    side, _, rest = name.partition("_")
    if side not in ("left", "right") or not mask.any():
        return name
    is_left = float(assets.v_template[torch.from_numpy(mask), 0].mean()) > 0
    return f"{'left' if is_left else 'right'}_{rest}"


def _merged_mediapipe(
    assets: FlameAssets, files: tuple[LandmarkFile, ...]
) -> LandmarkEmbeddings | None:
    """Return the embeddings with published points in the rows that files have."""
    landmarks = assets.landmarks
    if landmarks is None or landmarks.mediapipe is None:
        return landmarks
    face_index = landmarks.mediapipe.face_index.clone()
    weights = landmarks.mediapipe.barycentrics.clone()
    for rows in (_mediapipe_rows(files), _eye_rows(assets, files)):
        if rows is not None:
            kept = rows.number < len(face_index)
            face_index[rows.number[kept]] = rows.points.face_index[kept]
            weights[rows.number[kept]] = rows.points.barycentrics[kept]
    return replace(landmarks, mediapipe=SurfacePoints(face_index, weights))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Points with their numbers among MediaPipe's."""

    number: Int[torch.Tensor, "n"]
    points: SurfacePoints


def _whole_mediapipe(files: tuple[LandmarkFile, ...]) -> SurfacePoints | None:
    """Return the points of a file that has all of them, with irises or without."""
    rows = _mediapipe_rows(files)
    if rows is None or len(rows.number) not in _WHOLE_COUNTS:
        return None
    order = rows.number.argsort()
    if int(rows.number[order[-1]]) != len(order) - 1:
        return None
    return SurfacePoints(rows.points.face_index[order], rows.points.barycentrics[order])


def _mediapipe_rows(files: tuple[LandmarkFile, ...]) -> _Rows | None:
    for file in files:
        if file.mediapipe is not None and file.mediapipe_index is not None:
            return _Rows(torch.from_numpy(file.mediapipe_index), _surface(file.mediapipe))
    return None


def _eye_rows(assets: FlameAssets, files: tuple[LandmarkFile, ...]) -> _Rows | None:
    """Return the two points on the eyes as the iris centres, each on its side."""
    eyes = _first(files, "eyes")
    if eyes is None:
        return None
    points = _surface(eyes)
    right, left = _IRIS_CENTRES
    first_is_right = float(_places(assets, points)[0, 0]) < 0
    return _Rows(torch.tensor((right, left) if first_is_right else (left, right)), points)


def _surface(points: PointArrays) -> SurfacePoints:
    return SurfacePoints(
        face_index=torch.from_numpy(points.face_index),
        barycentrics=torch.from_numpy(points.barycentrics),
    )


def _places(assets: FlameAssets, points: SurfacePoints) -> Float[torch.Tensor, "*n 3"]:
    """Return the points on the template, metres."""
    corners = assets.v_template[assets.faces[points.face_index]]
    return (corners * points.barycentrics[..., None]).sum(-2)
