"""Training data on disk."""

from __future__ import annotations

import json
import logging
import struct
import zlib

import cv2
import numpy as np
import pytest

from flame_fit.errors import InputError
from flame_fit.synth.training_files import training_paths
from flame_fit.training.files import hold_out
from flame_fit.training.parsing_files import find_parsing_items, read_labels
from flame_fit.training.uv_files import (
    find_uv_items,
    read_background,
    read_calibration,
    read_uv,
)
from tests.training.made import (
    MOST_16,
    head_mask,
    label_picture,
    place_picture,
    save,
    write_parsing,
    write_uv,
)


@pytest.mark.parametrize("layout", ["apart", "together"])
@pytest.mark.parametrize("sources", [("",), ("nphm", "rp")])
def test_both_layouts_are_read(layout, sources, tmp_path):
    for source in sources:
        write_uv(tmp_path / source, people=2, photos=2, layout=layout)
    items = find_uv_items(tmp_path)
    assert len(items) == 4 * len(sources)
    assert len({item.person for item in items}) == 2 * len(sources)
    target = read_uv(items[0])
    assert np.array_equal(target.mask, head_mask())
    error = np.abs(target.uv - place_picture())[target.mask]
    assert error.max() <= 0.5 / MOST_16 + 1e-7


def test_a_two_channel_png_is_u_and_v(tmp_path):
    write_uv(tmp_path, people=1, layout="together")
    # Neither Pillow nor OpenCV writes 16-bit grey with alpha, so the file is put together here.
    rows = np.tile(np.array([1000, 60000]), (40, 40)).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 40, 40, 16, 4, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    (tmp_path / "uvs/p0/0.png").write_bytes(data)
    (item,) = find_uv_items(tmp_path)
    target = read_uv(item)
    assert np.allclose(target.uv, [1000 / MOST_16, 60000 / MOST_16], atol=1e-6)
    assert target.mask.all()


def test_masks_depths_and_calibrations_are_found(tmp_path):
    write_uv(tmp_path, people=1)
    half = np.zeros(head_mask().shape, dtype=np.uint8)
    half[:, :24] = 255
    save(tmp_path / "masks/p0/0.png", half)
    depth = np.where(head_mask(), 30000, 0).astype(np.uint16)
    save(tmp_path / "depths/p0/0.front.png", depth)
    camera = {"K": [100, 0, 24, 0, 100, 24, 0, 0, 1], "T_gk": np.eye(4).ravel().tolist()}
    (tmp_path / "calibs/p0").mkdir(parents=True)
    (tmp_path / "calibs/p0/0.json").write_text(json.dumps(camera | {"nose": [1, 2, 3]}))
    (item,) = find_uv_items(tmp_path)
    assert np.array_equal(read_uv(item).mask, head_mask() & (half > 0))
    assert np.array_equal(read_background(item), ~head_mask())
    found = read_calibration(item.calibration)
    assert found.intrinsics[0].tolist() == [100, 0, 24]
    assert found.nose.tolist() == [1, 2, 3]
    item.calibration.write_text(json.dumps(camera))
    assert read_calibration(item.calibration).nose is None


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"K": [1, 2], "T_gk": []}', '{"K": "x"}'])
def test_what_is_no_calibration_is_refused(text, tmp_path):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match="is no calibration; expected JSON with K"):
        read_calibration(tmp_path / "c.json")


def test_a_calibration_must_be_finite(tmp_path):
    camera = {"K": [float("nan")] * 9, "T_gk": [0.0] * 16}
    (tmp_path / "c.json").write_text(json.dumps(camera))
    with pytest.raises(InputError, match="not finite"):
        read_calibration(tmp_path / "c.json")


