"""DINOv3's weights from Meta's files and Hugging Face's folders."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks import DinoV3, VitSize, WrongWeightsError, read_dinov3
from tests.priors.dense_networks.weights import made_up

TINY = VitSize(width=96, depth=2, heads=3)
CONFIG = {
    "model_type": "dinov3_vit",
    "hidden_size": 96,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_register_tokens": 4,
    "patch_size": 16,
    "rope_theta": 100.0,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
    "use_gated_mlp": False,
    "query_bias": True,
    "key_bias": False,
    "value_bias": True,
}
NAMES = {
    "attn.proj": "attention.o_proj",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.fc1": "mlp.up_proj",
    "mlp.fc2": "mlp.down_proj",
}


@pytest.fixture(scope="module")
def state():
    return made_up(DinoV3(TINY).state_dict(), seed=3)


def model_of(weights):
    model = DinoV3(weights.size)
    model.load_state_dict(dict(weights.tensors))
    return model


def picture():
    return torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(4))


def hugging_face(state, *, prefix="", biases=True):
    """The weights by the names transformers gives them."""
    found = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.register_tokens": state["storage_tokens"],
        "embeddings.mask_token": state["mask_token"][None],
        "embeddings.patch_embeddings.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.bias": state["patch_embed.proj.bias"],
        "norm.weight": state["norm.weight"],
        "norm.bias": state["norm.bias"],
    }
    for name, tensor in state.items():
        if not name.startswith("blocks.") or name.endswith("bias_mask"):
            continue
        _, number, rest = name.split(".", 2)
        layer = f"{prefix}layer.{number}."
        if rest.startswith("attn.qkv."):
            kind = rest.removeprefix("attn.qkv.")
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                if kind == "weight" or (letter != "k" and biases):
                    found[f"{layer}attention.{letter}_proj.{kind}"] = part.clone()
            continue
        for ours, theirs in NAMES.items():
            rest = rest.replace(ours, theirs)
        found[layer + rest] = tensor
    return found


def folder(path, tensors, **changes):
    path.mkdir()
    save_file(tensors, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(CONFIG | changes))
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_metas_file(tmp_path, state, dtype):
    """Sizes are told by shapes; bf16 becomes float32; unused norms of some files are dropped."""
    stored = {name: tensor.to(dtype) for name, tensor in state.items()}
    path = tmp_path / "dinov3.pth"
    torch.save(stored | {"local_cls_norm.weight": torch.ones(96)}, path)
    found = read_dinov3(path)
    assert found.size == TINY
    assert list(found.tensors) == list(state)
    for name, tensor in found.tensors.items():
        assert torch.equal(tensor, stored[name].float()), name


def test_periods_are_read_from_metas_file(tmp_path, state):
    other = state | {"rope_embed.periods": state["rope_embed.periods"] * 1.5}
    torch.save(other, tmp_path / "dinov3.pth")
    model = model_of(read_dinov3(tmp_path / "dinov3.pth"))
    assert torch.equal(model.rope_embed.periods, other["rope_embed.periods"])


@pytest.mark.parametrize("prefix", ["", "model."])
def test_hugging_face_folder_answers_as_metas_file(tmp_path, state, prefix):
    expected = DinoV3(TINY)
    expected.load_state_dict(state)
    path = folder(tmp_path / "hf", hugging_face(state, prefix=prefix))
    found = read_dinov3(path)
    assert found.size == TINY
    assert torch.equal(found.tensors["rope_embed.periods"], state["rope_embed.periods"])
    assert torch.equal(model_of(found)(picture()), expected(picture()))
    assert torch.equal(
        model_of(read_dinov3(path / "model.safetensors"))(picture()), expected(picture())
    )


def test_hugging_face_without_biases_of_queries_and_values(tmp_path, state):
    zero = {name: each * 0 if "qkv.bias" in name else each for name, each in state.items()}
    expected = DinoV3(TINY)
    expected.load_state_dict(zero)
    path = folder(tmp_path / "hf", hugging_face(state, biases=False), query_bias=False)
    assert torch.equal(model_of(read_dinov3(path))(picture()), expected(picture()))


def test_same_features_as_transformers(tmp_path):
    """The library's own model, with Meta's rounded periods in place of those it computes."""
    transformers = pytest.importorskip(
        "transformers", reason="compares with transformers; pip install transformers"
    )
    config = transformers.DINOv3ViTConfig(
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_register_tokens=4,
    )
    theirs = transformers.DINOv3ViTModel(config).eval()
    theirs.load_state_dict(made_up(theirs.state_dict(), seed=5))
    theirs.save_pretrained(tmp_path / "hf")
    found = read_dinov3(tmp_path / "hf")
    assert found.size == TINY
    theirs.rope_embeddings.inv_freq = 1.0 / found.tensors["rope_embed.periods"]
    with torch.no_grad():
        expected = theirs(picture()).last_hidden_state[:, 5:]
        ours = model_of(found)(picture()).flatten(2).transpose(1, 2)
    assert (ours - expected).abs().max() < 1e-4


def without(tensors, name):
    return {key: tensor for key, tensor in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: without(state, "blocks.1.ls1.gamma"), "missing blocks.1.ls1.gamma"),
        (lambda state: without(state, "cls_token"), "is no DINOv3 .it lacks cls_token or rope"),
        (lambda state: state | {"blocks.0.mlp.w1.weight": torch.ones(1)}, "with a gated MLP"),
        (lambda state: state | {"storage_tokens": torch.ones(1, 2, 96)}, "1 of another shape"),
        (lambda state: state | {"rope_embed.periods": torch.ones(7)}, "heads of 28, which do not"),
        (
            lambda state: state | {"cls_token": torch.ones(1, 1, 0)},
            "tokens of 0 channels and heads",
        ),
        (
            lambda state: state | {f"blocks.{i}.x": torch.ones(1) for i in range(50)},
            "has 50 blocks, more than any DINOv3",
        ),
        (
            lambda state: state | {"blocks.0.attn.qkv.bias_mask": torch.full((288,), torch.nan)},
            "1 not finite .first: not finite blocks.0.attn.qkv.bias_mask",
        ),
    ],
)
def test_other_files_for_meta(tmp_path, state, change, message):
    path = tmp_path / "dinov3.pth"
    torch.save(change(state), path)
    with pytest.raises(AssetError, match=message) as error:
        read_dinov3(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_register_tokens": 0}, "num_register_tokens '0', expected 4; give one of vits16"),
        ({"use_gated_mlp": True}, "use_gated_mlp 'True', expected False"),
        ({"hidden_act": "silu\n" * 99}, r"hidden_act 'silu\\n"),
        ({"num_attention_heads": "3"}, "does not tell how many heads there are"),
        ({"num_attention_heads": 5}, "has 5 heads for 96 channels, which do not divide"),
    ],
)
def test_other_configurations(tmp_path, state, changes, message):
    path = folder(tmp_path / "hf", hugging_face(state), **changes)
    with pytest.raises(AssetError, match=message) as error:
        read_dinov3(path)
    assert "\n" not in str(error.value)


def test_damaged_folders(tmp_path, state):
    path = folder(tmp_path / "hf", hugging_face(state))
    (path / "config.json").write_text("{")
    with pytest.raises(AssetError, match="config.json is not readable JSON; download the folder"):
        read_dinov3(path)
    (path / "config.json").write_text("[]")
    with pytest.raises(AssetError, match="config.json is no model configuration"):
        read_dinov3(path)
    (path / "config.json").unlink()
    with pytest.raises(AssetError, match="config.json does not exist"):
        read_dinov3(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match="empty holds no model.safetensors; give Meta's .pth"):
        read_dinov3(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeddings.cls_token", "it lacks cls_token or rope_embed.periods"),
        ("embeddings.mask_token", "missing mask_token"),
    ],
)
def test_tokens_without_axes(tmp_path, state, name, message):
    path = folder(tmp_path / "hf", hugging_face(state) | {name: torch.tensor(1.0)})
    with pytest.raises(AssetError, match=message):
        read_dinov3(path)


def test_incomplete_layers_of_hugging_face_are_reported(tmp_path, state):
    tensors = hugging_face(state)
    del tensors["layer.0.attention.k_proj.weight"]
    tensors["layer.1.attention.v_proj.weight"] = torch.ones(2, 2)
    path = folder(tmp_path / "hf", tensors)
    with pytest.raises(WrongWeightsError) as error:
        read_dinov3(path)
    report = error.value.report
    assert "blocks.0.attn.qkv.weight" in report.missing
    assert "blocks.1.attn.qkv.weight" in report.missing
    assert "blocks.0.attention.q_proj.weight" in report.unexpected
    assert sorted(load_file(path / "model.safetensors")) == sorted(tensors)
