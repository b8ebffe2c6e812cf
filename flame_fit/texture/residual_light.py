"""What of a texture's tone is more likely light than skin.

Smooth light never explains a photo quite: lamps cast shadows, skin shines. What it leaves over is
mostly bright or dark, not coloured, and seldom the same on both sides of a face; skin differs from
its prior in colour too, and alike on both sides.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameAssets
from flame_fit.texture.texel_geometry import INNER_REGIONS

# Shares of the tone that are taken for light. Chosen on four photos of one person in several
# lights, each one's texture shown in the others, and on rendered people under lamps: there they
# help. Twice as much helps a little more there and costs far more where smooth light is the truth.
BRIGHTNESS_SHARE = 0.15
LOPSIDED_BRIGHTNESS_SHARE = 0.25
LOPSIDED_TINT_SHARE = 0.15


def residual_light(field: Float[Tensor, "V 3"], assets: FlameAssets) -> Float[Tensor, "V 3"]:
    """Return the logarithm of the light that smooth light has left in the tone.

    Eyes and mouth have none. A model that does not say which vertices mirror each other counts as
    alike on both sides.

    Args:
        field: Logarithm of the ratio of delit photo over prior, smooth over the head.
        assets: Model of the head.
    """
    skin = torch.ones_like(field[:, :1])
    if assets.regions is not None:
        for name in INNER_REGIONS:
            if name in assets.regions.names:
                skin[assets.regions.mask(name)] = 0.0
    on_skin = field[skin[:, 0] > 0.0]
    if len(on_skin) == 0:
        return torch.zeros_like(field)
    tone = field - on_skin.median(dim=0).values
    lopsided = torch.zeros_like(tone)
    if assets.mirror_vertex is not None:
        lopsided = 0.5 * (tone - tone[assets.mirror_vertex])
    even = (tone - lopsided).mean(dim=1, keepdim=True)
    bright = lopsided.mean(dim=1, keepdim=True)
    light = BRIGHTNESS_SHARE * even + LOPSIDED_BRIGHTNESS_SHARE * bright
    return skin * (light + LOPSIDED_TINT_SHARE * (lopsided - bright))
