"""Tiny trainings: the loss falls, and a training that was stopped goes on as if it had not been."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace

import pytest
import torch

from flame_fit.errors import AssetError, InputError, UsageError
from flame_fit.priors.dense_networks import FROZEN_PREFIX, DenseNetwork, extract_decoder
from flame_fit.training import ParsingTraining, UvTraining, read_settings
from flame_fit.training.callbacks import EpochReport
from flame_fit.training.lightning_module import cosine_share
from flame_fit.training.sessions import train_parsing, train_uv
from tests.training.made import TINY, write_dinov3, write_parsing, write_uv

pytest.importorskip("lightning", reason="needs the extra train: lightning")
pytest.importorskip("tensorboard", reason="needs the extra train: tensorboard")

EPOCHS, STEPS = 2, 5
TRAIN = {"uv": train_uv, "parsing": train_parsing}
SIZE = (32, 32)


class Watch:
    """Remembers what it is told, and copies the last checkpoint when an epoch begins."""

    def __init__(self, copy_from=None, copy_to=None):
        self.steps: list[float] = []
        self.reports: list[EpochReport] = []
        self.copy = (copy_from, copy_to)

    def on_step(self, *, step, steps, loss):
        assert 1 <= step <= steps
        self.steps.append(loss)
        # By now the checkpoint of the first epoch is whole.
        if len(self.reports) == 1 and step == 1 and self.copy[0] is not None:
            shutil.copy(*self.copy)

    def on_epoch(self, report):
        self.reports.append(report)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data and weights; the checkpoints in it are too large to be kept after the tests."""
    folder = tmp_path_factory.mktemp("training")
    write_uv(folder / "uv", people=STEPS + 1, photos=2)
    write_parsing(folder / "parsing", count=2 * STEPS + 1)
    write_dinov3(folder / "dinov3.pth")
    yield folder
    shutil.rmtree(folder)


def settings_of(kind, place, **run):
    default = UvTraining() if kind == "uv" else ParsingTraining()
    values = {
        "batch_size": 2,
        "max_epochs": EPOCHS,
        "precision": "32-true",
        "validate_every": EPOCHS,
        "num_workers": 0,
        "accelerator": "cpu",
        "keep_best": 1,
        "experiment_name": kind,
        "checkpoint_dir": place / "checkpoints",
        "log_dir": place / "logs",
    }
    return replace(
        default,
        data=replace(default.data, data_dir=place / kind, image_size=SIZE, validation_share=0.01),
        network=replace(default.network, dinov3_checkpoint=place / "dinov3.pth", from_scratch=True),
        augmentation=replace(default.augmentation, rotation_degrees=3.0),
        run=replace(default.run, **values | run),
    )


def trained(kind, settings, watch=None):
    torch.manual_seed(0)
    return TRAIN[kind](settings, progress=watch)


