"""FaceUV and FaceParsing applied to photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from flame_fit.errors import UsageError
from flame_fit.observation import Parsing
from flame_fit.priors.dense_networks.checkpoints import load_dense_network
from flame_fit.priors.dense_networks.dinov3 import PATCH
from flame_fit.priors.dense_networks.network import (
    DenseNetwork,
    NetworkKind,
    normalised_images,
)
from flame_fit.priors.face_labels import LabelScheme, label_scheme

UV_IMAGE_SIZE = (448, 448)
"""Height and width that FaceUV was trained with."""
PARSING_IMAGE_SIZE = (512, 512)
"""Height and width that FaceParsing was trained with."""

_UINT8_MAX = 255.0
_Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class UvMap:
    """Which point of FLAME's chart each pixel of a photo shows.

    Attributes:
        uv: u to the right and v up, 0..1, as in OBJ files; numbers outside the mask say nothing.
        mask: Probability that the pixel shows the head at all.
    """

    uv: Float[np.ndarray, "H W 2"]
    mask: Float[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """What each pixel of a photo shows.

    Attributes:
        labels: Number of the likeliest class, at the photo's size.
        probabilities: Of each class, at the size the network saw the photo in.
        scheme: Names and colours of the classes.
    """

    labels: UInt8[np.ndarray, "H W"]
    probabilities: Float[np.ndarray, "C h w"]
    scheme: LabelScheme


class UvPredictor:
    """FaceUV for photographs of one head, which are seen whole and resized as they are.

    The second channel of the network is v as its training pictures held it. FaceUV reads those
    without turning them, so with coordinates out of an OBJ file v is up, as here. Whoever trained
    with v counted from the top of the texture sets `v_down`, and it is turned.

    Args:
        network: A UV network; its device is used.
        image_size: Height and width the photos are brought to for the network.
        v_down: The network was trained with v counted from the top.

    Raises:
        UsageError: The network is of another kind, or the size too small.
    """

    def __init__(
        self,
        network: DenseNetwork,
        *,
        image_size: tuple[int, int] = UV_IMAGE_SIZE,
        v_down: bool = False,
    ) -> None:
        self.network = _checked_network(network, "uv")
        self.image_size = _checked_size(image_size)
        self.v_down = v_down

    @classmethod
    def from_files(
        cls,
        checkpoint: Path,
        *,
        dinov3: Path | None = None,
        device: torch.device | str = "cpu",
        image_size: tuple[int, int] = UV_IMAGE_SIZE,
        v_down: bool = False,
    ) -> "UvPredictor":
        """A predictor with the weights of files.

        Args:
            checkpoint: FaceUV's `decoder.ckpt` or a full checkpoint.
            dinov3: DINOv3's weights; None where the checkpoint holds them.
            device: Where it shall run.
            image_size: Height and width the photos are brought to for the network.
            v_down: The network was trained with v counted from the top.

        Raises:
            AssetError: A file is missing, damaged, or does not fit.
            UsageError: The size is too small.
        """
        network = load_dense_network(checkpoint, dinov3=dinov3, kind="uv", device=device)
        return cls(network, image_size=image_size, v_down=v_down)

    def predict(self, srgb: UInt8[np.ndarray, "H W 3"]) -> UvMap:
        """The chart's coordinates for every pixel of a photo."""
        return self.predict_batch([srgb])[0]

    def predict_batch(self, photos: Sequence[np.ndarray]) -> tuple[UvMap, ...]:
        """The same for several photos at once, which may differ in size.

        Args:
            photos: sRGB pixels, (H, W, 3), uint8.

        Raises:
            UsageError: There are none, or one is no such picture.
        """
        answers = _answers(self.network, photos, self.image_size)
        sizes = [photo.shape[:2] for photo in photos]
        return tuple(self._map(answer, size) for answer, size in zip(answers, sizes, strict=True))

    def _map(self, answer: Float[Tensor, "3 h w"], size: _Size) -> UvMap:
        # Coordinates are enlarged before they are clipped, as FaceUV does; so is the mask, smoothly
        # where FaceUV repeats pixels.
        whole = interpolate(
            torch.cat([answer[:2], answer[2:].sigmoid()])[None],
            size=size,
            mode="bilinear",
            align_corners=False,
        )[0]
        uv = ((whole[:2] + 1.0) / 2.0).clamp(0.0, 1.0)
        if self.v_down:
            uv = torch.stack([uv[0], 1.0 - uv[1]])
        return UvMap(uv=uv.permute(1, 2, 0).contiguous().cpu().numpy(), mask=whole[2].cpu().numpy())


