"""What training lowers, and what is reported of held-out pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from flame_fit.priors.face_labels import IGNORE
from flame_fit.priors.head_network.network import LABEL_COUNT, HeadAnswer
from scripts.training.samples import Batch

HIDDEN_WEIGHT = 0.35
PLACE_UNIT, DEPTH_UNIT = 0.01, 0.005
"""A share of the side and metres of depth that count as one."""
DEPTH_WEIGHT, SHAPE_WEIGHT = 0.75, 1.0
LIKELIHOOD_WEIGHT, LABEL_WEIGHT, OVERLAP_WEIGHT = 0.1, 1.0, 0.5
AXES = 2
NEAR, FAR = 2.0, 5.0


def loss_of(answer: HeadAnswer, batch: Batch, not_shape: Float[Tensor, "N 4"]) -> Float[Tensor, ""]:
    """Return the loss: errors, errors of the shape alone, likelihood of the errors, labels.

    What an affine map of the whole head explains of the errors (where it is, how it is turned, how
    large it is) is many times what a face differs by from another; so the rest, which tells who
    it is, counts once more. The likelihood teaches the deviations only; through the places it would
    let a network ignore what is difficult.

    Args:
        answer: Of the network.
        batch: With the truth.
        not_shape: From `affine_basis`.
    """
    weight = torch.where(batch.seen, 1.0, HIDDEN_WEIGHT)
    offset = answer.places - batch.points[..., :2]
    deeper = (answer.depth - batch.points[..., 2]) / DEPTH_UNIT
    error = torch.cat((offset / PLACE_UNIT, deeper[..., None]), dim=-1)
    shape = error - not_shape @ (not_shape.T @ error)
    fixed = offset.detach().square().sum(-1) / AXES
    sure = 0.5 * fixed * (-2.0 * answer.log_sigma).exp() + answer.log_sigma
    fixed_depth = (deeper.detach() * DEPTH_UNIT).square()
    sure_depth = 0.5 * fixed_depth * (-2.0 * answer.log_depth_sigma).exp() + answer.log_depth_sigma
    points = _distance(error) + SHAPE_WEIGHT * _distance(shape)
    points = points + LIKELIHOOD_WEIGHT * (sure + 0.5 * sure_depth)
    return (points * weight).sum() / weight.sum() + label_loss(answer.label_logits, batch.labels)


def affine_basis(points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
    """Return an orthonormal basis of what affine maps do to one coordinate of points."""
    return torch.linalg.qr(torch.cat((points, torch.ones_like(points[:, :1])), dim=1)).Q


def _distance(error: Float[Tensor, "b N 3"]) -> Float[Tensor, "b N"]:
    """Return smooth lengths, of places and of depth."""
    place = error[..., :2].square().sum(-1).add(0.01).sqrt()
    return place + DEPTH_WEIGHT * error[..., 2].square().add(0.01).sqrt()


def label_loss(
    logits: Float[Tensor, "b 19 h w"], labels: Int[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Return cross entropy and the overlap that is missing, over the labels that occur."""
    rows = logits.permute(0, 2, 3, 1).reshape(-1, LABEL_COUNT).float()
    labels = labels.reshape(-1).long()
    known = labels != IGNORE
    rows, labels = rows[known], labels[known]
    entropy = cross_entropy(rows, labels)
    share = rows.softmax(-1)
    truth = torch.nn.functional.one_hot(labels, LABEL_COUNT).float()
    both, either = (share * truth).sum(0), share.sum(0) + truth.sum(0)
    there = truth.sum(0) > 0
    overlap = 1.0 - (2.0 * both / (either + 1.0))[there].mean()
    return LABEL_WEIGHT * entropy + OVERLAP_WEIGHT * overlap


@dataclass(frozen=True)
class Report:
    """How well held-out pictures are read.

    Attributes:
        pixels: Median error of visible points, pixels of a photo 512 wide.
        all_pixels: The same over all points.
        within_2: Share of visible points within two of those pixels.
        within_5: The same within five.
        depth: Median error of relative depth, millimetres.
        spread: Root mean square of errors in predicted deviations, places then depth, robustly:
            the median against that of a Gaussian.
        f1: Mean F1 over the classes, of all pixels together.
        by_class: F1 of each class.
    """

    pixels: float
    all_pixels: float
    within_2: float
    within_5: float
    depth: float
    spread: tuple[float, float]
    f1: float
    by_class: tuple[float, ...]


@torch.no_grad()
def report_on(network: nn.Module, batches: Iterable[Batch]) -> Report:
    """Return how well held-out pictures are read."""
    network.eval()
    errors, visible, depths, spread, depth_spread = [], [], [], [], []
    counts = np.zeros((3, LABEL_COUNT))
    for raw in batches:
        batch = prepared(raw)
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(batch.images, batch.person, batch.mesh)
        offset = (answer.places - batch.points[..., :2]).norm(dim=-1)
        deeper = (answer.depth - batch.points[..., 2]).abs()
        errors.append(offset * batch.pixel[:, None])
        visible.append(batch.seen)
        depths.append(deeper)
        spread.append(offset / answer.log_sigma.exp())
        depth_spread.append(deeper / answer.log_depth_sigma.exp())
        found = answer.label_logits.argmax(1)
        known = batch.labels != IGNORE
        for label in range(LABEL_COUNT):
            is_it, said = batch.labels == label, (found == label) & known
            counts[:, label] += [(is_it & said).sum(), said.sum(), is_it.sum()]
    error, seen = torch.cat(errors), torch.cat(visible)
    scores = 2.0 * counts[0] / np.maximum(counts[1] + counts[2], 1.0)
    return Report(
        pixels=float(error[seen].median()),
        all_pixels=float(error.median()),
        within_2=float((error[seen] < NEAR).float().mean()),
        within_5=float((error[seen] < FAR).float().mean()),
        depth=float(torch.cat(depths).median()) * 1e3,
        # Medians of a Rayleigh and of a half normal distribution.
        spread=(
            float(torch.cat(spread).median()) / 1.1774,
            float(torch.cat(depth_spread).median()) / 0.6745,
        ),
        f1=float(scores[counts[2] > 0].mean()),
        by_class=tuple(scores.tolist()),
    )


def prepared(batch: Batch) -> Batch:
    """Return a batch as numbers a network takes."""
    images = batch.images.permute(0, 3, 1, 2).float().div(255.0)
    person = batch.person.float().div(255.0)
    return Batch(
        images.contiguous(memory_format=torch.channels_last),
        person,
        batch.labels,
        batch.points,
        batch.seen,
        batch.pixel,
        batch.mesh,
    )
