"""Head layouts of our models and of textured meshes of any topology, each made once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flame_fit.appearance import load_texture_space, srgb_to_linear
from flame_fit.asset_files import find_asset, sha256_of, user_asset_folder, write_atomically
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, UvChart, load_assets
from flame_fit.geometry import SurfacePoints, vertex_normals
from flame_fit.geometry.alignment import Similarity, similarity_alignment
from flame_fit.geometry.facing_points import FacingSurface
from flame_fit.head_models.find_landmarks import landmark_pairs, landmark_places, seen_landmarks
from flame_fit.head_models.head_match import reference_head
from flame_fit.head_models.head_parts import Eyeball, HeadParts, connected_parts, head_parts
from flame_fit.head_models.lay_reference import LandmarkPairs, ReferenceHead, lay_reference
from flame_fit.head_models.layouts import HeadLayout, HeadPart, head_part_of_faces
from flame_fit.head_models.library import CACHE_FOLDER, REFERENCE
from flame_fit.head_models.mesh_landmarks import ColouredMesh, find_mesh_landmarks
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.priors.model_files import FaceModels, resolve_face_models
from flame_fit.render import sample_texture_at
from flame_fit.texture.texel_geometry import chart_of
from flame_fit.untrusted import ObjFile, read_npz, read_obj

LAYOUT_VERSION = 1
"""Raised whenever laying gives another result, so that old results are made anew."""
DEFAULT_DETECTOR = "auto"
EYE_REGIONS = ("left_eyelids", "right_eyelids")
"""Around the left and the right eyeball of OpenHead, which go where these go."""
LIKELY_METRES, TRIM, TRIM_ROUNDS = 0.006, 1.5, 5
"""Landmarks farther than this from where the similarity of the others puts them do not count; the
first is the least such distance, the second a multiple of the middle one."""
CLAY, CLAY_AMBIENT = 0.6, 0.4
Progress = Callable[[str], None]


def _silent(stage: str) -> None:
    """Report nothing."""


def model_layout(assets: FlameAssets, *, on_stage: Progress = _silent) -> HeadLayout:
    """Return the layout of a head model.

    Args:
        assets: The model; needs a chart, and MediaPipe's landmarks so that lips, lids and brows
            agree.
        on_stage: Called with what is being done, if it takes long.

    Raises:
        AssetError: It has no chart, no landmarks or no eyeballs.
    """
    chart = chart_of(assets)
    known = _reference()
    vertices, faces = known.parts.vertices, known.parts.faces
    reference_part = head_part_of_faces(known.assets)
    layout = HeadLayout(
        name=assets.name,
        vertices=vertices,
        faces=faces,
        chart=chart,
        part=reference_part,
        laid=vertices,
        laid_faces=faces,
        laid_part=reference_part,
    )
    if torch.equal(assets.faces.cpu(), known.assets.faces) and torch.equal(
        assets.v_template.cpu(), known.assets.v_template
    ):
        return layout
    own = None if assets.landmarks is None else assets.landmarks.mediapipe
    if own is None:
        raise AssetError(
            f"model '{assets.name}' has no MediaPipe landmarks, by which layouts are brought "
            "together; make them with: flame-fit assets embed"
        )
    pairs = landmark_pairs(assets, own, known)
    parts = head_parts(assets)
    key = _key(assets.v_template, assets.faces, landmark_places(assets, own))

    def lay() -> _Laid:
        on_stage(f"laying {REFERENCE} over {assets.name}")
        return _Laid(lay_reference(parts, known, landmarks=pairs), 1.0)

    return replace(
        layout,
        vertices=parts.vertices,
        faces=parts.faces,
        part=head_part_of_faces(assets),
        laid=_kept(key, lay).vertices,
    )


def mesh_layout(
    path: Path,
    *,
    picture: Float[Tensor, "S S 3"] | None = None,
    detector: str = DEFAULT_DETECTOR,
    on_stage: Progress = _silent,
) -> HeadLayout:
    """Return the layout of a head in an OBJ file, such as FFHQ-UV's HiFi3D++ heads.

    A detector finds lids, brows, nose and lips in pictures of it, first as it is, then with
    OpenHead's eyeballs. Its largest connected part is its skin; others, such as eyeballs of its
    own, have no counterpart on other heads.

    Args:
        path: A mesh with texture coordinates, its crown along +y and its face along +z, in any
            unit.
        picture: A linear texture of it to be looked at; without one it is seen as clay first and
            then in OpenHead's colours.
        detector: Which face mesh looks.
        on_stage: Called with what is being done, if it takes long.

    Raises:
        AssetError: The file is no head with texture coordinates, or no face is found on it.
    """
    mesh = read_obj(path)
    chart = _chart(mesh, path)
    known, models = _reference(), resolve_face_models(detector)
    looked = _Looked(path, mesh, chart, known, models, picture)
    key = _key(mesh.vertices, mesh.faces, chart.uv, picture, models.name)

    def lay() -> _Laid:
        on_stage(f"laying {REFERENCE} over {path.name}, which takes a minute")
        return looked.lay()

    laid = _kept(key, lay)
    reference_part = head_part_of_faces(known.assets)
    return HeadLayout(
        name=path.stem,
        vertices=laid.scale * mesh.vertices,
        faces=mesh.faces,
        chart=chart,
        part=np.where(_skin(mesh)[mesh.faces[:, 0]], HeadPart.SKIN, HeadPart.INNER).astype(int),
        laid=laid.vertices,
        laid_faces=known.parts.faces,
        laid_part=reference_part,
    )


@dataclass(frozen=True, eq=False)
class _Laid:
    """OpenHead over a mesh.

    Attributes:
        vertices: Metres, in the frame of the mesh.
        scale: Metres in a unit of the mesh.
    """

    vertices: Float[np.ndarray, "W 3"]
    scale: float


@dataclass(frozen=True, eq=False)
class _Looked:
    """A mesh that landmarks are looked for on."""

    path: Path
    mesh: ObjFile
    chart: UvChart
    reference: ReferenceHead
    models: FaceModels
    picture: Float[Tensor, "S S 3"] | None

    def lay(self) -> _Laid:
        """Lay the reference over the mesh by what is seen first, then by what is seen with eyes."""
        colours = _clay(self.mesh)
        if self.picture is not None:
            colours = _vertex_colours(self.mesh, self.chart, self.picture)
        places = find_mesh_landmarks(
            ColouredMesh(self.mesh.vertices, self.mesh.faces, colours, len(self.mesh.faces)),
            self.models,
            name=str(self.path),
        )
        scale = 1.0 / float(self._aligned(places).scale)
        vertices = scale * self.mesh.vertices
        parts = self._parts(vertices, self._guessed_eyes(scale * places))
        laid = lay_reference(parts, self.reference, landmarks=self._pairs(scale * places))
        parts = self._parts(vertices, self._eyes_of(laid))
        if self.picture is None:
            colours = self._reference_colours(parts, laid)
        places = self._seen_with_eyes(parts, colours)
        laid = lay_reference(parts, self.reference, landmarks=self._pairs(places))
        return _Laid(laid, scale)

    def _pairs(self, places: Float[np.ndarray, "478 3"]) -> LandmarkPairs:
        """Pair the reference's landmarks with those places that are likely, metres."""
        assets = self.reference.assets
        points = None if assets.landmarks is None else assets.landmarks.mediapipe
        pairs = None if points is None else landmark_pairs(assets, points, self.reference)
        if pairs is None:
            raise AssetError(f"model '{assets.name}' has no MediaPipe landmarks; use {REFERENCE}")
        own = landmark_places(assets, pairs.reference)
        kept = _likely(own, places[seen_landmarks()])
        rows = torch.from_numpy(kept)
        reference = SurfacePoints(
            pairs.reference.face_index[rows], pairs.reference.barycentrics[rows]
        )
        return LandmarkPairs(reference, places[seen_landmarks()][kept])

    def _aligned(self, places: Float[np.ndarray, "478 3"]) -> Similarity:
        """Return the similarity from the reference to the places."""
        pairs = self._pairs(places)
        own = landmark_places(self.reference.assets, pairs.reference)
        return similarity_alignment(torch.from_numpy(own), torch.from_numpy(pairs.places))

    def _guessed_eyes(self, places: Float[np.ndarray, "478 3"]) -> tuple[Eyeball, Eyeball]:
        """Return the reference's eyeballs moved as its landmarks are."""
        moved = self._aligned(places)
        left, right = (
            Eyeball(
                mask=np.zeros(len(self.mesh.vertices), dtype=bool),
                centre=moved.apply(torch.from_numpy(eye.centre)[None])[0].numpy(),
                radius=float(moved.scale) * eye.radius,
            )
            for eye in self.reference.parts.eyes
        )
        return left, right

    def _eyes_of(self, laid: Float[np.ndarray, "W 3"]) -> tuple[Eyeball, Eyeball]:
        """Return the reference's eyeballs moved as its lids are."""
        regions, template = self.reference.assets.regions, self.reference.parts.vertices
        eyes = []
        for name, eye in zip(EYE_REGIONS, self.reference.parts.eyes, strict=True):
            lids = regions.mask(name).cpu().numpy()  # type: ignore[union-attr]
            moved = similarity_alignment(
                torch.from_numpy(template[lids]), torch.from_numpy(laid[lids])
            )
            centre = moved.apply(torch.from_numpy(eye.centre)[None])[0].numpy()
            none = np.zeros(len(self.mesh.vertices), dtype=bool)
            eyes.append(Eyeball(none, centre, float(moved.scale) * eye.radius))
        return eyes[0], eyes[1]

    def _parts(
        self, vertices: Float[np.ndarray, "V 3"], eyes: tuple[Eyeball, Eyeball]
    ) -> HeadParts:
        faces = torch.from_numpy(self.mesh.faces)
        return HeadParts(
            vertices=vertices,
            faces=self.mesh.faces,
            normals=vertex_normals(torch.from_numpy(vertices)[None], faces)[0].numpy(),
            skin=_skin(self.mesh),
            left_eye=eyes[0],
            right_eye=eyes[1],
            others=(),
        )

    def _reference_colours(
        self, parts: HeadParts, laid: Float[np.ndarray, "W 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """Return the colours of the reference laid over the mesh."""
        own = self._colours_of_reference()
        faces = self.reference.parts.faces
        found = FacingSurface(laid, faces).nearest(parts.vertices, parts.normals)
        corners = own[faces[found.surface.face_index.numpy()]]
        return np.einsum("ncd,nc->nd", corners, found.surface.barycentrics.numpy())

    def _colours_of_reference(self) -> Float[np.ndarray, "W 3"]:
        space = load_texture_space(f"{REFERENCE}_texture", component_count=0)
        mesh, chart = self.reference.parts, chart_of(self.reference.assets)
        return _colours_at(chart, mesh.faces, len(mesh.vertices), srgb_to_linear(space.mean))

    def _seen_with_eyes(
        self, parts: HeadParts, colours: Float[np.ndarray, "V 3"]
    ) -> Float[np.ndarray, "478 3"]:
        """Return the landmarks on the mesh, seen with the reference's eyeballs in it."""
        own, reference = self._colours_of_reference(), self.reference.parts
        vertices, faces, painted = [parts.vertices], [parts.faces], [colours]
        count = len(parts.vertices)
        for place, eye in zip(parts.eyes, reference.eyes, strict=True):
            among = reference.faces[reference.faces_of(eye.mask)]
            used, index = np.unique(among, return_inverse=True)
            unit = (reference.vertices[used] - eye.centre) / eye.radius
            vertices.append(place.centre + place.radius * unit)
            faces.append(index.reshape(-1, 3) + count)
            painted.append(own[used])
            count += len(used)
        whole = ColouredMesh(
            np.concatenate(vertices),
            np.concatenate(faces),
            np.concatenate(painted),
            surface_faces=len(parts.faces),
        )
        return find_mesh_landmarks(whole, self.models, name=str(self.path))


def _likely(
    own: Float[np.ndarray, "n 3"], places: Float[np.ndarray, "n 3"]
) -> Int[np.ndarray, "m"]:
    """Return the numbers of landmarks that lie where those of another face can.

    Points between lips or lids that fall through the opening come to lie far behind.
    """
    kept = np.arange(len(own))
    for _ in range(TRIM_ROUNDS):
        moved = similarity_alignment(torch.from_numpy(own[kept]), torch.from_numpy(places[kept]))
        miss = np.linalg.norm(moved.apply(torch.from_numpy(own)).numpy() - places, axis=1)
        miss /= float(moved.scale)
        kept = np.flatnonzero(miss <= max(LIKELY_METRES, TRIM * np.median(miss)))
    return kept


def _reference() -> ReferenceHead:
    return _reference_in(find_asset(f"{REFERENCE}.npz"))


@lru_cache(maxsize=1)
def _reference_in(path: Path) -> ReferenceHead:
    # Every layout needs it, and taking it apart takes half as long as a small conversion.
    return reference_head(load_assets(path))


def _chart(mesh: ObjFile, path: Path) -> UvChart:
    if mesh.uv is None or mesh.uv_faces is None:
        raise AssetError(f"{path} has no texture coordinates; export it with them (vt)")
    return UvChart(uv=torch.from_numpy(mesh.uv).float(), faces=torch.from_numpy(mesh.uv_faces))


def _skin(mesh: ObjFile) -> Bool[np.ndarray, "V"]:
    """Return the vertices of the largest connected part."""
    label = connected_parts(mesh.faces, len(mesh.vertices))
    return label == np.bincount(label[np.unique(mesh.faces)]).argmax()


def _clay(mesh: ObjFile) -> Float[np.ndarray, "V 3"]:
    """Return grey that is brighter where the surface faces the front."""
    normals = vertex_normals(torch.from_numpy(mesh.vertices)[None], torch.from_numpy(mesh.faces))
    facing = normals[0, :, 2].clamp_min(0.0).numpy()
    grey = CLAY * (CLAY_AMBIENT + (1.0 - CLAY_AMBIENT) * facing)
    return np.repeat(grey[:, None], 3, axis=1)


def _vertex_colours(
    mesh: ObjFile, chart: UvChart, picture: Float[Tensor, "S S 3"]
) -> Float[np.ndarray, "V 3"]:
    return _colours_at(chart, mesh.faces, len(mesh.vertices), picture)


def _colours_at(
    chart: UvChart, faces: Int[np.ndarray, "F 3"], count: int, picture: Float[Tensor, "S S 3"]
) -> Float[np.ndarray, "V 3"]:
    """Return a map's colours at the vertices; on a seam those of one side."""
    uv = chart.uv.cpu().new_zeros(count, 2)
    uv[torch.from_numpy(faces).reshape(-1)] = chart.uv.cpu()[chart.faces.cpu().reshape(-1)]
    which = torch.zeros(count, dtype=torch.int64)
    return sample_texture_at(picture[None].cpu().float(), uv, which).double().numpy()


def _key(*parts: Tensor | np.ndarray | str | None) -> str:
    """Return a name for what a laid reference is made of."""
    digest = hashlib.sha256(
        f"{LAYOUT_VERSION} {sha256_of(find_asset(REFERENCE + '.npz'))}".encode()
    )
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        elif isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(str(part).encode())
    return digest.hexdigest()[:16]


def _kept(key: str, lay: Callable[[], _Laid]) -> _Laid:
    """Return a laid reference from the user's asset folder, made first if it is not there."""
    path = user_asset_folder() / CACHE_FOLDER / f"layout_{key}.npz"
    if not path.is_file():
        made = lay()
        write_atomically(
            path, npz_bytes({"vertices": made.vertices, "scale": np.array(made.scale)})
        )
    arrays = read_npz(path)
    return _Laid(arrays["vertices"].astype(np.float64), float(arrays["scale"]))
