"""The published networks' own outputs and names, with the weights of the shared recipe."""

import importlib.util
from dataclasses import dataclass

import pytest
import torch

from flame_fit.priors.dense_networks import (
    FROZEN_PREFIX,
    VARIANTS,
    DenseNetwork,
    DenseOutput,
    DinoV3,
    VitSize,
)
from flame_fit.priors.dense_networks.decoder import EncoderFeatures

TOLERANCE = 1e-4
NETWORKS = {"uv": ("faceuv", "faceuv_b"), "parsing": ("faceparsing", "faceparsing_19_b")}


@pytest.fixture(scope="module")
def recipe(shared_specs):
    found = importlib.util.spec_from_file_location("recipe", shared_specs / "golden_recipe.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def keys_of(path):
    """Name, shape and dtype of each line of a key list."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    return [(name, shape, dtype.removeprefix("torch.")) for name, shape, dtype, *_ in lines]


def keys_in(state):
    return [
        (name, str(tuple(tensor.shape)), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in state.items()
    ]


@dataclass
class Published:
    network: DenseNetwork
    recipe: object
    keys: list
    reference: dict

    def answer(self, *, training) -> DenseOutput:
        """Of the recipe's image, and its features in place of DINOv3's."""
        network = self.network.train(training)
        network.decoder.final_conv[1].p = 0.0
        with torch.no_grad():
            convolution = network.encoder.cnn(self.recipe.image(2, 64, 96))
            patches = self.recipe.dino_feat(2, 768, 4, 6)
            return network.decoder(EncoderFeatures(convolution, patches))


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def published(request, shared_specs, recipe) -> Published:
    keys, golden = NETWORKS[request.param]
    network = DenseNetwork(request.param, variant=VitSize(768, 1, 12))
    own = {name: value for name, value in network.state_dict().items() if "dinov3" not in name}
    network.load_state_dict(network.state_dict() | recipe.fill(own))
    return Published(
        network=network,
        recipe=recipe,
        keys=keys_of(shared_specs / f"{keys}_keys.txt"),
        reference=torch.load(shared_specs / f"golden_{golden}.pt", weights_only=True),
    )


def test_names_shapes_and_types_of_the_trained_part(published):
    state = published.network.state_dict()
    own = {name: each for name, each in state.items() if not name.startswith(FROZEN_PREFIX)}
    assert keys_in(own) == published.keys
    assert len(own) == 319


def test_answers_in_use(published):
    answer = published.answer(training=False)
    assert answer.auxiliaries == ()
    assert (answer.final - published.reference["out"]).abs().max() < TOLERANCE


def test_answers_in_training(published):
    """Batch statistics and auxiliary heads, of which the reference keeps mean and deviation."""
    state = {name: tensor.clone() for name, tensor in published.network.state_dict().items()}
    answer = published.answer(training=True)
    published.network.load_state_dict(state)
    expected = published.reference["train_aux_stats"]
    for found, name in zip(answer.auxiliaries, ("aux_8", "aux_4", "aux_2"), strict=True):
        shape, mean, deviation = expected[name]
        assert tuple(found.shape) == tuple(shape)
        assert float(found.mean()) == pytest.approx(mean, abs=TOLERANCE)
        assert float(found.std()) == pytest.approx(deviation, abs=TOLERANCE)
    mean, deviation = published.reference["train_out_stats"]
    assert float(answer.final.mean()) == pytest.approx(mean, abs=TOLERANCE)
    assert float(answer.final.std()) == pytest.approx(deviation, abs=TOLERANCE)


@pytest.mark.parametrize("name", ["vitb16", "vitl16"])
def test_names_shapes_and_types_of_dinov3(shared_specs, name):
    with torch.device("meta"):
        state = DinoV3(VARIANTS[name]).state_dict()
    assert keys_in(state) == keys_of(shared_specs / f"dinov3_{name}_keys.txt")


def test_dinov3_answers_as_metas_code(shared_specs):
    reference = torch.load(shared_specs / "golden_dinov3_tiny.pt", weights_only=True)
    config = reference["config"]
    model = DinoV3(VitSize(config["embed_dim"], config["depth"], config["num_heads"]))
    model.load_state_dict(reference["state_dict"])
    found = model(reference["input"])
    assert found.shape == (2, 96, 4, 6)
    tokens = found.flatten(2).transpose(1, 2)
    assert (tokens - reference["x_norm_patchtokens"]).abs().max() < TOLERANCE
