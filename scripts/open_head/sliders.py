"""MakeHuman's local sliders of head, face, ears and neck, and a population that moves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scripts.open_head.phenotype import Phenotypes
from scripts.open_head.source import SourcePackage

TARGET_ROOT = "mpfb2/targets/"
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("compress", "uncompress"),
    ("concave", "convex"),
)
FOLDER_SPREAD = {
    "head": 0.10,
    "forehead": 0.18,
    "eyebrows": 0.18,
    "eyes": 0.16,
    "nose": 0.18,
    "cheek": 0.18,
    "mouth": 0.16,
    "chin": 0.15,
    "ears": 0.20,
    "neck": 0.12,
    "asym": 0.08,
}
"""Standard deviation of a slider whose full travel is -1 to 1."""
ONE_SIDED_SPREAD = 0.08
"""Standard deviation of sliders without an opposite (head outlines, ear outlines)."""
LEFT_RIGHT_SPREAD = 0.06
"""Standard deviation of half the difference between the left and the right slider of a pair."""
SKIPPED = ("asymm-",)
"""The trunk's and the breasts' asymmetry move nothing of the head."""


@dataclass(frozen=True)
class Slider:
    """One degree of freedom with its targets.

    Attributes:
        positive: Target file for values above zero.
        negative: Target file for values below zero; empty when there is none.
        spread: Standard deviation of the value.
        twin: Name without the side, shared by the left and the right slider; empty for none.
    """

    positive: str
    negative: str
    spread: float
    twin: str


def list_sliders(package: SourcePackage) -> list[Slider]:
    """All local sliders of the head, in a fixed order."""
    sliders = []
    for folder, spread in FOLDER_SPREAD.items():
        names = [n for n in package.names(TARGET_ROOT + folder) if not n.startswith(SKIPPED)]
        stems = {n.removesuffix(".target.gz") for n in names}
        for stem in sorted(stems):
            opposite = _opposite(stem, folder)
            if opposite is None or opposite not in stems:
                sliders.append(_slider(folder, stem, "", ONE_SIDED_SPREAD))
            elif stem < opposite:
                sliders.append(_slider(folder, opposite, stem, spread))
    return sliders


def _slider(folder: str, positive: str, negative: str, spread: float) -> Slider:
    paths = [f"{TARGET_ROOT}{folder}/{s}.target.gz" if s else "" for s in (positive, negative)]
    sided = folder != "asym" and positive[:2] in ("l-", "r-")
    return Slider(paths[0], paths[1], spread, positive[2:] if sided else "")


def _opposite(stem: str, folder: str) -> str | None:
    """The name of the target at the other end of a slider."""
    head, _, tail = stem.rpartition("-")
    if folder == "asym":
        return f"{head}-{'r' if tail == 'l' else 'l'}"
    for low, high in OPPOSITES:
        if tail == low:
            return f"{head}-{high}"
        if tail == high:
            return f"{head}-{low}"
    return None


def sample_values(
    sliders: list[Slider], count: int, generator: np.random.Generator
) -> Float[np.ndarray, "n S"]:
    """Values of all sliders for a number of people; paired sides differ a little."""
    values = np.empty((count, len(sliders)))
    shared: dict[str, Float[np.ndarray, " n"]] = {}
    for index, slider in enumerate(sliders):
        draw = generator.standard_normal(count)
        if not slider.twin:
            values[:, index] = slider.spread * draw
        elif slider.twin not in shared:
            half = LEFT_RIGHT_SPREAD * generator.standard_normal(count)
            shared[slider.twin] = slider.spread * draw - half
            values[:, index] = slider.spread * draw + half
        else:
            values[:, index] = shared[slider.twin]
        if not slider.negative:
            values[:, index] = np.abs(values[:, index])
    return values.clip(-1.0, 1.0)


def slider_weights(
    sliders: list[Slider], values: Float[np.ndarray, "n S"], target_names: list[str]
) -> Float[np.ndarray, "n T"]:
    """Weights of the named targets for slider values."""
    columns = {name: k for k, name in enumerate(target_names)}
    weights = np.zeros((len(values), len(target_names)))
    for index, slider in enumerate(sliders):
        weights[:, columns[slider.positive]] = values[:, index].clip(min=0.0)
        if slider.negative:
            weights[:, columns[slider.negative]] = (-values[:, index]).clip(min=0.0)
    return weights


def sample_phenotypes(count: int, generator: np.random.Generator) -> Phenotypes:
    """People of both sexes, mostly adults, of mixed ancestry; the first half are men.

    One in sixteen is between eight and eighteen years old; adults are more often young than old.
    Ancestry shares are a Dirichlet draw with weight on one main ancestry.
    """
    women = np.arange(count) >= count // 2
    blur = np.abs(generator.normal(0.0, 0.3, count)).clip(max=0.6)
    adult = 2 / 3 + generator.beta(1.2, 3.5, count) / 3
    minor = generator.uniform(0.45, 2 / 3, count)
    ancestry = generator.dirichlet((0.5, 0.5, 0.5), count)
    return Phenotypes(
        sex=np.where(women, 1.0 - blur, blur),
        age=np.where(generator.random(count) < 1 / 16, minor, adult),
        muscle=generator.normal(0.5, 0.12, count).clip(0, 1),
        weight=generator.normal(0.55, 0.15, count).clip(0, 1),
        height=generator.normal(0.5, 0.1, count).clip(0, 1),
        proportions=generator.normal(0.5, 0.2, count).clip(0, 1),
        african=ancestry[:, 0],
        asian=ancestry[:, 1],
        caucasian=ancestry[:, 2],
    )
