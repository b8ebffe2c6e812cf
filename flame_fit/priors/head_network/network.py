"""One network that tells where the points of a head lie and what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from flame_fit.priors.face_mesh_topology import MESH_COUNT
from flame_fit.priors.head_network.mesh_guess import Guess, MeshGuess
from flame_fit.priors.head_network.trunk import CHANNELS, FaceMeshTrunk

IMAGE_SIZE = 256
LABEL_COUNT = 19
_OWN = (24, 48)
_WIDTH = (64, 96, 128, 160)
"""Channels at a quarter, an eighth, a sixteenth and a thirty-second of the size."""
_TOP_DOWN = (64, 96)
"""Channels on the way back to a quarter and to an eighth."""
_LABEL_WIDTH = 32
# A point gathers as many values as its key has, two of which are the place.
_KEY, _POINT = 64, 62
_SUMMARY = 256
_MESH, _MESH_SCALE = 64, 5.0
# What a unit at the end of the network is, in sides of the square and in metres.
_PLACE_STEP, _DEPTH_STEP = 0.1, 0.05
LOG_SIGMA_RANGE = (-7.0, 0.0)
"""Of places, whose unit is the side of the square."""
LOG_DEPTH_SIGMA_RANGE = (-7.0, -2.0)
"""Of depths, in metres."""


@dataclass(frozen=True, eq=False)
class HeadAnswer:
    """What the network says of squares around heads.

    Attributes:
        places: Of the dense points: x to the right and y down, as shares of the square's side.
        log_sigma: Natural logarithm of the standard deviation of each coordinate.
        depth: Metres from the neck joint along the camera's axis, larger is farther.
        log_depth_sigma: Natural logarithm of its standard deviation.
        label_logits: Of the 19 classes, at half the size of the square.
    """

    places: Float[Tensor, "b N 2"]
    log_sigma: Float[Tensor, "b N"]
    depth: Float[Tensor, "b N"]
    log_depth_sigma: Float[Tensor, "b N"]
    label_logits: Float[Tensor, "b 19 h w"]


class HeadNetwork(nn.Module):
    """Two encoders, MediaPipe's frozen one and an own one, and two answers.

    Each dense point looks over the picture with a query of its own (the chart is what asks, so
    hidden points are answered too). Its place is the mean of where it looks and of where the face
    mesh would have it, by a trust learnt for each point; what it finds there and a summary of
    the whole square correct place and depth.
    """

    def __init__(self, point_count: int) -> None:
        super().__init__()
        self.trunk = FaceMeshTrunk()
        self.guess = MeshGuess(point_count)
        self.encoder = _Encoder()
        self.points = _PointHead(point_count)
        self.labels = _LabelHead()

    def forward(
        self,
        images: Float[Tensor, "b 3 h w"],
        person: Float[Tensor, "b 1 h w"],
        mesh: Float[Tensor, "b 468 3"],
    ) -> HeadAnswer:
        """Return the answer for squares cut by `head_box`.

        Args:
            images: sRGB in 0..1, black outside the photo.
            person: Probability that a pixel shows the person.
            mesh: MediaPipe's face mesh, places and depth in shares of the square's side; all zero
                where there is none.
        """
        features = self.encoder(images, person, self.trunk(images))
        points = self.points(features, mesh.float(), self.guess(mesh.float()))
        return HeadAnswer(
            places=points[..., :2],
            log_sigma=points[..., 2].clamp(*LOG_SIGMA_RANGE),
            depth=points[..., 3],
            log_depth_sigma=points[..., 4].clamp(*LOG_DEPTH_SIGMA_RANGE),
            label_logits=self.labels(features),
        )


@dataclass(frozen=True, eq=False)
class _Features:
    half: Tensor
    quarter: Tensor
    eighth: Tensor
    summary: Tensor


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = _convolution(4, _OWN[0], stride=2)
        self.second = _convolution(_OWN[0], _OWN[1], stride=2)
        self.join_quarter = _convolution(_OWN[1] + CHANNELS[1], _WIDTH[0])
        self.quarter = Residual(_WIDTH[0])
        self.to_eighth = _convolution(_WIDTH[0], _WIDTH[0], stride=2)
        self.join_eighth = _convolution(_WIDTH[0] + CHANNELS[2], _WIDTH[1])
        self.eighth = nn.Sequential(Residual(_WIDTH[1]), Residual(_WIDTH[1]))
        self.to_sixteenth = _convolution(_WIDTH[1], _WIDTH[1], stride=2)
        self.join_sixteenth = _convolution(_WIDTH[1] + CHANNELS[3], _WIDTH[2])
        self.sixteenth = nn.Sequential(Residual(_WIDTH[2]), Residual(_WIDTH[2]))
        self.to_coarsest = _convolution(_WIDTH[2], _WIDTH[2], stride=2)
        self.join_coarsest = _convolution(_WIDTH[2] + CHANNELS[4], _WIDTH[3])
        self.coarsest = nn.Sequential(Residual(_WIDTH[3]))
        self.squeeze = _convolution(_WIDTH[3], 32, size=1)
        self.summary = nn.Sequential(nn.Linear(32 * 64, _SUMMARY), nn.ReLU())
        self.down_coarsest = nn.Conv2d(_WIDTH[3], _TOP_DOWN[1], 1)
        self.side_sixteenth = nn.Conv2d(_WIDTH[2], _TOP_DOWN[1], 1)
        self.down_sixteenth = Residual(_TOP_DOWN[1])
        self.side_eighth = nn.Conv2d(_WIDTH[1], _TOP_DOWN[1], 1)
        self.down_eighth = Residual(_TOP_DOWN[1])
        self.down_quarter = nn.Conv2d(_TOP_DOWN[1], _TOP_DOWN[0], 1)
        self.side_quarter = nn.Conv2d(_WIDTH[0], _TOP_DOWN[0], 1)
        self.out_quarter = Residual(_TOP_DOWN[0])

    def forward(self, images, person, trunk) -> _Features:  # noqa: ANN001
        half = self.first(torch.cat((images - 0.5, person - 0.5), dim=1))
        joined = self.join_quarter(torch.cat((self.second(half), trunk.quarter), dim=1))
        quarter = self.quarter(joined)
        joined = self.join_eighth(torch.cat((self.to_eighth(quarter), trunk.eighth), dim=1))
        eighth = self.eighth(joined)
        lower = torch.cat((self.to_sixteenth(eighth), trunk.sixteenth), dim=1)
        sixteenth = self.sixteenth(self.join_sixteenth(lower))
        lower = torch.cat((self.to_coarsest(sixteenth), trunk.coarsest), dim=1)
        coarsest = self.coarsest(self.join_coarsest(lower))
        summary = self.summary(self.squeeze(coarsest).flatten(1))
        back = _doubled(self.down_coarsest(coarsest)) + self.side_sixteenth(sixteenth)
        back = _doubled(self.down_sixteenth(back)) + self.side_eighth(eighth)
        back = self.down_eighth(back)
        fine = _doubled(self.down_quarter(back)) + self.side_quarter(quarter)
        return _Features(half, self.out_quarter(fine), back, summary)


class _PointHead(nn.Module):
    def __init__(self, point_count: int) -> None:
        super().__init__()
        self.keys = nn.Conv2d(_TOP_DOWN[1], _KEY, 1)
        self.values = nn.Conv2d(_TOP_DOWN[1], _POINT, 1)
        self.queries = nn.Parameter(torch.randn(point_count, _KEY))
        self.question = nn.Linear(_SUMMARY, _KEY)
        self.embedding = nn.Parameter(torch.randn(point_count, _POINT) * 0.1)
        self.about_all = nn.Linear(_SUMMARY, _POINT)
        self.mix = nn.Linear(_POINT, 2 * _POINT)
        self.mix_guess = nn.Linear(3, 2 * _POINT, bias=False)
        self.out = nn.Linear(2 * _POINT, 5)
        self.mesh = nn.Sequential(
            nn.Linear(3 * MESH_COUNT, _MESH), nn.ReLU(), nn.Linear(_MESH, _SUMMARY)
        )
        self.trust = nn.Parameter(torch.full((point_count, 2), -3.0))
        self.global_basis = nn.Linear(_SUMMARY, 64)
        self.global_points = nn.Parameter(torch.zeros(point_count, 3, 64))
        self.start = nn.Parameter(torch.zeros(point_count, 5))

    def forward(
        self, features: _Features, mesh: Float[Tensor, "b 468 3"], guess: Guess
    ) -> Float[Tensor, "b N 5"]:
        about_mesh = self.mesh(_MESH_SCALE * (mesh - mesh.mean(1, keepdim=True)).flatten(1))
        summary = features.summary + about_mesh * guess.known
        keys = self.keys(features.eighth).flatten(2).transpose(1, 2).float()
        values = self.values(features.eighth).flatten(2).transpose(1, 2).float()
        centres = _cell_centres(features.eighth).to(values).expand(len(values), -1, -1)
        questions = self.queries * (1.0 + self.question(summary).float()[:, None])
        # Places need single precision: a share of 0.002 is half a pixel.
        found = scaled_dot_product_attention(
            questions[:, None], keys[:, None], torch.cat((centres, values), dim=-1)[:, None]
        )[:, 0]
        seen, gathered = found[..., :2], found[..., 2:] + self.embedding
        known = guess.known[..., None]
        apart = torch.cat((guess.places - seen, guess.depth[..., None] - self.start[:, 3:4]), -1)
        hidden = self.mix(torch.relu(gathered + self.about_all(summary)[:, None]))
        hidden = hidden + self.mix_guess(_MESH_SCALE * known * apart)
        mixed = self.out(torch.relu(hidden)).float()
        trust = self.trust.sigmoid() * known
        whole = (self.global_basis(summary) @ self.global_points.flatten(0, 1).T).float()
        whole = whole.unflatten(1, (-1, 3))
        moved = _PLACE_STEP * (mixed[..., :2] + whole[..., :2])
        place = seen + trust[..., :1] * apart[..., :2] + moved
        deeper = _PLACE_STEP * whole[..., 2] + _DEPTH_STEP * mixed[..., 3]
        depth = self.start[:, 3] + trust[..., 1] * apart[..., 2] + deeper
        log_sigma = self.start[:, 2] + mixed[..., 2]
        log_depth_sigma = self.start[:, 4] + mixed[..., 4]
        return torch.cat(
            (place + self.start[:, :2], torch.stack((log_sigma, depth, log_depth_sigma), -1)), -1
        )


class _LabelHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(_TOP_DOWN[0], _LABEL_WIDTH, 1)
        self.side = nn.Conv2d(_OWN[0], _LABEL_WIDTH, 1)
        self.out = nn.Sequential(
            _convolution(_LABEL_WIDTH, _LABEL_WIDTH), nn.Conv2d(_LABEL_WIDTH, LABEL_COUNT, 1)
        )

    def forward(self, features: _Features) -> Float[Tensor, "b 19 h w"]:
        return self.out(_doubled(self.narrow(features.quarter)) + self.side(features.half))


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels)

    def forward(self, values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the values, changed."""
        return torch.relu(values + self.norm(self.second(self.first(values))))


def _convolution(before: int, after: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _doubled(values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return interpolate(values, scale_factor=2.0, mode="bilinear", align_corners=False)


def _cell_centres(values: Float[Tensor, "b c h w"]) -> Float[Tensor, "n 2"]:
    """Return the middles of the cells, x and y as shares of the side, row by row."""
    height, width = values.shape[-2:]
    y = (torch.arange(height, device=values.device) + 0.5) / height
    x = (torch.arange(width, device=values.device) + 0.5) / width
    return torch.stack((x.repeat(height), y.repeat_interleave(width)), dim=-1)
