"""Reading photos: every orientation and mode gives one upright picture, every bad file one line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flame_fit.appearance.colour import srgb_to_linear
from flame_fit.errors import InputError
from flame_fit.image_files import (
    MAX_PIXELS,
    Photo,
    encode_png,
    load_image,
    save_png,
    srgb8_to_linear,
    warp_pixels,
)

ORIENTATION = 0x0112
EXIF_IFD = 0x8769


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth colours, different in every corner, 48 x 64."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4 % 256, y * 5, 255 - x * 2], axis=-1).astype(np.uint8)


def write(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


# What a camera writes: the stored pixels are the upright ones moved the other way.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", sorted(STORED))
def test_all_exif_orientations_agree(tmp_path, picture, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture)))
    photo = load_image(write(tmp_path / "photo.png", stored, exif=exif))
    np.testing.assert_array_equal(photo.srgb, picture)
    assert (photo.width, photo.height) == (64, 48)


def test_grey_images_become_three_equal_channels(tmp_path, picture):
    grey = picture[..., 0]
    photo = load_image(write(tmp_path / "grey.png", Image.fromarray(grey)))
    np.testing.assert_array_equal(photo.srgb, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path, picture):
    grey = picture[..., 0]
    save_png(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(load_image(tmp_path / "deep.png").srgb[..., 0], grey)


def test_sixteen_bit_colour_keeps_its_brightness(tmp_path, picture):
    save_png(tmp_path / "deep.png", picture.astype(np.uint16) * 257)
    np.testing.assert_array_equal(load_image(tmp_path / "deep.png").srgb, picture)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_show_mid_grey_and_opaque_ones_their_colour(tmp_path, picture, mode):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :32] = 0
    image = Image.fromarray(np.dstack([picture, alpha]))
    image = image.quantize(64) if mode == "P" else image.convert(mode)
    opaque = np.asarray(image.convert("RGBA"))[:, 40:, :3]
    photo = load_image(write(tmp_path / "cut.png", image))
    assert np.abs(photo.srgb[:, :20].astype(int) - 128).max() <= 1
    np.testing.assert_array_equal(photo.srgb[:, 40:], opaque)


def test_cmyk_jpeg_reads_as_the_same_colours(tmp_path):
    red = Image.new("RGB", (64, 48), (200, 40, 40))
    photo = load_image(write(tmp_path / "print.jpg", red.convert("CMYK"), quality=95))
    assert np.abs(photo.srgb.astype(int) - [200, 40, 40]).max() <= 4


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def jpeg_bytes(picture: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG")
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bomb.png", png_header(20000, 20000), "too large"),
        ("large.png", png_header(13000, 12000), "13000 x 12000"),
        ("tiny.png", png_header(10, 40), "too small"),
        ("text.jpg", b"this is no picture at all\n" * 20, "not an image"),
        ("empty.png", b"", "0 bytes"),
        ("broken.png", png_header(64, 64), "damaged"),
    ],
)
def test_unusable_files_give_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load_image(path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("kept", [30, 200, 600])
def test_truncated_png_and_jpeg_give_one_line(tmp_path, rng, kept):
    noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for name, data in (("cut.png", encode_png(noise)), ("cut.jpg", jpeg_bytes(noise))):
        (tmp_path / name).write_bytes(data[:kept])
        with pytest.raises(InputError, match="damaged|not an image") as caught:
            load_image(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_missing_file_and_folder_give_one_line(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_image(tmp_path / "nothing.jpg")
    with pytest.raises(InputError, match="is a folder"):
        load_image(tmp_path)


def test_a_header_bomb_is_refused_before_anything_is_decoded(tmp_path, monkeypatch):
    def decoded(self):
        raise AssertionError("the pixels were decoded")

    (tmp_path / "bomb.png").write_bytes(png_header(12000, 13000))
    assert MAX_PIXELS < 12000 * 13000
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(InputError, match="too large"):
        load_image(tmp_path / "bomb.png")


def with_exif(tmp_path: Path, tags: dict[int, object], size=(600, 400)) -> Photo:
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update(tags)
    image = Image.new("RGB", size)
    return load_image(write(tmp_path / "photo.jpg", image, exif=exif))


def test_focal_length_from_its_35_mm_equivalent(tmp_path):
    # A 36 mm wide film at 50 mm: 600 pixels wide gives 600 * 50 / 36.
    photo = with_exif(tmp_path, {0xA405: 50})
    assert photo.focal_pixels == pytest.approx(600 * 50 / 36, rel=1e-6)


def test_focal_length_from_the_sensor_resolution_follows_resizing(tmp_path):
    tags = {0x920A: 50.0, 0xA20E: 1200 / 36 * 25.4, 0xA210: 2, 0xA002: 1200, 0xA003: 800}
    photo = with_exif(tmp_path, tags)
    assert photo.focal_pixels == pytest.approx(600 * 50 / 36, rel=1e-3)


def test_focal_length_is_unknown_for_cropped_and_plain_photos(tmp_path):
    assert with_exif(tmp_path, {0xA405: 50, 0xA002: 600, 0xA003: 600}).focal_pixels is None
    assert with_exif(tmp_path, {}).focal_pixels is None
    assert with_exif(tmp_path, {0xA405: 0}).focal_pixels is None


def test_linear_values_equal_the_colour_module(tmp_path):
    values = np.arange(256, dtype=np.uint8)
    expected = srgb_to_linear(torch.from_numpy(values).double() / 255).numpy()
    np.testing.assert_allclose(srgb8_to_linear(values), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_round_trip(tmp_path, rng, channels, dtype):
    import cv2

    pixels = rng.integers(0, np.iinfo(dtype).max, (40, 50, *channels)).astype(dtype)
    save_png(tmp_path / "new" / "map.png", pixels)
    back = cv2.imread(str(tmp_path / "new" / "map.png"), cv2.IMREAD_UNCHANGED)
    order = {(3,): [2, 1, 0], (4,): [2, 1, 0, 3]}.get(channels)
    np.testing.assert_array_equal(back[..., order] if order else back, pixels)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["map.png"]


def test_png_refuses_other_types(rng):
    with pytest.raises(TypeError, match="float64"):
        encode_png(rng.random((4, 4)))


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_shrinking_averages_and_keeps_the_place(rng, factor):
    # Each output pixel sees a constant block, so averaging must return it exactly.
    small = rng.integers(0, 255, (12, 10, 3), dtype=np.uint8)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    shift = 0.5 / factor - 0.5
    matrix = np.array([[1 / factor, 0, shift], [0, 1 / factor, shift]])
    before = large.copy()
    found = warp_pixels(large, matrix, size=(12, 10))
    assert np.abs(found.astype(int) - small).max() <= 1
    np.testing.assert_array_equal(large, before)


def test_outside_is_repeated_or_black():
    white = np.full((40, 40, 3), 255, np.uint8)
    matrix = np.array([[1.0, 0, 10], [0, 1, 0]])
    assert warp_pixels(white, matrix, size=(40, 40)).min() == 255
    assert warp_pixels(white, matrix, size=(40, 40), zero_border=True)[:, :9].max() == 0
