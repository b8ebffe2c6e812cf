"""What a bare FLAME-format model lacks, supplied: chart, regions, symmetry, landmarks, eyelids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance.texture_space import TextureSpace, decode, load_texture_space
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets
from flame_fit.head_models.chart import head_chart
from flame_fit.head_models.eyelids import eyelid_basis
from flame_fit.head_models.find_landmarks import (
    FoundLandmarks,
    dressed,
    find_landmarks,
    landmark_pairs,
    landmark_places,
    with_landmarks,
)
from flame_fit.head_models.head_match import HeadMatch, match_heads, reference_head
from flame_fit.head_models.head_parts import HeadParts, head_parts
from flame_fit.head_models.lay_reference import ReferenceHead
from flame_fit.head_models.regions import carried_regions
from flame_fit.head_models.symmetry import MirrorMap, find_mirror
from flame_fit.priors.embedding_views import Dress, ViewSettings
from flame_fit.priors.ibug_embedding import embed_ibug
from flame_fit.priors.model_files import FaceModels, resolve_face_models

DEFAULT_DETECTOR = "mediapipe468"
"""The one that every user has: both of its files come out of the wheel."""
TEXTURE_COUNT, TEXTURE_SPREAD = 6, 0.7
Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompletionSettings:
    """How much is looked at.

    Attributes:
        first_views: Pictures to find lips, lids and brows by, for the regions.
        views: Pictures for the embedding itself.
        seed: Start of the random numbers.
    """

    first_views: int = 6
    views: int = 24
    seed: int = 0


DEFAULT_SETTINGS = CompletionSettings()


def _silent(stage: str) -> None:
    """Report nothing."""


def complete_assets(
    assets: FlameAssets,
    *,
    reference: FlameAssets,
    models: FaceModels | None = None,
    settings: CompletionSettings = DEFAULT_SETTINGS,
    on_stage: Progress = _silent,
) -> FlameAssets:
    """Return a model with all that it lacks; what it has is kept as it is.

    The reference is laid over the model, first by the eyes and its shape space, then by the
    landmarks that a detector finds in pictures of the model in the reference's texture. Regions
    are carried over from the reference, the chart is computed from the mesh, landmarks come from
    more such pictures, eyelids from the gap between the lids.

    Args:
        assets: The model.
        reference: A complete model with a texture space `<name>_texture`: OpenHead.
        models: The detector; the 468-point one of the wheel by default.
        settings: How many pictures are looked at.
        on_stage: Called with what is being done.

    Raises:
        AssetError: The model has no eyeballs, its face is not found, or a part of its mesh cannot
            be unwrapped; the message says what to give.
    """
    if _is_whole(assets):
        return assets
    work = _Work.begin(assets, reference, models, settings, on_stage)
    on_stage("regions")
    match = work.matched()
    assets = _with_regions(assets, work, match)
    if assets.chart is None:
        on_stage("UV chart")
        assets = replace(assets, chart=head_chart(assets))
    if not _has_landmarks(assets):
        assets = _with_all_landmarks(assets, work, match)
    points = None if assets.landmarks is None else assets.landmarks.mediapipe
    if assets.eyelid_basis is None and points is not None:
        on_stage("eyelids")
        places = landmark_places(assets, points)
        assets = replace(assets, eyelid_basis=eyelid_basis(work.parts, places))
    return assets


def embed_landmarks(
    assets: FlameAssets,
    *,
    reference: FlameAssets,
    models: FaceModels,
    settings: ViewSettings,
    textures: Float[Tensor, "n U U 3"] | None = None,
) -> FoundLandmarks:
    """Find all landmarks anew on a complete model, whatever it has.

    Args:
        assets: The model; has regions, a mirror map and landmarks to begin with.
        reference: A complete model whose texture it is dressed in if it has none.
        models: The detector.
        settings: Which pictures.
        textures: Linear albedo maps on the model's own chart.

    Raises:
        AssetError: The model lacks what is needed, or its face is not found.
    """
    if textures is not None and assets.chart is not None:
        dress = Dress(assets.chart, textures)
        return find_landmarks(assets, models, dress=dress, settings=settings)
    embeddings = assets.landmarks
    if embeddings is None or embeddings.mediapipe is None:
        raise AssetError(f"model '{assets.name}' has no landmarks to begin with; complete it first")
    known = reference_head(reference)
    if assets.chart is not None and _same_chart(assets, reference):
        dress = Dress(assets.chart, reference_textures(reference))
        return find_landmarks(assets, models, dress=dress, settings=settings)
    pairs = landmark_pairs(assets, embeddings.mediapipe, known)
    match = match_heads(head_parts(assets), known, landmarks=pairs)
    dress = dressed(match, reference_textures(reference))
    return find_landmarks(assets, models, dress=dress, settings=settings)


def _same_chart(assets: FlameAssets, reference: FlameAssets) -> bool:
    own, other = assets.chart, reference.chart
    if own is None or other is None or own.faces.shape != other.faces.shape:
        return False
    return torch.equal(own.faces, other.faces) and torch.equal(own.uv, other.uv)


def reference_textures(reference: FlameAssets) -> Float[Tensor, "n U U 3"]:
    """Return some linear albedo maps of the reference's texture space, the mean first."""
    return sample_textures(load_texture_space(f"{reference.name}_texture"))


