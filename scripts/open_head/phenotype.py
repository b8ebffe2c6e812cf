"""From a person's age, sex, build and ancestry to weights of MakeHuman's macro targets.

MakeHuman names a macro target by the values it stands for (`universal-female-old-maxmuscle-...`).
Its weight is the product, over the features in its name, of how near the person is to each value,
with linear interpolation between neighbouring values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

ANCHORS: dict[str, tuple[tuple[str, float], ...]] = {
    "sex": (("male", 0.0), ("female", 1.0)),
    "age": (("baby", 0.0), ("child", 1 / 3), ("young", 2 / 3), ("old", 1.0)),
    "muscle": (("minmuscle", 0.0), ("averagemuscle", 0.5), ("maxmuscle", 1.0)),
    "weight": (("minweight", 0.0), ("averageweight", 0.5), ("maxweight", 1.0)),
    "height": (("minheight", 0.0), ("maxheight", 1.0)),
    "proportions": (("idealproportions", 0.0), ("uncommonproportions", 1.0)),
}
ANCESTRIES = ("african", "asian", "caucasian")
MACRO_FOLDERS = ("", "height/", "proportions/")
MACRO_ROOT = "mpfb2/targets/macrodetails/"


@dataclass(frozen=True)
class Phenotypes:
    """One value per person; 0 to 1 along each of the axes in `ANCHORS`.

    Attributes:
        sex: 0 male, 1 female.
        age: 0 baby, 1/3 child, 2/3 young adult, 1 old.
        muscle: Muscle mass.
        weight: Body weight for the height.
        height: Body height for age and sex.
        proportions: Regularity of the figure.
        african: Share of ancestry; the three shares sum to 1.
        asian: Share of ancestry.
        caucasian: Share of ancestry.
    """

    sex: Float[np.ndarray, " n"]
    age: Float[np.ndarray, " n"]
    muscle: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    height: Float[np.ndarray, " n"]
    proportions: Float[np.ndarray, " n"]
    african: Float[np.ndarray, " n"]
    asian: Float[np.ndarray, " n"]
    caucasian: Float[np.ndarray, " n"]


def value_weights(people: Phenotypes) -> dict[str, Float[np.ndarray, " n"]]:
    """Nearness of every person to every named value."""
    nearness: dict[str, Float[np.ndarray, " n"]] = {}
    for field in fields(people):
        amount = getattr(people, field.name)
        if field.name in ANCESTRIES:
            nearness[field.name] = amount
            continue
        names = [name for name, _ in ANCHORS[field.name]]
        places = np.array([place for _, place in ANCHORS[field.name]])
        for index, name in enumerate(names):
            nearness[name] = np.interp(amount, places, np.eye(len(places))[index])
    return nearness


def macro_weights(people: Phenotypes, target_names: list[str]) -> Float[np.ndarray, "n T"]:
    """Weights of macro targets given by file name (`universal-male-young-....target.gz`)."""
    nearness = value_weights(people)
    columns = []
    for name in target_names:
        column = np.ones_like(people.sex)
        for value in name.split("/")[-1].removesuffix(".target.gz").split("-"):
            if value != "universal":
                column = column * nearness[value]
        columns.append(column)
    return np.stack(columns, axis=1)
