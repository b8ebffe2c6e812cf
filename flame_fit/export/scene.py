"""What a finished fit hands to the writers: plain arrays on the CPU, no model and no device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, UInt, UInt8

from flame_fit.export.report import FitReport


@dataclass(frozen=True)
class ExportMesh:
    """A textured head: positions and a UV chart over the same triangles.

    Attributes:
        vertices: Fitted shape, expression, jaw, eye and neck pose in model space (metres, x to the
            person's left, y up, z forward); the head's place in front of the camera is left out.
        neutral_vertices: The same identity without expression and pose.
        faces: Vertex indices of each triangle, counter-clockwise seen from outside.
        uv: Chart positions, u right and v up, in [0, 1].
        uv_faces: Chart indices of each triangle's corners, in the order of `faces`.
        eye_faces: Which triangles are eyeballs and take a material of their own, None where the
            model does not mark them.
    """

    vertices: Float[np.ndarray, "V 3"]
    neutral_vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "T 2"]
    uv_faces: Int[np.ndarray, "F 3"]
    eye_faces: Bool[np.ndarray, " F"] | None = None


@dataclass(frozen=True)
class ExportUncertainty:
    """Standard deviations of a fit by the curvature of its objective (Laplace's approximation).

    Attributes:
        shape: Of the identity coefficients.
        expression: Of the expression coefficients.
        head_rotation: Of the head's axis-angle vector, radians.
        translation: Metres.
        vertices_mm: Of every vertex of the unposed head, millimetres.
        shape_covariance: Covariance of the identity coefficients.
    """

    shape: Float[np.ndarray, " S"]
    expression: Float[np.ndarray, " E"]
    head_rotation: Float[np.ndarray, "3"]
    translation: Float[np.ndarray, "3"]
    vertices_mm: Float[np.ndarray, " V"]
    shape_covariance: Float[np.ndarray, "S S"]


@dataclass(frozen=True)
class ExportParams:
    """Every estimated parameter of one head by its whole name.

    Attributes:
        shape: Identity coefficients at unit variance.
        expression: Expression coefficients at unit variance.
        head_rotation: Axis-angle of the head, radians, world axes.
        translation: Of the head from the camera, metres, world axes.
        neck: Axis-angle, radians.
        jaw: Axis-angle, radians.
        eyes: Axis-angle of the left and the right eye, radians.
        focal: Horizontal and vertical focal length in photo pixels.
        principal_point: In photo pixels, from the left and the top edge.
        image_size: Width and height of the photo in pixels.
        lighting: Spherical-harmonics coefficients per colour channel.
        texture_code: Codes in the texture space at unit variance.
        projection: How the camera projects.
        model_name: The head model the coefficients belong to.
        model_sha256: Its file, so that coefficients are never read with another model.
        uncertainty: How sure the fit is, None where nobody has asked it.
        texture_latents: Of a texture decoder, one for each of its layers; None without one.
    """

    shape: Float[np.ndarray, " S"]
    expression: Float[np.ndarray, " E"]
    head_rotation: Float[np.ndarray, "3"]
    translation: Float[np.ndarray, "3"]
    neck: Float[np.ndarray, "3"]
    jaw: Float[np.ndarray, "3"]
    eyes: Float[np.ndarray, "6"]
    focal: Float[np.ndarray, "2"]
    principal_point: Float[np.ndarray, "2"]
    image_size: Int[np.ndarray, "2"]
    lighting: Float[np.ndarray, "9 3"]
    texture_code: Float[np.ndarray, " K"]
    projection: Literal["perspective", "orthographic"]
    model_name: str
    model_sha256: str
    uncertainty: ExportUncertainty | None = None
    texture_latents: Float[np.ndarray, "L n"] | None = None


@dataclass(frozen=True)
class TextureMap:
    """One more map over the chart, written as `texture_<name>.png`.

    Attributes:
        name: Of letters, digits and underscores, for instance `albedo` or `confidence`.
        image: Row 0 is v = 1; colour is sRGB, a single channel is linear.
    """

    name: str
    image: UInt[np.ndarray, "U U *channels"]


@dataclass(frozen=True)
class OverlayImages:
    """The pictures that the overview is composed of, all of one size.

    Attributes:
        photo: The photo around the face, sRGB.
        render: The textured, lit head, sRGB; only looked at where `coverage` is above zero.
        shape: The same head as plain clay, sRGB.
        coverage: How much of each pixel the head covers, 0..1.
        landmarks: Fitted landmarks as (x, y) in pixels of `photo`, drawn as small dots if given.
        deviation_mm: How unsure the shape is at each pixel, drawn over `shape` if given.
    """

    photo: UInt8[np.ndarray, "H W 3"]
    render: UInt8[np.ndarray, "H W 3"]
    shape: UInt8[np.ndarray, "H W 3"]
    coverage: Float[np.ndarray, "H W"]
    landmarks: Float[np.ndarray, "L 2"] | None = None
    deviation_mm: Float[np.ndarray, "H W"] | None = None


@dataclass(frozen=True)
class ExportScene:
    """All that `write_result` writes for one face.

    Attributes:
        mesh: Geometry and chart.
        texture: sRGB colours over the chart, row 0 is v = 1.
        params: The estimated parameters.
        overlay: Pictures for the overview.
        report: What was done and how well it went.
        maps: Further maps over the chart.
    """

    mesh: ExportMesh
    texture: UInt8[np.ndarray, "U U 3"]
    params: ExportParams
    overlay: OverlayImages
    report: FitReport
    maps: tuple[TextureMap, ...] = ()
