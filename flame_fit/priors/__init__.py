"""What learned models say about a photo: faces, points, masks."""

from flame_fit.priors.face_search import find_faces
from flame_fit.priors.model_files import DETECTORS, FaceModels, resolve_face_models

__all__ = [
    "DETECTORS",
    "FaceModels",
    "find_faces",
    "resolve_face_models",
]
