"""The own network: its crop, its file, and what its answers mean in the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from flame_fit.errors import AssetError
from flame_fit.geometry import SurfacePoints
from flame_fit.observation import MaskPatch
from flame_fit.priors.face_labels import FACE_LABELS, FaceLabel
from flame_fit.priors.face_mesh_topology import (
    CHIN,
    LEFT_EYE_OUTER,
    MESH_COUNT,
    RIGHT_EYE_OUTER,
    TOP,
    face_mesh_topology,
)
from flame_fit.priors.head_network import TrainedHeadNetwork, load_head_network, read_head
from flame_fit.priors.head_network.crop import head_box
from flame_fit.priors.head_network.mesh_guess import MeshGuess
from flame_fit.priors.head_network.network import IMAGE_SIZE, HeadAnswer, HeadNetwork
from flame_fit.priors.head_network.read import both_sides
from flame_fit.priors.head_network.weights import Calibration, folded, write_head_network

POINT_COUNT = 7


def _mesh(*, yaw: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """A face of 100 pixels from chin to hairline before (300, 200), turned and tilted."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-1.0, 1.0, (MESH_COUNT, 3)) * [35.0, 45.0, 5.0]
    points[TOP], points[CHIN] = [0.0, -50.0, 0.0], [0.0, 50.0, 0.0]
    points[LEFT_EYE_OUTER], points[RIGHT_EYE_OUTER] = [30.0, -15.0, 0.0], [-30.0, -15.0, 0.0]
    points -= points.mean(axis=0)
    # Turning to the person's left moves the nose to the right of the picture.
    cos, sin = np.cos(yaw), np.sin(yaw)
    points = points @ np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    cos, sin = np.cos(roll), np.sin(roll)
    points = points @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return points + [300.0, 200.0, 0.0]


def test_the_square_lies_behind_the_face_and_turns_with_it() -> None:
    frontal = head_box(_mesh())
    assert abs(frontal.x - 300.0) < 2.0
    assert frontal.y < 200.0
    assert 150.0 < frontal.side < 220.0
    assert abs(frontal.angle) < 0.05
    # The nose points to the right of the picture: the head lies to the left of the face.
    turned = head_box(_mesh(yaw=1.2))
    assert turned.x < 285.0
    assert np.isclose(turned.side, frontal.side, rtol=0.02)
    tilted = head_box(_mesh(roll=0.4))
    assert np.isclose(tilted.angle - frontal.angle, 0.4, atol=0.02)


def test_a_mesh_without_height_still_has_a_square() -> None:
    mesh = _mesh()
    mesh[TOP] = mesh[CHIN]
    assert head_box(mesh).side > 80.0


class _Scripted(nn.Module):
    """Answers what it was told, whatever it is shown; keeps what it saw."""

    def __init__(self, places: torch.Tensor, logits: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.places, self.logits = places, logits
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor, person: torch.Tensor, mesh: torch.Tensor) -> HeadAnswer:
        self.seen = [images, person, mesh]
        count = len(self.places)
        mirrored = torch.stack((1.0 - self.places[:, 0], self.places[:, 1]), dim=-1)
        other = self.logits.flip(-1)[list(FACE_LABELS.mirror)]
        return HeadAnswer(
            places=torch.stack((self.places, mirrored)),
            log_sigma=torch.full((2, count), -4.0),
            depth=torch.full((2, count), -0.05),
            log_depth_sigma=torch.full((2, count), -5.0),
            label_logits=torch.stack((self.logits, other)),
        )


def _trained(network: nn.Module, count: int) -> TrainedHeadNetwork:
    points = SurfacePoints(torch.arange(count), torch.full((count, 3), 1.0 / 3.0))
    calibration = Calibration(places=2.0, depth=3.0)
    return TrainedHeadNetwork(network, points, torch.arange(count), calibration)


