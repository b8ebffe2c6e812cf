"""A random person's albedo: pigments, hair, eyes and mouth, drawn and painted over the texels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from scripts.open_head.face_fields import paint_brow, smooth_step
from scripts.open_head.paint_fields import (
    MODE_COUNT,
    EyeFields,
    MouthFields,
    PaintFields,
    SkinFields,
)
from scripts.open_head.skin_optics import (
    HAIR_COLOURS,
    IRIS_COLOURS,
    linear_to_srgb,
    skin_albedo,
)


@dataclass(frozen=True)
class Person:
    """What makes one person's colours; factors are 1 for the usual person.

    Attributes:
        melanin: Melanin of the face (0.1 pale, 6 dark).
        blood: Blood of the face.
        melanin_modes: Smooth variation of the logarithm of melanin.
        blood_modes: Smooth variation of the logarithm of blood.
        hair: Linear colour of brows, beard and scalp hair.
        brow: Density, raise (mm), thickness, arch of the brows.
        beard: Density of moustache and of beard.
        scalp: Density of the hair on the head.
        lips: Blood and melanin of the lips.
        flush: Extra blood of cheeks, nose, ears.
        eyes_shade: Extra pigment below the eyes, on the upper lids, and strength of the lash line.
        spots: Strength of freckles.
        iris: Linear colour of the iris.
        eye: Radius of the pupil over that of the iris, limbal ring, redness, brightness of sclera.
        mouth: Brightness and redness of the mouth's inside, brightness and yellowness of the teeth.
    """

    melanin: float
    blood: float
    melanin_modes: Float[np.ndarray, "m"]
    blood_modes: Float[np.ndarray, "m"]
    hair: Float[np.ndarray, "3"]
    brow: Float[np.ndarray, "4"]
    beard: Float[np.ndarray, "2"]
    scalp: float
    lips: Float[np.ndarray, "2"]
    flush: Float[np.ndarray, "3"]
    eyes_shade: Float[np.ndarray, "3"]
    spots: float
    iris: Float[np.ndarray, "3"]
    eye: Float[np.ndarray, "4"]
    mouth: Float[np.ndarray, "4"]


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: pigmentation first, hair and irises in step with it, the rest freely."""
    melanin = float(np.exp(rng.uniform(np.log(0.10), np.log(6.0))))
    darkness = np.clip((np.log(melanin) - np.log(0.10)) / np.log(60.0), 0, 1)
    light_hair = np.array([0.10, 0.25, 0.25, 0.22, 0.08, 0.10])
    dark_hair = np.array([0.72, 0.20, 0.03, 0.0, 0.0, 0.05])
    mix = np.clip(1.6 * darkness, 0, 1)
    hair_mix = rng.dirichlet(4 * ((1 - mix) * light_hair + mix * dark_hair) + 1e-3)
    light_iris = np.array([0.10, 0.22, 0.13, 0.12, 0.15, 0.28])
    dark_iris = np.array([0.70, 0.27, 0.03, 0.0, 0.0, 0.0])
    mix = np.clip(2.0 * darkness, 0, 1)
    iris_mix = rng.dirichlet(2.5 * ((1 - mix) * light_iris + mix * dark_iris) + 1e-3)
    fade = 1.0 / (1.0 + 0.12 * np.arange(MODE_COUNT))
    # Densities stay near a normal distribution, so that random codes rarely ask for less than none.
    beard = rng.gamma(1.4, 0.085)
    return Person(
        melanin=melanin,
        blood=float(rng.gamma(16.0, 0.25 / 16.0)),
        melanin_modes=0.055 * fade * rng.standard_normal(MODE_COUNT),
        blood_modes=0.055 * fade * rng.standard_normal(MODE_COUNT),
        hair=np.exp(np.log(HAIR_COLOURS).T @ hair_mix),
        brow=np.array(
            [
                np.clip(rng.normal(0.68, 0.11), 0.2, 0.95),
                rng.normal(0, 0.8),
                np.exp(rng.normal(0.02, 0.13)),
                rng.normal(1.0, 0.2),
            ]
        ),
        beard=min(beard, 0.85) * np.array([rng.uniform(0.6, 1.1), rng.uniform(0.7, 1.1)]),
        scalp=float(np.clip(rng.normal(0.5, 0.2), 0.0, 0.95)),
        lips=np.array([rng.gamma(8.0, 0.62 / 8.0), rng.uniform(0.0, 0.35)]),
        flush=rng.gamma(2.5, 1 / 2.5, 3) * np.array([0.14, 0.16, 0.13]),
        eyes_shade=np.array(
            [rng.gamma(2.5, 0.4), rng.gamma(3.0, 0.33), np.clip(rng.normal(0.82, 0.12), 0.4, 1.0)]
        ),
        spots=float(rng.gamma(0.6, 0.3) * (1 - darkness)),
        iris=np.exp(np.log(IRIS_COLOURS).T @ iris_mix),
        eye=np.array(
            [
                rng.normal(0.36, 0.05),
                rng.uniform(0.3, 0.8),
                rng.gamma(3.0, 0.25),
                rng.normal(1.0, 0.07),
            ]
        ),
        mouth=np.array(
            [rng.normal(1, 0.2), rng.normal(1, 0.15), rng.normal(1, 0.08), rng.normal(1, 0.3)]
        ),
    )


