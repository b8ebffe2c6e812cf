"""All that is seen of the faces in a photo."""

import numpy as np
from jaxtyping import Float

from flame_fit.errors import NoFaceError, UsageError
from flame_fit.image_files import Photo
from flame_fit.observation import FaceEvidence
from flame_fit.priors.face_detection import detection_rounds
from flame_fit.priors.face_mesh import FaceMeshFit, fit_face_mesh
from flame_fit.priors.face_mesh_topology import MESH_COUNT
from flame_fit.priors.litert import LiteModel, load_model
from flame_fit.priors.model_files import FaceModels, person_model, resolve_face_models
from flame_fit.priors.segmentation import segment_person

# Fits at least this good end the search for the largest face; weaker ones are kept in case nothing
# better comes.
_SURE_SCORE = 0.5
_POSSIBLE_SCORE = 0.2
# Beside a good face a much worse fit is a chance pattern, however large.
_SCORE_BESIDE_BEST = 0.5
# Two finds are one face when the centre of one lies this close to the other's, in face sizes.
_SAME_FACE_DISTANCE = 0.4


def find_faces(
    photo: Photo,
    *,
    detector: str = "auto",
    face: int | str = "largest",
    segment: bool = True,
) -> list[FaceEvidence]:
    """Find faces with their mesh points and the person around them.

    Args:
        photo: The photo.
        detector: `mediapipe478`, `mediapipe468`, or `auto`: the first where its model can be had.
        face: `largest`, `all` (largest first), or a number: 1 the largest, 2 the next.
        segment: Find the person mask too.

    Raises:
        NoFaceError: No face was found, or fewer than the number asked for.
        UsageError: `face` or `detector` is none of the choices.
        AssetError: The models cannot be had.
    """
    wanted = _check_choice(face)
    models = resolve_face_models(detector)
    fits = _find_meshes(photo, models, exhaustive=wanted != 1)
    if not fits:
        raise NoFaceError(f"{photo.path}: no face found; give a photo in which a face is seen")
    if wanted is not None and len(fits) < wanted:
        raise NoFaceError(f"{photo.path}: face {wanted} was asked for, {len(fits)} found")
    chosen = fits if wanted is None else fits[wanted - 1 : wanted]
    person = load_model(person_model()) if segment else None
    return [_evidence(photo, fit, models, person) for fit in chosen]


def _check_choice(face: int | str) -> int | None:
    """The number of the face wanted, counted from 1; None for all."""
    if face == "all":
        return None
    if face == "largest":
        return 1
    if isinstance(face, bool) or not isinstance(face, int) or face < 1:
        raise UsageError(f"face is {face!r}; give largest, all or a number from 1")
    return face


def _find_meshes(photo: Photo, models: FaceModels, *, exhaustive: bool) -> list[FaceMeshFit]:
    blaze, mesh = load_model(models.detector), load_model(models.mesh)
    iris = load_model(models.iris) if models.iris else None

    fits: list[FaceMeshFit] = []
    for candidates in detection_rounds(photo.srgb, blaze):
        found = [fit_face_mesh(photo.srgb, one, mesh, iris_model=iris) for one in candidates]
        fits = _distinct(fits + [fit for fit in found if fit.score > _POSSIBLE_SCORE])
        if not exhaustive and fits and fits[0].score > _SURE_SCORE:
            break
    good = [fit for fit in fits if fit.score > _SCORE_BESIDE_BEST * fits[0].score]
    return sorted(good, key=lambda fit: -_size(fit))


def _distinct(fits: list[FaceMeshFit]) -> list[FaceMeshFit]:
    """One fit for each face, the best at its place; the best of all first."""
    kept: list[FaceMeshFit] = []
    for fit in sorted(fits, key=lambda fit: -fit.score):
        centre, size = _face_points(fit).mean(axis=0), _size(fit)
        distances = [np.linalg.norm(centre - _face_points(other).mean(axis=0)) for other in kept]
        reach = [_SAME_FACE_DISTANCE * max(size, _size(other)) for other in kept]
        if all(d > r for d, r in zip(distances, reach, strict=True)):
            kept.append(fit)
    return kept


def _face_points(fit: FaceMeshFit) -> Float[np.ndarray, "468 2"]:
    return fit.landmarks.pixels[:MESH_COUNT]


def _size(fit: FaceMeshFit) -> float:
    low, high = _face_points(fit).min(axis=0), _face_points(fit).max(axis=0)
    return float(np.sqrt(np.prod(high - low)))


def _evidence(
    photo: Photo, fit: FaceMeshFit, models: FaceModels, person: LiteModel | None
) -> FaceEvidence:
    points = _face_points(fit)
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    box = (x0, y0, x1, y1)
    return FaceEvidence(
        landmarks=(fit.landmarks,),
        box=box,
        score=fit.score,
        roll=fit.roll,
        person=segment_person(photo.srgb, box, person) if person else None,
        detector=models.name,
    )
