"""The FLAME layer: parameters to meshes and landmarks."""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.errors import AssetError, UsageError
from flame_fit.flame.assets import FlameAssets, LandmarkEmbeddings
from flame_fit.flame.landmarks import camera_yaw, contour_points, with_contour
from flame_fit.flame.params import (
    FlameMesh,
    FlameParams,
    joint_coefficients,
    joint_vectors,
)
from flame_fit.flame.skinning import joint_transforms, linear_blend_skinning, pose_feature
from flame_fit.geometry.cameras import Projection
from flame_fit.geometry.rotations import axis_angle_to_matrix
from flame_fit.geometry.topology import SurfacePoints, points_on_surface

LandmarkKind = Literal["mediapipe", "ibug"]


class FlameModel:
    """A head model ready to be posed, in one dtype on one device."""

    def __init__(
        self,
        assets: FlameAssets,
        *,
        shape_count: int | None = None,
        expression_count: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Prepare a model.

        Args:
            assets: the model file's content.
            shape_count: identity components to keep, the first ones; all by default.
            expression_count: expression components to keep; all by default.
            dtype: floating dtype of the model; parameters must have the same.
            device: where the model lives; parameters must be there too.
        """
        self.shape_count = _count("shape", shape_count, assets.shape_basis.shape[-1])
        self.expression_count = _count(
            "expression", expression_count, assets.expression_basis.shape[-1]
        )
        moved = assets.to(dtype=dtype, device=device)
        used = self.shape_count + self.expression_count
        self.basis = torch.cat(
            (
                moved.shape_basis[..., : self.shape_count],
                moved.expression_basis[..., : self.expression_count],
                moved.pose_basis,
            ),
            dim=-1,
        )
        """All blendshapes side by side: identity, expression, pose correctives."""
        self.assets = replace(
            moved,
            shape_basis=self.basis[..., : self.shape_count],
            expression_basis=self.basis[..., self.shape_count : used],
            pose_basis=self.basis[..., used:],
        )
        """The model's content, cut to the components in use."""
        self.joint_template = moved.joint_regressor @ moved.v_template
        self.joint_basis = (moved.joint_regressor @ self.basis[..., :used].flatten(1)).unflatten(
            1, (3, used)
        )
        """Movement of the joints at rest by identity and expression: J x 3 x C."""

    @property
    def dtype(self) -> torch.dtype:
        """Floating dtype of the model."""
        return self.assets.v_template.dtype

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.assets.v_template.device

    def mesh(self, params: FlameParams) -> FlameMesh:
        """Return the posed heads in world space."""
        assets = self.assets
        coefficients = joint_coefficients(
            params, shape_count=self.shape_count, expression_count=self.expression_count
        )
        rotations = axis_angle_to_matrix(joint_vectors(params))
        components = torch.cat((coefficients, pose_feature(rotations)), dim=-1)
        displacement = (components @ self.basis.flatten(0, 1).T).unflatten(1, (-1, 3))
        # The regressor is linear, so the joints follow from their own small basis.
        joints = self.joint_template + (coefficients @ self.joint_basis.flatten(0, 1).T).unflatten(
            1, (-1, 3)
        )
        transforms = joint_transforms(rotations, joints, assets.parents)
        skinned = linear_blend_skinning(
            assets.v_template + displacement, joints, transforms, assets.skinning_weights
        )
        translation = params.translation[:, None]
        return FlameMesh(
            vertices=skinned + translation,
            joints=transforms.positions + translation,
            faces=assets.faces,
            joint_rotations=transforms.rotations,
        )

    def landmark_points(
        self, mesh: FlameMesh, kind: LandmarkKind, *, projection: Projection = "perspective"
    ) -> SurfacePoints:
        """Return where landmarks lie on the surface.

        MediaPipe points are the same for all heads (L); iBUG points are chosen for each head
        (b x 68), their outline by the turn of the head as a camera at the origin sees it.

        Args:
            mesh: the posed heads.
            kind: "mediapipe" (478 points, or 468 without irises) or "ibug" (68).
            projection: which camera looks at the outline.
        """
        embeddings = self._embeddings()
        if kind == "mediapipe":
            return _present(embeddings.mediapipe, kind, self.assets.name)
        static = _present(embeddings.ibug, kind, self.assets.name)
        if embeddings.contour is None:
            batch = mesh.vertices.shape[0]
            return SurfacePoints(
                face_index=static.face_index.expand(batch, -1),
                barycentrics=static.barycentrics.expand(batch, -1, 3),
            )
        yaw = camera_yaw(mesh, projection=projection)
        return with_contour(static, contour_points(embeddings.contour, yaw))

    def landmarks(
        self, mesh: FlameMesh, kind: LandmarkKind, *, projection: Projection = "perspective"
    ) -> Float[Tensor, "b L 3"]:
        """Return landmarks in world space (see `landmark_points`)."""
        points = self.landmark_points(mesh, kind, projection=projection)
        return points_on_surface(mesh.vertices, mesh.faces, points)

    def _embeddings(self) -> LandmarkEmbeddings:
        if self.assets.landmarks is None:
            raise AssetError(
                f"model '{self.assets.name}' has no landmark embeddings; make them or use open_head"
            )
        return self.assets.landmarks


def _count(name: str, wanted: int | None, available: int) -> int:
    if wanted is None:
        return available
    if not 0 <= wanted <= available:
        raise UsageError(f"{wanted} {name} components were asked for; the model has {available}")
    return wanted


def _present(points: SurfacePoints | None, kind: str, name: str) -> SurfacePoints:
    if points is None:
        raise AssetError(f"model '{name}' has no '{kind}' landmarks; make an embedding for it")
    return points
