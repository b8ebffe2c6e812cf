"""How a dense network is trained: one tree of frozen values, which YAML and options fill."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flame_fit.errors import UsageError

LabelCount = Literal[11, 19]
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
Accelerator = Literal["auto", "cpu", "gpu"]

PATCH = 16
"""Side of the transformer's patches in pixels."""


@dataclass(frozen=True)
class NetworkStart:
    """Where the weights come from before the first step."""

    dinov3_checkpoint: Path | None = None
    """DINOv3 weights, a .pth file or a folder; not needed with a whole checkpoint."""
    vgg_checkpoint: Path | None = None
    """VGG19-BN weights of ImageNet, as torchvision publishes them."""
    checkpoint: Path | None = None
    """Weights to start from instead, VGG too: a decoder.ckpt or last.ckpt of either program."""
    from_scratch: bool = False
    """Start the VGG from random weights, when neither file is given."""


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW, and a learning rate that falls along half a cosine over all epochs."""

    learning_rate: float = 1e-3
    """At the start."""
    minimum_learning_rate: float = 1e-6
    """At the end."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    gradient_clip: float = 1.0
    """Longest gradient; 0 does not limit it."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        require_at_least("learning-rate", self.learning_rate, 0)
        if not 0 <= self.minimum_learning_rate <= self.learning_rate:
            raise UsageError(
                f"--minimum-learning-rate is {self.minimum_learning_rate}; give a number from 0 to "
                f"the learning rate, {self.learning_rate}"
            )
        require_at_least("weight-decay", self.weight_decay, 0)
        require_at_least("gradient-clip", self.gradient_clip, 0)
        require_at_least("accumulate", self.accumulate, 1)


@dataclass(frozen=True)
class RunSettings:
    """How long the training runs, on what, and where its files go."""

    batch_size: int
    """Images of a step, on each device; 2 or more, as images are normalised together."""
    max_epochs: int
    """Times that all images are seen."""
    precision: Precision
    """Of the network's arithmetic; losses are always computed in float32."""
    experiment_name: str
    """Folder of this run inside the two folders below."""
    validate_every: int = 1
    """Epochs between validations."""
    patience: int = 0
    """Validations without improvement after which the training stops; 0 never stops it."""
    num_workers: int = 4
    """Processes that read images, for each device; 0 reads them in between."""
    gpus: int = 0
    """How many devices; 0 takes every GPU there is, or the CPU."""
    accelerator: Accelerator = "auto"
    """What kind of device."""
    keep_best: int = 3
    """How many of the best checkpoints are kept."""
    seed: int = 42
    """Of the weights, the order of the images and their augmentation."""
    checkpoint_dir: Path = Path("experiments/checkpoints")
    """Gets the best checkpoints and last.ckpt."""
    log_dir: Path = Path("experiments/logs")
    """Gets the curves and pictures for TensorBoard."""
    resume_from: Path | None = None
    """A last.ckpt of this program to go on from, as if it had never stopped."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        require_at_least("batch-size", self.batch_size, 2)
        for name in ("max_epochs", "validate_every", "keep_best"):
            require_at_least(name.replace("_", "-"), getattr(self, name), 1)
        for name in ("patience", "num_workers", "gpus", "seed"):
            require_at_least(name.replace("_", "-"), getattr(self, name), 0)
        if not self.experiment_name or Path(self.experiment_name).name != self.experiment_name:
            raise UsageError(
                f"--experiment-name is {self.experiment_name!r}; give the name of a folder"
            )


@dataclass(frozen=True)
class ColourChanges:
    """Largest random changes of a photo's colours, done in random order."""

    brightness: float = 0.2
    """Largest relative change of brightness."""
    contrast: float = 0.2
    """Largest relative change of contrast."""
    saturation: float = 0.2
    """Largest relative change of saturation."""
    hue: float = 0.1
    """Largest change of hue, in turns of the colour circle."""

    def __post_init__(self) -> None:
        """Refuse changes that leave no picture."""
        for name, value in vars(self).items():
            most = 0.5 if name == "hue" else 1.0
            if not 0 <= value <= most:
                raise UsageError(f"--{name} is {value}; give a number from 0 to {most}")


@dataclass(frozen=True)
class UvData:
    """Photos with the UV coordinates of the head model at each pixel."""

    data_dir: Path | None = None
    """Folder with images/ and uvs/, or a folder of such folders."""
    background_dir: Path | None = None
    """Pictures without people, which replace the background where a depth map tells it."""
    image_size: tuple[int, int] = (448, 448)
    """Height and width the images are brought to."""
    validation_share: float = 1 / 200
    """Share of the people that is held out."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        check_image_size(self.image_size)
        _check_validation_share(self.validation_share)


@dataclass(frozen=True)
class UvAugmentation:
    """What is done to each photo of a training epoch, at random."""

    rotation_degrees: float = 20.0
    """Largest turn in either direction."""
    shift_pixels: float = 20.0
    """Largest shift along either axis."""
    colour: ColourChanges = field(default_factory=ColourChanges)
    """How the colours are varied."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        for name in ("rotation_degrees", "shift_pixels"):
            require_at_least(name.replace("_", "-"), getattr(self, name), 0)


