"""The recipe: one network, two cycles of the learning rate, an average of its weights."""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import accumulate, chain
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.geometry import SurfacePoints, points_on_surface
from flame_fit.head_models import load_head_model
from flame_fit.priors.face_mesh_topology import MESH_COUNT
from flame_fit.priors.head_network.mesh_guess import NEIGHBOURS
from flame_fit.priors.head_network.network import HeadNetwork
from flame_fit.priors.model_files import person_model
from scripts.training.dense_points import DensePoints, dense_points
from scripts.training.face_mesh_weights import face_mesh_trunk
from scripts.training.objective import Report, affine_basis, loss_of, prepared, report_on
from scripts.training.samples import Batch, MeshTie, Shards, held_out

IMAGE_AXES = 4
MESH_TRUST, TRUST_RANGE = 0.65, (0.05, 0.65)
"""How far a point on the face mesh is believed to lie where that has it, before training."""


@dataclass(frozen=True)
class Recipe:
    """How the network is trained.

    Attributes:
        steps: Batches of each cycle of the learning rate, in turn.
        batch: Samples of one batch.
        rates: Highest learning rate of each cycle.
        warm_up: Steps until it is reached.
        decay: Weight decay.
        average: Share of the old in the running average of the weights.
        report_every: Steps between looks at held-out pictures.
        workers: Processes that prepare samples.
        seed: Of everything drawn.
    """

    steps: tuple[int, ...] = (6300, 3000)
    batch: int = 16
    rates: tuple[float, ...] = (2e-3, 6e-4)
    warm_up: int = 200
    decay: float = 0.02
    average: float = 0.998
    report_every: int = 300
    workers: int = 1
    seed: int = 0


def start_network(assets: FlameAssets, dense: DensePoints) -> HeadNetwork:
    """Return the network before training: MediaPipe's trunk, points where a mean head has them."""
    network = HeadNetwork(len(dense.mirror))
    path = person_model().with_name("face_landmark.tflite")
    network.trunk.load_state_dict(face_mesh_trunk(path).state_dict())
    network.trunk.requires_grad_(requires_grad=False)
    place = points_on_surface(assets.v_template[None], assets.faces, dense.points)[0]
    neck = (assets.joint_regressor @ assets.v_template)[1]
    marks = assets.landmarks
    if marks is None or marks.mediapipe is None:
        raise AssetError(f"model {assets.name!r} has no landmarks; use open_head")
    mesh = SurfacePoints(
        marks.mediapipe.face_index[:MESH_COUNT], marks.mediapipe.barycentrics[:MESH_COUNT]
    )
    template = assets.v_template[None]
    network.guess.prepare(points_on_surface(template, assets.faces, mesh)[0], place, neck)
    with torch.no_grad():
        network.points.start[:, 2] = -4.0
        network.points.start[:, 3] = neck[2] - place[:, 2]
        network.points.start[:, 4] = -4.5
        network.points.global_points.normal_(0.0, 0.05)
        network.points.mix_guess.weight.zero_()
        for parameter in network.points.mesh[2].parameters():
            parameter.zero_()
        near = MESH_TRUST * network.guess.near_weight.sum(1)
        network.points.trust.copy_(near.clamp(*TRUST_RANGE).logit()[:, None])
    return network


def mesh_tie(network: HeadNetwork, dense: DensePoints) -> MeshTie:
    """Return how the points of the face mesh and the dense points belong together."""
    guess = network.guess
    apart = torch.cdist(guess.mean_mesh[:, :3], guess.mean_points[:, :3])
    found = apart.topk(NEIGHBOURS, largest=False)
    weight = 1.0 / found.values.square().clamp_min(1e-6)
    weight = weight / weight.sum(-1, keepdim=True)
    return MeshTie(dense.mirror, found.indices.numpy(), weight.numpy(), deepcopy(guess))


def train(shards: list[Path], unseen: list[Path], folder: Path, recipe: Recipe) -> nn.Module:
    """Train and return the averaged network; goes on where an earlier run stopped.

    Args:
        shards: Of `write_shards`.
        unseen: Shards of other pictures, to report on.
        folder: Where the state and the log are kept.
        recipe: How.
    """
    torch.manual_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    assets = load_head_model("open_head")
    dense = dense_points(assets)
    network = start_network(assets, dense)
    for parameter in network.parameters():
        if parameter.ndim == IMAGE_AXES:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    averaged = AveragedModel(network, avg_fn=_running_mean(recipe.average), use_buffers=True)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.rates[0], weight_decay=recipe.decay)
    state_path, first = folder / "state.pt", 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    samples = Shards(shards, mesh_tie(network, dense), seed=recipe.seed + first, batch=recipe.batch)
    batches = _endless(samples, recipe.workers)
    begun, mean_loss = time.time(), None
    not_shape = affine_basis(network.guess.mean_points[:, :3])
    for step in range(first, sum(recipe.steps)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        network.train()
        network.trunk.eval()
        batch = prepared(next(batches))
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(batch.images, batch.person, batch.mesh)
        loss = loss_of(answer, batch, not_shape)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            _log(folder, step=step + 1, loss=mean_loss, seconds=time.time() - begun)
        if (step + 1) % recipe.report_every == 0 or step + 1 == sum(recipe.steps):
            report = report_on(averaged.module, chain(*(held_out(path) for path in unseen)))
            _log(folder, step=step + 1, **_short(report))
            state = {
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
            }
            torch.save(state, state_path.with_suffix(".part"))
            state_path.with_suffix(".part").rename(state_path)
    return averaged.module


def _running_mean(most: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return the mean of weights, over more and more steps: what was before training fades."""

    def mean(before: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        if not before.is_floating_point():
            return now
        return now.lerp(before, min(most, (1.0 + int(count)) / (10.0 + int(count))))

    return mean


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: in each cycle straight up, then down as a cosine."""
    ends = list(accumulate(recipe.steps))
    cycle = bisect_right(ends, step)
    length, rate = recipe.steps[cycle], recipe.rates[cycle]
    step -= ends[cycle] - length
    if step < recipe.warm_up:
        return rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(length - recipe.warm_up, 1)
    return rate * (0.5 * (1.0 + math.cos(math.pi * done)) * 0.99 + 0.01)


def _endless(samples: Shards, workers: int) -> Iterator[Batch]:
    loader = DataLoader(samples, batch_size=None, num_workers=workers)
    return iter(loader)


def _short(report: Report) -> dict:
    return {
        key: [round(v, 3) for v in value] if isinstance(value, tuple) else round(value, 3)
        for key, value in asdict(report).items()
    }


def _log(folder: Path, **values: object) -> None:
    line = json.dumps(values)
    print(line, flush=True)
    with (folder / "log.jsonl").open("a") as file:
        file.write(line + "\n")