def _over(
    below: Float[np.ndarray, "n 3"], colour: Float[np.ndarray, "3"], cover: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    """Lay a colour over others."""
    cover = np.clip(cover, 0, 1)[:, None].astype(np.float32)
    return below * (1 - cover) + colour.astype(np.float32) * cover


def paint_skin(fields: SkinFields, person: Person) -> Float[np.ndarray, "n 3"]:
    """Return linear albedo of the skin with brows, beard and hair."""
    shade = person.eyes_shade
    log_melanin = (
        fields.modes @ person.melanin_modes
        + 0.035 * fields.mottle
        + 0.22 * shade[0] * fields.under_eye
        + 0.22 * shade[1] * fields.upper_lid
        + 0.05 * fields.nose
        + person.lips[1] * fields.lips
        + 0.5 * person.spots * fields.spots * (fields.cheeks + fields.nose + 0.25)
    )
    melanin = person.melanin * np.exp(log_melanin)
    blood = person.blood * np.exp(
        fields.modes @ person.blood_modes
        + 0.05 * fields.mottle
        + 0.15 * shade[0] * fields.under_eye
    )
    blood = (
        blood
        + person.flush[0] * fields.cheeks
        + person.flush[1] * fields.nose
        + person.flush[2] * fields.ears
        + 0.06 * fields.upper_lid
        + person.lips[0] * fields.lips * (1 + 0.10 * fields.mottle + 0.6 * fields.lip_line)
        + 0.5 * fields.socket
        + 0.10 * fields.lash_line
    )
    melanin = melanin * (1 - 0.12 * fields.lips * np.clip(person.melanin / 3, 0, 1))
    colour = skin_albedo(melanin.astype(np.float32), blood.astype(np.float32))
    colour *= (1 - 0.75 * fields.hollow - 0.35 * fields.lip_line * fields.lips)[:, None]
    density, up, thickness, arch = person.brow
    brow = paint_brow(fields.brow, raise_mm=up, thickness=thickness, arch=arch)
    brow = density * brow * np.clip(0.9 + 0.12 * fields.brow_hair, 0, 1.1)
    grain = np.clip(0.85 + 0.18 * fields.stubble, 0, 1.2)
    beard = np.maximum(person.beard[0] * fields.moustache, person.beard[1] * fields.beard) * grain
    scalp = smooth_step(fields.scalp, -10, 14) * (1 - fields.ears)
    colour = _over(colour, person.hair, beard)
    colour = _over(colour, person.hair, person.scalp * scalp * np.clip(grain + 0.1, 0, 1.05))
    colour = _over(colour, person.hair, brow)
    return _over(colour, 0.25 * person.hair, shade[2] * fields.lash_line)


def paint_eyes(fields: EyeFields, person: Person) -> Float[np.ndarray, "n 3"]:
    """Return linear albedo of the eyeballs: sclera, iris with its limbal ring, pupil."""
    pupil, ring, redness, brightness = person.eye
    redness = 0.10 * redness * fields.corner + 0.02 * redness
    sclera = (
        brightness
        * np.array([0.60, 0.545, 0.50])
        * (1 - np.stack([0.3 * redness, 1.7 * redness, 1.5 * redness], axis=1))
    )
    polar = fields.polar
    fibre = 1 + 0.22 * fields.streaks * smooth_step(polar, 0.3, 0.55)
    collar = 1 + 0.35 * np.exp(-(((polar - 0.52) / 0.13) ** 2))
    rim = 1 - ring * smooth_step(polar, 0.68, 0.98)
    iris = person.iris * (fibre * collar * rim)[:, None]
    inside = smooth_step(polar, 1.06, 0.95)[:, None]
    colour = sclera * (1 - inside) + iris * inside
    return _over(
        colour, np.array([0.008, 0.007, 0.007]), smooth_step(polar, pupil + 0.05, pupil - 0.05)
    )


def paint_mouth(fields: MouthFields, person: Person) -> Float[np.ndarray, "n 3"]:
    """Return linear albedo of the mouth's inside and the teeth."""
    light, red, white, yellow = person.mouth
    flesh = light * np.array([0.30 * red, 0.095, 0.085]) * (1 - 0.75 * fields.depth)[:, None]
    tooth = white * np.array([0.66, 0.62 - 0.02 * yellow, 0.54 - 0.07 * yellow])
    tooth = tooth * (1 - 0.35 * fields.gap)[:, None]
    gum = np.array([0.36, 0.14, 0.13])
    tooth = tooth * (1 - fields.gum[:, None]) + gum * fields.gum[:, None]
    tooth = tooth * (1 - 0.6 * smooth_step(fields.depth, 0.35, 1.0))[:, None]
    return np.where(fields.is_tooth[:, None], tooth, flesh)


def paint_person(fields: PaintFields, person: Person) -> Float[np.ndarray, "U*U 3"]:
    """Return a person's map in sRGB, 0..1, RGB order, one row per texel."""
    linear = np.zeros((fields.size**2, 3), np.float32)
    linear[fields.skin_texels] = paint_skin(fields.skin, person)
    linear[fields.eye_texels] = paint_eyes(fields.eyes, person)
    linear[fields.mouth_texels] = paint_mouth(fields.mouth, person)
    return linear_to_srgb(linear).astype(np.float32)
