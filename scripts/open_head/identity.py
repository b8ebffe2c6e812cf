"""Identity components: a sampled population, calibrated to a survey, as principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from scripts.open_head.anthropometry import DistancePairs, Survey, distances, gradients
from scripts.open_head.cut import HeadTopology
from scripts.open_head.phenotype import MACRO_FOLDERS, MACRO_ROOT, macro_weights
from scripts.open_head.sliders import (
    list_sliders,
    sample_phenotypes,
    sample_values,
    slider_weights,
)
from scripts.open_head.source import SourcePackage

SEED = 20240229
PEOPLE = 12000
SIZE_SPREAD = 0.035
STRETCH_SPREAD = 0.03
"""Standard deviations of a person's size as a whole, and of width, height and depth apart.

MakeHuman ties the size of a head to age and build; people differ in size without looking older."""
MEAN_ITERATIONS = 8
RIGID_CONSTRAINTS = 6


@dataclass(frozen=True)
class TargetSpace:
    """Every target that shapes a head, without the rigid motion it carries.

    Attributes:
        base: The head before any target, metres in the head's frame.
        offsets: Offsets of each target, metres.
        weights: Weights of each target for every sampled person; the first half are men.
    """

    base: Float[np.ndarray, "V 3"]
    offsets: Float[np.ndarray, "T V 3"]
    weights: Float[np.ndarray, "n T"]


@dataclass(frozen=True)
class Population:
    """A mixture of two Gaussians (men, women) over target weights, with one inner covariance.

    Attributes:
        men: Mean weights of men.
        women: Mean weights of women.
        root: Factor L of the covariance within a sex, L L^T.
    """

    men: Float[np.ndarray, " T"]
    women: Float[np.ndarray, " T"]
    root: Float[np.ndarray, "T R"]


@dataclass(frozen=True)
class IdentityModel:
    """The mean head and its components at unit variance.

    Attributes:
        mean: Mean of men and women in equal parts.
        components: Offsets per standard deviation, by falling variance.
        women: Codes of the mean woman; the mean man is its negative.
        explained: Share of the variance that the kept components hold.
    """

    mean: Float[np.ndarray, "V 3"]
    components: Float[np.ndarray, "V 3 S"]
    women: Float[np.ndarray, " S"]
    explained: float


def build_target_space(package: SourcePackage, topology: HeadTopology) -> TargetSpace:
    """Read all targets, sample people, and take rigid motion out of the targets."""
    sliders = list_sliders(package)
    macro = [MACRO_ROOT + f + n for f in MACRO_FOLDERS for n in package.names(MACRO_ROOT + f)]
    local = sorted({p for s in sliders for p in (s.positive, s.negative) if p})
    generator = np.random.default_rng(SEED)
    people = sample_phenotypes(PEOPLE, generator)
    values = sample_values(sliders, PEOPLE, generator)
    weights = np.concatenate(
        [macro_weights(people, macro), slider_weights(sliders, values, local)], axis=1
    )
    used = weights.max(axis=0) > 0
    names = [n for n, keep in zip(macro + local, used, strict=True) if keep]
    offsets = np.stack([topology.offsets(package.target(n), hold_lids=True) for n in names])
    base = topology.rest(package.base_mesh.vertices)
    sizes = np.stack([size_target(topology, base, axes) for axes in ((0, 1, 2), (0,), (1,), (2,))])
    spread = np.array([SIZE_SPREAD, *(3 * [STRETCH_SPREAD])])
    amounts = generator.standard_normal((PEOPLE, len(sizes))) * spread
    return TargetSpace(
        base=base,
        offsets=np.concatenate([offsets, sizes]),
        weights=np.concatenate([weights[:, used], amounts], axis=1),
    )


def size_target(
    topology: HeadTopology, base: Float[np.ndarray, "V 3"], axes: tuple[int, ...]
) -> Float[np.ndarray, "V 3"]:
    """Offsets that double the head along some axes; eyeballs grow evenly."""
    offsets = np.zeros_like(base)
    offsets[:, list(axes)] = (base - base.mean(axis=0))[:, list(axes)]
    for eyeball in topology.eyeballs:
        eyeball.keep_round(offsets, growth=len(axes) / 3)
    return offsets


def without_rigid_motion(
    offsets: Float[np.ndarray, "T V 3"],
    positions: Float[np.ndarray, "V 3"],
    weight: Float[np.ndarray, " V"],
) -> Float[np.ndarray, "T V 3"]:
    """Subtract from every field its weighted least-squares translation and small rotation.

    Args:
        offsets: Displacement fields.
        positions: Where they act.
        weight: What counts as the head that should stay in place.
    """
    centred = positions - np.average(positions, axis=0, weights=weight)
    motions = np.zeros((RIGID_CONSTRAINTS, *positions.shape))
    for axis in range(3):
        motions[axis, :, axis] = 1.0
        motions[3 + axis] = np.cross(np.eye(3)[axis], centred)
    flat = motions.reshape(RIGID_CONSTRAINTS, -1)
    weighted = flat * np.repeat(weight, 3)
    solve = np.linalg.solve(weighted @ flat.T, weighted)
    amounts = offsets.reshape(len(offsets), -1) @ solve.T
    return offsets - (amounts @ flat).reshape(offsets.shape)


def fit_population(space: TargetSpace, pairs: DistancePairs, survey: Survey) -> Population:
    """Move and stretch the sampled Gaussian as little as possible until it measures like people.

    In the directions that the measurements see, the covariance is replaced by the survey's
    through the optimal linear map between two Gaussians; in the rest the sample stays as it is.
    The means move along the sample's own covariance (the least Mahalanobis distance).
    """
    half = len(space.weights) // 2
    men, women = space.weights[:half], space.weights[half:]
    covariance = (np.cov(men.T) + np.cov(women.T)) / 2
    centre = (men.mean(axis=0) + women.mean(axis=0)) / 2
    root = _symmetric_root(covariance)
    for _ in range(MEAN_ITERATIONS):
        head = space.base + np.einsum("t,tvc->vc", centre, space.offsets)
        slope = np.einsum("tvc,kvc->tk", space.offsets, gradients(head, pairs))
        gain = covariance @ slope @ np.linalg.inv(slope.T @ covariance @ slope)
        centre = centre + gain @ ((survey.men + survey.women) / 2 - distances(head, pairs))
    means = []
    for sample, wanted in ((men, survey.men), (women, survey.women)):
        mean = sample.mean(axis=0) + centre - (men.mean(axis=0) + women.mean(axis=0)) / 2
        for _ in range(MEAN_ITERATIONS):
            head = space.base + np.einsum("t,tvc->vc", mean, space.offsets)
            mean = mean + gain @ (wanted - distances(head, pairs))
        means.append(mean)
    change = _gaussian_map(slope.T @ covariance @ slope, survey.covariance)
    stretch = np.eye(len(covariance)) + gain @ (change - np.eye(len(change))) @ slope.T
    return Population(men=means[0], women=means[1], root=stretch @ root)


def principal_components(
    space: TargetSpace, population: Population, mirror: Int[np.ndarray, " V"], count: int
) -> IdentityModel:
    """Components of the whole mixture, men and women in equal parts."""
    middle = (population.men + population.women) / 2
    apart = (population.women - population.men) / 2
    factor = np.concatenate([population.root, apart[:, None]], axis=1)
    flat = space.offsets.reshape(len(space.offsets), -1)
    fields = factor.T @ flat
    variances, vectors = np.linalg.eigh(fields @ fields.T)
    order = np.argsort(variances)[::-1][:count]
    directions = (vectors[:, order].T @ fields).reshape(count, *space.base.shape)
    mean = space.base + np.einsum("t,tvc->vc", middle, space.offsets)
    mean = symmetric(mean, mirror)
    signs = component_signs(directions, mean)
    codes = vectors[-1, order] * signs
    return IdentityModel(
        mean=mean,
        components=np.moveaxis(directions * signs[:, None, None], 0, 2),
        women=codes,
        explained=float(variances[order].sum() / variances.sum()),
    )


def symmetric(
    positions: Float[np.ndarray, "V 3"], mirror: Int[np.ndarray, " V"]
) -> Float[np.ndarray, "V 3"]:
    """The mean of a head and its mirror image."""
    return (positions + positions[mirror] * np.array([-1.0, 1.0, 1.0])) / 2


def component_signs(
    directions: Float[np.ndarray, "S V 3"], mean: Float[np.ndarray, "V 3"]
) -> Float[np.ndarray, " S"]:
    """Signs that make components reproducible: positive grows the head, or fits a fixed pattern."""
    flat = directions.reshape(len(directions), -1)
    centred = (mean - mean.mean(axis=0)).ravel()
    growth = flat @ centred / (np.linalg.norm(flat, axis=1) * np.linalg.norm(centred))
    pattern = flat @ np.random.default_rng(SEED).standard_normal(flat.shape[1])
    unclear = np.abs(growth) < 1e-3  # noqa: PLR2004
    return np.where(np.where(unclear, pattern, growth) < 0, -1.0, 1.0)


def _symmetric_root(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T


def _gaussian_map(
    source: Float[np.ndarray, "k k"], wanted: Float[np.ndarray, "k k"]
) -> Float[np.ndarray, "k k"]:
    """The symmetric matrix M of least motion with M source M = wanted."""
    root = _symmetric_root(source)
    inverse = np.linalg.inv(root)
    return inverse @ _symmetric_root(root @ wanted @ root) @ inverse
