"""Losses, scores and pictures of the two tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flame_fit.priors.dense_networks import DenseOutput
from flame_fit.priors.face_labels import FACE_LABELS
from flame_fit.training.losses import label_error, uv_errors
from flame_fit.training.samples import (
    ParsingBatch,
    UvBatch,
    stacked_parsing,
    stacked_uv,
)
from flame_fit.training.settings import ParsingLossWeights, UvLossWeights
from flame_fit.training.tasks import ParsingTask, UvTask


def uv_batch(size=8):
    uv = torch.full((2, 2, size, size), 0.25)
    mask = torch.zeros(2, 1, size, size)
    mask[:, :, : size // 2] = 1.0
    return UvBatch(images=torch.full((2, 3, size, size), 0.5), uv=uv, mask=mask)


def test_uv_errors_have_known_values():
    batch = uv_batch()
    prediction = torch.zeros(2, 3, 8, 8)
    prediction[:, 0], prediction[:, 1] = 0.75, 0.25
    # What is said outside the mask does not count.
    prediction[:, :2, 4:] = 100.0
    errors = uv_errors(prediction, batch.uv, batch.mask)
    assert errors.absolute.item() == pytest.approx(0.25)
    assert errors.squared.item() == pytest.approx(0.125)
    assert errors.mask.item() == pytest.approx(math.log(2))
    nobody = uv_errors(prediction, batch.uv, torch.zeros_like(batch.mask))
    assert nobody.absolute.item() == nobody.squared.item() == 0.0
    half = uv_errors(prediction.bfloat16(), batch.uv, batch.mask)
    assert half.absolute.dtype == torch.float32


def test_the_uv_loss_is_the_weighted_sum_over_all_depths():
    batch = uv_batch()
    final = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    coarse = tuple(final + shift for shift in (0.1, 0.2, 0.3))
    task = UvTask(UvLossWeights())

    def weighted(maps):
        errors = uv_errors(maps, batch.uv, batch.mask)
        return errors.absolute + 0.5 * errors.squared + 0.01 * errors.mask

    alone = task.loss(DenseOutput(final, ()), batch)
    assert alone.total.item() == pytest.approx(weighted(final).item(), rel=1e-6)
    assert {part.name for part in alone.parts} == {"absolute", "squared", "mask"}
    deep = task.loss(DenseOutput(final, coarse), batch)
    mean = sum(weighted(maps).item() for maps in coarse) / 3
    assert deep.total.item() == pytest.approx(weighted(final).item() + 0.4 * mean, rel=1e-6)


def test_the_parsing_loss_leaves_out_what_nobody_labelled():
    labels = torch.full((2, 4, 4), 255)
    labels[:, 0] = 2
    logits = torch.zeros(2, 19, 4, 4)
    assert label_error(logits, labels).item() == pytest.approx(math.log(19), rel=1e-6)
    logits[:, 2, 0] = 50.0
    logits[:, 3, 1:] = 50.0
    assert label_error(logits, labels).item() == pytest.approx(0.0, abs=1e-6)
    assert label_error(logits, torch.full_like(labels, 255)).item() == 0.0
    batch = ParsingBatch(images=torch.zeros(2, 3, 4, 4), labels=labels)
    task = ParsingTask(ParsingLossWeights(), classes=19)
    zero = torch.zeros_like(logits)
    deep = task.loss(DenseOutput(logits, (zero, zero, zero)), batch)
    assert deep.total.item() == pytest.approx(0.4 * math.log(19), rel=1e-5)


def test_uv_scores_add_up_over_batches():
    batch = uv_batch()
    right = torch.cat([batch.uv, batch.mask * 20 - 10], dim=1)
    task = UvTask(UvLossWeights())
    perfect = task.tally(DenseOutput(right, ()), batch)
    scores = {score.name: score.value for score in task.scores(perfect)}
    assert scores == {"uv_error": 0.0, "mask_overlap": 1.0}
    wrong = torch.cat([batch.uv + 0.5, torch.full_like(batch.mask, 9.0)], dim=1)
    both = perfect + task.tally(DenseOutput(wrong, ()), batch)
    scores = {score.name: score.value for score in task.scores(both)}
    assert scores["uv_error"] == pytest.approx(0.25)
    assert scores["mask_overlap"] == pytest.approx(2 / 3)


def test_parsing_scores_are_those_of_the_confusion():
    labels = torch.tensor([[[0, 0, 1, 1], [1, 1, 255, 255]]])
    guessed = torch.tensor([[[0, 1, 1, 1], [1, 5, 5, 5]]])
    logits = torch.nn.functional.one_hot(guessed, 11).permute(0, 3, 1, 2).float()
    task = ParsingTask(ParsingLossWeights(), classes=11)
    batch = ParsingBatch(images=torch.zeros(1, 3, 2, 4), labels=labels)
    tally = task.tally(DenseOutput(logits, ()), batch)
    assert tally.sum() == 6
    scores = {score.name: score.value for score in task.scores(tally)}
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["mean_overlap"] == pytest.approx((1 / 2 + 3 / 5) / 2)
    assert scores["mean_f1"] == pytest.approx((2 / 3 + 6 / 8) / 2)
    nothing = {score.name: score.value for score in task.scores(torch.zeros(11, 11).double())}
    assert nothing == {"accuracy": 0.0, "mean_overlap": 0.0, "mean_f1": 0.0}


def test_pictures_show_photo_truth_and_answer():
    batch = uv_batch()
    right = torch.cat([batch.uv, batch.mask * 60 - 30], dim=1)
    picture = UvTask(UvLossWeights()).picture(DenseOutput(right, ()), batch)
    assert picture.shape == (16, 24, 3)
    photo, truth, answer = np.split(picture, 3, axis=1)
    assert (photo == 128).all()
    assert (truth[:4, :, 2] == 255).all()
    assert (truth[4:8] == 0).all()
    assert np.array_equal(truth[:4], answer[:4])
    labels = torch.full((5, 4, 4), 3)
    logits = torch.zeros(5, 19, 4, 4)
    logits[:, 4] = 1.0
    parsing = ParsingTask(ParsingLossWeights(), classes=19).picture(
        DenseOutput(logits, ()), ParsingBatch(images=torch.ones(5, 3, 4, 4), labels=labels)
    )
    assert parsing.shape == (16, 12, 3)
    assert tuple(parsing[0, 5]) == FACE_LABELS.palette[3]
    assert tuple(parsing[0, 9]) == FACE_LABELS.palette[4]


def test_samples_are_stacked_into_batches():
    one = UvBatch(images=torch.zeros(3, 4, 4), uv=torch.zeros(2, 4, 4), mask=torch.zeros(1, 4, 4))
    batch = stacked_uv([one, one])
    assert batch.images.shape == (2, 3, 4, 4)
    assert batch.to(torch.device("meta")).mask.device.type == "meta"
    label = ParsingBatch(images=torch.zeros(3, 4, 4), labels=torch.zeros(4, 4, dtype=torch.int64))
    assert stacked_parsing([label] * 3).labels.shape == (3, 4, 4)
