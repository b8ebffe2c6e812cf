"""Wavefront OBJ and MTL text of a textured head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from flame_fit.export.normals import smooth_normals

MATERIAL_NAME = "head"
EYE_MATERIAL_NAME = "eyes"
# Of wet surfaces in Phong's model: how strong and how narrow the highlight is.
EYE_SPECULAR, EYE_EXPONENT = 0.5, 250.0


def obj_text(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_faces: Int[np.ndarray, "F 3"],
    *,
    material_file: str,
    eye_faces: Bool[np.ndarray, " F"] | None = None,
) -> str:
    """Return the mesh as OBJ with smooth normals and texture vertices apart from vertices.

    Args:
        vertices: Positions in metres.
        faces: Vertex indices, counted from 0.
        uv: Chart positions, u right and v up, which is OBJ's own convention.
        uv_faces: Chart indices, counted from 0.
        material_file: Name of the MTL file beside the OBJ.
        eye_faces: Triangles with the material of the eyes; none by default.
    """
    normals = smooth_normals(vertices, faces)
    corner_indices = np.stack([faces, uv_faces, faces], axis=-1) + 1
    return "".join(
        (
            f"mtllib {material_file}\no head\n",
            _rows("v %.6f %.6f %.6f\n", vertices),
            _rows("vt %.6f %.6f\n", uv),
            _rows("vn %.4f %.4f %.4f\n", normals),
            "s 1\n",
            *_material_runs(corner_indices, eye_faces),
        )
    )


def _material_runs(
    corner_indices: Int[np.ndarray, "F 3 3"], eye_faces: Bool[np.ndarray, " F"] | None
) -> list[str]:
    """Return the triangles in their order, with a line wherever the material changes."""
    count = len(corner_indices)
    of_eyes = np.zeros(count, dtype=bool) if eye_faces is None else eye_faces
    starts = [0, *(np.flatnonzero(np.diff(of_eyes)) + 1).tolist(), count]
    pieces = []
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        name = EYE_MATERIAL_NAME if count and of_eyes[start] else MATERIAL_NAME
        pieces.append(f"usemtl {name}\n")
        pieces.append(_rows("f %d/%d/%d %d/%d/%d %d/%d/%d\n", corner_indices[start:end]))
    return pieces


def mtl_text(*, texture_file: str, with_eyes: bool = False) -> str:
    """Return a matte material that shows the texture as it is.

    Args:
        texture_file: Name of the picture beside the MTL file.
        with_eyes: Whether to add a glossy material with the same picture for eyeballs.
    """
    text = _material(MATERIAL_NAME, texture_file, specular=0.0, model=1)
    if with_eyes:
        text += "\n" + _material(EYE_MATERIAL_NAME, texture_file, specular=EYE_SPECULAR, model=2)
    return text


def _material(name: str, texture_file: str, *, specular: float, model: int) -> str:
    exponent = f"Ns {EYE_EXPONENT:.6f}\n" if specular else ""
    return (
        f"newmtl {name}\n"
        "Ka 1.000000 1.000000 1.000000\n"
        "Kd 1.000000 1.000000 1.000000\n"
        f"Ks {specular:.6f} {specular:.6f} {specular:.6f}\n"
        f"{exponent}illum {model}\n"
        f"map_Kd {texture_file}\n"
    )


def _rows(template: str, values: np.ndarray) -> str:
    """Format every row with one template; a single `%` is many times faster than a loop."""
    return (template * len(values)) % tuple(values.ravel().tolist())
