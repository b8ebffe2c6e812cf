"""The mesh that all FLAME releases share, as far as companion files need it."""

from flame_fit.flame import FlameAssets

VERTEX_COUNT = 5023
FACE_COUNT = 9976
HIFI3D_CHART_POINTS = 5150
"""Texture points of the chart that FFHQ-UV draws for FLAME after HiFi3D++."""


def has_flame_topology(assets: FlameAssets) -> bool:
    """Tell whether companion files made for FLAME's mesh may be bound to a model."""
    return len(assets.v_template) == VERTEX_COUNT and len(assets.faces) == FACE_COUNT
