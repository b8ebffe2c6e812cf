"""Photographs in and out: checked before they are decoded, turned upright, in sRGB."""

import io
import math
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from flame_fit.asset_files import write_atomically
from flame_fit.errors import InputError

MAX_PIXELS = 150_000_000
MIN_SIDE = 32
# Alpha is composited over mid-grey: neither skin nor white, so cut-out photos keep a neutral
# surround.
BACKDROP = (128, 128, 128, 255)

_EXIF_IFD = 0x8769
_TAG_FOCAL_LENGTH = 0x920A
_TAG_FOCAL_35MM = 0xA405
_TAG_WIDTH, _TAG_HEIGHT = 0xA002, 0xA003
_TAG_PLANE_X_RESOLUTION, _TAG_PLANE_UNIT = 0xA20E, 0xA210
_MILLIMETRES_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# "35 mm equivalent" compares diagonals (CIPA DCG-001); 24 x 36 mm film.
_FILM_DIAGONAL = math.hypot(24.0, 36.0)
# A crop moves the principal point and hides the sensor size: EXIF then says nothing about the
# focal length.
_ASPECT_TOLERANCE = 0.02
_UINT16_MAX = 65535
_UINT8_MAX = 255
# OpenCV keeps colours in reverse.
_BGR_ORDER = {(3,): [2, 1, 0], (4,): [2, 1, 0, 3]}
# What Pillow's decoders raise on damaged data.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError)


@dataclass(frozen=True, eq=False)
class Photo:
    """One upright photograph.

    Attributes:
        path: Where it came from; names outputs and error messages.
        srgb: Pixels, sRGB 0..255, row 0 at the top.
        focal_pixels: Focal length in pixels of `srgb` as EXIF tells it, None where it does not.
    """

    path: Path
    srgb: UInt8[np.ndarray, "H W 3"]
    focal_pixels: float | None = None

    @property
    def width(self) -> int:
        """Columns in pixels."""
        return self.srgb.shape[1]

    @property
    def height(self) -> int:
        """Rows in pixels."""
        return self.srgb.shape[0]

    def linear(self) -> Float[np.ndarray, "H W 3"]:
        """The pixels in linear light, 0..1, float32."""
        return srgb8_to_linear(self.srgb)


def _linear_table() -> Float[np.ndarray, "256"]:
    value = np.arange(256, dtype=np.float64) / _UINT8_MAX
    low, high = value / 12.92, ((value + 0.055) / 1.055) ** 2.4
    return np.where(value <= 0.04045, low, high).astype(np.float32)  # noqa: PLR2004 (IEC 61966-2-1)


_LINEAR = _linear_table()


def srgb8_to_linear(srgb: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """8-bit sRGB values in linear light, 0..1, float32 (a table look-up)."""
    return _LINEAR[srgb]


def load_image(path: str | Path) -> Photo:
    """Read a photo: EXIF orientation applied, converted to 8-bit sRGB, alpha over mid-grey.

    Args:
        path: A JPEG, PNG, WebP, TIFF, BMP or GIF file of any bit depth and colour mode.

    Raises:
        InputError: The file is missing, empty, damaged, no image, or too large or small to use.
    """
    path = Path(path)
    data = _read_bytes(path)
    with warnings.catch_warnings():
        # Size is judged below; other Pillow warnings (odd EXIF, palette transparency) do not
        # concern a user.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError:
            raise _too_large(path) from None
        except UnidentifiedImageError:
            raise InputError(
                f"{path} is not an image that can be read; give a JPEG, PNG, WebP, TIFF or BMP file"
            ) from None
        except _DECODER_ERRORS as error:
            raise _damaged(path, error) from None
        _check_size(path, image)
        try:
            image.load()
            focal = focal_pixels_from_exif(image)
            image = ImageOps.exif_transpose(image)
            srgb = _to_srgb(image)
        except _DECODER_ERRORS as error:
            raise _damaged(path, error) from None
    return Photo(path=path, srgb=srgb, focal_pixels=focal)


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give an image file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the path of an image file") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"{path} cannot be read ({reason}); check the path and its rights"
        ) from None
    if not data:
        raise InputError(f"{path} is empty (0 bytes); give an image file")
    return data


def _too_large(path: Path, size: str = "") -> InputError:
    limit = MAX_PIXELS // 1_000_000
    return InputError(
        f"{path} is too large{size}; at most {limit} megapixels are read: scale it down"
    )


def _damaged(path: Path, error: BaseException) -> InputError:
    reason = " ".join(str(error).split())[:80] or type(error).__name__
    return InputError(f"{path} is damaged or incomplete ({reason}); get a whole copy of the file")


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f" ({width} x {height} pixels)")
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{path} is too small ({width} x {height} pixels); each side needs at least {MIN_SIDE}"
        )


