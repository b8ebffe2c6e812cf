"""Settings of a training, and the files they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flame_fit.errors import FlameFitError, UsageError
from flame_fit.training import (
    ParsingTraining,
    UvTraining,
    read_settings,
    settings_text,
    write_settings,
)
from flame_fit.training import settings as kinds

yaml = pytest.importorskip("yaml", reason="needs the extra train")


def test_the_defaults_are_those_of_the_published_trainings():
    uv, parsing = UvTraining(), ParsingTraining()
    assert uv.data.image_size == (448, 448)
    assert parsing.data.image_size == (512, 512)
    assert (uv.run.batch_size, uv.run.max_epochs, uv.run.precision) == (2, 200, "32-true")
    assert (parsing.run.batch_size, parsing.run.max_epochs) == (12, 35)
    assert parsing.run.precision == "bf16-mixed"
    for optimizer in (uv.optimizer, parsing.optimizer):
        assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-3, 1e-4)
        assert (optimizer.minimum_learning_rate, optimizer.gradient_clip) == (1e-6, 1.0)
    assert (uv.loss.squared_weight, uv.loss.mask_weight, uv.loss.auxiliary_weight) == (
        0.5,
        0.01,
        0.4,
    )
    assert parsing.loss.auxiliary_weight == 0.4
    assert uv.run.seed == parsing.run.seed == 42


@pytest.mark.parametrize("default", [UvTraining(), ParsingTraining()])
def test_settings_come_back_from_a_file(default, tmp_path):
    changed = replace(
        default,
        data=replace(default.data, data_dir=Path("some/where"), image_size=(64, 96)),
        run=replace(default.run, seed=7, resume_from=Path("last.ckpt")),
        optimizer=replace(default.optimizer, learning_rate=3e-4),
    )
    write_settings(tmp_path / "s.yaml", changed)
    assert read_settings(tmp_path / "s.yaml", default) == changed
    assert yaml.safe_load(settings_text(default))["run"]["max_epochs"] == default.run.max_epochs


def test_what_a_file_leaves_out_keeps_its_default(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("optimizer:\n  learning_rate: 5e-4\n", encoding="utf-8")
    found = read_settings(file, UvTraining())
    assert found.optimizer.learning_rate == 5e-4
    assert replace(found, optimizer=UvTraining().optimizer) == UvTraining()
    file.write_text("", encoding="utf-8")
    assert read_settings(file, UvTraining()) == UvTraining()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("runn: {}", "runn does not exist; did you mean run?"),
        ("run: {max_epoch: 3}", "run.max_epoch does not exist; did you mean max_epochs?"),
        ("run: 3", "run holds 3; expected names with values"),
        ("- 1", "the file holds [1]; expected names with values"),
        ("run: {seed: 1.5}", "run.seed is 1.5; expected a whole number"),
        ("run: {seed: true}", "run.seed is True; expected a whole number"),
        ("run: {precision: half}", "run.precision is 'half'; expected one of 32-true"),
        ("optimizer: {learning_rate: fast}", "learning_rate is 'fast'; expected a number"),
        ("data: {image_size: [512]}", "data.image_size is [512]; expected a list of 2"),
        ("data: {data_dir: 3}", "data.data_dir is 3; expected a path"),
        ("network: {from_scratch: 1}", "network.from_scratch is 1; expected true or false"),
        ("run: {seed: 1, seed: 2}", "seed is given twice"),
        ("run: [", "is no YAML that can be read"),
        ("a: !!python/object/apply:os.system [ls]", "is no YAML that can be read"),
        ("data: {image_size: [450, 448]}", "multiples of 16"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text, line, tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FlameFitError) as caught:
        read_settings(file, UvTraining())
    assert line in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: kinds.ColourChanges(hue=0.6), "--hue is 0.6; give a number from 0 to 0.5"),
        (lambda: kinds.UvData(validation_share=0.0), "--validation-share is 0.0"),
        (lambda: kinds.UvAugmentation(shift_pixels=-1.0), "--shift-pixels is -1.0"),
        (lambda: kinds.UvLossWeights(mask_weight=float("nan")), "--mask-weight is nan"),
        (lambda: kinds.ParsingLossWeights(auxiliary_weight=-1.0), "--auxiliary-weight is -1.0"),
        (lambda: kinds.ParsingAugmentation(scale=(1.2, 0.8)), "--scale is (1.2, 0.8)"),
        (lambda: kinds.ParsingAugmentation(mirror_share=2.0), "--mirror-share is 2.0"),
        (lambda: kinds.ParsingData(data_classes=11), "give --num-classes 11"),
        (lambda: kinds.OptimizerSettings(minimum_learning_rate=1.0), "--minimum-learning-rate"),
        (lambda: kinds.OptimizerSettings(accumulate=0), "--accumulate is 0"),
        (lambda: replace(UvTraining().run, batch_size=1), "--batch-size is 1"),
        (lambda: replace(UvTraining().run, keep_best=0), "--keep-best is 0"),
        (lambda: replace(UvTraining().run, experiment_name="a/b"), "--experiment-name is 'a/b'"),
    ],
)
def test_values_that_no_training_can_use_are_refused(make, line):
    with pytest.raises(UsageError) as caught:
        make()
    assert line in str(caught.value)
    assert "give" in str(caught.value)