def sample_textures(space: TextureSpace) -> Float[Tensor, "n U U 3"]:
    """Return some linear albedo maps of a texture space, the mean first."""
    generator = torch.Generator().manual_seed(0)
    count = space.scale.shape[0]
    codes = TEXTURE_SPREAD * torch.randn(TEXTURE_COUNT, count, generator=generator)
    codes[0] = 0.0
    return decode(space, codes)


@dataclass(frozen=True, eq=False)
class _Work:
    """What completing one model needs again and again."""

    assets: FlameAssets
    parts: HeadParts
    mirror: MirrorMap
    reference: ReferenceHead
    models: FaceModels | None
    settings: CompletionSettings
    on_stage: Progress

    @staticmethod
    def begin(
        assets: FlameAssets,
        reference: FlameAssets,
        models: FaceModels | None,
        settings: CompletionSettings,
        on_stage: Progress,
    ) -> _Work:
        parts = head_parts(assets)
        mirror = find_mirror(parts.vertices, parts.faces)
        known = reference_head(reference)
        return _Work(assets, parts, mirror, known, models, settings, on_stage)

    def detector(self) -> FaceModels:
        return self.models or resolve_face_models(DEFAULT_DETECTOR)

    def matched(self) -> HeadMatch:
        """Lay the reference over the model by landmarks, its own or those of a first look."""
        own = None if self.assets.landmarks is None else self.assets.landmarks.mediapipe
        if own is None:
            self.on_stage("first look")
            match = match_heads(self.parts, self.reference)
            dress = dressed(match, reference_textures(self.reference.assets)[:1])
            settings = ViewSettings(count=self.settings.first_views, seed=self.settings.seed)
            first = _with_regions(self.assets, self, match)
            found = find_landmarks(first, self.detector(), dress=dress, settings=settings)
            own = found.embeddings.mediapipe
        pairs = None if own is None else landmark_pairs(self.assets, own, self.reference)
        return match_heads(self.parts, self.reference, landmarks=pairs)


def _with_regions(assets: FlameAssets, work: _Work, match: HeadMatch) -> FlameAssets:
    """Return the model with regions and a mirror map."""
    if assets.mirror_vertex is None:
        assets = replace(assets, mirror_vertex=torch.from_numpy(work.mirror.vertex))
    if assets.regions is None:
        exact = work.mirror.vertex if work.mirror.is_exact else None
        assets = replace(assets, regions=carried_regions(match, mirror=exact))
    return assets


def _with_all_landmarks(assets: FlameAssets, work: _Work, match: HeadMatch) -> FlameAssets:
    """Return the model with every embedding: looked for, or derived from MediaPipe's points."""
    own = assets.landmarks
    if own is not None and own.mediapipe is not None:
        return with_landmarks(assets, embed_ibug(assets, own.mediapipe))
    work.on_stage("landmarks")
    dress = dressed(match, reference_textures(work.reference.assets))
    settings = ViewSettings(count=work.settings.views, seed=work.settings.seed)
    found = find_landmarks(assets, work.detector(), dress=dress, settings=settings)
    return with_landmarks(assets, found.embeddings)


def _has_landmarks(assets: FlameAssets) -> bool:
    own = assets.landmarks
    return own is not None and None not in (own.mediapipe, own.ibug, own.contour)


def _is_whole(assets: FlameAssets) -> bool:
    rest = (assets.chart, assets.regions, assets.mirror_vertex, assets.eyelid_basis)
    return _has_landmarks(assets) and all(part is not None for part in rest)
