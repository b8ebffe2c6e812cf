"""Where the face models come from: the user's folder, MediaPipe's storage, or its wheel."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from flame_fit.asset_files import (
    WheelMember,
    cache_folder,
    fetch_url,
    fetch_wheel_members,
    find_asset,
    sha256_of,
    write_atomically,
)
from flame_fit.errors import AssetError, UsageError
from flame_fit.untrusted import open_zip

DETECTORS = ("auto", "mediapipe478", "mediapipe468")

WHEEL = "mediapipe==0.10.21"
TASK_NAME = "face_landmarker.task"
TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    + TASK_NAME
)
TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TASK_DETECTOR = "face_detector.tflite"
TASK_MESH = "face_landmarks_detector.tflite"
TASK_MEMBER_SHA256 = {
    TASK_DETECTOR: "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
    TASK_MESH: "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5",
}
# The largest member is 2.6 MB; a zip that claims more is not MediaPipe's.
MAX_MEMBER_BYTES = 16_000_000

_MODULES = "mediapipe/modules"
WHEEL_DETECTOR = WheelMember(
    f"{_MODULES}/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
WHEEL_MESH = WheelMember(
    f"{_MODULES}/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
WHEEL_IRIS = WheelMember(
    f"{_MODULES}/iris_landmark/iris_landmark.tflite",
    "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
)
WHEEL_PERSON = WheelMember(
    f"{_MODULES}/selfie_segmentation/selfie_segmentation.tflite",
    "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
)
WHEEL_MEMBERS = (WHEEL_DETECTOR, WHEEL_MESH, WHEEL_IRIS, WHEEL_PERSON)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FaceModels:
    """The files of one detector.

    Attributes:
        name: The backend as it is reported.
        detector: Finds faces (BlazeFace short range).
        mesh: Finds the mesh points in a face crop.
        iris: Finds iris points in an eye crop; None where the mesh model has irises itself.
    """

    name: Literal["mediapipe478", "mediapipe468"]
    detector: Path
    mesh: Path
    iris: Path | None


def resolve_face_models(detector: str = "auto") -> FaceModels:
    """The models to find faces with; `auto` prefers the 478-point model where it can be had.

    Raises:
        UsageError: The name is unknown.
        AssetError: The models are neither at hand nor can be fetched.
    """
    if detector not in DETECTORS:
        raise UsageError(f"detector is {detector!r}; choose one of {', '.join(DETECTORS)}")
    if detector == "mediapipe468":
        return _models_of_wheel()
    task = _find_task()
    if isinstance(task, Path):
        return _models_of_task(task, cache_folder())
    if detector == "mediapipe478":
        raise AssetError(
            f"the 478-point model is not at hand and could not be fetched ({task}); put {TASK_NAME}"
            " into the folder that FLAME_FIT_ASSETS names, or use --detector mediapipe468"
        )
    _log.info("478-point model not available (%s); using the 468-point model", task)
    return _models_of_wheel()


def person_model() -> Path:
    """The selfie segmentation model, out of the mediapipe wheel."""
    return _fetch_wheel(cache_folder()) / WHEEL_PERSON.name


def _find_task() -> Path | str:
    """The verified task file, or the reason why there is none."""
    try:
        path = find_asset(TASK_NAME)
    except AssetError:
        return _fetch_task(cache_folder())
    found = sha256_of(path)
    if found != TASK_SHA256:
        raise AssetError(
            f"{path} is another version (sha256 {found[:12]}..., expected {TASK_SHA256[:12]}...);"
            f" replace it with {TASK_URL}"
        )
    return path


@lru_cache(maxsize=4)
def _fetch_task(cache: Path) -> Path | str:
    # Failure is remembered per process too: without a network every photo would wait for a
    # time-out.
    destination = cache / "models" / TASK_NAME
    try:
        return fetch_url(TASK_URL, sha256=TASK_SHA256, destination=destination, timeout_seconds=5.0)
    except AssetError as error:
        return str(error)


@lru_cache(maxsize=4)
def _models_of_task(task: Path, cache: Path) -> FaceModels:
    folder = cache / "models" / f"face_landmarker-{TASK_SHA256[:12]}"
    for name, sha256 in TASK_MEMBER_SHA256.items():
        file = folder / name
        if not file.is_file() or sha256_of(file) != sha256:
            write_atomically(file, read_task_member(task, name))
    detector, mesh = folder / TASK_DETECTOR, folder / TASK_MESH
    return FaceModels(name="mediapipe478", detector=detector, mesh=mesh, iris=None)


def read_task_member(task: Path, name: str) -> bytes:
    """One file of a `.task` zip, which is not trusted: its name and size are checked first.

    Raises:
        AssetError: The zip is damaged, lacks the member, or the member is unreasonably large.
    """
    try:
        folder = open_zip(task, kind=".task")
        sizes = {member.name: member.size for member in folder.members}
        if name in sizes and sizes[name] <= MAX_MEMBER_BYTES:
            return folder.read(name)
    except AssetError as error:
        raise AssetError(f"{task} cannot be read ({error}); replace it with {TASK_URL}") from error
    if name not in sizes:
        raise AssetError(f"{task} holds no {name}; replace it with {TASK_URL}")
    raise AssetError(
        f"{task} holds {name} of {sizes[name]} bytes, expected at most {MAX_MEMBER_BYTES}; "
        "replace it"
    )


def _models_of_wheel() -> FaceModels:
    files = _fetch_wheel(cache_folder())
    return FaceModels(
        name="mediapipe468",
        detector=files / WHEEL_DETECTOR.name,
        mesh=files / WHEEL_MESH.name,
        iris=files / WHEEL_IRIS.name,
    )


@lru_cache(maxsize=4)
def _fetch_wheel(cache: Path) -> Path:
    # Remembered per process, so that the files are hashed once and not for every photo.
    folder = cache / "models" / WHEEL.replace("==", "-")
    fetch_wheel_members(WHEEL, WHEEL_MEMBERS, folder)
    return folder
