"""Wavefront OBJ and MTL text of a textured head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from flame_fit.export.normals import smooth_normals

MATERIAL_NAME = "head"


def obj_text(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_faces: Int[np.ndarray, "F 3"],
    *,
    material_file: str,
) -> str:
    """Return the mesh as OBJ with smooth normals and texture vertices apart from vertices.

    Args:
        vertices: Positions in metres.
        faces: Vertex indices, counted from 0.
        uv: Chart positions, u right and v up, which is OBJ's own convention.
        uv_faces: Chart indices, counted from 0.
        material_file: Name of the MTL file beside the OBJ.
    """
    normals = smooth_normals(vertices, faces)
    corner_indices = np.stack([faces, uv_faces, faces], axis=-1) + 1
    return "".join(
        (
            f"mtllib {material_file}\no head\n",
            _rows("v %.6f %.6f %.6f\n", vertices),
            _rows("vt %.6f %.6f\n", uv),
            _rows("vn %.4f %.4f %.4f\n", normals),
            f"usemtl {MATERIAL_NAME}\ns 1\n",
            _rows("f %d/%d/%d %d/%d/%d %d/%d/%d\n", corner_indices),
        )
    )


def mtl_text(*, texture_file: str) -> str:
    """Return a matte material that shows the texture as it is.

    Args:
        texture_file: Name of the picture beside the MTL file.
    """
    return (
        f"newmtl {MATERIAL_NAME}\n"
        "Ka 1.000000 1.000000 1.000000\n"
        "Kd 1.000000 1.000000 1.000000\n"
        "Ks 0.000000 0.000000 0.000000\n"
        "illum 1\n"
        f"map_Kd {texture_file}\n"
    )


def _rows(template: str, values: np.ndarray) -> str:
    """Format every row with one template; a single `%` is many times faster than a loop."""
    return (template * len(values)) % tuple(values.ravel().tolist())