def _to_srgb(image: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_srgb(image)
    image = _apply_icc_profile(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKDROP), image)
    return np.array(image.convert("RGB"))


def _deep_grey_to_srgb(image: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F" or values.min() < 0 or values.max() > _UINT16_MAX:
        raise ValueError("float or 32-bit grey values; save it with 8 or 16 bits")
    grey = np.round(values * (_UINT8_MAX / _UINT16_MAX)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _apply_icc_profile(image: Image.Image) -> Image.Image:
    """Convert from an embedded profile (Display P3, Adobe RGB, CMYK print) to sRGB."""
    profile_bytes = image.info.get("icc_profile")
    if not profile_bytes or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_bytes))
        if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        # A profile that does not match its image is common and harmless: the values are taken as
        # sRGB.
        return image


def focal_pixels_from_exif(image: Image.Image) -> float | None:
    """Focal length in pixels from EXIF (35 mm equivalent, else sensor resolution), None if unknown.

    The width of the file is not turned: pixels are square, so orientation does not matter.
    """
    tags = image.getexif().get_ifd(_EXIF_IFD)
    width, height = image.size
    taken = (_positive(tags.get(_TAG_WIDTH)), _positive(tags.get(_TAG_HEIGHT)))
    original_long = max(width, height)
    if taken[0] and taken[1]:
        original_long = max(taken[0], taken[1])
        aspect = original_long / min(taken[0], taken[1])
        if abs(aspect / (max(width, height) / min(width, height)) - 1) > _ASPECT_TOLERANCE:
            return None
    focal_35mm = _positive(tags.get(_TAG_FOCAL_35MM))
    if focal_35mm:
        return focal_35mm * math.hypot(width, height) / _FILM_DIAGONAL
    focal = _positive(tags.get(_TAG_FOCAL_LENGTH))
    resolution = _positive(tags.get(_TAG_PLANE_X_RESOLUTION))
    unit = _MILLIMETRES_PER_UNIT.get(tags.get(_TAG_PLANE_UNIT, 2))
    if focal and resolution and unit:
        return focal * resolution / unit * max(width, height) / original_long
    return None


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def warp_pixels(
    srgb: UInt8[np.ndarray, "H W 3"],
    matrix: Float[np.ndarray, "2 3"],
    *,
    size: tuple[int, int],
    zero_border: bool = False,
) -> UInt8[np.ndarray, "h w 3"]:
    """Sample a photo through a 2 x 3 matrix (photo to output, OpenCV centres) without aliasing.

    Strong shrinking is done first by area averaging over the needed part only, so a crop of a very
    large photo costs little.
    """
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    border = cv2.BORDER_CONSTANT if zero_border else cv2.BORDER_REPLICATE
    # The small addition keeps a shrink by exactly 8 from counting as 7.
    factor = int(1.0 / max(zoom, 1e-6) + 1e-3)
    if factor <= 1:
        return cv2.warpAffine(srgb, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border)
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size[1], 0], [0, size[0]], [size[1], size[0]]]) @ inverse[:, :2].T
    corners = corners + inverse[:, 2]
    height, width = srgb.shape[:2]
    low = np.clip(np.floor(corners.min(0)).astype(int) - 2 * factor, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 2 * factor, low + 1, [width, height])
    # Only what the output needs is averaged.
    part = srgb[low[1] : high[1], low[0] : high[0]]
    columns, rows = -(-part.shape[1] // factor), -(-part.shape[0] // factor)
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    # small pixel = (photo pixel + 0.5 - low) / step - 0.5 in OpenCV's centres
    step = np.array([part.shape[1] / columns, part.shape[0] / rows])
    back = np.eye(3)
    back[[0, 1], [0, 1]] = step
    back[:2, 2] = 0.5 * step - 0.5 + low
    return cv2.warpAffine(
        small, matrix @ back, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border
    )


def encode_png(pixels: Shaped[np.ndarray, "H W *channels"]) -> bytes:
    """PNG bytes of 8- or 16-bit grey, RGB or RGBA pixels.

    Raises:
        TypeError: The values are not uint8 or uint16.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise TypeError(
            f"pixels are {pixels.dtype}; PNG takes uint8 or uint16: scale and round first"
        )
    order = _BGR_ORDER.get(pixels.shape[2:])
    bgr = np.ascontiguousarray(pixels[..., order] if order else pixels)
    done, data = cv2.imencode(".png", bgr)
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be written as PNG")
    return data.tobytes()


def save_png(path: str | Path, pixels: Shaped[np.ndarray, "H W *channels"]) -> Path:
    """Write an 8- or 16-bit PNG whole or not at all, and return its path."""
    write_atomically(Path(path), encode_png(pixels))
    return Path(path)
