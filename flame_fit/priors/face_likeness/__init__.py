"""How alike two pictures of a face are: to face recognition, and to the eye."""

from flame_fit.priors.face_likeness.aligned_face import aligned_faces
from flame_fit.priors.face_likeness.identity_network import (
    IdentityLayout,
    IdentityNetwork,
    load_identity_network,
)
from flame_fit.priors.face_likeness.perceptual_network import (
    PerceptualNetwork,
    load_perceptual_network,
)

__all__ = [
    "IdentityLayout",
    "IdentityNetwork",
    "PerceptualNetwork",
    "aligned_faces",
    "load_identity_network",
    "load_perceptual_network",
]
