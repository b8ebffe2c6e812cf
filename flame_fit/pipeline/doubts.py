"""What a person should look at in a result: the warnings of the report."""

from __future__ import annotations

import math
from collections.abc import Collection

import cv2
import numpy as np
import torch

from flame_fit.geometry import axis_angle_to_matrix, points_on_surface, project, yaw_pitch_roll
from flame_fit.observation import FaceEvidence
from flame_fit.pipeline.look import Look
from flame_fit.pipeline.skin_evidence import SKIN_THRESHOLD
from flame_fit.priors.face_labels import FaceLabel
from flame_fit.priors.face_shares import COVER_LABELS

DOUBTFUL_NME = 0.05
DOUBTFUL_PSNR_MODEL = 15.0
DOUBTFUL_COVERAGE = 0.15
PROFILE_DEGREES = 50.0
SMALL_FACE_PIXELS = 80.0
# Middle distance of the dense points over the side of the face's box.
DOUBTFUL_DENSE = 0.05
# Linear light of the brightest channel: below the first skin is lost in noise, above the second
# a channel is clipped.
DARK_LIGHT, CLIPPED_LIGHT = 0.03, 0.98
CLIPPED_SHARE = 0.3
# Share of the face that is behind something. Hair may cover a seventh of a face that is well seen;
# hands, masks and microphones cover what the fit needs most.
COVERED, COVERED_BY_THINGS = 0.2, 0.08


def doubts_about(
    look: Look, evidence: FaceEvidence, *, landmark_error: float, coverage: float
) -> tuple[str, ...]:
    """Return a sentence for everything that makes a result doubtful.

    Args:
        look: The finished head and its texture.
        evidence: What was seen of the face.
        landmark_error: Mean landmark error over the inter-ocular distance.
        coverage: Share of the face that the photo shows.
    """
    turned = axis_angle_to_matrix(look.scene.flame.head_rotation[0])
    yaw = abs(math.degrees(float(yaw_pitch_roll(turned).yaw)))
    dense = dense_error(look, evidence)
    checks = (
        (
            landmark_error > DOUBTFUL_NME,
            f"landmarks are off by {landmark_error:.3f} of the inter-ocular distance",
        ),
        (
            dense > DOUBTFUL_DENSE,
            f"the dense points of --uv are off by {dense:.3f} of the face's size; are they of this "
            "photo and this head model?",
        ),
        (
            not look.psnr_model > DOUBTFUL_PSNR_MODEL,
            f"light and skin explain the photo only to {look.psnr_model:.1f} dB",
        ),
        (coverage < DOUBTFUL_COVERAGE, f"the photo shows only {coverage:.0%} of the face"),
        (yaw > PROFILE_DEGREES, f"the head is turned by {yaw:.0f} degrees"),
        (
            evidence.size < SMALL_FACE_PIXELS,
            f"the face is only {evidence.size:.0f} pixels large",
        ),
        *_exposure(look),
        *_cover(evidence),
    )
    return tuple(text for wrong, text in checks if wrong)


def dense_error(look: Look, evidence: FaceEvidence) -> float:
    """Return the middle distance of the dense points from the fitted head over the face's size.

    Zero where there are none.
    """
    dense = evidence.dense
    if dense is None or not np.isfinite(dense.sigma).any():
        return 0.0
    mesh = look.mesh
    points = type(dense.points)(
        dense.points.face_index.to(mesh.faces.device), dense.points.barycentrics.to(mesh.vertices)
    )
    world = points_on_surface(mesh.vertices, mesh.faces, points)
    seen = project(look.scene.camera, world).pixels[0].cpu().numpy()
    apart = np.linalg.norm(seen - dense.pixels, axis=1)[np.isfinite(dense.sigma)]
    return float(np.median(apart)) / evidence.size


def covered_share(evidence: FaceEvidence, labels: Collection[str]) -> float:
    """Return the share of the face, as the detector outlines it, that shows certain labels.

    Args:
        evidence: What was seen of the face; zero where its pixels were not parsed.
        labels: The labels; those the parsing does not tell do not count.
    """
    parsing = evidence.parsing
    if parsing is None:
        return 0.0
    share = parsing.share([name for name in parsing.labels if name in labels])
    places = (evidence.landmarks[0].pixels - share.origin) / share.scale - 0.5
    outline = cv2.convexHull(places.astype(np.float32)).round().astype(np.int32)
    face = cv2.fillConvexPoly(np.zeros(share.values.shape, np.uint8), outline, 1) > 0
    return float(share.values[face].mean()) if face.any() else 0.0


def _cover(evidence: FaceEvidence) -> tuple[tuple[bool, str], ...]:
    """Return whether much of the face is behind something, and what to say."""
    things = covered_share(evidence, {FaceLabel.FACEWEAR.name})
    every = covered_share(evidence, COVER_LABELS)
    return (
        (
            things > COVERED_BY_THINGS or every > COVERED,
            f"{every:.0%} of the face is behind hair, hands or other things",
        ),
    )


def _exposure(look: Look) -> tuple[tuple[bool, str], tuple[bool, str]]:
    """Return whether the skin is too dark or too bright to tell its colour, and what to say."""
    skin: torch.Tensor = look.photo[look.weight > SKIN_THRESHOLD]
    brightest = skin.amax(dim=-1)
    middle = float(brightest.median()) if len(skin) else 1.0
    clipped = float((brightest > CLIPPED_LIGHT).float().mean()) if len(skin) else 0.0
    return (
        (middle < DARK_LIGHT, "the face is very dark"),
        (clipped > CLIPPED_SHARE, f"{clipped:.0%} of the skin is overexposed"),
    )
