"""The configuration refuses what no fit can use, and every value of it is an option."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from flame_fit.cli.fit import parse_fit
from flame_fit.config import (
    PRESETS,
    FitConfig,
    PresetName,
    SolverLimits,
    TermWeights,
    resolve_device,
)
from flame_fit.errors import UsageError


def test_presets_are_named_as_the_option_offers():
    assert tuple(PRESETS) == get_args(PresetName)
    assert all(config.preset == name for name, config in PRESETS.items())


def test_presets_grow_from_fast_to_detailed():
    fast, standard, detailed = (PRESETS[name] for name in ("fast", "standard", "detailed"))
    for lesser, greater in ((fast, standard), (standard, detailed)):
        assert lesser.texture_size < greater.texture_size
        for field in fields(SolverLimits):
            if field.name == "focal_candidates":
                continue
            assert getattr(lesser.solver, field.name) < getattr(greater.solver, field.name)


def test_config_is_frozen_to_the_leaves():
    for node in (FitConfig(), TermWeights(), SolverLimits()):
        assert is_dataclass(node)
        with pytest.raises(FrozenInstanceError):
            setattr(node, fields(node)[0].name, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: replace(FitConfig(), texture_size=63), "--texture-size is 63; .* 64 to 8192"),
        (lambda: replace(FitConfig(), focal=-1.0), "--focal is -1.0; .* above 0"),
        (lambda: replace(FitConfig(), focal=float("nan")), "--focal is nan"),
        (lambda: replace(FitConfig(), face=0), "--face is 0; .* largest, all or a number from 1"),
        (
            lambda: replace(PRESETS["fast"], shape_from_shading="always"),
            "--shape-from-shading .* give --weights.photometric 1 too",
        ),
        (lambda: TermWeights(landmarks=0.0), "--weights.landmarks is 0; .* above 0"),
        (lambda: TermWeights(identity=-1.0), "--weights.identity is -1.0; .* from 0 upwards"),
        (lambda: SolverLimits(geometry_steps=0), "--solver.geometry-steps is 0; .* from 1 upwards"),
    ],
)
def test_values_that_no_fit_can_use_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        change()


def test_sources_are_named_or_paths():
    command = parse_fit(["me.png", "--uv", "mesh", "--parser", "labels/", "--dinov3", "d.pth"])
    assert (command.config.uv, command.config.parser) == ("mesh", Path("labels"))
    assert command.config.dinov3 == Path("d.pth")
    assert parse_fit(["me.png", "--uv", "me_uv.png"]).config.uv == Path("me_uv.png")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "", "cpu:1", "mps"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(UsageError, match="is unknown; give auto, cpu, cuda or cuda:INDEX"):
        resolve_device(name)


def test_known_devices(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="'cuda:2' is not there: .* sees 2 GPUs"):
        resolve_device("cuda:2")


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="sees 0 GPUs; give cpu"):
        resolve_device("cuda")