@pytest.mark.parametrize("roll", [0.0, 0.5, -2.5])
def test_answers_come_back_to_the_photo_where_they_were_seen(roll: float) -> None:
    """A bright spot is found in the square the network sees; its place must be the photo's."""
    photo = np.zeros((400, 600, 3), np.uint8)
    photo[228:236, 318:326] = 255
    spot = np.array([322.0, 232.0])
    mask = np.zeros((100, 150), np.float32)
    mask[56:60, 79:82] = 1.0
    person = MaskPatch(mask, np.zeros(2), 4.0)
    logits = torch.zeros(FACE_LABELS.count, 128, 128)
    looking = _Scripted(torch.zeros(1, 2), logits)
    read_head(photo, _mesh(roll=roll), person, _trained(looking, 1))
    images, mask_seen, mesh_seen = looking.seen
    rows, columns = (images[0].mean(0) > 0.5).nonzero(as_tuple=True)
    place = torch.stack((columns, rows), -1).float().mean(0).add(0.5) / IMAGE_SIZE
    weight = mask_seen[0, 0]
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    of_mask = torch.stack(((weight * columns).sum(), (weight * rows).sum())) / weight.sum()

    column, row = (place * 128).int().tolist()
    logits = logits.clone()
    logits[FaceLabel.GLASSES, row - 2 : row + 3, column - 2 : column + 3] = 20.0
    answer = read_head(photo, _mesh(roll=roll), person, _trained(_Scripted(place[None], logits), 1))
    assert np.abs(answer.dense.pixels[0] - spot).max() < 0.5
    share = answer.parsing.share(["GLASSES"])
    y, x = np.unravel_index(int(share.values.argmax()), share.values.shape)
    found = share.origin + (np.array([x, y]) + 0.5) * share.scale
    assert np.abs(found - spot).max() < 4.0
    # The mask's middle lies at (322, 232) of the photo, too; the mesh's at (300, 200).
    assert (of_mask.add(0.5) / IMAGE_SIZE - place).abs().max() < 0.01
    box = head_box(_mesh(roll=roll))
    middle = mesh_seen[0, :, :2].mean(0).double().numpy()[None]
    assert np.abs(box.to_photo(middle) - [300.0, 200.0]).max() < 0.1


def test_deviations_are_scaled_to_the_photo_and_calibrated() -> None:
    network = _Scripted(torch.full((1, 2), 0.5), torch.zeros(FACE_LABELS.count, 128, 128))
    photo, person = (
        np.zeros((400, 600, 3), np.uint8),
        MaskPatch(np.ones((4, 6), np.float32), np.zeros(2), 100.0),
    )
    answer = read_head(photo, _mesh(), person, _trained(network, 1)).dense
    assert np.isclose(answer.sigma[0], np.exp(-4.0) * head_box(_mesh()).side * 2.0, rtol=1e-5)
    assert np.isclose(answer.depth_sigma[0], np.exp(-5.0) * 3.0, rtol=1e-5)
    assert np.isclose(answer.depth[0], -0.05)


def test_every_pixel_of_the_patch_has_shares_that_sum_to_one() -> None:
    logits = torch.randn(FACE_LABELS.count, 128, 128, generator=torch.Generator().manual_seed(0))
    network = _Scripted(torch.full((1, 2), 0.5), logits)
    person = MaskPatch(np.ones((4, 6), np.float32), np.zeros(2), 100.0)
    photo = np.zeros((400, 600, 3), np.uint8)
    parsing = read_head(photo, _mesh(roll=0.4), person, _trained(network, 1)).parsing
    assert np.allclose(parsing.probabilities.sum(axis=0), 1.0, atol=1e-4)
    assert np.allclose(parsing.probabilities[FaceLabel.BACKGROUND, 0, 0], 1.0)


def _network() -> HeadNetwork:
    torch.manual_seed(0)
    network = HeadNetwork(POINT_COUNT)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    generator = torch.Generator().manual_seed(2)
    head = torch.randn(MESH_COUNT + POINT_COUNT + 1, 3, generator=generator) * 0.05
    network.guess.prepare(head[:MESH_COUNT], head[MESH_COUNT:-1], head[-1])
    return network.eval()


def _asked(network: nn.Module) -> HeadAnswer:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    person = torch.rand(1, 1, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    mesh = torch.rand(1, MESH_COUNT, 3, generator=generator)
    with torch.no_grad():
        return network(images, person, mesh)


def test_a_folded_network_answers_as_before_and_the_file_keeps_it(tmp_path: Path) -> None:
    network = _network()
    before = _asked(network)
    points = SurfacePoints(torch.arange(POINT_COUNT), torch.rand(POINT_COUNT, 3))
    path = tmp_path / "head.safetensors"
    mirror = torch.arange(POINT_COUNT).flip(0)
    write_head_network(path, network, points, mirror=mirror, calibration=Calibration(1.5, 0.5))
    loaded = load_head_network(path)
    after, kept = _asked(folded(network)), _asked(loaded.network)
    for name in ("places", "log_sigma", "depth", "log_depth_sigma", "label_logits"):
        expected = getattr(before, name)
        torch.testing.assert_close(getattr(after, name), expected, atol=2e-4, rtol=1e-3)
        # The file holds half precision, and eight bits of one matrix.
        scale = float(expected.abs().max())
        torch.testing.assert_close(getattr(kept, name), expected, atol=0.02 * scale, rtol=0.02)
    assert loaded.calibration == Calibration(1.5, 0.5)
    assert torch.equal(loaded.points.face_index, points.face_index)
    assert torch.equal(loaded.mirror, mirror)
    torch.testing.assert_close(loaded.points.barycentrics, points.barycentrics)


def test_a_mesh_of_the_mean_head_guesses_its_points_and_a_stretched_one_theirs() -> None:
    """Known answer: the guess is exact for every affine image of the mean head."""
    generator = torch.Generator().manual_seed(3)
    head = torch.randn(MESH_COUNT + 20, 3, generator=generator) * 0.05
    guess = MeshGuess(19)
    guess.prepare(head[:MESH_COUNT], head[MESH_COUNT:-1], head[-1])
    # A turn by 0.3 about the vertical axis, 3 shares of the side per metre, moved to the middle;
    # the picture's y and depth run the other way.
    cos, sin = np.cos(0.3), np.sin(0.3)
    turn = torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]], dtype=torch.float32)
    turned = head @ turn.T
    shares = turned * torch.tensor([3.0, -3.0, -3.0]) + torch.tensor([0.5, 0.4, 0.1])
    answer = guess(shares[None, :MESH_COUNT])
    torch.testing.assert_close(answer.places[0], shares[MESH_COUNT:-1, :2], atol=1e-4, rtol=0)
    expected = turned[-1, 2] - turned[MESH_COUNT:-1, 2]
    torch.testing.assert_close(answer.depth[0], expected, atol=1e-4, rtol=0)
    assert answer.known.item() == 1.0
    assert guess(torch.zeros(1, MESH_COUNT, 3)).known.item() == 0.0


