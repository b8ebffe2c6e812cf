"""Checkpoints of every generation: told apart by shapes, loaded whole, refused with reasons."""

import collections

import pytest
import torch

from flame_fit.errors import AssetError
from flame_fit.priors.dense_networks import (
    WrongWeightsError,
    load_dense_network,
    new_dense_network,
    read_checkpoint,
    read_vgg19,
)
from tests.priors.dense_networks.weights import (
    SHALLOW_L,
    frozen_state,
    lightning_checkpoint,
    thin,
    trained_state,
)


def images(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(2))


def saved(path, content):
    torch.save(content, path)
    return path


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.fixture(scope="module")
def uv_state(uv_network):
    """The trained part with one number in each tensor."""
    return thin(trained_state(uv_network))


def test_decoder_and_dinov3_make_the_network_again(uv_decoder, dinov3_file, uv_network):
    network = load_dense_network(uv_decoder, dinov3=dinov3_file)
    assert not network.training
    assert_same(network.state_dict(), uv_network.state_dict())
    picture = images(1, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(network(picture).final, uv_network(picture).final)
    frozen = network.encoder.dinov3.parameters()
    assert not any(parameter.requires_grad for parameter in frozen)
    assert all(parameter.requires_grad for parameter in network.decoder.parameters())


def test_full_checkpoint_of_the_first_generation(tmp_path, old_parsing_network):
    state = thin(old_parsing_network.state_dict())
    path = saved(tmp_path / "last.ckpt", lightning_checkpoint(state))
    checkpoint = read_checkpoint(path)
    assert checkpoint.layout.label == (
        "parsing network of 11 classes on DINOv3 of width 1024, depth 1, 16 heads"
    )
    assert checkpoint.frozen.size == SHALLOW_L
    assert_same(load_dense_network(path).state_dict(), state)


@pytest.mark.parametrize(
    ("network", "label"),
    [
        ("uv_network", "UV network on DINOv3 vitb16"),
        ("parsing_network", "parsing network of 19 classes on DINOv3 vitb16"),
        ("old_parsing_network", "parsing network of 11 classes on DINOv3 vitl16"),
    ],
)
def test_variants_are_told_by_shapes(tmp_path, request, network, label):
    """As bare state dicts, without any word of what they are."""
    state = thin(trained_state(request.getfixturevalue(network)))
    checkpoint = read_checkpoint(saved(tmp_path / "decoder.ckpt", state))
    assert checkpoint.layout.label == label
    assert checkpoint.frozen is None


def test_counts_that_old_files_lack_are_zero(tmp_path, uv_state, dinov3_file):
    old = {k: v for k, v in uv_state.items() if not k.endswith("num_batches_tracked")}
    network = load_dense_network(saved(tmp_path / "a.ckpt", old), dinov3=dinov3_file)
    assert int(network.decoder.final_conv[0].bn.num_batches_tracked) == 0


def test_bookkeeping_of_unknown_classes_is_not_looked_at(tmp_path, uv_state):
    settings = {"scheduler_config": collections.defaultdict(list, a=[1]), "code": SHALLOW_L}
    content = lightning_checkpoint(uv_state, **settings)
    assert read_checkpoint(saved(tmp_path / "a.ckpt", content)).layout.kind == "uv"


def test_every_difference_is_reported(tmp_path, uv_state):
    state = dict(uv_state)
    del state["decoder.arm16.attention.1.bias"]
    del state["encoder.cnn.layers.3.weight"]
    state["loss.weight"] = torch.ones(3)
    state["decoder.adapt_scale2.conv.weight"] = torch.ones(64, 128, 1, 1)
    state["decoder.ffm_8.fc1.bias"] = torch.full((64,), torch.nan)
    path = saved(tmp_path / "a.ckpt", state)
    with pytest.raises(WrongWeightsError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path} does not fit a UV network on DINOv3 vitb16: of its weights 2 missing, 1"
        " unexpected, 1 of another shape, 1 not finite (first: missing"
        " encoder.cnn.layers.3.weight); give the file that belongs to this network"
    )
    assert error.value.report.lines() == (
        "missing     encoder.cnn.layers.3.weight",
        "missing     decoder.arm16.attention.1.bias",
        "unexpected  loss.weight",
        "misshaped   decoder.adapt_scale2.conv.weight (64, 128, 1, 1), expected (128, 128, 1, 1)",
        "not finite  decoder.ffm_8.fc1.bias",
    )


def test_names_out_of_a_file_stay_on_one_line(tmp_path, uv_state):
    state = uv_state | {"a\nb\x1b" + "c" * 200: torch.ones(1)}
    with pytest.raises(WrongWeightsError) as error:
        read_checkpoint(saved(tmp_path / "a.ckpt", state))
    assert "\n" not in str(error.value)
    assert str(error.value).isprintable()
    assert all(line.isprintable() and len(line) < 120 for line in error.value.report.lines())


def test_incomplete_dinov3_inside_is_reported(tmp_path, uv_network):
    state = thin(uv_network.state_dict())
    del state["encoder.dinov3.blocks.0.norm1.bias"]
    path = saved(tmp_path / "last.ckpt", {"state_dict": state})
    with pytest.raises(WrongWeightsError, match="1 missing .first: missing blocks.0.norm1.bias"):
        read_checkpoint(path)


