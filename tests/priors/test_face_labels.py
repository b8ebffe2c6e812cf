"""The label schemes of face parsing: numbers, colours, sides and the coarser scheme."""

import numpy as np
import pytest

from flame_fit.errors import UsageError
from flame_fit.priors.face_labels import (
    COARSE_FACE_LABELS,
    FACE_LABELS,
    IGNORE,
    TO_COARSE,
    CoarseFaceLabel,
    FaceLabel,
    coarse_labels,
    known_labels,
    label_colours,
    label_scheme,
    mirror_permutation,
    mirrored_labels,
)

SCHEMES = (FACE_LABELS, COARSE_FACE_LABELS)


def test_numbers_names_and_colours_go_together():
    for scheme, labels, count in (
        (FACE_LABELS, FaceLabel, 19),
        (COARSE_FACE_LABELS, CoarseFaceLabel, 11),
    ):
        assert scheme.count == len(scheme.palette) == len(scheme.mirror) == count
        assert [label.value for label in labels] == list(range(count))
        assert scheme.names == tuple(label.name for label in labels)
        assert len(set(scheme.palette)) == count
        assert label_scheme(count) is scheme


def test_known_entries_of_the_published_scheme():
    assert FACE_LABELS.names[13] == "HAIR"
    assert FACE_LABELS.palette[FaceLabel.HAIR] == (0, 0, 204)
    assert FACE_LABELS.numbers(("LEFT_EAR", "SKIN")) == (8, 1)
    assert COARSE_FACE_LABELS.names[10] == "ACCESSORY"


def test_coarse_map_by_names():
    expected = {
        "NOSE": "SKIN", "NECK": "SKIN", "RIGHT_EYE": "EYE", "LEFT_EYE": "EYE",
        "RIGHT_BROW": "EYE_BROW", "LEFT_BROW": "EYE_BROW", "RIGHT_EAR": "EAR", "LEFT_EAR": "EAR",
        "CLOTHING": "BACKGROUND", "GLASSES": "ACCESSORY", "HEADWEAR": "ACCESSORY",
        "FACEWEAR": "ACCESSORY",
    }  # fmt: skip
    for number, name in enumerate(FACE_LABELS.names):
        assert COARSE_FACE_LABELS.names[TO_COARSE[number]] == expected.get(name, name)


def test_coarse_labels_keep_what_is_ignored():
    labels = np.array([[0, 13, 18], [IGNORE, 19, 12]], dtype=np.uint8)
    assert coarse_labels(labels).tolist() == [[0, 8, 10], [IGNORE, IGNORE, 1]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mirror_exchanges_right_and_left_and_nothing_else(scheme):
    for number, name in enumerate(scheme.names):
        other = scheme.names[scheme.mirror[number]]
        swapped = name.replace("RIGHT", "?").replace("LEFT", "RIGHT").replace("?", "LEFT")
        assert other == swapped


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mirroring_twice_changes_nothing(scheme, rng):
    labels = rng.integers(0, scheme.count, (2, 4, 5)).astype(np.uint8)
    labels[0, 0, 0] = IGNORE
    once = mirrored_labels(labels, scheme)
    assert np.array_equal(mirrored_labels(once, scheme), labels)
    assert once[0, 0, -1] == IGNORE


def test_mirrored_labels_move_and_change_sides():
    row = np.array([[3, 1, 13]], dtype=np.uint8)
    assert mirrored_labels(row).tolist() == [[13, 1, 4]]


def test_permutation_of_maps_agrees_with_mirrored_labels(rng):
    labels = rng.integers(0, 19, (4, 6)).astype(np.uint8)
    maps = (labels[None] == np.arange(19)[:, None, None]).astype(np.float32)
    flipped = maps[:, :, ::-1][mirror_permutation()]
    assert np.array_equal(flipped.argmax(axis=0), mirrored_labels(labels))


def test_numbers_outside_a_scheme_are_ignored():
    found = known_labels(np.array([-1, 0, 10, 11, 300], dtype=np.int32), COARSE_FACE_LABELS)
    assert found.dtype == np.uint8
    assert found.tolist() == [IGNORE, 0, 10, IGNORE, IGNORE]


def test_colours_outside_a_scheme_are_black():
    picture = label_colours(np.array([[1, IGNORE, 18]], dtype=np.uint8))
    assert picture.tolist() == [[[204, 0, 0], [0, 0, 0], [0, 204, 0]]]


def test_unknown_names_and_counts_say_what_there_is():
    with pytest.raises(UsageError, match="label .HAND. does not exist; choose from BACKGROUND, "):
        FACE_LABELS.numbers(("SKIN", "HAND"))
    with pytest.raises(UsageError, match="no label scheme of 12 classes; choose 19 or 11"):
        label_scheme(12)
