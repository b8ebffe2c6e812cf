"""The published FaceUV and FaceParsing networks: VGG19 and DINOv3 into one decoder."""

from flame_fit.priors.dense_networks.checkpoints import (
    Checkpoint,
    load_dense_network,
    new_dense_network,
    read_checkpoint,
    read_vgg19,
)
from flame_fit.priors.dense_networks.decoder import DenseOutput
from flame_fit.priors.dense_networks.dinov3 import VARIANTS, DinoV3, VitSize
from flame_fit.priors.dense_networks.dinov3_files import DinoV3Weights, read_dinov3
from flame_fit.priors.dense_networks.extract import ExtractedCheckpoint, extract_decoder
from flame_fit.priors.dense_networks.key_report import KeyReport, WrongWeightsError
from flame_fit.priors.dense_networks.network import (
    FROZEN_PREFIX,
    DenseNetwork,
    NetworkLayout,
    network_layout,
    normalised_images,
)
from flame_fit.priors.dense_networks.predictors import (
    PARSING_IMAGE_SIZE,
    UV_IMAGE_SIZE,
    LabelMap,
    ParsingPredictor,
    UvMap,
    UvPredictor,
    square_parsing,
)

__all__ = [
    "Checkpoint",
    "DenseNetwork",
    "DenseOutput",
    "DinoV3",
    "DinoV3Weights",
    "ExtractedCheckpoint",
    "FROZEN_PREFIX",
    "KeyReport",
    "LabelMap",
    "NetworkLayout",
    "PARSING_IMAGE_SIZE",
    "ParsingPredictor",
    "UV_IMAGE_SIZE",
    "UvMap",
    "UvPredictor",
    "VARIANTS",
    "VitSize",
    "WrongWeightsError",
    "extract_decoder",
    "load_dense_network",
    "network_layout",
    "new_dense_network",
    "normalised_images",
    "read_checkpoint",
    "read_dinov3",
    "read_vgg19",
    "square_parsing",
]
