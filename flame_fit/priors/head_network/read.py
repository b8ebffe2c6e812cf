"""What the head network says of a face in a photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from flame_fit.observation import DenseCorrespondences, MaskPatch, Parsing
from flame_fit.priors.face_box import FaceBox
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from flame_fit.priors.face_mesh_topology import MESH_COUNT, face_mesh_topology
from flame_fit.priors.head_network.crop import head_box
from flame_fit.priors.head_network.network import IMAGE_SIZE, HeadAnswer
from flame_fit.priors.head_network.weights import TrainedHeadNetwork

PATCH_SIZE = 192
"""Side of the upright patch that the labels are resampled to."""


@dataclass(frozen=True, eq=False)
class HeadReading:
    """The two answers.

    Attributes:
        dense: Where the points of the head lie.
        parsing: What the pixels around it show.
    """

    dense: DenseCorrespondences
    parsing: Parsing


@torch.no_grad()
def read_head(
    srgb: UInt8[np.ndarray, "H W 3"],
    mesh: Float[np.ndarray, "n 3"],
    person: MaskPatch | None,
    trained: TrainedHeadNetwork,
) -> HeadReading:
    """Ask the network about one face.

    Args:
        srgb: The photo.
        mesh: MediaPipe's face mesh of the face: photo pixels, and depth in the same unit.
        person: Where the person is; the network does without, if less well.
        trained: From `load_head_network`.
    """
    box = head_box(mesh)
    pixels = box.cut(srgb, IMAGE_SIZE, zero_border=True)
    if person is None:
        mask = np.zeros(pixels.shape[:2], np.float32)
    else:
        mask = mask_in_box(person, box, IMAGE_SIZE)
    network = trained.network
    like = next(network.parameters())
    images = torch.from_numpy(pixels).to(like.device).permute(2, 0, 1)[None].to(like) / 255.0
    answer = both_sides(
        network,
        images.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(mask)[None, None].to(like),
        torch.from_numpy(_mesh_in_box(mesh, box))[None].to(like),
        mirror=trained.mirror.to(like.device),
    )
    places = answer.places[0].double().cpu().numpy()
    calibration = trained.calibration
    dense = DenseCorrespondences(
        points=trained.points,
        pixels=box.to_photo(places).astype(np.float32),
        sigma=_deviation(answer.log_sigma, box.side * calibration.places),
        depth=answer.depth[0].float().cpu().numpy(),
        depth_sigma=_deviation(answer.log_depth_sigma, calibration.depth),
    )
    shares = answer.label_logits[0].float().softmax(dim=0).cpu().numpy()
    return HeadReading(dense, _upright(shares, box))


def both_sides(
    network: nn.Module,
    images: Float[Tensor, "b 3 s s"],
    person: Float[Tensor, "b 1 s s"],
    mesh: Float[Tensor, "b 468 3"],
    *,
    mirror: Int[Tensor, "N"],
) -> HeadAnswer:
    """Return the mean of the answers to squares and to their mirror images.

    No side is then preferred, and errors that differ between the two are halved.

    Args:
        network: A `HeadNetwork`.
        images: As `HeadNetwork.forward` takes them; so the next two.
        person: The person mask.
        mesh: The face mesh.
        mirror: For each point of the network the one on the other side.
    """
    other = mesh[:, face_mesh_topology().mirror[:MESH_COUNT]]
    turned = other * other.new_tensor([-1.0, 1.0, 1.0]) + other.new_tensor([1.0, 0.0, 0.0])
    # Without a mesh there is none in the mirror either.
    turned = turned * mesh.any(dim=2).any(dim=1)[:, None, None]
    count = len(images)
    found = network(
        torch.cat((images, images.flip(-1))),
        torch.cat((person, person.flip(-1))),
        torch.cat((mesh, turned)),
    )
    places = found.places[count:, mirror]
    back = torch.stack((1.0 - places[..., 0], places[..., 1]), dim=-1)
    labels = found.label_logits[count:].flip(-1)[:, list(FACE_LABELS.mirror)]
    return HeadAnswer(
        places=0.5 * (found.places[:count] + back),
        log_sigma=0.5 * (found.log_sigma[:count] + found.log_sigma[count:, mirror]),
        depth=0.5 * (found.depth[:count] + found.depth[count:, mirror]),
        log_depth_sigma=0.5
        * (found.log_depth_sigma[:count] + found.log_depth_sigma[count:, mirror]),
        label_logits=0.5 * (found.label_logits[:count] + labels),
    )


def _deviation(logarithm: torch.Tensor, factor: float) -> Float[np.ndarray, "N"]:
    return (logarithm[0].float().exp() * factor).cpu().numpy()


def _mesh_in_box(mesh: Float[np.ndarray, "n 3"], box: FaceBox) -> Float[np.ndarray, "468 3"]:
    """Return the face mesh in shares of the square."""
    mesh = mesh[:MESH_COUNT]
    places = (mesh[:, :2] - [box.x, box.y]) @ box.axes() / box.side + 0.5
    return np.concatenate([places, mesh[:, 2:] / box.side], axis=1).astype(np.float32)


def mask_in_box(person: MaskPatch, box: FaceBox, size: int) -> Float[np.ndarray, "S S"]:
    """Return a mask as a square shows it at `size` x `size`, zero where it is not known.

    Args:
        person: The mask, on the photo.
        box: The square.
        size: Pixels along its side.
    """
    matrix = box.matrix(size) @ _patch_to_photo(person.origin, person.scale)
    values = np.ascontiguousarray(person.values, dtype=np.float32)
    return cv2.warpAffine(values, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _patch_to_photo(origin: Float[np.ndarray, "2"], scale: float) -> Float[np.ndarray, "3 3"]:
    """From OpenCV's pixels of an upright patch, whose centres are whole numbers, to the photo's."""
    shift = origin + 0.5 * (scale - 1.0)
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]], [0.0, 0.0, 1.0]])


def _upright(shares: Float[np.ndarray, "C s s"], box: FaceBox) -> Parsing:
    """Return the labels on a patch whose sides are those of the photo."""
    side = box.side * (abs(np.cos(box.angle)) + abs(np.sin(box.angle)))
    origin = np.array([box.x, box.y]) - side / 2
    scale, size = side / PATCH_SIZE, shares.shape[-1]
    matrix = box.matrix(size) @ _patch_to_photo(origin, scale)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = np.stack(
        [cv2.warpAffine(share, matrix, (PATCH_SIZE, PATCH_SIZE), flags=flags) for share in shares]
    )
    # Outside the square nothing is known; it counts as background.
    patch[FaceLabel.BACKGROUND] += np.clip(1.0 - patch.sum(axis=0), 0.0, None)
    return Parsing(patch, FACE_LABELS.names, origin, scale)
