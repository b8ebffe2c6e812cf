"""Texture spaces on the chart of the model that is fitted, wherever they were drawn."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import interpolate

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.appearance.texture_files import PICTURE_SUFFIXES
from flame_fit.appearance.texture_space import sample_basis, texture_path
from flame_fit.asset_files import find_asset, sha256_of, user_asset_folder, write_atomically
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, UvChart, load_assets
from flame_fit.head_models.attach import chart_for
from flame_fit.head_models.find_landmarks import landmark_pairs
from flame_fit.head_models.flame_topology import HIFI3D_CHART_POINTS
from flame_fit.head_models.head_match import borrowed_chart, match_heads, reference_head
from flame_fit.head_models.head_parts import head_parts
from flame_fit.head_models.library import CACHE_FOLDER, REFERENCE
from flame_fit.head_models.mesh_companions import TemplateFile, template_file
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.head_models.recognise import LAYOUT_KEY
from flame_fit.head_models.records import installed_path, read_records
from flame_fit.render import rasterize_chart
from flame_fit.untrusted import read_npz, read_obj

DEFAULT_TEXTURE = "open_head_texture"
REDRAW_VERSION = 1
"""Raised whenever redrawing gives another result, so that old results are made anew."""
BYTE_RANGE = 255.0
COLOURS = 3
CHUNK_COMPONENTS = 32


def load_head_texture(
    path_or_name: str | Path, assets: FlameAssets, *, component_count: int | None = None
) -> TextureSpace:
    """Load a texture space for a model, redrawn on the model's chart where it has another one.

    OpenHead's own space is carried to any head that OpenHead can be laid over; FLAME's, BFM's and
    AlbedoMM's spaces and maps with a chart go to any chart of the mesh they were drawn for. What is
    redrawn is kept in the user's asset folder.

    Args:
        path_or_name: A name among the assets, an `.npz` file or a picture.
        assets: The model; needs a chart.
        component_count: Components to keep, the first ones; all by default.

    Raises:
        AssetError: Not found, damaged, or drawn for a mesh that is not the model's.
        UsageError: More components asked for than there are.
    """
    path = texture_path(path_or_name)
    target = assets.chart
    if target is None:
        raise AssetError(f"model '{assets.name}' has no UV chart, which a texture needs")
    kept = _kept_path(path, assets, target, count=component_count)
    if kept.is_file():
        return load_texture_space(kept)
    space = load_texture_space(path, component_count=component_count)
    source = _source_chart(path, space, assets)
    if source is None or _same(source, target):
        return replace(space, chart=target)
    backdrop = None
    if path != _package_texture() and _leaves_square(source):
        backdrop = load_head_texture(DEFAULT_TEXTURE, assets, component_count=0)
    redrawn = redraw_texture(space, source=source, target=target, backdrop=backdrop)
    write_atomically(kept, npz_bytes(_texture_arrays(redrawn)))
    return load_texture_space(kept)


def redraw_texture(
    space: TextureSpace,
    *,
    source: UvChart,
    target: UvChart,
    backdrop: TextureSpace | None = None,
) -> TextureSpace:
    """Return a texture space drawn on another chart of the same mesh, at the same size.

    Texels off the mesh take the nearest other one. So do, without a backdrop, those whose place
    lies outside the source's square, where it has nothing drawn.

    Args:
        space: Drawn on `source`.
        source: A chart with the same triangles as `target`.
        target: The chart to draw on.
        backdrop: Drawn on `target`; its mean shows where the source has nothing.

    Raises:
        AssetError: The charts do not have the same triangles.
    """
    if source.faces.shape != target.faces.shape:
        raise AssetError(
            f"the texture is drawn for a mesh of {len(source.faces)} triangles, the model has "
            f"{len(target.faces)}; use a texture for this model"
        )
    size, count = space.mean.shape[0], space.scale.shape[0]
    texels = rasterize_chart(target.uv, target.faces, size)
    covered = (texels.face_index >= 0).reshape(-1).nonzero()[:, 0]
    face = texels.face_index.reshape(-1)[covered].long()
    share = texels.barycentrics.reshape(-1, 3)[covered]
    uv = (source.uv[source.faces[face]] * share[..., None]).sum(1)
    inside = ((uv >= 0) & (uv <= 1)).all(-1)
    known = torch.zeros(size * size, dtype=torch.bool)
    known[covered if backdrop is not None else covered[inside]] = True
    flat = torch.zeros(size * size, COLOURS, count + 1)
    if backdrop is not None:
        flat[..., 0] = _resized(backdrop.mean, size).reshape(-1, COLOURS)
    for first in range(0, count + 1, CHUNK_COMPONENTS):
        columns = slice(first, first + CHUNK_COMPONENTS)
        flat[covered[inside], :, columns] = _sampled(space, uv[inside], columns)
    filled = flat[_nearest_known(known.reshape(size, size))].reshape(size, size, COLOURS, -1)
    return TextureSpace(
        mean=filled[..., 0].contiguous(),
        basis=filled[..., 1:].contiguous(),
        scale=torch.ones(count),
        chart=target,
    )


def _sampled(
    space: TextureSpace, uv: Float[Tensor, "n 2"], columns: slice
) -> Float[Tensor, "n 3 k"]:
    """Return some columns of mean and components, in this order, at points of the chart."""
    stacked = torch.cat((space.mean[..., None], space.basis * space.scale), dim=-1)[..., columns]
    part = TextureSpace(mean=stacked[..., 0], basis=stacked, scale=torch.ones(stacked.shape[-1]))
    return sample_basis(part, uv).basis


def _resized(image: Float[Tensor, "U U 3"], size: int) -> Float[Tensor, "size size 3"]:
    channels = image.permute(2, 0, 1)[None]
    resized = interpolate(channels, size=(size, size), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0)


def _nearest_known(known: Bool[Tensor, "U U"]) -> Int[Tensor, "n"]:
    """Return for each texel the flattened place of the nearest known one."""
    rows, columns = distance_transform_edt(
        ~known.numpy(), return_distances=False, return_indices=True
    )
    return torch.from_numpy((rows * known.shape[1] + columns).reshape(-1).astype(np.int64))


def _source_chart(path: Path, space: TextureSpace, assets: FlameAssets) -> UvChart | None:
    """Return the chart a texture is drawn on, None for the model's own."""
    if path == _package_texture():
        return _open_head_chart(assets)
    template = _template_beside(path)
    if template is not None:
        chart = chart_for(assets, template)
        if chart is None:
            raise AssetError(
                f"{path} is drawn for a mesh of {len(template.faces)} triangles that is not that "
                f"of model '{assets.name}'; use a texture for this model"
            )
        return chart
    if space.chart is not None:
        return space.chart
    return _flame_chart(path, assets) if _is_basel(path) else None