class ParsingPredictor:
    """FaceParsing for photographs of one head, which are seen whole and resized as they are.

    Args:
        network: A parsing network; its device is used.
        image_size: Height and width the photos are brought to for the network.

    Raises:
        UsageError: The network is of another kind, or the size too small.
    """

    def __init__(
        self, network: DenseNetwork, *, image_size: tuple[int, int] = PARSING_IMAGE_SIZE
    ) -> None:
        self.network = _checked_network(network, "parsing")
        self.image_size = _checked_size(image_size)
        self.scheme = label_scheme(network.layout.outputs)

    @classmethod
    def from_files(
        cls,
        checkpoint: Path,
        *,
        dinov3: Path | None = None,
        device: torch.device | str = "cpu",
        image_size: tuple[int, int] = PARSING_IMAGE_SIZE,
    ) -> "ParsingPredictor":
        """A predictor with the weights of files; the classes are told by the checkpoint.

        Args:
            checkpoint: FaceParsing's `decoder.ckpt` or a full checkpoint.
            dinov3: DINOv3's weights; None where the checkpoint holds them.
            device: Where it shall run.
            image_size: Height and width the photos are brought to for the network.

        Raises:
            AssetError: A file is missing, damaged, or does not fit.
            UsageError: The size is too small.
        """
        network = load_dense_network(checkpoint, dinov3=dinov3, kind="parsing", device=device)
        return cls(network, image_size=image_size)

    def predict(self, srgb: UInt8[np.ndarray, "H W 3"]) -> LabelMap:
        """The classes of every pixel of a photo."""
        return self.predict_batch([srgb])[0]

    def predict_batch(self, photos: Sequence[np.ndarray]) -> tuple[LabelMap, ...]:
        """The same for several photos at once, which may differ in size.

        Args:
            photos: sRGB pixels, (H, W, 3), uint8.

        Raises:
            UsageError: There are none, or one is no such picture.
        """
        answers = _answers(self.network, photos, self.image_size)
        sizes = [photo.shape[:2] for photo in photos]
        return tuple(self._map(answer, size) for answer, size in zip(answers, sizes, strict=True))

    def _map(self, answer: Float[Tensor, "C h w"], size: _Size) -> LabelMap:
        # Classes are chosen at the network's size and then repeated, as FaceParsing does.
        labels = answer.argmax(dim=0).to(torch.uint8)
        whole = interpolate(labels[None, None].float(), size=size, mode="nearest-exact")[0, 0]
        return LabelMap(
            labels=whole.to(torch.uint8).cpu().numpy(),
            probabilities=answer.softmax(dim=0).cpu().numpy(),
            scheme=self.scheme,
        )


def square_parsing(found: LabelMap, *, origin: Float[np.ndarray, "2"], side: float) -> Parsing:
    """What was found on a square part of a photo as evidence for a fit.

    Args:
        found: Of the square, at a square size of the network.
        origin: Photo pixel (x, y) of the square's upper left corner.
        side: Its side in photo pixels.

    Raises:
        UsageError: The network saw it in a size that is not square.
    """
    height, width = found.probabilities.shape[1:]
    if height != width:
        raise UsageError(f"the network's image size is {height} x {width}; choose a square one")
    return Parsing(found.probabilities, found.scheme.names, origin, side / width)


def _checked_network(network: DenseNetwork, kind: NetworkKind) -> DenseNetwork:
    if network.layout.kind != kind:
        raise UsageError(f"the network is a {network.layout.label}; give one for {kind}")
    return network.eval()


def _checked_size(size: _Size) -> _Size:
    if min(size) < PATCH:
        raise UsageError(f"image_size is {size[0]} x {size[1]}; each side needs at least {PATCH}")
    return size


def _answers(
    network: DenseNetwork, photos: Sequence[np.ndarray], size: _Size
) -> Float[Tensor, "b O h w"]:
    """What the network says of photos brought to its size."""
    if len(photos) == 0:
        raise UsageError("there are no photos; give at least one")
    device = next(network.parameters()).device
    pixels = np.stack([_resized(photo, size) for photo in photos])
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / _UINT8_MAX
    with torch.inference_mode():
        return network(normalised_images(images)).final


def _resized(photo: np.ndarray, size: _Size) -> UInt8[np.ndarray, "h w 3"]:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:  # noqa: PLR2004
        raise UsageError(
            f"a photo has shape {photo.shape} and type {photo.dtype}; expected (height, width, 3)"
            " of uint8"
        )
    # Pillow averages when it shrinks; both networks were used with that.
    return np.asarray(Image.fromarray(photo).resize((size[1], size[0]), Image.Resampling.BILINEAR))
