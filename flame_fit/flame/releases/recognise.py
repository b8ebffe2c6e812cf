"""Tells by its content which head model a file is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flame_fit.flame.layout import (
    FEATURES_PER_JOINT,
    FLAME_FACES,
    FLAME_VERTICES,
    JAW,
    JOINT_COUNT,
    PUBLISHED_BASIS_SIZE,
    PUBLISHED_SHAPE_COUNT,
)
from flame_fit.flame.releases.catalogue import (
    OPEN_HEAD,
    UNKNOWN_LICENCE,
    Gender,
    Kind,
    Release,
    flame_release,
    other_release,
)

OPEN_KEY = "supr_expression_metadata"
"""Only FLAME 2023 Open has this entry; it says which components are expression."""
MAXIMUM_META_CHARACTERS = 100_000
LONGEST_NAME = 80

_KNOWN_FILES: dict[str, tuple[Kind, Gender]] = {
    "efcd14cc4a69f3a3d9af8ded80146b5b6b50df3bd74cf69108213b144eba725b": ("flame2020", "generic"),
    "8fb1af0db1abb51053ead8fd1f2624a63d01c9602f4a4fb4ea23bd2c82017fa0": ("flame2023", "generic"),
    "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623": (
        "flame2023_open",
        "generic",
    ),
}
"""Digests of published files, as several public projects record them."""


@dataclass(frozen=True)
class _Year:
    digits: str
    kind: Kind


_YEAR_2017 = _Year("2017", "flame2017")
_YEAR_2019 = _Year("2019", "flame2019")
_YEAR_2020 = _Year("2020", "flame2020")
_YEAR_2023 = _Year("2023", "flame2023")
_GENDER_OF_SUPR: dict[str, Gender] = {"male": "male", "female": "female", "neutral": "generic"}


def recognise(arrays: Mapping[str, object], *, sha256: str = "", hint: str = "") -> Release:
    """Return which release the content of a model file is.

    Decided by, in this order: the digest of the whole file; a description inside it; FLAME's
    number of vertices and triangles; the entry that only FLAME 2023 Open has; a jaw joint that is
    missing or moves nothing (2023 no-jaw); and whether the expression basis leaves part of the
    head in place, as those of 2017 and 2019 do, or moves all of it, as those of 2020 and 2023.
    Layouts of 2017 and 2019, and of 2020 and 2023, are alike, and so are those of the genders:
    there only the name helps.

    Args:
        arrays: content of the file, as the readers in `untrusted` return it.
        sha256: digest of the file.
        hint: name of the file and its folder; used only where the content leaves a choice that
            changes neither licence nor layout.
    """
    if sha256 in _KNOWN_FILES:
        return flame_release(*_KNOWN_FILES[sha256])
    described = _described(arrays)
    if described is not None:
        return described
    words = hint.lower()
    if not _has_flame_sizes(arrays):
        return other_release(_stem(hint))
    if OPEN_KEY in arrays:
        return flame_release("flame2023_open", _stated_gender(arrays[OPEN_KEY]))
    if not jaw_moves(arrays):
        return flame_release("flame2023_no_jaw", _hinted_gender(words))
    early = _expression_is_local(arrays)
    return flame_release(_hinted_kind(words, early=early), _hinted_gender(words))


def jaw_moves(arrays: Mapping[str, object]) -> bool:
    """Tell whether the model has a jaw joint that moves anything."""
    weights, pose = arrays.get("weights"), arrays.get("posedirs")
    if not isinstance(weights, np.ndarray) or weights.ndim != 2:  # noqa: PLR2004
        return True
    if weights.shape[1] < JOINT_COUNT:
        return False
    block = slice(FEATURES_PER_JOINT * (JAW - 1), FEATURES_PER_JOINT * JAW)
    corrects = isinstance(pose, np.ndarray) and bool(np.any(pose[..., block]))
    return bool(np.any(weights[:, JAW])) or corrects


def _described(arrays: Mapping[str, object]) -> Release | None:
    """Return what the description inside files of this library says."""
    content = read_description(arrays.get("meta"))
    if content is None:
        return None
    name, licence = text_of(content, "name", "head model"), text_of(content, "licence", "")
    kind, gender = content.get("kind"), content.get("gender")
    if kind in _FLAME_KINDS:
        return flame_release(kind, gender if gender in _GENDERS else None)
    if name == OPEN_HEAD.name and licence == OPEN_HEAD.licence:
        return OPEN_HEAD
    return other_release(name[:LONGEST_NAME], licence=licence or UNKNOWN_LICENCE)


_FLAME_KINDS = (
    "flame2017", "flame2019", "flame2017_or_2019", "flame2020", "flame2023", "flame2020_or_2023",
    "flame2023_no_jaw", "flame2023_open",
)  # fmt: skip
_GENDERS = ("generic", "female", "male")


def read_description(meta: object) -> dict | None:
    """Return the JSON object a model file describes itself with, None if it is not one."""
    text = str(meta) if isinstance(meta, np.ndarray) and meta.shape == () else ""
    try:
        content = json.loads(text) if 0 < len(text) <= MAXIMUM_META_CHARACTERS else None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def text_of(content: Mapping[str, object], key: str, otherwise: str) -> str:
    """Return one line of printable text from a description."""
    value = content.get(key, otherwise)
    line = " ".join(str(value).split()) if isinstance(value, str) else otherwise
    return "".join(c for c in line if c.isprintable()) or otherwise


def _has_flame_sizes(arrays: Mapping[str, object]) -> bool:
    expected = {
        "v_template": (FLAME_VERTICES, 3),
        "f": (FLAME_FACES, 3),
        "shapedirs": (FLAME_VERTICES, 3, PUBLISHED_BASIS_SIZE),
    }
    return all(getattr(arrays.get(key), "shape", None) == shape for key, shape in expected.items())


def _expression_is_local(arrays: Mapping[str, object]) -> bool:
    basis = np.asarray(arrays["shapedirs"])[..., PUBLISHED_SHAPE_COUNT:]
    return not bool(np.any(basis, axis=(1, 2)).all())


def _hinted_kind(words: str, *, early: bool) -> Kind:
    if early:
        return _choice(words, _YEAR_2017, _YEAR_2019, "flame2017_or_2019")
    return _choice(words, _YEAR_2020, _YEAR_2023, "flame2020_or_2023")


def _choice(words: str, first: _Year, second: _Year, both: Kind) -> Kind:
    """Return the kind whose year the words name, if they name one of the two."""
    named: list[Kind] = [year.kind for year in (first, second) if year.digits in words]
    return named[0] if len(named) == 1 else both


def _hinted_gender(words: str) -> Gender | None:
    if "female" in words:
        return "female"
    if "male" in words:
        return "male"
    return "generic" if "generic" in words or "neutral" in words or "flame2023" in words else None


def _stated_gender(metadata: object) -> Gender | None:
    stated = metadata.get("supr_gender") if isinstance(metadata, Mapping) else None
    return _GENDER_OF_SUPR.get(stated) if isinstance(stated, str) else None


def _stem(hint: str) -> str:
    name = hint.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return "".join(c for c in name if c.isprintable())[:LONGEST_NAME] or "head"
