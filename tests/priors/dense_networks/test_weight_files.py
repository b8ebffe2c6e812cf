"""Named tensors out of every kind of file: wrapped, prefixed, in half precision, old, safe."""

import collections

import pytest
import torch
from safetensors.torch import save_file

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks.weight_files import read_weights

STATE = {
    "encoder.weight": torch.arange(6.0).reshape(2, 3),
    "model.bias": torch.tensor([0.5, -1.5]),
    "count": torch.tensor(7),
}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def prefixed(*prefixes):
    return {"".join(prefixes) + name: tensor for name, tensor in STATE.items()}


def halved(dtype):
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "hyper_parameters": {"device": torch.device("cpu")}},
        {"state_dict": collections.OrderedDict(STATE)},
        {"state_dict": prefixed("module.", "model.")},
        prefixed("_orig_mod."),
        halved(torch.float16),
        halved(torch.bfloat16),
        {name: torch.nn.Parameter(each, each.is_floating_point()) for name, each in STATE.items()},
    ],
    ids=["bare", "lightning", "ordered", "prefixed", "compiled", "half", "brain", "parameters"],
)
@pytest.mark.parametrize("form", ["new", "old"])
def test_the_same_weights(tmp_path, content, form):
    """A prefix goes only where every name has it: `model.bias` keeps its own."""
    options = {"_use_new_zipfile_serialization": form == "new"}
    found = read_weights(saved(tmp_path / "a.ckpt", content, **options))
    assert list(found) == list(STATE)
    for name, tensor in STATE.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(halved(torch.bfloat16), path)
    found = read_weights(path)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize("kind", ["safetensors", "ckpt"])
def test_complex_numbers_are_no_weights(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    content = {"a": torch.ones(2, dtype=torch.complex64)}
    save_file(content, path) if kind == "safetensors" else torch.save(content, path)
    with pytest.raises(AssetError) as error:
        read_weights(path)
    assert str(path) in str(error.value)


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00nonsense")
    with pytest.raises(AssetError, match="is not a readable safetensors file") as error:
        read_weights(path)
    assert "\n" not in str(error.value)
    with pytest.raises(AssetError, match="does not exist"):
        read_weights(tmp_path / "b.safetensors")