def test_photos_without_uv_are_left_out_and_named(tmp_path, caplog):
    write_uv(tmp_path, people=2)
    (tmp_path / "uvs/p0/0_v.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(find_uv_items(tmp_path)) == 1
    assert "1 photos without UV are left out" in caplog.text
    assert "0.front.jpg" in caplog.text


def test_uv_that_cannot_be_used_are_named(tmp_path):
    write_uv(tmp_path, people=1)
    (item,) = find_uv_items(tmp_path)
    u, v = item.uv
    good = u.read_bytes()
    cases = [
        (b"", "is damaged or no image"),
        (b"\x89PNG", "is damaged or no image"),
        (cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes(), "expected a 16-bit PNG"),
        (cv2.imencode(".png", np.zeros((48, 40), np.uint16))[1].tobytes(), "of one size"),
        (cv2.imencode(".png", np.zeros((48, 48, 3), np.uint16))[1].tobytes(), "one channel"),
    ]
    for data, line in cases:
        v.write_bytes(data)
        with pytest.raises(InputError, match=line) as caught:
            read_uv(item)
        assert str(v) in str(caught.value)
    v.write_bytes(good)
    save(tmp_path / "masks/p0/0.png", np.zeros((8, 8), np.uint8))
    (item,) = find_uv_items(tmp_path)
    with pytest.raises(InputError, match="masks"):
        read_uv(item)


def test_one_channel_alone_is_no_uv(tmp_path):
    write_uv(tmp_path, people=1, layout="together")
    save(tmp_path / "uvs/p0/0.png", np.ones((48, 48), np.uint16))
    (item,) = find_uv_items(tmp_path)
    with pytest.raises(InputError, match="has one channel"):
        read_uv(item)


def test_folders_without_data_say_what_is_expected(tmp_path):
    with pytest.raises(InputError, match="uvs/PERSON/NAME_u.png"):
        find_uv_items(tmp_path)
    with pytest.raises(InputError, match="segmentations/NAME_seg.png"):
        find_parsing_items(tmp_path)


def test_labels_are_read_in_both_schemes(tmp_path, caplog):
    write_parsing(tmp_path, count=2)
    (tmp_path / "segmentations/000001_seg.png").unlink()
    with caplog.at_level(logging.WARNING):
        (item,) = find_parsing_items(tmp_path)
    assert "1 photos without labels are left out" in caplog.text
    fine = read_labels(item, classes=19, data_classes=19)
    assert np.array_equal(fine, label_picture())
    coarse = read_labels(item, classes=11, data_classes=19)
    # Both eyes are one class, and clothes are background.
    assert set(np.unique(coarse)) == {0, 1, 2}
    assert np.array_equal(coarse == 2, (fine == 3) | (fine == 4))
    already = read_labels(item, classes=11, data_classes=11)
    assert set(np.unique(already)) == {0, 1, 3, 4, 255}


def test_labels_that_cannot_be_used_are_named(tmp_path):
    write_parsing(tmp_path, count=1)
    (item,) = find_parsing_items(tmp_path)
    for pixels in (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint16)):
        save(item.labels, pixels)
        with pytest.raises(InputError, match="expected an 8-bit PNG with one channel"):
            read_labels(item, classes=19, data_classes=19)
    item.labels.write_bytes(b"no picture")
    with pytest.raises(InputError, match="is no image"):
        read_labels(item, classes=19, data_classes=19)


def test_nobody_is_on_both_sides_and_sides_do_not_change():
    items = [(person, number) for person in range(40) for number in range(3)]
    split = hold_out(items, share=0.1, group=lambda item: str(item[0]))
    people = [{item[0] for item in side} for side in (split.training, split.validation)]
    assert not people[0] & people[1]
    assert len(people[1]) == 4
    assert len(split.training) + len(split.validation) == len(items)
    again = hold_out(items[::-1], share=0.1, group=lambda item: str(item[0]))
    assert set(again.validation) == set(split.validation)
    # Who was held out stays held out when a few others join, but for those they push out.
    more = hold_out([*items, (40, 0)], share=0.1, group=lambda item: str(item[0]))
    assert len({item[0] for item in more.validation} & people[1]) >= 3
    tiny = hold_out(items, share=1e-6, group=lambda item: str(item[0]))
    assert len({item[0] for item in tiny.validation}) == 1


def test_too_few_people_to_hold_one_out():
    with pytest.raises(InputError, match="too few to hold 1 of them out"):
        hold_out([1, 2], share=0.1, group=lambda _: "one")


@pytest.mark.parametrize("layout", ["uv", "parsing"])
def test_synthetic_data_lie_where_they_are_looked_for(layout, tmp_path):
    for number in range(2):
        for inside in training_paths(number, layout):
            (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / inside).touch()
    if layout == "parsing":
        assert len(find_parsing_items(tmp_path)) == 2
        return
    first, second = find_uv_items(tmp_path)
    assert first.person != second.person
    assert len(first.uv) == 2
    assert None not in (first.mask, first.depth, first.calibration)
