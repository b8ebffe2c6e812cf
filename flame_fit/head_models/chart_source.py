"""What a head's UV chart is made from: its mesh, its parts, and how much room each deserves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from flame_fit.flame import FlameAssets
from flame_fit.geometry.patches import border_loops, connected_faces
from flame_fit.head_models.head_parts import connected_parts

FACE_SCALE, EAR_SCALE, OTHER_SCALE, HIDDEN_SCALE = 1.0, 0.8, 0.48, 0.25
FACE_IMPORTANCE, EAR_IMPORTANCE, OTHER_IMPORTANCE, HIDDEN_IMPORTANCE = 30.0, 6.0, 2.0, 0.3
SMOOTHING_ROUNDS = 12
TOOTH_ROWS = 2


@dataclass(frozen=True, eq=False)
class ChartSource:
    """What the chart is made from.

    Attributes:
        vertices: Template positions in metres, x to the person's left, y up, z forward.
        faces: Triangles, counter-clockwise seen from outside.
        mirror: The vertex on the other side of the face for each vertex.
        regions: Masks over the vertices by region name.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, "V"]
    regions: Mapping[str, Bool[np.ndarray, "V"]]

    @staticmethod
    def of(assets: FlameAssets) -> ChartSource:
        """Take the template of a model, which may have regions and a mirror map or not."""
        count = len(assets.v_template)
        named = assets.regions
        mirror = assets.mirror_vertex
        return ChartSource(
            vertices=assets.v_template.double().cpu().numpy(),
            faces=assets.faces.cpu().numpy(),
            mirror=np.full(count, -1) if mirror is None else mirror.cpu().numpy(),
            regions={}
            if named is None
            else {name: named.mask(name).cpu().numpy() for name in named.names},
        )

    def mask(self, name: str) -> Bool[np.ndarray, "V"]:
        """Return the vertices of a region, none where the head has no such region."""
        return self.regions.get(name, np.zeros(len(self.vertices), dtype=bool))


@dataclass(frozen=True, eq=False)
class ChartPart:
    """Triangles that become one island.

    Attributes:
        name: `skin`, `mouth_interior`, `upper_teeth`, `lower_teeth`, `left_eyeball`,
            `right_eyeball`, or `other_` and a number.
        faces: Which triangles.
    """

    name: str
    faces: Int[np.ndarray, "f"]


@dataclass(frozen=True, eq=False)
class TexelDensity:
    """Wanted scale and importance.

    Attributes:
        scale: Wanted length in the chart per length on the head, relative.
        importance: What stretch costs there, relative.
    """

    scale: Float[np.ndarray, "V"]
    importance: Float[np.ndarray, "V"]


def chart_parts(source: ChartSource) -> tuple[ChartPart, ...]:
    """Sort the triangles into the parts that become islands, the skin first.

    The lips' seam belongs to the skin, so a triangle is inside the mouth if any corner is.
    """
    faces, count = source.faces, len(source.faces)
    label = connected_parts(faces, len(source.vertices))[faces[:, 0]]
    is_left_eye = source.mask("left_eyeball")[faces].any(1)
    is_right_eye = source.mask("right_eyeball")[faces].any(1)
    free = np.logical_not(is_left_eye | is_right_eye)
    rows = _tooth_rows(source, label, free)
    for row in rows:
        free[row.faces] = False
    main = free & (label == np.bincount(label[free]).argmax())
    mouth = _mouth_pocket(source, np.flatnonzero(main))
    is_mouth = np.zeros(count, dtype=bool)
    is_mouth[mouth] = True
    others = [
        ChartPart(f"other_{number}", np.flatnonzero(free & (label == part)))
        for number, part in enumerate(np.unique(label[free & ~main]))
    ]
    parts = [
        ChartPart("skin", np.flatnonzero(main & ~is_mouth)),
        ChartPart("mouth_interior", mouth),
        *rows,
        *others,
        ChartPart("left_eyeball", np.flatnonzero(is_left_eye)),
        ChartPart("right_eyeball", np.flatnonzero(is_right_eye)),
    ]
    return tuple(part for part in parts if len(part.faces))


def texel_density(source: ChartSource) -> TexelDensity:
    """Give the face most texels, the ears some, scalp, neck and hidden pockets few."""
    count = len(source.vertices)
    scale = np.full(count, OTHER_SCALE)
    importance = np.full(count, OTHER_IMPORTANCE)
    for name in ("left_ear", "right_ear"):
        scale[source.mask(name)] = EAR_SCALE
        importance[source.mask(name)] = EAR_IMPORTANCE
    scale[source.mask("face")] = FACE_SCALE
    importance[source.mask("face")] = FACE_IMPORTANCE
    hidden = source.mask("eye_sockets")
    scale[hidden], importance[hidden] = HIDDEN_SCALE, HIDDEN_IMPORTANCE
    average = neighbour_average(source.faces, count)
    for _ in range(SMOOTHING_ROUNDS):
        scale, importance = average @ scale, average @ importance
    return TexelDensity(scale, importance)


def neighbour_average(faces: Int[np.ndarray, "F 3"], count: int) -> sparse.csr_matrix:
    """Return the matrix that replaces a value by the mean over the vertex and its neighbours."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    adjacency = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    adjacency.data[:] = 1
    adjacency = adjacency + sparse.eye(count)
    return sparse.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency


def _tooth_rows(
    source: ChartSource, label: Int[np.ndarray, "F"], free: Bool[np.ndarray, "F"]
) -> list[ChartPart]:
    """Return the upper and the lower row of teeth where there are just two separate rows."""
    is_tooth = source.mask("teeth")[source.faces].all(1) & free
    rows = [np.flatnonzero(is_tooth & (label == part)) for part in np.unique(label[is_tooth])]
    if len(rows) != TOOTH_ROWS:
        return []
    heights = [source.vertices[source.faces[row], 1].mean() for row in rows]
    lower, upper = (rows[int(number)] for number in np.argsort(heights))
    return [ChartPart("upper_teeth", upper), ChartPart("lower_teeth", lower)]


def _mouth_pocket(source: ChartSource, main: Int[np.ndarray, "m"]) -> Int[np.ndarray, "f"]:
    """Return the triangles of the mouth's interior if they form a pocket behind the lips.

    A few triangles along lips that end in an open edge are no pocket; they stay with the skin.
    """
    inside = main[source.mask("mouth_interior")[source.faces[main]].any(1)]
    if not len(inside):
        return inside
    piece = connected_faces(source.faces[inside])
    largest = inside[piece == np.bincount(piece).argmax()]
    outside = np.setdiff1d(main, largest)
    # What the cut would leave alone among the skin goes into the pocket too.
    piece = connected_faces(source.faces[outside])
    islets = outside[piece != np.bincount(piece).argmax()]
    pocket = np.sort(np.concatenate([largest, islets]))
    on_edge = {vertex for loop in border_loops(source.faces[main]) for vertex in loop}
    if on_edge & set(source.faces[pocket].ravel().tolist()):
        return pocket[:0]
    return pocket
