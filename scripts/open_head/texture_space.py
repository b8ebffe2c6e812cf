"""The starting texture space: random painted people, reduced to their principal components."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flame_fit.errors import AssetError
from scripts.open_head.chart import read_source
from scripts.open_head.paint_fields import PaintFields, paint_fields
from scripts.open_head.paint_person import draw_person, paint_person
from scripts.open_head.texels import TexelMap, rasterise_chart
from scripts.open_head.write import update_npz

SIZE = 512
COMPONENT_COUNT = 48
PEOPLE = 2000
SEED = 20240
BYTE_RANGE = 255.0
STEP = 0.25
"""Components are rounded to multiples of this (of 255), which lets them compress."""
EYE_WEIGHT, FACE_WEIGHT, OTHER_WEIGHT, MOUTH_WEIGHT = 2.0, 1.0, 0.25, 0.08
"""How much a texel's error counts: the eyeballs are small but looked at first."""
CHUNK = 24576


@dataclass(frozen=True)
class PaintedSpace:
    """Principal components of the painted people, sRGB times 255, RGB order.

    Attributes:
        mean: Mean map.
        components: Change of the map per standard deviation of each code.
        explained: Share of the weighted variance that each component explains.
    """

    mean: Float[np.ndarray, "U U 3"]
    components: Float[np.ndarray, "U U 3 K"]
    explained: Float[np.ndarray, "K"]


def texel_weights(
    fields: PaintFields, face: Float[np.ndarray, "U U"], covered: np.ndarray
) -> Float[np.ndarray, "n"]:
    """Return how much each texel counts; texels off every island count nothing."""
    weight = OTHER_WEIGHT + (FACE_WEIGHT - OTHER_WEIGHT) * face.ravel()
    weight[fields.eye_texels] = EYE_WEIGHT
    weight[fields.mouth_texels] = MOUTH_WEIGHT
    return weight * covered.ravel()


def paint_people(fields: PaintFields, count: int, seed: int) -> Float[np.ndarray, "N n 3"]:
    """Paint many people, as float16 because thousands of maps have to fit into memory."""
    rng = np.random.default_rng(seed)
    maps = np.empty((count, fields.size**2, 3), np.float16)
    for index in range(count):
        maps[index] = paint_person(fields, draw_person(rng)) * BYTE_RANGE
    return maps


def principal_components(
    maps: Float[np.ndarray, "N n 3"], weight: Float[np.ndarray, "n"], count: int
) -> PaintedSpace:
    """Find the components by the people's Gram matrix, a block of texels at a time."""
    people, texels, _ = maps.shape
    size = int(round(texels**0.5))
    mean = np.empty((texels, 3), np.float32)
    gram = np.zeros((people, people), np.float64)
    for start in range(0, texels, CHUNK):
        block = maps[:, start : start + CHUNK].astype(np.float32)
        mean[start : start + CHUNK] = block.mean(0)
        block -= mean[start : start + CHUNK]
        block *= np.sqrt(weight[start : start + CHUNK, None]).astype(np.float32)
        flat = block.reshape(people, -1)
        gram += flat @ flat.T
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:count]
    # A sign that does not depend on the solver: codes skewed to the positive side.
    codes = vectors[:, order] * np.sqrt(people)
    codes *= np.where((codes**3).sum(0) < 0, -1, 1)
    components = np.empty((texels, 3, count), np.float32)
    for start in range(0, texels, CHUNK):
        block = maps[:, start : start + CHUNK].astype(np.float32) - mean[start : start + CHUNK]
        flat = codes.T.astype(np.float32) @ block.reshape(people, -1) / people
        components[start : start + CHUNK] = flat.reshape(count, -1, 3).transpose(1, 2, 0)
    shape = (size, size, 3)
    explained = values[order] / values.sum()
    return PaintedSpace(mean.reshape(shape), components.reshape(*shape, count), explained)


def stored_arrays(space: PaintedSpace) -> dict[str, np.ndarray]:
    """Return the published keys: BGR, 0 to 255, components rounded and laid out to compress."""
    components = np.round(space.components[:, :, ::-1] / STEP) * STEP
    mean = np.round(space.mean[:, :, ::-1] * 8) / 8
    return {
        "mean": np.asfortranarray(mean.astype(np.float16)),
        "tex_dir": np.asfortranarray(components.astype(np.float16)),
        "explained_variance": space.explained.astype(np.float32),
    }


def build_texture_space(head: Path) -> PaintedSpace:
    """Paint people on the chart stored in the head's asset file and reduce them."""
    source = read_source(head)
    with np.load(head, allow_pickle=False) as data:
        if "vt" not in data:
            raise AssetError(f"{head} has no chart (vt, ft); run the chart stage first")
        texels: TexelMap = rasterise_chart(data["vt"].astype(float), data["ft"], SIZE)
    fields = paint_fields(source, texels)
    face = texels.sample(source.regions["face"].astype(float), source.faces)
    weight = texel_weights(fields, face, texels.covered)
    return principal_components(paint_people(fields, PEOPLE, SEED), weight, COMPONENT_COUNT)


def write_texture_space(head: Path, destination: Path) -> None:
    """Build the texture space and write it in the published schema."""
    update_npz(destination, stored_arrays(build_texture_space(head)))


def main() -> None:
    """Build the texture space from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, default=Path("assets/open_head.npz"))
    parser.add_argument("--out", type=Path, default=Path("assets/open_head_texture.npz"))
    arguments = parser.parse_args()
    space = build_texture_space(arguments.head)
    update_npz(arguments.out, stored_arrays(space))
    print(f"{len(space.explained)} components explain {100 * space.explained.sum():.2f} %")


if __name__ == "__main__":
    main()