def test_the_guess_is_bent_to_the_mesh_nearby_and_not_far_away() -> None:
    mesh = torch.rand(MESH_COUNT, 3, generator=torch.Generator().manual_seed(4)) * 0.1
    guess = MeshGuess(2)
    far = torch.tensor([0.05, 0.5, 0.05])
    guess.prepare(mesh, torch.stack((mesh[7], far)), torch.zeros(3))
    bent = mesh + 0.5
    bent[(mesh - mesh[7]).norm(dim=-1) < 0.03] += 0.02
    moved, still = guess(bent[None]), guess((mesh + 0.5)[None])
    change = (moved.places - still.places)[0]
    assert (change[0] - 0.02).abs().max() < 0.004
    affine = guess.solve @ (bent - mesh - 0.5)
    assert (change[1] - (guess.mean_points[1] @ affine)[:2]).abs().max() < 1e-5


def test_without_a_mesh_the_answer_does_not_depend_on_where_it_would_be() -> None:
    network = _network()
    images = torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    person = torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE)
    with torch.no_grad():
        before = network(images, person, torch.zeros(1, MESH_COUNT, 3))
        network.points.trust.fill_(3.0)
        after = network(images, person, torch.zeros(1, MESH_COUNT, 3))
        given = network(images, person, torch.rand(1, MESH_COUNT, 3))
    torch.testing.assert_close(before.places, after.places)
    assert (given.places - after.places).abs().max() > 1e-3


def test_a_mirrored_square_gets_the_mirrored_answer() -> None:
    network = _network()
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    person = torch.rand(1, 1, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    mesh = torch.rand(1, MESH_COUNT, 3, generator=generator)
    mirror = torch.tensor([1, 0, 3, 2, 5, 4, 6])
    sides = face_mesh_topology().mirror[:MESH_COUNT]
    turned = mesh[:, sides] * torch.tensor([-1.0, 1.0, 1.0]) + torch.tensor([1.0, 0.0, 0.0])
    with torch.no_grad():
        one = both_sides(network, images, person, mesh, mirror=mirror)
        other = both_sides(network, images.flip(-1), person.flip(-1), turned, mirror=mirror)
    across = torch.tensor([-1.0, 1.0])
    expected = other.places[:, mirror] * across + torch.tensor([1.0, 0.0])
    torch.testing.assert_close(one.places, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(one.depth, other.depth[:, mirror], atol=1e-5, rtol=1e-5)
    labels = other.label_logits.flip(-1)[:, list(FACE_LABELS.mirror)]
    torch.testing.assert_close(one.label_logits, labels, atol=1e-4, rtol=1e-4)


def test_points_ask_anywhere_but_their_order_is_their_own() -> None:
    """Swapping two points of the network swaps their answers."""
    network = _network()
    before = _asked(network)
    order = [1, 0, *range(2, POINT_COUNT)]
    with torch.no_grad():
        for name in ("queries", "embedding", "global_points", "start", "trust"):
            weight = getattr(network.points, name)
            weight.copy_(weight[order].clone())
        for name in ("mean_points", "near", "near_weight"):
            weight = getattr(network.guess, name)
            weight.copy_(weight[order].clone())
    after = _asked(network)
    torch.testing.assert_close(after.places, before.places[:, order])
    torch.testing.assert_close(after.depth, before.depth[:, order])


def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"", b"not a network", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "):
        path = tmp_path / f"{len(content)}.safetensors"
        path.write_bytes(content)
        with pytest.raises(AssetError, match="is no head network") as caught:
            load_head_network(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(AssetError, match="is no head network"):
        load_head_network(tmp_path / "missing.safetensors")
