"""`flame-fit texture-space train-inpainting`: maps in, a network that fits find out."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from flame_fit.asset_files import ASSETS_VARIABLE
from flame_fit.cli import texture_space
from flame_fit.errors import InputError, UsageError
from flame_fit.flame import load_assets
from flame_fit.priors.texture_inpainting import load_inpainting_network
from flame_fit.texture.inpainter import make_inpainter

ACTION = "train-inpainting"


def run(*arguments) -> int:
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    return texture_space.run([ACTION, *(str(argument) for argument in arguments)], errors=errors)


def picture(path: Path, value: int) -> Path:
    cv2.imwrite(str(path), np.full((64, 64, 3), value, np.uint8))
    return path


def test_a_network_is_trained_and_found_by_fits(tmp_path, capsys, monkeypatch):
    for number in range(2):
        picture(tmp_path / f"map{number}.png", 90 + 60 * number)
    out = tmp_path / "assets" / "texture_inpainting_mine.safetensors"
    code = run(tmp_path, "--out", out, "--size", 32, "--variants", 1, "--steps", 2,
               "--batch", 2, "--device", "cpu")  # fmt: skip
    assert code == 0
    told = capsys.readouterr().out
    assert "samples of 2 maps, 2 steps; put it into an asset folder" in told
    assert load_inpainting_network(out).size == 32
    monkeypatch.setenv(ASSETS_VARIABLE, str(out.parent))
    found = make_inpainter(load_assets())
    assert found is not None and found.network.size == 32


def test_wrong_use_is_one_line(tmp_path):
    out = tmp_path / "texture_inpainting.safetensors"
    with pytest.raises(UsageError, match="0 folders were given; give one"):
        run("--out", out)
    with pytest.raises(UsageError, match="would not be found by fits; call it texture_inpainting"):
        run(tmp_path, "--out", tmp_path / "mine.safetensors")
    with pytest.raises(UsageError, match=r"is no such file; give --out FILE\.safetensors"):
        run(tmp_path, "--out", tmp_path / "texture_inpainting.pth")
    with pytest.raises(UsageError, match="--size is 100; give a multiple of 8 from 32 to 512"):
        run(tmp_path, "--out", out, "--size", 100)
    with pytest.raises(UsageError, match="--variants is 0; give 1 or more"):
        run(tmp_path, "--out", out, "--variants", 0)
    with pytest.raises(InputError, match="holds no texture maps; give a folder of finished fits"):
        run(tmp_path, "--out", out)


def test_maps_that_show_nothing_are_refused(tmp_path):
    picture(tmp_path / "map.png", 100)
    picture(tmp_path / "map_confidence.png", 0)
    out = tmp_path / "texture_inpainting.safetensors"
    with pytest.raises(InputError, match="the 1 maps show too little to learn from; give more"):
        run(tmp_path, "--out", out, "--size", 32, "--variants", 1, "--device", "cpu")
    assert not out.exists()
