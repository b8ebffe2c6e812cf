"""What the texture-space commands share: heads, layouts and spaces by what the user typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from flame_fit.cli.parsing import PROGRAM, require_writable
from flame_fit.errors import UsageError

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

    from flame_fit.appearance import TextureSpace
    from flame_fit.flame import FlameAssets
    from flame_fit.head_models.layouts import HeadLayout

HIFI3DPP = "hifi3dpp"
"""The layout of FFHQ-UV, whose head comes from a file of the user's."""
MESH_SUFFIX = ".obj"
PICTURE_SUFFIX, SPACE_SUFFIX = ".png", ".npz"
DEFAULT_DETECTOR = "auto"
LARGEST_SIZE = 8192
SIXTEEN_BITS = 65535.0


@dataclass(frozen=True, eq=False)
class LayoutNames:
    """A layout as it is typed.

    Attributes:
        option: The option that named it.
        name: A head model, `hifi3dpp`, or the path of an OBJ file.
        head: The OBJ file of `hifi3dpp`.
        detector: Looks for the face on an OBJ file.
    """

    option: str
    name: str
    head: Path | None
    detector: str

    @property
    def mesh(self) -> Path | None:
        """The OBJ file, None for a head model."""
        if self.name != HIFI3DPP:
            path = Path(self.name)
            return path if path.suffix.lower() == MESH_SUFFIX else None
        if self.head is None:
            raise UsageError(
                f"{self.option} {HIFI3DPP} needs the mesh; give it with --head FILE.obj, such as "
                "FFHQ-UV's hifi3dpp_mean_face.obj"
            )
        return self.head


@dataclass(frozen=True, eq=False)
class NamedLayout:
    """A layout with the model it is of.

    Attributes:
        layout: The layout.
        assets: The head model; None for a mesh.
    """

    layout: HeadLayout
    assets: FlameAssets | None


def open_layout(
    names: LayoutNames, *, picture: Float[torch.Tensor, "S S 3"] | None, errors: Console
) -> NamedLayout:
    """Return the layout that was named.

    Args:
        names: What was typed.
        picture: Linear texture to find the face of a mesh by.
        errors: Told what takes long.
    """
    from flame_fit.head_models import load_head_model
    from flame_fit.head_models.layout_heads import mesh_layout, model_layout

    def tell(stage: str) -> None:
        errors.print(f"{PROGRAM}: {stage}")

    mesh = names.mesh
    if mesh is not None:
        layout = mesh_layout(mesh, picture=picture, detector=names.detector, on_stage=tell)
        return NamedLayout(layout, None)
    assets = load_head_model(names.name)
    return NamedLayout(model_layout(assets, on_stage=tell), assets)


def own_backdrop(assets: FlameAssets | None) -> Float[torch.Tensor, "U U 3"] | None:
    """Return the sRGB map whose eyes and mouth a model shows where a texture has none."""
    from flame_fit.head_models import load_head_texture
    from flame_fit.head_models.textures import DEFAULT_TEXTURE

    if assets is None:
        return None
    return load_head_texture(DEFAULT_TEXTURE, assets, component_count=0).mean


def space_bytes(space: TextureSpace, out: Path) -> bytes:
    """Return a space in the layout that the file's name asks for.

    Raises:
        UsageError: A picture was asked for, and the space has components.
    """
    from flame_fit.head_models.basel import texture_space_bytes

    if out.suffix == SPACE_SUFFIX:
        return texture_space_bytes(space)
    if space.scale.shape[0]:
        raise UsageError(
            f"--out {out} is a picture and the space has {space.scale.shape[0]} components; give "
            "--out FILE.npz, or --components 0 for the mean alone"
        )
    return picture_bytes(space.mean)


def picture_bytes(srgb: Float[torch.Tensor, "U U 3"]) -> bytes:
    """Return a map as a PNG of 16 bits a colour."""
    import numpy as np

    from flame_fit.image_files import encode_png

    values = srgb.clamp(0.0, 1.0).cpu().numpy() * SIXTEEN_BITS
    return encode_png(values.round().astype(np.uint16))


def check_source(source: Path) -> None:
    """Refuse files that are not there; bare names are looked up among the assets."""
    if (source.suffix or len(source.parts) > 1) and not source.is_file():
        raise UsageError(f"texture {source} does not exist; check the path")


def check_size(size: int | None) -> None:
    """Refuse sizes of maps that cannot be made."""
    if size is not None and not 1 <= size <= LARGEST_SIZE:
        raise UsageError(f"--size is {size}; give 1 to {LARGEST_SIZE} texels")


def check_out(out: Path | None, suffixes: tuple[str, ...]) -> Path:
    """Return the file to write, refusing other kinds of file and folders that take none."""
    if out is None or out.suffix not in suffixes:
        kinds = " or ".join(f"FILE{suffix}" for suffix in suffixes)
        raise UsageError(f"--out {'' if out is None else out} is no such file; give --out {kinds}")
    require_writable(out.parent)
    return out