@dataclass(frozen=True)
class UvLossWeights:
    """Weights of the parts of the loss; the mean absolute error of UV has weight 1."""

    squared_weight: float = 0.5
    """Mean squared error of UV."""
    mask_weight: float = 0.01
    """Cross entropy of the mask."""
    auxiliary_weight: float = 0.4
    """Mean loss of the three coarser outputs."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        for name, value in vars(self).items():
            require_at_least(name.replace("_", "-"), value, 0)


@dataclass(frozen=True)
class ParsingData:
    """Photos with the class of each pixel."""

    data_dir: Path | None = None
    """Folder with images/NAME.png and segmentations/NAME_seg.png."""
    image_size: tuple[int, int] = (512, 512)
    """Height and width the images are brought to."""
    num_classes: LabelCount = 19
    """Classes the network tells apart."""
    data_classes: LabelCount = 19
    """Classes in the files; 19 are mapped to 11 where the network tells 11 apart."""
    validation_share: float = 1 / 100
    """Share of the images that is held out."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        check_image_size(self.image_size)
        _check_validation_share(self.validation_share)
        if self.num_classes > self.data_classes:
            raise UsageError(
                f"--num-classes is {self.num_classes} but the files tell {self.data_classes} "
                f"apart; give --num-classes {self.data_classes}"
            )


@dataclass(frozen=True)
class ParsingAugmentation:
    """What is done to each photo of a training epoch, at random."""

    scale: tuple[float, float] = (0.75, 1.25)
    """Least and largest scale; larger pictures are cropped, smaller ones made large again."""
    mirror_share: float = 0.5
    """Share of pictures that are mirrored, right and left classes with them."""
    rotation_share: float = 0.5
    """Share of pictures that are turned."""
    rotation_degrees: float = 10.0
    """Largest turn in either direction."""
    colour: ColourChanges = field(default_factory=ColourChanges)
    """How the colours are varied."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise UsageError(f"--scale is {self.scale}; give two rising numbers above 0")
        for name in ("mirror_share", "rotation_share"):
            _check_share(name.replace("_", "-"), getattr(self, name))
        require_at_least("rotation-degrees", self.rotation_degrees, 0)


@dataclass(frozen=True)
class ParsingLossWeights:
    """Weights of the parts of the loss; the cross entropy of the output has weight 1."""

    auxiliary_weight: float = 0.4
    """Mean cross entropy of the three coarser outputs."""

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        require_at_least("auxiliary-weight", self.auxiliary_weight, 0)


@dataclass(frozen=True)
class UvTraining:
    """Everything that a training of the UV network depends on."""

    data: UvData = field(default_factory=UvData)
    """What it learns from."""
    network: NetworkStart = field(default_factory=NetworkStart)
    """What it starts from."""
    augmentation: UvAugmentation = field(default_factory=UvAugmentation)
    """How the images are varied."""
    loss: UvLossWeights = field(default_factory=UvLossWeights)
    """What counts."""
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    """How it learns."""
    run: RunSettings = field(
        default_factory=lambda: RunSettings(
            batch_size=2,
            max_epochs=200,
            precision="32-true",
            experiment_name="face_uv",
            validate_every=2,
            patience=15,
        )
    )
    """How long, on what, where to."""


@dataclass(frozen=True)
class ParsingTraining:
    """Everything that a training of the parsing network depends on."""

    data: ParsingData = field(default_factory=ParsingData)
    """What it learns from."""
    network: NetworkStart = field(default_factory=NetworkStart)
    """What it starts from."""
    augmentation: ParsingAugmentation = field(default_factory=ParsingAugmentation)
    """How the images are varied."""
    loss: ParsingLossWeights = field(default_factory=ParsingLossWeights)
    """What counts."""
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    """How it learns."""
    run: RunSettings = field(
        default_factory=lambda: RunSettings(
            batch_size=12,
            max_epochs=35,
            precision="bf16-mixed",
            experiment_name="face_parsing",
        )
    )
    """How long, on what, where to."""


def require_at_least(option: str, value: int | float, least: int | float) -> None:
    """Refuse a number that is too small, infinite or none.

    Raises:
        UsageError: It is.
    """
    if not (math.isfinite(value) and value >= least):
        raise UsageError(f"--{option} is {value}; give a number from {least} upwards")


def check_image_size(size: tuple[int, int]) -> None:
    """Refuse sizes that are not made of whole patches.

    Raises:
        UsageError: A side is no positive multiple of 16.
    """
    if any(side < PATCH or side % PATCH for side in size):
        raise UsageError(
            f"--image-size is {size[0]} {size[1]}; give height and width as multiples of {PATCH}"
        )


def _check_validation_share(value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(
            f"--validation-share is {value}; give a number between 0 and 1, as the best checkpoint "
            "is told by held-out images"
        )


def _check_share(option: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"--{option} is {value}; give a number from 0 to 1")
