"""Light: normalisation, conventions, recovery from colours, robustness, the prior."""

import math

import pytest
import torch

from flame_fit.appearance.lighting import (
    directional_to_sh,
    lighting_prior,
    shade,
    solve_lighting,
    spherical_harmonics,
    spherical_harmonics_jacobian,
    white_lighting,
)
from flame_fit.appearance.lighting_conventions import (
    from_convention_a,
    from_convention_b,
    to_convention_a,
    to_convention_b,
)


def normals(count: int = 500, *, front: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    if front:
        directions[:, 2] = directions[:, 2].abs()
    return torch.nn.functional.normalize(directions, dim=-1)


def some_lighting() -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    lighting = 0.2 * torch.randn(1, 9, 3, generator=generator, dtype=torch.float64)
    lighting[:, 0] += 1.0
    return lighting


def convention_a_shading(directions: torch.Tensor, lighting: torch.Tensor) -> torch.Tensor:
    """The seed's formula, written out."""
    x, y, z = directions.unbind(-1)
    one = torch.ones_like(x)
    basis = torch.stack((one, x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1), dim=-1)
    pi = math.pi
    first = (2 * pi / 3) * math.sqrt(3 / (4 * pi))
    second = (pi / 4) * 3 * math.sqrt(5 / (12 * pi))
    factors = (
        1 / math.sqrt(4 * pi), first, first, first, second, second, second, second / 2,
        (pi / 4) * 0.5 * math.sqrt(5 / (4 * pi)),
    )  # fmt: skip
    return (basis * torch.tensor(factors, dtype=torch.float64)) @ lighting


def convention_b_shading(directions: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Deep3D's formula, written out, with its offset on the first coefficient."""
    x, y, z = directions.unbind(-1)
    a = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
    c = (
        1 / math.sqrt(4 * math.pi),
        math.sqrt(3) / math.sqrt(4 * math.pi),
        3 * math.sqrt(5) / math.sqrt(12 * math.pi),
    )
    ac = [left * right for left, right in zip(a, c, strict=True)]
    basis = torch.stack(
        (
            ac[0] * torch.ones_like(x),
            -ac[1] * y,
            ac[1] * z,
            -ac[1] * x,
            ac[2] * x * y,
            -ac[2] * y * z,
            0.5 * ac[2] / math.sqrt(3) * (3 * z * z - 1),
            -ac[2] * x * z,
            0.5 * ac[2] * (x * x - y * y),
        ),
        dim=-1,
    )
    light = codes.clone()
    light[0] += 0.8
    return basis @ light


def test_white_light_shades_one() -> None:
    shading = shade(normals()[None], white_lighting(dtype=torch.float64))
    torch.testing.assert_close(shading, torch.ones_like(shading))


def test_light_from_above_lights_what_looks_up() -> None:
    axes = torch.eye(3)[None]
    for axis, coefficient in enumerate((3, 1, 2)):
        lighting = torch.zeros(1, 9, 3)
        lighting[:, coefficient] = 1.0
        shading = shade(axes, lighting)[0, :, 0]
        assert int(shading.argmax()) == axis
        assert float(shading[axis]) > 0


def test_basis_is_orthogonal_with_the_kernels_norms() -> None:
    # Even spacing around the axis integrates these products exactly; along it, the trapezoids do
    # to the tolerance below.
    nodes = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    weights = torch.full_like(nodes, 2 / 20000)
    weights[[0, -1]] /= 2
    turn = torch.arange(8, dtype=torch.float64) * math.pi / 4
    radius = (1 - nodes**2).sqrt()[:, None]
    grid = torch.stack(
        (radius * turn.cos(), radius * turn.sin(), nodes[:, None].expand(-1, 8)), dim=-1
    )
    basis = spherical_harmonics(grid)
    gram = torch.einsum("ntk,ntl,n->kl", basis, basis, weights) / 16
    expected = torch.diag(torch.tensor([1.0] + [4 / 9] * 3 + [1 / 16] * 5, dtype=torch.float64))
    torch.testing.assert_close(gram, expected, atol=1e-7, rtol=0)


def test_derivative_by_the_normal() -> None:
    directions = normals(5)
    jacobian = torch.autograd.functional.jacobian(spherical_harmonics, directions)
    expected = torch.stack([jacobian[k, :, k] for k in range(5)])
    torch.testing.assert_close(spherical_harmonics_jacobian(directions), expected)


def test_shading_keeps_its_batch_shape() -> None:
    lighting = some_lighting().expand(2, -1, -1)
    image = normals(24).reshape(2, 3, 4, 3)
    shading = shade(image, lighting)
    assert shading.shape == (2, 3, 4, 3)
    torch.testing.assert_close(shading[1, 2], spherical_harmonics(image[1, 2]) @ lighting[1])
    torch.testing.assert_close(shade(image, some_lighting()), shading)


def test_a_lamp_is_close_to_the_clamped_cosine() -> None:
    direction = torch.nn.functional.normalize(
        torch.tensor((0.3, 0.8, 0.5), dtype=torch.float64), dim=0
    )
    colour = torch.tensor((1.0, 0.9, 0.8), dtype=torch.float64)
    lighting = directional_to_sh(direction, colour)
    shading = shade(normals()[None], lighting[None])[0]
    exact = (normals() @ direction).clamp_min(0)[:, None] * colour
    assert float((shading - exact).abs().max()) < 0.1
    facing = shade(direction[None, None], lighting[None])[0, 0]
    torch.testing.assert_close(facing, 17 / 16 * colour)


@pytest.mark.parametrize("front", [False, True])
def test_light_is_recovered_from_colours(*, front: bool) -> None:
    directions = normals(front=front)
    albedo = 0.2 + 0.6 * directions.abs()
    truth = some_lighting()[0]
    colours = albedo * shade(directions[None], truth[None])[0]
    weights = torch.ones(len(directions), dtype=torch.float64)
    found = solve_lighting(albedo, colours, directions, weights, ridge=1e-9)
    torch.testing.assert_close(found, truth, atol=1e-3, rtol=0)


def test_highlights_are_ignored_by_robust_passes() -> None:
    directions = normals()
    albedo = torch.full_like(directions, 0.5)
    truth = some_lighting()[0]
    colours = albedo * shade(directions[None], truth[None])[0]
    colours[::8] += 2.0
    weights = torch.ones(len(directions), dtype=torch.float64)
    plain = solve_lighting(albedo, colours, directions, weights, ridge=1e-9)
    robust = solve_lighting(albedo, colours, directions, weights, ridge=1e-9, robust_passes=10)
    assert float((plain - truth).abs().max()) > 0.3
    assert float((robust - truth).abs().max()) < 0.02


def test_weights_of_zero_exclude_and_no_weight_at_all_gives_the_prior() -> None:
    directions = normals(50)
    albedo = torch.full_like(directions, 0.5)
    colours = albedo * shade(directions[None], some_lighting())[0]
    colours[:10] = 50.0
    weights = torch.ones(50, dtype=torch.float64)
    weights[:10] = 0.0
    found = solve_lighting(albedo, colours, directions, weights, ridge=1e-9)
    torch.testing.assert_close(found, some_lighting()[0], atol=1e-3, rtol=0)
    nothing = solve_lighting(
        albedo, colours, directions, torch.zeros_like(weights), robust_passes=1
    )
    torch.testing.assert_close(nothing, white_lighting(dtype=torch.float64)[0])


def test_the_prior_prefers_grey_light() -> None:
    prior = lighting_prior(dtype=torch.float64)
    grey, tinted = torch.zeros(9, 3).double(), torch.zeros(9, 3).double()
    grey[1] = 0.1
    tinted[1, 0], tinted[1, 2] = 0.1, -0.1
    costs = [step.flatten() @ prior.precision @ step.flatten() for step in (grey, tinted)]
    assert float(costs[0]) < float(costs[1]) / 5
    assert torch.linalg.eigvalsh(prior.precision).min() > 0


def test_convention_a_shades_the_same() -> None:
    lighting = some_lighting()[0]
    expected = convention_a_shading(normals(), lighting)
    found = shade(normals()[None], from_convention_a(lighting)[None])[0]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(to_convention_a(from_convention_a(lighting)), lighting)


def test_root_of_four_pi_is_white_in_convention_a() -> None:
    lighting = torch.zeros(9, 3)
    lighting[0] = math.sqrt(4 * math.pi)
    torch.testing.assert_close(from_convention_a(lighting), white_lighting()[0])


def test_convention_b_shades_the_same() -> None:
    codes = some_lighting()[0] - 1.0
    expected = convention_b_shading(normals(), codes)
    found = shade(normals()[None], from_convention_b(codes)[None])[0]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(to_convention_b(from_convention_b(codes)), codes)


def test_zero_codes_of_convention_b_shade_071() -> None:
    found = from_convention_b(torch.zeros(9, 3))
    assert float(found[0, 0]) == pytest.approx(0.709, abs=1e-3)
    assert float(found[1:].abs().max()) == 0.0
