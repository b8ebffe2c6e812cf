"""Training data of the UV network on disk: both layouts, masks, depth and calibrations."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Shaped

from flame_fit.errors import InputError
from flame_fit.training.files import image_files
from flame_fit.untrusted import read_file

IMAGES, UVS, MASKS, DEPTHS, CALIBRATIONS = "images", "uvs", "masks", "depths", "calibs"
MOST = 65535
HALF = 128
# The byte of a PNG file that tells its channels, and what it says of grey with alpha.
COLOUR_TYPE_AT, GREY_WITH_ALPHA = 25, 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UvItem:
    """The files of one photo.

    Attributes:
        image: The photo.
        uv: One 16-bit PNG with u in red and v in green, or one of u and one of v.
        person: Who is in it, so that nobody is both trained on and held out.
        mask: 8-bit PNG, 0 where UV is unknown; None takes the pixels where neither u nor v is 0.
        depth: PNG that is 0 in the background; None where the layout has none.
        calibration: Camera of the photo, which no loss needs; None where the layout has none.
    """

    image: Path
    uv: tuple[Path, ...]
    person: str
    mask: Path | None = None
    depth: Path | None = None
    calibration: Path | None = None


@dataclass(frozen=True, eq=False)
class UvTarget:
    """What the network should say of a photo.

    Attributes:
        uv: u and v, 0..1, row 0 at the top; meaningless outside the mask.
        mask: Where the head is.
    """

    uv: Float[np.ndarray, "H W 2"]
    mask: Bool[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The camera that a photo was taken with.

    Attributes:
        intrinsics: Pixels of the photo from camera coordinates.
        motion: What the file calls T_gk; the data sets do not say which way it goes.
        nose: Tip of the nose, None where the file has none.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    motion: Float[np.ndarray, "4 4"]
    nose: Float[np.ndarray, "3"] | None = None


def find_uv_items(data_dir: Path) -> tuple[UvItem, ...]:
    """Find the photos of a data set, and the files that belong to each.

    The folder, or each folder in it, has `images/` and `uvs/`, with equal paths inside, and may
    have `masks/`, `depths/` and `calibs/`. The UV of `NAME.jpg` are `NAME_u.png` and `NAME_v.png`,
    or one `NAME.png` or `NAME_uv.png`. Photos without them are left out, and the log says so.

    Raises:
        InputError: No photo with UV was found.
    """
    sources = [
        folder
        for folder in (data_dir, *sorted(data_dir.glob("*")))
        if (folder / IMAGES).is_dir() and (folder / UVS).is_dir()
    ]
    items: list[UvItem] = []
    alone: list[Path] = []
    for source in sources:
        for image in image_files(source / IMAGES):
            item = _item(source, image, name=source.relative_to(data_dir).as_posix())
            if item is None:
                alone.append(image)
            else:
                items.append(item)
    if not items:
        raise InputError(
            f"{data_dir} holds no photo with UV; expected {IMAGES}/PERSON/NAME.jpg with "
            f"{UVS}/PERSON/NAME_u.png and NAME_v.png, or one 16-bit {UVS}/PERSON/NAME.png"
        )
    if alone:
        _log.warning("%d photos without UV are left out, the first is %s", len(alone), alone[0])
    return tuple(items)


def read_uv(item: UvItem) -> UvTarget:
    """Read the UV of a photo and where they are known.

    Raises:
        InputError: A file is damaged, has another size, or not 16 bits.
    """
    maps = [_read_png(path) for path in item.uv]
    for path, values in zip(item.uv, maps, strict=True):
        if values.dtype != np.uint16:
            raise InputError(f"{path} has {values.dtype} values; expected a 16-bit PNG")
    if len(maps) == 1:
        pair = _both_channels(item.uv[0], maps[0])
    else:
        for path, values in zip(item.uv, maps, strict=True):
            if values.ndim != 2 or values.shape != maps[0].shape:  # noqa: PLR2004
                raise InputError(
                    f"{path} has the shape {values.shape}; expected one channel, "
                    "of one size for u and v"
                )
        pair = np.stack(maps, axis=-1)
    known = (pair != 0).all(axis=-1)
    if item.mask is not None:
        known = known & _mask(item.mask, known.shape)
    return UvTarget(uv=pair.astype(np.float32) / MOST, mask=np.asarray(known))


def read_background(item: UvItem) -> Bool[np.ndarray, "H W"] | None:
    """Where a photo shows neither head nor body, None if no depth map tells it.

    Raises:
        InputError: The depth map is damaged.
    """
    if item.depth is None:
        return None
    depth = _read_png(item.depth)
    return (depth if depth.ndim == 2 else depth.max(axis=-1)) == 0  # noqa: PLR2004


def read_calibration(path: Path) -> Calibration:
    """Read the camera of a photo: JSON with `K` (9 numbers), `T_gk` (16) and perhaps `nose` (3).

    Raises:
        AssetError: The file cannot be read.
        InputError: It holds something else.
    """
    try:
        content = json.loads(read_file(path, maximum_bytes=MOST))
        nose = content.get("nose")
        found = Calibration(
            intrinsics=np.asarray(content["K"], dtype=np.float64).reshape(3, 3),
            motion=np.asarray(content["T_gk"], dtype=np.float64).reshape(4, 4),
            nose=None if nose is None else np.asarray(nose, dtype=np.float64).reshape(3),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{path} is no calibration; expected JSON with K (9 numbers) and T_gk (16)"
        ) from None
    numbers = (found.intrinsics, found.motion, () if found.nose is None else found.nose)
    if not all(np.isfinite(part).all() for part in numbers):
        raise InputError(f"{path} holds numbers that are not finite; write it anew")
    return found


def _item(source: Path, image: Path, *, name: str) -> UvItem | None:
    inside = image.relative_to(source / IMAGES)
    stem = image.name.partition(".")[0]

    def beside(folder: str, *names: str) -> Path | None:
        candidates = (source / folder / inside.parent / name for name in names)
        return next((path for path in candidates if path.is_file()), None)

    apart = (beside(UVS, f"{stem}_u.png"), beside(UVS, f"{stem}_v.png"))
    together = beside(UVS, f"{stem}.png", f"{stem}_uv.png")
    uv = tuple(path for path in apart if path is not None)
    if len(uv) != len(apart):
        uv = () if together is None else (together,)
    if not uv:
        return None
    person = inside.parent if inside.parent.parts else Path(stem)
    return UvItem(
        image=image,
        uv=uv,
        person=(Path(name) / person).as_posix(),
        mask=beside(MASKS, f"{stem}.png", f"{stem}_mask.png"),
        depth=beside(DEPTHS, f"{image.stem}.png", f"{stem}.png"),
        calibration=beside(CALIBRATIONS, f"{stem}.json"),
    )


def _read_png(path: Path) -> Shaped[np.ndarray, "H W *channels"]:
    """Read a map as it is stored, colours in OpenCV's order; grey with alpha as two channels."""
    data = read_file(path)
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if values is None:
        raise InputError(f"{path} is damaged or no image; write it anew")
    is_png = data.startswith(b"\x89PNG")
    if is_png and data[COLOUR_TYPE_AT] == GREY_WITH_ALPHA:
        return values[..., [0, -1]]
    return values


def _both_channels(
    path: Path, values: Shaped[np.ndarray, "H W *channels"]
) -> Shaped[np.ndarray, "H W 2"]:
    channels = values.shape[2] if values.ndim == 3 else 1  # noqa: PLR2004
    if channels == 1:
        raise InputError(f"{path} has one channel; expected u in red and v in green")
    # A picture of two channels has u and v in this order, others blue, green, red.
    return values if channels == 2 else values[..., [2, 1]]  # noqa: PLR2004


def _mask(path: Path, shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    values = _read_png(path)
    grey = values if values.ndim == 2 else values[..., :3].max(axis=-1)  # noqa: PLR2004
    if grey.shape != shape:
        raise InputError(f"{path} has the size {grey.shape}, its UV {shape}; write it anew")
    return grey >= HALF if grey.dtype == np.uint8 else grey > 0
