"""Checkpoints without DINOv3: what is kept, what is removed, what is reported."""

import collections

import pytest
import torch

from flame_fit.errors import AssetError, InputError
from flame_fit.priors.dense_networks import extract_decoder, read_checkpoint
from tests.priors.dense_networks.weights import lightning_checkpoint, thin


@pytest.fixture(scope="module")
def full_state(uv_network):
    return thin(uv_network.state_dict())


@pytest.fixture(scope="module")
def full(tmp_path_factory, full_state):
    path = tmp_path_factory.mktemp("full") / "last.ckpt"
    torch.save(lightning_checkpoint(full_state), path)
    return path


@pytest.fixture(scope="module")
def done(full, tmp_path_factory):
    return extract_decoder(full, tmp_path_factory.mktemp("out") / "new" / "decoder.ckpt")


def test_keeps_all_but_dinov3(done, full, full_state):
    assert (done.weights, done.removed, done.left_out) == (319, len(full_state) - 319, ())
    assert done.layout.label == "UV network on DINOv3 of width 768, depth 1, 12 heads"
    found = torch.load(done.path, weights_only=True)
    expected = torch.load(full, weights_only=True)
    assert list(found) == list(expected)
    kept = [name for name in expected["state_dict"] if "encoder.dinov3" not in name]
    assert list(found["state_dict"]) == kept
    for name in kept:
        assert torch.equal(found["state_dict"][name], full_state[name]), name
        assert found["state_dict"][name].dtype == full_state[name].dtype
    moments = found["optimizer_states"][0]["state"][0]
    assert torch.equal(moments["exp_avg"], torch.ones(3))
    assert found["optimizer_states"][0]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert found["hyper_parameters"] == {"learning_rate": 1e-3, "device": "cpu"}
    assert (found["epoch"], found["global_step"]) == (2, 8)
    assert [each.name for each in done.path.parent.iterdir()] == ["decoder.ckpt"]


def test_what_it_writes_can_be_read_and_extracted_in_place(done):
    checkpoint = read_checkpoint(done.path)
    assert checkpoint.frozen is None
    assert len(checkpoint.trained) == 319
    assert extract_decoder(done.path, done.path).removed == 0
    assert read_checkpoint(done.path).layout == checkpoint.layout


def test_bare_state_dicts_are_wrapped(tmp_path, full_state):
    path = tmp_path / "state.pt"
    torch.save(full_state, path)
    done = extract_decoder(path, tmp_path / "decoder.ckpt")
    assert list(torch.load(done.path, weights_only=True)) == ["state_dict"]
    assert done.weights == 319


def test_entries_of_unknown_classes_are_left_out_and_named(tmp_path, full_state):
    path = tmp_path / "last.ckpt"
    settings = collections.defaultdict(list, a=[1])
    torch.save(lightning_checkpoint(full_state, scheduler_config=settings), path)
    done = extract_decoder(path, tmp_path / "decoder.ckpt")
    assert done.left_out == ("hyper_parameters",)
    found = torch.load(done.path, weights_only=True)
    assert "hyper_parameters" not in found
    assert "optimizer_states" in found


def test_other_files_are_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"a": torch.ones(1)}}, path)
    with pytest.raises(AssetError, match="is no checkpoint of FaceUV or FaceParsing"):
        extract_decoder(path, tmp_path / "decoder.ckpt")
    with pytest.raises(AssetError, match="a.safetensors is not a checkpoint of a training; give"):
        extract_decoder(tmp_path / "a.safetensors", tmp_path / "decoder.ckpt")
    assert not (tmp_path / "decoder.ckpt").exists()


def test_places_that_cannot_be_written(full):
    with pytest.raises(InputError, match="cannot write .*; choose a folder you may write to"):
        extract_decoder(full, full / "decoder.ckpt")
