"""One tree of frozen values: the command line, the presets and the record of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from flame_fit.errors import UsageError

if TYPE_CHECKING:
    import torch

PresetName = Literal["fast", "standard", "detailed"]
DetectorName = Literal["auto", "mediapipe478", "mediapipe468"]
ShapeFromShading = Literal["auto", "always", "never"]
TextureName = Literal["complete", "bake", "offset", "pca", "decoder"]

TEXTURE_SIZES = range(64, 8192 + 1)


@dataclass(frozen=True)
class TermWeights:
    """Weights of the terms of the geometry fit; 1 is calibrated, residuals being in noise units."""

    landmarks: float = 1.0
    """Landmarks seen in the photo; above 0, since nothing else tells where the head is."""
    lids: float = 1.0
    """Landmarks along the lids."""
    lips: float = 1.0
    """Landmarks along the lips."""
    irises: float = 1.0
    """Landmarks of the irises."""
    contour: float = 1.0
    """Landmarks along the outline of the face."""
    depth: float = 1.0
    """Relative depth of the landmarks."""
    dense: float = 1.0
    """Points all over the head, where `--uv` gives them."""
    dense_depth: float = 0.0
    """Depth of these points, where their source tells it; measured to help no set of heads."""
    photometric: float = 1.0
    """Skin colours; at 0 they give light and texture only."""
    identity: float = 1.0
    """Prior of the shape coefficients; larger gives a more average head."""
    expression: float = 1.0
    """Prior of the expression coefficients; larger gives a calmer face."""

    def __post_init__(self) -> None:
        """Refuse values that no fit can use."""
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"--weights.{name} is {value}; give a number from 0 upwards")
        if self.landmarks == 0:
            raise UsageError("--weights.landmarks is 0; give a number above 0")


@dataclass(frozen=True)
class SolverLimits:
    """How much the solver may move and how long it may take."""

    shape_components: int = 150
    """Identity coefficients that are estimated; the others stay 0."""
    expression_components: int = 60
    """Expression coefficients that are estimated; the others stay 0."""
    texture_components: int = 40
    """Texture codes that are estimated; the others stay 0."""
    focal_candidates: int = 1
    """Focal lengths that are tried where none is known; 1 descends on the guess instead, which
    was measured to be as good."""
    dense_points: int = 600
    """Most of the points all over the head that are compared."""
    geometry_steps: int = 30
    """Most steps of one geometry stage."""
    refinement_rounds: int = 3
    """Rounds of the joint fit of landmarks and skin; between them visibility, and how far a face
    mesh is believed, are found anew."""
    refinement_steps: int = 8
    """Most steps of one such round."""
    refinement_points: int = 2000
    """About how many skin points move the head."""
    appearance_steps: int = 15
    """Most steps of the light and texture fit."""
    skin_pixels: int = 8000
    """About how many skin pixels light and texture codes are fitted to; all if there are fewer."""

    def __post_init__(self) -> None:
        """Refuse values that no fit can use."""
        for name, value in vars(self).items():
            if value < 1:
                option = name.replace("_", "-")
                raise UsageError(f"--solver.{option} is {value}; give a number from 1 upwards")


@dataclass(frozen=True)
class DecoderOptions:
    """What goes with `--texture-decoder`."""

    head: Path | None = None
    """OBJ file with the mesh and the texture coordinates that the decoder draws for, FFHQ-UV's
    hifi3dpp_mean_face.obj; without it a .safetensors decoder draws for the head model."""
    template: Path | None = None
    """Texture picture that surrounds what a decoder of faces alone draws, FFHQ-UV's
    template_base_uv.png."""
    variant: Literal["whole", "face_crop"] | None = None
    """What the decoder draws; told by the file's name where it is not given."""
    identity: Path | None = None
    """Backbone of ArcFace that judges who is seen; without it nothing does."""
    vgg16: Path | None = None
    """torchvision's vgg16-397923af.pth, which judges how the skin looks, with --decoder.lpips."""
    lpips: Path | None = None
    """The vgg.pth of LPIPS 0.1, for --decoder.vgg16."""

    def __post_init__(self) -> None:
        """Refuse one file where both are needed."""
        if (self.vgg16 is None) != (self.lpips is None):
            raise UsageError("--decoder.vgg16 and --decoder.lpips go together; give both or none")


