"""The two things a dense network learns: how far off it is, how good, and what that looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from flame_fit.priors.dense_networks import DenseOutput
from flame_fit.priors.face_labels import IGNORE, label_scheme
from flame_fit.training.losses import UvErrors, label_error, mean_of, uv_errors
from flame_fit.training.pictures import parsing_picture, uv_picture
from flame_fit.training.samples import ParsingBatch, UvBatch, stacked_parsing, stacked_uv
from flame_fit.training.settings import LabelCount, ParsingLossWeights, UvLossWeights

Batch = TypeVar("Batch", UvBatch, ParsingBatch)


@dataclass(frozen=True)
class NamedValue:
    """A number for the log."""

    name: str
    value: float | Tensor


@dataclass(frozen=True, eq=False)
class TaskLoss:
    """What a step makes smaller.

    Attributes:
        total: The weighted sum.
        parts: Its unweighted parts, of the finest output.
    """

    total: Float[Tensor, ""]
    parts: tuple[NamedValue, ...]


@runtime_checkable
class DenseTask(Protocol[Batch]):
    """What training needs to know of a task."""

    def stacked(self, samples: Sequence[Batch]) -> Batch:
        """One batch of samples without batch axis."""
        ...

    def loss(self, output: DenseOutput, batch: Batch) -> TaskLoss:
        """How far off an output is, coarser outputs included where there are any."""
        ...

    def tally(self, output: DenseOutput, batch: Batch) -> Float[Tensor, "..."]:
        """Counts from which the scores follow; those of batches are added up."""
        ...

    def scores(self, tally: Float[Tensor, "..."]) -> tuple[NamedValue, ...]:
        """Scores of all batches whose counts were added up."""
        ...

    def picture(self, output: DenseOutput, batch: Batch) -> UInt8[ndarray, "h w 3"]:
        """Photos, truth and answers side by side."""
        ...


@dataclass(frozen=True)
class UvTask:
    """UV and mask: absolute and squared error on the head, cross entropy of the mask."""

    weights: UvLossWeights

    def stacked(self, samples: Sequence[UvBatch]) -> UvBatch:
        """One batch of samples without batch axis."""
        return stacked_uv(samples)

    def loss(self, output: DenseOutput, batch: UvBatch) -> TaskLoss:
        """The weighted errors of the output, and of the coarser outputs."""
        main = uv_errors(output.final, batch.uv, batch.mask)
        coarser = tuple(
            self._weighted(uv_errors(maps, batch.uv, batch.mask)) for maps in output.auxiliaries
        )
        total = self._weighted(main) + self.weights.auxiliary_weight * mean_of(coarser)
        parts = tuple(NamedValue(name, value.detach()) for name, value in vars(main).items())
        return TaskLoss(total, parts)

    def tally(self, output: DenseOutput, batch: UvBatch) -> Float[Tensor, "4"]:
        """Absolute errors on the mask and their number; pixels in both masks, and in either."""
        truth = batch.mask > 0
        found = output.final[:, 2:] > 0
        error = (output.final[:, :2].float() - batch.uv).abs() * truth
        counts = (error.sum(), 2 * truth.sum(), (truth & found).sum(), (truth | found).sum())
        return torch.stack([count.double() for count in counts])

    def scores(self, tally: Float[Tensor, "4"]) -> tuple[NamedValue, ...]:
        """Mean absolute error, 2 being the width of the chart, and overlap of the masks."""
        error, count, both, either = tally.tolist()
        return (
            NamedValue("uv_error", error / max(count, 1.0)),
            NamedValue("mask_overlap", both / max(either, 1.0)),
        )

    def picture(self, output: DenseOutput, batch: UvBatch) -> UInt8[ndarray, "h w 3"]:
        """Photo, true UV, answer."""
        return uv_picture(batch, output.final)

    def _weighted(self, errors: UvErrors) -> Float[Tensor, ""]:
        return (
            errors.absolute
            + self.weights.squared_weight * errors.squared
            + self.weights.mask_weight * errors.mask
        )


@dataclass(frozen=True)
class ParsingTask:
    """Classes: cross entropy over the labelled pixels."""

    weights: ParsingLossWeights
    classes: LabelCount

    def stacked(self, samples: Sequence[ParsingBatch]) -> ParsingBatch:
        """One batch of samples without batch axis."""
        return stacked_parsing(samples)

    def loss(self, output: DenseOutput, batch: ParsingBatch) -> TaskLoss:
        """The error of the output, and of the coarser outputs."""
        main = label_error(output.final, batch.labels)
        coarser = tuple(label_error(logits, batch.labels) for logits in output.auxiliaries)
        total = main + self.weights.auxiliary_weight * mean_of(coarser)
        return TaskLoss(total, (NamedValue("entropy", main.detach()),))

    def tally(self, output: DenseOutput, batch: ParsingBatch) -> Float[Tensor, "C C"]:
        """How often each class (rows) was taken for each class (columns)."""
        counted = batch.labels != IGNORE
        pairs = self.classes * batch.labels + output.final.argmax(dim=1)
        counts = torch.bincount(pairs[counted], minlength=self.classes**2)
        return counts.reshape(self.classes, self.classes).double()

    def scores(self, tally: Float[Tensor, "C C"]) -> tuple[NamedValue, ...]:
        """Share of pixels that are right, then means over the classes that occur in the truth."""
        right, truth, found = tally.diagonal(), tally.sum(dim=1), tally.sum(dim=0)
        occurs = truth > 0
        overlap = (right / (truth + found - right).clamp_min(1))[occurs]
        f1 = (2 * right / (truth + found).clamp_min(1))[occurs]
        values = {
            "accuracy": right.sum() / truth.sum().clamp_min(1),
            "mean_overlap": overlap.sum() / occurs.sum().clamp_min(1),
            "mean_f1": f1.sum() / occurs.sum().clamp_min(1),
        }
        return tuple(NamedValue(name, value.item()) for name, value in values.items())

    def picture(self, output: DenseOutput, batch: ParsingBatch) -> UInt8[ndarray, "h w 3"]:
        """Photo, true classes, answer."""
        return parsing_picture(batch, output.final, scheme=label_scheme(self.classes))
