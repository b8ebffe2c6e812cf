"""The dense networks as wholes: what they see, what is trained, sizes, and wrong arguments."""

import pytest
import torch

from flame_fit.errors import UsageError
from flame_fit.priors.dense_networks import DenseNetwork, network_layout, normalised_images
from flame_fit.priors.dense_networks.decoder import EncoderFeatures
from tests.priors.dense_networks.weights import SHALLOW_B


def images(*size):
    return torch.randn(*size, generator=torch.Generator().manual_seed(1))


def test_both_branches_see_the_same_image(uv_network):
    picture = images(1, 3, 64, 48)
    with torch.no_grad():
        encoder = uv_network.encoder
        features = EncoderFeatures(encoder.cnn(picture), encoder.dinov3(picture))
        assert torch.equal(uv_network(picture).final, uv_network.decoder(features).final)


def test_features_have_the_announced_strides(uv_network):
    with torch.no_grad():
        found = uv_network.encoder(images(2, 3, 64, 96))
    convolution = found.convolution
    assert convolution.stride1.shape == (2, 64, 64, 96)
    assert convolution.stride2.shape == (2, 128, 32, 48)
    assert convolution.stride4.shape == (2, 256, 16, 24)
    assert convolution.stride8.shape == (2, 512, 8, 12)
    assert found.patches.shape == (2, 768, 4, 6)
    assert all(float(each.min()) >= 0 for each in vars(convolution).values())


@pytest.mark.parametrize("size", [(16, 16), (50, 71)])
def test_answers_have_the_size_of_the_image(uv_network, size):
    with torch.no_grad():
        assert uv_network(images(1, 3, *size)).final.shape == (1, 3, *size)


def test_number_of_classes(parsing_network, old_parsing_network):
    with torch.no_grad():
        assert parsing_network(images(1, 3, 32, 32)).final.shape[1] == 19
        assert old_parsing_network(images(1, 3, 32, 32)).final.shape[1] == 11


def test_training_reaches_all_but_dinov3():
    network = DenseNetwork("uv", variant=SHALLOW_B).train()
    output = network(images(2, 3, 32, 32))
    assert len(output.auxiliaries) == 3
    assert all(each.shape == output.final.shape for each in output.auxiliaries)
    sum(each.square().mean() for each in (output.final, *output.auxiliaries)).backward()
    for name, parameter in network.named_parameters():
        frozen = name.startswith("encoder.dinov3.")
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name


def test_batch_statistics_are_learned():
    network = DenseNetwork("uv", variant=SHALLOW_B).train()
    before = network.encoder.cnn.layers[1].running_mean.clone()
    with torch.no_grad():
        network(images(2, 3, 32, 32))
    assert not torch.equal(before, network.encoder.cnn.layers[1].running_mean)


def test_normalised_images_by_known_numbers():
    white = normalised_images(torch.ones(1, 3, 1, 1)).flatten().tolist()
    assert white == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "depth"}, "kind is 'depth'; choose uv or parsing"),
        ({"kind": "uv", "variant": "vitg"}, "variant is 'vitg'; choose one of vits16, vitb16"),
        ({"kind": "uv", "classes": 19}, "UV networks have none; leave it out"),
        ({"kind": "parsing", "classes": 12}, "classes is 12; choose 19 or 11"),
    ],
)
def test_wrong_arguments(arguments, message):
    kind = arguments.pop("kind")
    with pytest.raises(UsageError, match=message):
        network_layout(kind, **arguments)


def test_layout_by_name():
    assert network_layout("parsing", variant="vitl16").label == (
        "parsing network of 19 classes on DINOv3 vitl16"
    )
    assert network_layout("uv").outputs == 3