def _package_texture() -> Path:
    return find_asset(f"{DEFAULT_TEXTURE}.npz")


def _open_head_chart(assets: FlameAssets) -> UvChart | None:
    """Return a chart over the model that points into OpenHead's textures."""
    reference = load_assets(find_asset(f"{REFERENCE}.npz"))
    if reference.chart is None or assets.chart is None or _same(reference.chart, assets.chart):
        return None
    known = reference_head(reference)
    points = None if assets.landmarks is None else assets.landmarks.mediapipe
    pairs = None if points is None else landmark_pairs(assets, points, known)
    return borrowed_chart(match_heads(head_parts(assets), known, landmarks=pairs))


def _template_beside(path: Path) -> TemplateFile | None:
    """Return the mesh a map is drawn for: in its own file, or in an .obj of the same name."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        chart = path.with_suffix(".obj")
        if not chart.is_file():
            return None
        mesh = read_obj(chart)
        if mesh.uv is None or mesh.uv_faces is None:
            raise AssetError(f"{chart} has no texture coordinates for the map beside it")
        return template_file(mesh.faces, mesh.uv, mesh.uv_faces, source=str(chart))
    arrays = read_npz(path, keys=("f", "vt", "ft"))
    if len(arrays) < 3:  # noqa: PLR2004 - mesh, chart points, chart triangles
        return None
    return template_file(arrays["f"], arrays["vt"], arrays["ft"], source=str(path))


def _is_basel(path: Path) -> bool:
    """Tell whether a file without a chart is drawn on FLAME's usual one, as BFM's albedo is."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return False
    arrays = read_npz(path, keys=("MU", LAYOUT_KEY))
    return "MU" in arrays or str(arrays.get(LAYOUT_KEY, "")) == "basel"


def _flame_chart(path: Path, assets: FlameAssets) -> UvChart:
    """Return FLAME's usual chart, which has to be installed."""
    folder = user_asset_folder()
    for record in read_records(folder):
        if record.kind == "template":
            arrays = read_npz(installed_path(folder, record))
            template = template_file(arrays["f"], arrays["vt"], arrays["ft"], source=record.name)
            chart = chart_for(assets, template)
            if chart is not None and len(chart.uv) != HIFI3D_CHART_POINTS:
                return chart
    raise AssetError(
        f"{path} is drawn on FLAME's usual UV chart, which is not installed for model "
        f"'{assets.name}'; install head_template.obj with: flame-fit assets install PATH"
    )


def _same(first: UvChart, second: UvChart) -> bool:
    return torch.equal(first.uv, second.uv) and torch.equal(first.faces, second.faces)


def _leaves_square(chart: UvChart) -> bool:
    return bool(((chart.uv < 0) | (chart.uv > 1)).any())


def _texture_arrays(space: TextureSpace) -> dict[str, np.ndarray]:
    """Return a space in the published layout, with its chart."""
    arrays = {
        "mean": np.flip(space.mean.numpy(), axis=2) * np.float32(BYTE_RANGE),
        "tex_dir": (np.flip(space.basis.numpy(), axis=2) * np.float32(BYTE_RANGE)).astype(
            np.float16
        ),
    }
    if space.chart is not None:
        arrays["vt"] = space.chart.uv.numpy()
        arrays["ft"] = space.chart.faces.numpy().astype(np.int32)
    return arrays


def _kept_path(path: Path, assets: FlameAssets, target: UvChart, *, count: int | None) -> Path:
    """Return where a redrawn texture is kept, named after all it is made of."""
    digest = hashlib.sha256(f"{REDRAW_VERSION} {count} {sha256_of(path)}".encode())
    beside = path.with_suffix(".obj")
    if path.suffix.lower() in PICTURE_SUFFIXES and beside.is_file():
        digest.update(sha256_of(beside).encode())
    digest.update(sha256_of(find_asset(f"{REFERENCE}.npz")).encode())
    for tensor in (assets.v_template, assets.faces, target.uv, target.faces):
        digest.update(tensor.cpu().numpy().tobytes())
    return user_asset_folder() / CACHE_FOLDER / f"texture_{digest.hexdigest()[:16]}.npz"
