"""Write `flame_fit/priors/data/face_mesh_topology.npz` from the MediaPipe wheel (Apache-2.0).

The wheel's `face_mesh_connections.py` lists the edges of the 468-point mesh triangle by triangle.
Its left-right symmetry is not published: it is found here from the triangles alone, as the
orientation- reversing map that keeps the midline edge 10-151, so no measured coordinates enter.

    python scripts/build_face_mesh_topology.py mediapipe-0.10.21-*.whl
"""

import io
import re
import sys
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

MEMBER = "mediapipe/python/solutions/face_mesh_connections.py"
OUTPUT = Path(__file__).resolve().parents[1] / "flame_fit/priors/data/face_mesh_topology.npz"
MIDLINE_EDGE = (10, 151)
OUTER_LIP_POINT = 61
# Iris points are no part of the mesh. Order of the models: centre, then the four points at image
# right, top, image left, bottom of the iris; 468-472 the person's right eye, 473-477 the left one.
IRIS_MIRROR = {468: 473, 469: 476, 470: 475, 471: 474, 472: 477}


def read_edges(source: str, name: str) -> list[tuple[int, int]]:
    """Edges of the frozenset `name` in file order."""
    body = source[source.index(f"{name} = frozenset(") :]
    body = body[: body.index("])")]
    return [(int(a), int(b)) for a, b in re.findall(r"\((\d+),\s*(\d+)\)", body)]


def mirror_permutation(triangles: np.ndarray, eyes: dict[int, int]) -> np.ndarray:
    """The map that swaps the two sides of the mesh, grown from the midline and the eye contours.

    A few quads at the eye corners and nostrils are cut along different diagonals on the two sides,
    so a vertex takes the image on which most of its triangles agree.
    """
    opposite = {}
    for a, b, c in triangles.tolist():
        opposite.update({(a, b): c, (b, c): a, (c, a): b})
    fixed = {vertex: vertex for vertex in MIDLINE_EDGE} | eyes | {b: a for a, b in eyes.items()}
    mirror = dict(fixed)
    for _ in range(100):
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        for (a, b), c in opposite.items():
            # The triangle left of edge (a, b) has its mirror image left of the reversed mirrored
            # edge.
            image = opposite.get((mirror.get(b, -1), mirror.get(a, -1)))
            if image is not None:
                votes[c][image] += 1
        grown = {vertex: count.most_common(1)[0][0] for vertex, count in votes.items()} | fixed
        if grown == mirror:
            break
        mirror = grown
    permutation = np.array([mirror[vertex] for vertex in range(triangles.max() + 1)])
    if not np.array_equal(permutation[permutation], np.arange(len(permutation))):
        raise SystemExit("the mirror map is no involution")
    return permutation


def ordered_loops(edges: list[tuple[int, int]]) -> list[list[int]]:
    """The closed loops of an undirected edge list, each from its smallest index."""
    neighbours: dict[int, list[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    loops, left = [], set(neighbours)
    while left:
        loop = [min(left)]
        while True:
            left.discard(loop[-1])
            following = [n for n in neighbours[loop[-1]] if n in left]
            if not following:
                break
            loop.append(following[0])
        loops.append(loop)
    return loops


def build(source: str) -> dict[str, np.ndarray]:
    """All arrays of the output file."""
    edges = read_edges(source, "FACEMESH_TESSELATION")
    triangles = np.array([[edge[0] for edge in edges[i : i + 3]] for i in range(0, len(edges), 3)])
    # Both eye contours are listed from the outer corner in the same order.
    left, right = (read_edges(source, f"FACEMESH_{side}_EYE") for side in ("LEFT", "RIGHT"))
    eyes = {a[i]: b[i] for a, b in zip(left, right, strict=True) for i in (0, 1)}
    mirror = np.concatenate([mirror_permutation(triangles, eyes), np.zeros(10, dtype=int)])
    for a, b in IRIS_MIRROR.items():
        mirror[a], mirror[b] = b, a
    # The lip edges are listed as lower outer, upper outer, lower inner, upper inner contours from
    # corner to corner.
    lips = ordered_loops(read_edges(source, "FACEMESH_LIPS"))
    outer, inner = (loop for loop in sorted(lips, key=lambda loop: OUTER_LIP_POINT not in loop))
    arrays = {"triangles": triangles, "mirror": mirror, "lips_outer": outer, "lips_inner": inner}
    for key in ("FACE_OVAL", "LEFT_EYE", "RIGHT_EYE"):
        (arrays[key.lower()],) = ordered_loops(read_edges(source, f"FACEMESH_{key}"))
    for side in ("LEFT", "RIGHT"):
        chain = read_edges(source, f"FACEMESH_{side}_EYEBROW")
        arrays[f"{side.lower()}_brow"] = sorted({vertex for edge in chain for vertex in edge})
    return {key: np.asarray(value, dtype=np.int16) for key, value in arrays.items()}


def main() -> None:
    """Read the wheel named on the command line and write the file."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        arrays = build(wheel.read(MEMBER).decode())
    # np.savez stamps the time of day; fixed stamps make the file reproducible byte by byte.
    with zipfile.ZipFile(OUTPUT, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in arrays.items():
            data = io.BytesIO()
            np.save(data, value, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0)), data.getvalue())
    print(f"{OUTPUT}: " + ", ".join(f"{key} {value.shape}" for key, value in arrays.items()))


if __name__ == "__main__":
    main()
