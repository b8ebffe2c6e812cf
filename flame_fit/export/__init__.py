"""Files that a fit leaves behind: meshes, textures, parameters, overview and report."""

from flame_fit.export.folder import EarlierResult, earlier_result, replaced_folder, write_result
from flame_fit.export.gltf import glb_bytes
from flame_fit.export.obj import mtl_text, obj_text
from flame_fit.export.overlay import compose_overlay
from flame_fit.export.params_file import params_bytes, read_params
from flame_fit.export.report import (
    Backends,
    FitReport,
    ModelRecord,
    Seconds,
    StageReport,
    TermReport,
    report_to_json,
)
from flame_fit.export.scene import (
    ExportMesh,
    ExportParams,
    ExportScene,
    ExportUncertainty,
    OverlayImages,
    TextureMap,
)

__all__ = [
    "Backends",
    "EarlierResult",
    "ExportMesh",
    "ExportParams",
    "ExportScene",
    "ExportUncertainty",
    "FitReport",
    "ModelRecord",
    "OverlayImages",
    "Seconds",
    "StageReport",
    "TermReport",
    "TextureMap",
    "compose_overlay",
    "earlier_result",
    "glb_bytes",
    "mtl_text",
    "obj_text",
    "params_bytes",
    "read_params",
    "replaced_folder",
    "report_to_json",
    "write_result",
]
