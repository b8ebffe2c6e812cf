"""Made-up weights of dense networks, and what trainings write of them."""

import torch
from torch import Tensor

from flame_fit.priors.dense_networks import FROZEN_PREFIX, DenseNetwork, VitSize

# The widths of the published variants, at a depth that does not take long.
SHALLOW_B = VitSize(width=768, depth=1, heads=12)
SHALLOW_L = VitSize(width=1024, depth=1, heads=16)


def made_up(state: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Weights by name that keep activations of order one."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, tensor in state.items():
        noise = torch.randn(tensor.shape, generator=generator)
        if not tensor.is_floating_point() or name.endswith(("periods", "bias_mask")):
            found[name] = tensor.clone()
        elif name.endswith("running_var"):
            found[name] = torch.exp(0.2 * noise)
        elif tensor.ndim == 1 and name.endswith("weight"):
            found[name] = 1.0 + 0.2 * noise
        elif tensor.ndim == 1:
            found[name] = 0.3 * noise
        else:
            found[name] = noise * (2.0 / max(tensor[0].numel(), 1)) ** 0.5
    return found


def network_with_weights(kind: str, **options: object) -> DenseNetwork:
    network = DenseNetwork(kind, **options)
    network.load_state_dict(made_up(network.state_dict()))
    return network.eval()


def thin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """One number repeated in each tensor, which torch saves once: for small files."""
    return {
        name: torch.full((), 0.5 + index / 1000).to(tensor.dtype).expand(tensor.shape)
        for index, (name, tensor) in enumerate(state.items())
    }


def trained_state(network: DenseNetwork) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith(FROZEN_PREFIX)
    }


def frozen_state(network: DenseNetwork) -> dict[str, Tensor]:
    """DINOv3's weights by Meta's names."""
    return network.encoder.dinov3.state_dict()


def lightning_checkpoint(state: dict[str, Tensor], **settings: object) -> dict:
    """What Lightning writes of a training with AdamW; one of its parameters stands for all."""
    moments = {"step": torch.tensor(8.0), "exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}
    group = {"lr": 1e-3, "betas": (0.9, 0.999), "params": [0]}
    return {
        "epoch": 2,
        "global_step": 8,
        "pytorch-lightning_version": "2.6.6",
        "state_dict": state,
        "loops": {"fit_loop": {"epoch_progress": {"total": {"ready": 2}}, "state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val/loss'}": {"best_score": torch.ones(())}},
        "optimizer_states": [{"state": {0: moments}, "param_groups": [group]}],
        "lr_schedulers": [{"T_max": 200, "last_epoch": 2}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"learning_rate": 1e-3, "device": torch.device("cpu"), **settings},
    }
