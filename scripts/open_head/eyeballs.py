"""Eyeballs as true spheres, and how they and the skin beside them follow the source's targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from scripts.open_head.source import BaseMesh

RING_DEGREES = (4.5, 9, 13, 17, 21.1, 27, 35, 45, 58, 74, 92, 112, 132, 154)
"""Polar angles of the eyeball's rings from its front pole: dense where it shows."""
IRIS_RINGS = 5
"""The fifth ring is the limbus; on the mean eyeball it bounds an iris of about 12 mm across."""
SECTORS = 20
SPHERE_SIZE = 2 + SECTORS * len(RING_DEGREES)
IRIS_SIZE = 1 + SECTORS * IRIS_RINGS
SOCKET_RADIUS = 0.93
"""Radius of the hidden pocket behind the lids, in eyeball radii: inside it cannot show."""
LID_REACH = (0.003, 0.013)
"""Skin nearer to the eyeball than the first (metres) follows it, beyond the second not at all."""
LID_HOLD = 0.85
"""Share of a lid's motion towards or off the eyeball that identity targets lose."""
HOLD_REACH = (0.003, 0.008)
"""As `LID_REACH`, for that loss."""


@dataclass(frozen=True)
class EyeballFit:
    """A sphere that takes its size from the source's eyeball linearly, and so stays a sphere.

    With source points at q_k from their middle and offsets o_k, the sphere moves by mean(o) and
    grows by the factor 1 + sum_k q_k.o_k / sum_k q_k.q_k. The source's eyeball may be stretched
    unevenly; the lids are moved by what the sphere leaves out, so that they lie on the sphere as
    they lay on the source's eyeball.

    Attributes:
        source_vertices: The source's eyeball.
        centred: Its points in the base mesh from their middle.
        middle: That middle.
        radius: Its mean radius, metres.
        sphere: The head's vertices that make the sphere.
        socket: The head's vertices in the pocket behind the lids.
        socket_from_middle: Their places from the middle, drawn inside the eyeball.
        beside: The head's vertices beside the eyeball.
        nearness: For each of these, 1 on the eyeball falling to 0 at a distance.
        held: For each of these, how much of its way to or off the eyeball is barred.
        from_middle: For each of these, its place from the middle.
    """

    source_vertices: Int[np.ndarray, " n"]
    centred: Float[np.ndarray, "n 3"]
    middle: Float[np.ndarray, " 3"]
    radius: float
    sphere: Int[np.ndarray, " s"]
    socket: Int[np.ndarray, " p"]
    socket_from_middle: Float[np.ndarray, "p 3"]
    beside: Int[np.ndarray, " l"]
    nearness: Float[np.ndarray, " l"]
    held: Float[np.ndarray, " l"]
    from_middle: Float[np.ndarray, "l 3"]

    def place(self, head: Float[np.ndarray, "V 3"]) -> None:
        """Put the sphere and the socket of the base mesh into an array of head vertices."""
        head[self.sphere] = self.middle + self.radius * sphere_directions()
        head[self.socket] = self.middle + self.socket_from_middle

    def follow(
        self, head: Float[np.ndarray, "V 3"], target: Float[np.ndarray, "N 3"], *, hold_lids: bool
    ) -> None:
        """Put a target's effect on sphere, socket and lids into an array of head offsets."""
        offsets = target[self.source_vertices]
        moved = offsets.mean(axis=0)
        growth = float((self.centred * offsets).sum() / (self.centred**2).sum())
        stretch = np.linalg.lstsq(self.centred, offsets - moved, rcond=None)[0]
        lids = head[self.beside] + self.nearness[:, None] * (
            self.from_middle @ (growth * np.eye(3) - stretch)
        )
        if hold_lids:
            ray = self.from_middle / np.linalg.norm(self.from_middle, axis=1, keepdims=True)
            apart = lids - (moved + growth * self.from_middle)
            radial = (apart * ray).sum(axis=1, keepdims=True) * ray
            lids = lids - LID_HOLD * self.held[:, None] * radial
        head[self.beside] = lids
        head[self.sphere] = moved + growth * self.radius * sphere_directions()
        head[self.socket] = moved + growth * self.socket_from_middle

    def keep_round(self, head: Float[np.ndarray, "V 3"], growth: float) -> None:
        """Replace a stretching of the head by an even growth on and beside this eyeball.

        Args:
            head: Offsets of the head's vertices; changed.
            growth: Even growth that stands for the stretching.
        """
        moved = head[self.sphere[[0, -1]]].mean(axis=0)
        even = moved + growth * self.from_middle
        near = self.nearness[:, None]
        head[self.beside] = (1.0 - near) * head[self.beside] + near * even
        head[self.sphere] = moved + growth * self.radius * sphere_directions()
        head[self.socket] = moved + growth * self.socket_from_middle