@dataclass(frozen=True)
class FitConfig:
    """How photos are fitted; every value is an option of the command line."""

    preset: PresetName = "standard"
    """Starting values of all other options: fast for many photos, detailed for one."""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda or cuda:INDEX."""
    model: str = "open_head"
    """Head model: a name that is found among the assets, or the path of a model file."""
    texture_model: str = "open_head_texture"
    """Texture space: a name that is found among the assets, or the path of an .npz file."""
    detector: DetectorName = "auto"
    """Face mesh: auto takes mediapipe478 where it can be had, else mediapipe468."""
    face: Literal["largest", "all"] | int = "largest"
    """Which face of a photo: the largest, all, or a number: 1 is the largest, 2 the next."""
    landmarks: Path | None = None
    """Landmarks instead of the detector's: a .npy or .json file, or a folder with one per photo."""
    uv: Literal["mesh", "own", "none"] | Path = "own"
    """Points all over the head: the face mesh drawn out, the own network's answer, none, a
    checkpoint of FaceUV, or finished chart coordinates: a 16-bit PNG, or a folder with one per
    photo."""
    parser: Literal["own", "none"] | Path = "own"
    """What pixels show: the own network's answer, none, a checkpoint of FaceParsing, or finished
    label maps: an 8-bit PNG, or a folder with one per photo."""
    dinov3: Path | None = None
    """Weights of DINOv3 for a checkpoint of --uv or --parser that does not hold them."""
    focal: float | None = None
    """Focal length in pixels, if known; else it is read from EXIF or estimated."""
    intrinsics: Path | None = None
    """Camera matrix, if known: a .json, .npz, .npy or .txt file; goes before --focal and EXIF."""
    camera: Literal["perspective", "orthographic"] = "perspective"
    """How the camera projects; orthographic is for photos taken from far away."""
    identity_prior: Path | None = None
    """Prior of identity, a file of `flame-fit prior calibrate`; else the model's own."""
    texture: TextureName = "complete"
    """What the texture is made of: complete bakes the photo and fills in what it does not show;
    bake lays what it shows over the codes of the texture space and leaves the rest; offset descends
    on every texel until the render shows the photo; pca is the codes alone; decoder is what
    --texture-decoder draws, alone."""
    texture_decoder: Path | None = None
    """Decoder of textures, whose fitted latents then stand for the codes in all that --texture
    makes: FFHQ-UV's texgan_*.pth, or a .safetensors of `flame-fit texture-space train-decoder`."""
    texture_size: int = 1024
    """Side of the written texture in pixels."""
    seed: int = 0
    """Of the random numbers."""
    shape_from_shading: ShapeFromShading = "auto"
    """Whether shading bends the shape, where skin colours only move it otherwise: auto where the
    texture space explains the photo almost to the noise; elsewhere it does harm."""
    overlay_landmarks: bool = False
    """Draw the fitted landmarks into the overview picture."""
    overlay_uncertainty: bool = False
    """Colour the shape in the overview picture by its standard deviation."""
    weights: TermWeights = field(default_factory=TermWeights)
    solver: SolverLimits = field(default_factory=SolverLimits)
    decoder: DecoderOptions = field(default_factory=DecoderOptions)

    def __post_init__(self) -> None:
        """Refuse values that no fit can use."""
        if self.texture_size not in TEXTURE_SIZES:
            raise UsageError(
                f"--texture-size is {self.texture_size}; "
                f"give a number from {TEXTURE_SIZES[0]} to {TEXTURE_SIZES[-1]}"
            )
        if self.focal is not None and not (math.isfinite(self.focal) and self.focal > 0):
            raise UsageError(f"--focal is {self.focal}; give a number of pixels above 0")
        if self.shape_from_shading == "always" and self.weights.photometric == 0:
            raise UsageError(
                "--shape-from-shading always bends the shape by skin colours, which do not count; "
                "give --weights.photometric 1 too"
            )
        self._check_decoder()
        if isinstance(self.face, int) and self.face < 1:
            raise UsageError(f"--face is {self.face}; give largest, all or a number from 1")

    def _check_decoder(self) -> None:
        """Refuse a decoder that nothing would use, and its lack."""
        if self.texture_decoder is None and self.texture == "decoder":
            raise UsageError("--texture decoder needs a decoder; give --texture-decoder FILE")
        if self.texture_decoder is None and self.decoder != DecoderOptions():
            raise UsageError("--decoder options need a decoder; give --texture-decoder FILE")
        if self.texture_decoder is not None and self.texture == "pca":
            raise UsageError(
                "--texture pca uses no decoder; give --texture decoder, or leave --texture-decoder "
                "out"
            )


STANDARD = FitConfig()
FAST = replace(
    STANDARD,
    preset="fast",
    texture_size=512,
    # Half of the time for the geometry would go into what skin colours add to it: 0.02 mm of 0.8,
    # measured before the head network was asked.
    weights=TermWeights(photometric=0.0),
    solver=SolverLimits(
        shape_components=80,
        expression_components=40,
        texture_components=20,
        dense_points=300,
        geometry_steps=6,
        refinement_rounds=1,
        refinement_steps=4,
        refinement_points=800,
        appearance_steps=6,
        skin_pixels=2000,
    ),
)
DETAILED = replace(
    STANDARD,
    preset="detailed",
    texture_size=2048,
    solver=SolverLimits(
        shape_components=300,
        expression_components=100,
        texture_components=100,
        dense_points=1200,
        geometry_steps=60,
        refinement_rounds=4,
        refinement_steps=12,
        refinement_points=4000,
        appearance_steps=30,
        skin_pixels=18000,
    ),
)
PRESETS: Mapping[str, FitConfig] = MappingProxyType(
    {"fast": FAST, "standard": STANDARD, "detailed": DETAILED}
)


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is the first GPU if there is one.

    Raises:
        UsageError: If the name is unknown or there is no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if name == "cpu":
        return torch.device("cpu")
    if kind != "cuda" or (":" in name and not index.isdecimal()):
        raise UsageError(f"device {name!r} is unknown; give auto, cpu, cuda or cuda:INDEX")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        raise UsageError(
            f"device {name!r} is not there: torch {torch.__version__} sees {count} GPUs; "
            "give cpu, or install torch with CUDA"
        )
    return torch.device(name)