@pytest.fixture(scope="module")
def telling(uv_state):
    """Only the weights by whose shapes networks are told apart."""
    names = ("decoder.adapt_scale16.conv.weight", "decoder.final_conv.2.weight")
    return {name: uv_state[name] for name in names}


def resized_outputs(state, count):
    return state | {"decoder.final_conv.2.weight": torch.ones(count, 64, 1, 1)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: resized_outputs(state, 2), "is a checkpoint of FaceDepth; give one of"),
        (lambda state: resized_outputs(state, 7), "has 7 outputs, expected 3 .UV., 11 or 19"),
        (
            lambda state: state | {"decoder.adapt_scale16.conv.weight": torch.ones(512, 99, 1, 1)},
            "decodes features of 99 channels, expected those of one of vits16 .384., vitb16",
        ),
        (lambda _: {"rope_embed.periods": torch.ones(16)}, "is a file of DINOv3 alone; give a"),
        (lambda _: {"features.0.weight": torch.ones(1)}, "is a file of VGG alone; give a decoder"),
        (lambda _: {"a": torch.ones(1)}, "is no checkpoint of FaceUV or FaceParsing; give a"),
        (lambda _: {}, "holds no weights; give a checkpoint of a network"),
        (lambda _: {"a": "text"}, "holds 'a', which is no tensor of weights; give a checkpoint"),
        (lambda _: {3: torch.ones(1)}, "holds weights without names; give a checkpoint"),
        (lambda _: [1], "holds a list, expected a dict"),
    ],
)
def test_files_of_something_else(tmp_path, telling, change, message):
    path = saved(tmp_path / "a.ckpt", change(telling))
    with pytest.raises(AssetError, match=message) as error:
        read_checkpoint(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_kinds_are_not_mixed_up(tmp_path, telling):
    path = saved(tmp_path / "a.ckpt", telling)
    with pytest.raises(AssetError, match="is a UV network on DINOv3 vitb16; give a checkpoint for"):
        read_checkpoint(path, kind="parsing")


def test_dinov3_must_be_given_and_go_with_the_decoder(tmp_path, uv_state, old_parsing_network):
    uv_decoder = saved(tmp_path / "decoder.ckpt", uv_state)
    with pytest.raises(AssetError, match="leaves out DINOv3; give the file of vitb16 too"):
        load_dense_network(uv_decoder)
    path = saved(tmp_path / "vitl.pth", thin(frozen_state(old_parsing_network)))
    with pytest.raises(
        AssetError, match="vitl.pth is DINOv3 of width 1024, .*, but .* needs vitb16; give that one"
    ):
        load_dense_network(uv_decoder, dinov3=path)


def test_whole_numbers_become_weights(tmp_path, uv_state, dinov3_file):
    name = "decoder.final_conv.2.bias"
    path = saved(tmp_path / "a.ckpt", uv_state | {name: torch.tensor([1, 2, 3])})
    network = load_dense_network(path, dinov3=dinov3_file)
    assert network.decoder.final_conv[2].bias.tolist() == [1.0, 2.0, 3.0]


def torchvision_state(network):
    """torchvision's file: all layers by number, then what classifies."""
    branch = network.encoder.cnn.layers.state_dict()
    state = {f"features.{name}": tensor for name, tensor in thin(branch).items()}
    return state | {
        "features.40.weight": torch.ones(512, 512, 3, 3),
        "features.41.running_mean": torch.ones(512),
        "classifier.0.weight": torch.ones(4, 4),
    }


def test_training_starts_from_the_given_files(tmp_path, uv_network, dinov3_file):
    vgg = torchvision_state(uv_network)
    old = {name: each for name, each in vgg.items() if not name.endswith("num_batches_tracked")}
    path = saved(tmp_path / "vgg19_bn-c79401a0.pth", old)
    network = new_dense_network("parsing", dinov3=dinov3_file, vgg19=path, classes=11)
    assert network.training
    assert network.layout.outputs == 11
    branch = network.encoder.cnn.layers.state_dict()
    assert all(torch.equal(branch[name], vgg[f"features.{name}"]) for name in branch)
    assert_same(frozen_state(network), frozen_state(uv_network))
    assert not any(each.requires_grad for each in network.encoder.dinov3.parameters())
    network(images(2, 3, 32, 32)).final.square().mean().backward()
    assert network.encoder.cnn.layers[0].weight.grad is not None


def test_random_convolutions_without_a_file(uv_network, dinov3_file):
    network = new_dense_network("uv", dinov3=dinov3_file)
    first = network.encoder.cnn.layers[0].weight
    assert not torch.equal(first, uv_network.encoder.cnn.layers[0].weight)
    assert float(first.detach().std()) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {"a": torch.ones(1)}, "is no VGG19 of torchvision; give vgg19_bn-c79401a0"),
        (
            lambda state: {k: v for k, v in state.items() if "running" not in k},
            "is a VGG without batch normalisation; give vgg19_bn-c79401a0.pth",
        ),
        (
            lambda state: {k: v for k, v in state.items() if k != "features.3.bias"},
            "VGG19 with batch normalisation: of its weights 1 missing",
        ),
    ],
)
def test_other_vggs(tmp_path, uv_network, change, message):
    path = saved(tmp_path / "a.pth", change(torchvision_state(uv_network)))
    with pytest.raises(AssetError, match=message):
        read_vgg19(path)