def fit_eyeball(
    mesh: BaseMesh,
    group: str,
    skin: Float[np.ndarray, "V 3"],
    sphere: Int[np.ndarray, " s"],
    socket: Bool[np.ndarray, " V"],
) -> EyeballFit:
    """The relation of one eyeball and of the skin beside it to the source's.

    Args:
        mesh: The base mesh.
        group: Name of the source's eyeball.
        skin: Head vertices of the base mesh; only the ones beside the eyeball are looked at.
        sphere: The head's vertices of this eyeball.
        socket: The head's vertices of both sockets.
    """
    used = np.unique(mesh.group_quads(group))
    middle = mesh.vertices[used].mean(axis=0)
    centred = mesh.vertices[used] - middle
    radius = float(np.linalg.norm(centred, axis=1).mean())
    distance = np.linalg.norm(skin - middle, axis=1)
    is_skin = np.arange(len(skin)) < sphere.min()
    gap = np.abs(distance - radius)
    nearness = _fade(gap, LID_REACH)
    beside = np.flatnonzero(is_skin & (nearness > 0) & ~socket)
    own_socket = np.flatnonzero(socket & (distance < 2 * radius))
    ray = skin[own_socket] - middle
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    return EyeballFit(
        source_vertices=used,
        centred=centred,
        middle=middle,
        radius=radius,
        sphere=sphere,
        socket=own_socket,
        socket_from_middle=SOCKET_RADIUS * radius * ray,
        beside=beside,
        nearness=nearness[beside],
        held=_fade(gap[beside], HOLD_REACH),
        from_middle=skin[beside] - middle,
    )


def _fade(gap: Float[np.ndarray, " n"], reach: tuple[float, float]) -> Float[np.ndarray, " n"]:
    """1 up to the first distance, 0 from the second on, smooth between."""
    share = ((gap - reach[0]) / (reach[1] - reach[0])).clip(0.0, 1.0)
    return 1.0 - share**2 * (3.0 - 2.0 * share)


def sphere_directions() -> Float[np.ndarray, "v 3"]:
    """Front pole, rings front to back, back pole; the pole axis looks along +z."""
    polar = np.deg2rad(RING_DEGREES)[:, None]
    around = 2 * np.pi * np.arange(SECTORS)[None] / SECTORS
    aside, up = np.sin(polar) * np.sin(around), np.sin(polar) * np.cos(around)
    ring = np.stack([aside, up, np.cos(polar) + 0 * around], axis=2).reshape(-1, 3)
    return np.concatenate([[[0, 0, 1]], ring, [[0, 0, -1]]])


def sphere_triangles() -> Int[np.ndarray, "f 3"]:
    """Counter-clockwise triangles over `sphere_directions`."""
    rings, sectors = len(RING_DEGREES), SECTORS
    back = 1 + rings * sectors
    triangles = []
    for k in range(sectors):
        n = (k + 1) % sectors
        triangles.append([0, 1 + n, 1 + k])
        for r in range(rings - 1):
            a, b = 1 + r * sectors + k, 1 + r * sectors + n
            c, d = a + sectors, b + sectors
            # Diagonals lean to mirrored sides on the left and the right half of the ball.
            triangles += [[a, b, d], [a, d, c]] if k < sectors // 2 else [[a, b, c], [b, d, c]]
        last = 1 + (rings - 1) * sectors
        triangles.append([last + k, last + n, back])
    return np.array(triangles, dtype=np.int64)
