"""The triangles, symmetry and named contours of MediaPipe's face mesh."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from flame_fit.asset_files import read_npz

MESH_COUNT = 468
IRIS_COUNT = 5
POINT_COUNT = MESH_COUNT + 2 * IRIS_COUNT
RIGHT_IRIS = slice(MESH_COUNT, MESH_COUNT + IRIS_COUNT)
LEFT_IRIS = slice(MESH_COUNT + IRIS_COUNT, POINT_COUNT)
# Corner points of the person's eyes.
RIGHT_EYE_OUTER, RIGHT_EYE_INNER, LEFT_EYE_INNER, LEFT_EYE_OUTER = 33, 133, 362, 263
# Middle of the upper and the lower lid.
RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)
# Points on the midline.
NOSE_TIP, CHIN, TOP, MOUTH = 1, 152, 10, 13

# The 51 inner iBUG points (17 to 67: brows, nose, eyes, lips), each half way between two points of
# the mesh. The usual table, with the choices among neighbours made against FAN landmarks of five
# photos.
IBUG_INNER = (
    *((70, 70), (63, 63), (105, 52), (66, 65), (107, 55)),
    *((336, 285), (296, 295), (334, 282), (293, 293), (300, 300)),
    *((168, 168), (197, 197), (5, 195), (4, 4)),
    *((240, 240), (97, 97), (2, 2), (326, 326), (460, 460)),
    *((33, 33), (160, 160), (158, 158), (133, 133), (153, 153), (144, 144)),
    *((362, 362), (385, 385), (387, 387), (263, 263), (373, 373), (380, 380)),
    *((61, 61), (39, 40), (37, 37), (0, 0), (267, 267), (269, 270)),
    *((291, 291), (405, 321), (314, 314), (17, 17), (84, 84), (181, 91)),
    *((78, 78), (82, 82), (13, 13), (312, 312), (308, 308), (317, 317), (14, 14), (87, 87)),
)


@dataclass(frozen=True, eq=False)
class FaceMeshTopology:
    """Indices into the mesh; "left" is the person's left.

    Attributes:
        triangles: Corner points, with holes at the eyes and the mouth.
        mirror: For each of the 478 points the one on the other side.
        face_oval: Closed loop around the face, from the top of the forehead to the person's left.
        left_eye: Closed loop along the lids.
        right_eye: Closed loop along the lids.
        left_brow: Points of the brow, unordered.
        right_brow: Points of the brow, unordered.
        lips_outer: Closed loop around the lips.
        lips_inner: Closed loop around the mouth opening.
    """

    triangles: Int[np.ndarray, "852 3"]
    mirror: Int[np.ndarray, "478"]
    face_oval: Int[np.ndarray, "36"]
    left_eye: Int[np.ndarray, "16"]
    right_eye: Int[np.ndarray, "16"]
    left_brow: Int[np.ndarray, "10"]
    right_brow: Int[np.ndarray, "10"]
    lips_outer: Int[np.ndarray, "20"]
    lips_inner: Int[np.ndarray, "20"]


@lru_cache(maxsize=1)
def face_mesh_topology() -> FaceMeshTopology:
    """The topology, read once per process."""
    arrays = read_npz(Path(__file__).with_name("data") / "face_mesh_topology.npz")
    return FaceMeshTopology(**{key: value.astype(np.int64) for key, value in arrays.items()})