def tensors(value, name=""):
    """Every tensor of a checkpoint by its path."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list | tuple) else pairs
    return {
        path: one for key, part in pairs for path, one in tensors(part, f"{name}/{key}").items()
    }


@pytest.mark.parametrize("kind", ["uv", "parsing"])
def test_a_training_learns_and_resumes_to_the_bit(kind, place):
    settings = settings_of(kind, place)
    folder = place / "checkpoints" / kind
    watch = Watch(folder / "last.ckpt", place / f"{kind}-stopped.ckpt")
    result = trained(kind, settings, watch)
    assert [report.epoch for report in watch.reports] == [1, 2]
    assert len(watch.steps) == EPOCHS * STEPS
    assert watch.reports[1].loss < 0.9 * watch.reports[0].loss
    assert watch.reports[0].validation == ()
    judged = {score.name: score.value for score in watch.reports[1].validation}
    assert result.best_loss == pytest.approx(judged["loss"])
    assert result.best is not None
    assert result.best.name.startswith("epoch002-loss")
    assert result.epochs == EPOCHS
    assert result.last == folder / "last.ckpt"
    assert read_settings(folder / "settings.yaml", type(settings)()) == settings
    assert sorted(path.suffix for path in folder.iterdir()) == [".ckpt", ".ckpt", ".yaml"]
    assert list((place / "logs" / kind).rglob("events.*"))

    if kind == "parsing":
        # It goes on without DINOv3 in the file too.
        extract_decoder(place / "parsing-stopped.ckpt", place / "parsing-stopped.ckpt")
    # Another state of torch's random numbers must not matter.
    resumed = replace(
        settings,
        run=replace(
            settings.run,
            resume_from=place / f"{kind}-stopped.ckpt",
            experiment_name=f"{kind}-resumed",
        ),
    )
    torch.manual_seed(99)
    again = Watch()
    going_on = TRAIN[kind](resumed, progress=again)
    assert again.steps == watch.steps[STEPS:]
    assert again.reports == watch.reports[1:]
    one, other = (torch.load(path, weights_only=True) for path in (result.last, going_on.last))
    for part in ("state_dict", "optimizer_states", "flame_fit"):
        first, second = tensors(one[part]), tensors(other[part])
        assert first.keys() == second.keys()
        assert len(first) > 0
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert one["lr_schedulers"] == other["lr_schedulers"]
    assert one["global_step"] == other["global_step"] > 0
    check_published_form(kind, place, one)


def check_published_form(kind, folder, content):
    """Other programs find what they read, and DINOv3 is as it was."""
    name, count = {"uv": ("output_channels", 3), "parsing": ("num_classes", 19)}[kind]
    assert content["hyper_parameters"][name] == count
    state = content["state_dict"]
    assert state.keys() == DenseNetwork(kind, variant=TINY).state_dict().keys()
    assert state["decoder.final_conv.2.weight"].shape[0] == count
    before = torch.load(folder / "dinov3.pth", weights_only=True)
    assert all(torch.equal(state[FROZEN_PREFIX + name], before[name]) for name in before)


def test_a_run_does_not_mix_with_another(place, tmp_path):
    settings = settings_of("uv", tmp_path)
    with pytest.raises(UsageError, match="--data-dir .* is no folder"):
        train_uv(settings)
    settings = replace(settings, data=replace(settings.data, data_dir=place / "uv"))
    folder = tmp_path / "checkpoints/uv"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(b"")
    with pytest.raises(UsageError, match="give --resume-from .*last.ckpt"):
        train_uv(settings)
    (folder / "last.ckpt").unlink()
    lost = replace(settings, run=replace(settings.run, resume_from=tmp_path / "no.ckpt"))
    with pytest.raises(UsageError, match="no.ckpt does not exist"):
        train_uv(lost)


def test_weights_to_start_from_must_be_named(place):
    settings = settings_of("parsing", place, experiment_name="other")
    nothing = replace(settings, network=replace(settings.network, from_scratch=False))
    with pytest.raises(UsageError, match="--from-scratch for random weights"):
        train_parsing(nothing)
    none = replace(settings, network=replace(settings.network, dinov3_checkpoint=None))
    with pytest.raises(UsageError, match="no DINOv3 is given"):
        train_parsing(none)
    unknown = replace(settings, data=replace(settings.data, data_dir=None))
    with pytest.raises(UsageError, match="--data-dir is not given"):
        train_parsing(unknown)


def test_what_cannot_be_resumed_is_named(place, tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.ckpt")
    (tmp_path / "broken.ckpt").write_bytes(b"PK\x03\x04")
    settings = settings_of("uv", place, checkpoint_dir=tmp_path, log_dir=tmp_path)
    for name, kind, line in (
        ("other.ckpt", InputError, "other.ckpt cannot be resumed"),
        ("broken.ckpt", AssetError, "broken.ckpt"),
    ):
        run = replace(settings.run, resume_from=tmp_path / name)
        with pytest.raises(kind, match=line) as caught:
            trained("uv", replace(settings, run=run))
        assert "\n" not in str(caught.value)


def test_damaged_images_and_batches_that_are_too_large_stop_it(place, tmp_path):
    shutil.copytree(place / "uv", tmp_path / "uv")
    for path in (tmp_path / "uv/images").rglob("*.jpg"):
        path.write_bytes(b"no picture")
    where = {"checkpoint_dir": tmp_path, "log_dir": tmp_path}
    # The process that reads images names the file in one line too.
    settings = settings_of("uv", place, num_workers=1, **where)
    settings = replace(settings, data=replace(settings.data, data_dir=tmp_path / "uv"))
    with pytest.raises(InputError, match=r"front\.jpg is not an image") as caught:
        trained("uv", settings)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="10 images are too few for a batch of 11 on 1 devices"):
        trained("uv", settings_of("uv", place, batch_size=11, **where))


def test_an_interruption_reaches_the_caller(place, tmp_path):
    class Impatient(Watch):
        def on_step(self, *, step, steps, loss):
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    settings = settings_of("uv", place, checkpoint_dir=tmp_path, log_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trained("uv", settings, Impatient())
    assert signal.getsignal(signal.SIGINT) is handler
    assert not list(tmp_path.rglob("*.ckpt"))


def test_devices_that_are_not_there_are_refused(place, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    settings = settings_of(
        "uv", place, accelerator="gpu", checkpoint_dir=tmp_path, log_dir=tmp_path
    )
    with pytest.raises(UsageError, match="devices of kind gpu cannot be used"):
        trained("uv", settings)


def test_the_learning_rate_falls_along_half_a_cosine():
    shares = [cosine_share(epoch, epochs=10, least=0.01) for epoch in range(12)]
    assert shares[0] == 1.0
    assert shares[5] == pytest.approx(0.505)
    assert shares[10] == shares[11] == pytest.approx(0.01)
    assert shares == sorted(shares, reverse=True)
