"""Rasterisers: which triangle covers which pixel."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch

from flame_fit.errors import UsageError
from flame_fit.geometry import Camera
from flame_fit.render import (
    Rasterizer,
    ScreenVertices,
    make_rasterizer,
    rasterize,
    to_screen,
)

SIZE = (48, 40)


def flat_screen(pixels: list, depth: list | float = 1.0, *, perspective: bool = False):
    """Screen vertices of one image from plain numbers."""
    points = torch.tensor([pixels], dtype=torch.float32)
    depths = torch.as_tensor(depth, dtype=torch.float32).expand(points.shape[:2])
    return ScreenVertices(points, depths, perspective)


def random_screen(seed: int, *, batch: int, perspective: bool) -> ScreenVertices:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(batch, 60, 2, generator=generator) * 70.0 - 15.0
    return ScreenVertices(pixels, torch.rand(batch, 60, generator=generator) + 0.5, perspective)


def random_faces(seed: int, *, count: int = 150) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 60, (count, 3), generator=generator)


def covered_count(rasterizer: Rasterizer, screen: ScreenVertices, faces: torch.Tensor) -> int:
    return int((rasterizer(screen, faces, SIZE) >= 0).sum())


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_warp_equals_its_twin_on_random_triangles(warp, twin, seed, cull, perspective):
    screen = random_screen(seed, batch=2, perspective=perspective)
    faces = random_faces(seed)
    expected = twin(screen, faces, SIZE, cull_backfaces=cull)
    assert torch.equal(warp(screen, faces, SIZE, cull_backfaces=cull), expected)
    assert (expected >= 0).float().mean() > 0.5


def test_warp_equals_its_twin_on_lattice_vertices(warp, twin):
    # Vertices on pixel centres and corners put many centres exactly on edges and vertices.
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(-8, 90, (1, 60, 2), generator=generator) * 0.5
    screen = ScreenVertices(pixels, torch.rand(1, 60, generator=generator) + 0.5, perspective=True)
    faces = random_faces(1)
    assert torch.equal(warp(screen, faces, SIZE), twin(screen, faces, SIZE))


@pytest.mark.parametrize("yaw_degrees", [0.0, 50.0])
def test_warp_equals_its_twin_on_the_head(warp, twin, repository, yaw_degrees):
    if not (repository / "assets" / "open_head.npz").is_file():
        pytest.skip("needs assets/open_head.npz")
    from flame_fit.flame import load_assets

    head = load_assets("open_head")
    yaw = math.radians(yaw_degrees)
    turn = torch.tensor(
        [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    )
    vertices = (head.v_template - head.v_template.mean(0)) @ turn.T + torch.tensor([0, 0, -0.6])
    camera = Camera(torch.tensor([[500.0, 500.0]]), torch.tensor([[128.0, 128.0]]))
    screen = to_screen(vertices[None], camera)
    image = warp(screen, head.faces, (256, 256))
    assert torch.equal(image, twin(screen, head.faces, (256, 256)))
    assert 0.2 < (image >= 0).float().mean() < 0.8


def test_warp_rows_shared_between_threads(warp, twin, monkeypatch):
    from flame_fit.render import warp_rasterizer

    monkeypatch.setitem(warp_rasterizer.ROWS_PER_THREAD_STEP, "cpu", 4)
    screen = random_screen(0, batch=1, perspective=True)
    assert torch.equal(warp(screen, random_faces(0), SIZE), twin(screen, random_faces(0), SIZE))


def test_a_fan_covers_each_pixel_exactly_once(rasterizer):
    """Triangles around a point, drawn one by one, tile the square without gap or overlap."""
    for centre in ([20.5, 20.5], [20.0, 20.0], [17.3, 24.9]):
        rim = [[4, 4], [20.5, 4], [36, 4], [36, 20.5], [36, 36], [20.5, 36], [4, 36], [4, 20.5]]
        screen = flat_screen([centre, *rim])
        hits = torch.zeros(SIZE)
        for k in range(8):
            one = rasterizer(screen, torch.tensor([[0, 1 + k, 1 + (k + 1) % 8]]), SIZE)
            hits += (one[0] >= 0).float()
        expected = torch.zeros(SIZE)
        expected[4:36, 4:36] = 1.0
        assert torch.equal(hits, expected)


def test_a_soup_of_slivers_covers_each_pixel_exactly_once(rasterizer):
    """Thin strips between random points of two sides: every shared edge is claimed by one side."""
    generator = torch.Generator().manual_seed(5)
    left = torch.rand(200, generator=generator).sort().values * 40.0
    right = torch.rand(200, generator=generator).sort().values * 40.0
    left[0] = right[0] = 0.0
    left[-1] = right[-1] = 40.0
    pixels = torch.stack(
        (
            torch.stack((torch.full_like(left, 3.0), left), dim=-1),
            torch.stack((torch.full_like(right, 37.0), right), dim=-1),
        ),
        dim=1,
    ).reshape(1, -1, 2)
    screen = ScreenVertices(pixels, torch.ones(pixels.shape[:2]), perspective=False)
    hits = torch.zeros(SIZE)
    for k in range(len(left) * 2 - 2):
        hits += (rasterizer(screen, torch.tensor([[k, k + 1, k + 2]]), SIZE)[0] >= 0).float()
    expected = torch.zeros(SIZE)
    expected[:40, 3:37] = 1.0
    assert torch.equal(hits, expected)


@pytest.mark.parametrize("winding", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_a_triangle_covers_the_centres_inside_it(rasterizer, winding):
    corners = torch.tensor([[5.2, 3.1], [33.7, 12.4], [11.9, 40.3]])
    image = rasterizer(flat_screen(corners.tolist()), torch.tensor([winding]), SIZE)[0]
    rows, columns = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    inside = torch.ones(SIZE, dtype=torch.bool)
    for i in range(3):
        (x0, y0), (x1, y1) = corners[i], corners[(i + 1) % 3]
        inside &= (x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0) > 0
    assert torch.equal(image >= 0, inside)
    doubled = (corners[1] - corners[0])[0] * (corners[2] - corners[0])[1]
    doubled = doubled - (corners[1] - corners[0])[1] * (corners[2] - corners[0])[0]
    assert abs(int(inside.sum()) - 0.5 * float(doubled)) < 12


def test_left_and_top_edges_belong_to_the_triangle(rasterizer):
    # A square of two triangles whose edges run through pixel centres.
    screen = flat_screen([[4.5, 6.5], [9.5, 6.5], [9.5, 12.5], [4.5, 12.5]])
    image = rasterizer(screen, torch.tensor([[0, 1, 2], [0, 2, 3]]), SIZE)[0]
    expected = torch.zeros(SIZE, dtype=torch.bool)
    expected[6:12, 4:9] = True
    assert torch.equal(image >= 0, expected)


def test_the_nearer_triangle_wins_whatever_the_order(rasterizer):
    square = [[2, 2], [30, 2], [16, 30]]
    screen = flat_screen(square + square, [1.0, 1.0, 1.0, 0.9, 0.9, 0.9], perspective=True)
    far, near = [0, 1, 2], [3, 4, 5]
    assert rasterizer(screen, torch.tensor([far, near]), SIZE).max() == 1
    both = rasterizer(screen, torch.tensor([near, far]), SIZE)
    assert set(both.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("perspective", [True, False])
def test_equal_depth_goes_to_the_lowest_index(rasterizer, perspective):
    screen = flat_screen([[2, 2], [30, 2], [16, 30]], [0.5, 0.7, 0.9], perspective=perspective)
    image = rasterizer(screen, torch.tensor([[0, 1, 2]] * 3), SIZE)
    assert set(image.unique().tolist()) == {-1, 0}


def test_triangles_that_intersect_are_split_where_their_depths_meet(rasterizer):
    # Two full-screen triangles, one rising and one falling in depth from left to right: in
    # perspective 1/depth is linear, and the two are equal in the middle column only.
    pixels = [[-100, -100], [140, -100], [20, 300]]
    near_left = [1 / (2 - 1.2), 1 / (2 + 1.2), 1 / 2.0]
    near_right = [1 / (2 + 1.2), 1 / (2 - 1.2), 1 / 2.0]
    screen = flat_screen(pixels + pixels, near_left + near_right, perspective=True)
    image = rasterizer(screen, torch.tensor([[0, 1, 2], [3, 4, 5]]), SIZE)[0]
    assert (image[:, :20] == 1).all()
    assert (image[:, 20:] == 0).all()


def test_orthographic_depth_may_be_negative(rasterizer):
    square = [[2, 2], [30, 2], [16, 30]]
    screen = flat_screen(square + square, [-0.3, -0.3, -0.3, -0.2, -0.2, -0.2])
    image = rasterizer(screen, torch.tensor([[3, 4, 5], [0, 1, 2]]), SIZE)
    assert set(image.unique().tolist()) == {-1, 1}


def test_only_faces_towards_the_camera_survive_culling(rasterizer, sphere, camera):
    mesh = sphere.mesh((0.0, 0.0, -0.6), 0.1)
    full = rasterize(mesh.vertices, mesh.faces, camera, (64, 64), rasterizer=rasterizer)
    culled = rasterize(
        mesh.vertices, mesh.faces, camera, (64, 64), rasterizer=rasterizer, cull_backfaces=True
    )
    inside_out = rasterize(
        mesh.vertices,
        mesh.faces.flip(-1),
        camera,
        (64, 64),
        rasterizer=rasterizer,
        cull_backfaces=True,
    )
    assert torch.equal(full.face_index, culled.face_index)
    assert full.depth[0, 32, 32] < 0.51
    assert inside_out.depth[0, 32, 32] > 0.69
    assert torch.equal(full.face_index >= 0, inside_out.face_index >= 0)


@pytest.mark.parametrize(
    ("direction", "rows", "columns"),
    [
        ((0.0, 0.05, -0.6), slice(0, 32), slice(0, 64)),
        ((0.0, -0.05, -0.6), slice(32, 64), slice(0, 64)),
        ((0.05, 0.0, -0.6), slice(0, 64), slice(32, 64)),
        ((-0.05, 0.0, -0.6), slice(0, 64), slice(0, 32)),
    ],
    ids=["up", "down", "right", "left"],
)
def test_up_stays_up_and_left_stays_left(rasterizer, sphere, camera, direction, rows, columns):
    mesh = sphere.mesh(direction, 0.02)
    fragments = rasterize(mesh.vertices, mesh.faces, camera, (64, 64), rasterizer=rasterizer)
    covered = fragments.face_index[0] >= 0
    assert covered.sum() > 20
    assert covered[rows, columns].sum() == covered.sum()


def test_more_z_is_nearer(rasterizer, sphere, camera):
    front, back = sphere.mesh((0.0, 0.0, -0.5), 0.03), sphere.mesh((0.0, 0.0, -0.8), 0.03)
    vertices = torch.cat((back.vertices, front.vertices), dim=1)
    faces = torch.cat((sphere.faces, sphere.faces + len(sphere.directions)))
    fragments = rasterize(vertices, faces, camera, (64, 64), rasterizer=rasterizer)
    assert fragments.face_index[0, 32, 32] >= len(sphere.faces)
    assert fragments.depth[0, 32, 32] < 0.51


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, 3e38])
def test_triangles_with_impossible_corners_are_dropped(rasterizer, value):
    square = [[2.0, 2.0], [30.0, 2.0], [16.0, 30.0]]
    faces = torch.tensor([[3, 4, 5], [0, 1, 2]])
    clean = rasterizer(flat_screen(square), torch.tensor([[0, 1, 2], [0, 1, 2]]), SIZE)
    bad = [[value, 3.0], [30.0, 2.0], [16.0, 30.0]]
    image = rasterizer(flat_screen(square + bad), faces, SIZE)
    assert torch.equal(image >= 0, clean >= 0)
    assert (image != 0).all()


@pytest.mark.parametrize("depth", [math.nan, -0.5, 0.0, 1e-4])
def test_triangles_that_reach_behind_the_camera_are_dropped(rasterizer, depth):
    screen = flat_screen([[2, 2], [30, 2], [16, 30]], [0.5, 0.5, depth], perspective=True)
    assert covered_count(rasterizer, screen, torch.tensor([[0, 1, 2]])) == 0


def test_large_triangles_are_clipped_to_the_image(rasterizer):
    for reach in (1e3, 1e6, 1e9):
        screen = flat_screen([[-reach, -reach], [reach, -reach], [0.0, reach]])
        assert covered_count(rasterizer, screen, torch.tensor([[0, 1, 2]])) == SIZE[0] * SIZE[1]


@pytest.mark.parametrize("shift", [(-100.0, 0.0), (100.0, 0.0), (0.0, -100.0), (0.0, 100.0)])
def test_triangles_outside_the_image_cover_nothing(rasterizer, shift):
    corners = torch.tensor([[2.0, 2.0], [30.0, 2.0], [16.0, 30.0]]) + torch.tensor(shift)
    assert covered_count(rasterizer, flat_screen(corners.tolist()), torch.tensor([[0, 1, 2]])) == 0


def test_degenerate_triangles_cover_nothing(rasterizer):
    screen = flat_screen([[2.5, 2.5], [30.5, 30.5], [16.5, 16.5]])
    faces = torch.tensor([[0, 1, 2], [0, 0, 1], [1, 1, 1]])
    assert covered_count(rasterizer, screen, faces) == 0


def test_no_faces_and_no_images_give_empty_images(rasterizer):
    screen = flat_screen([[2, 2], [30, 2], [16, 30]])
    assert (rasterizer(screen, torch.empty(0, 3, dtype=torch.long), SIZE) == -1).all()
    empty = ScreenVertices(torch.empty(0, 3, 2), torch.empty(0, 3), perspective=True)
    assert rasterizer(empty, torch.tensor([[0, 1, 2]]), SIZE).shape == (0, *SIZE)


def test_a_batch_equals_its_images_one_by_one(rasterizer):
    screen, faces = random_screen(7, batch=3, perspective=True), random_faces(7)
    together = rasterizer(screen, faces, SIZE)
    for k in range(3):
        one = ScreenVertices(screen.pixels[k : k + 1], screen.depth[k : k + 1], perspective=True)
        assert torch.equal(rasterizer(one, faces, SIZE)[0], together[k])


@pytest.mark.parametrize("pixel_type", [torch.float32, torch.float64])
@pytest.mark.parametrize("face_type", [torch.int32, torch.int64])
def test_number_types_do_not_matter(rasterizer, pixel_type, face_type):
    screen, faces = random_screen(2, batch=1, perspective=True), random_faces(2)
    typed = ScreenVertices(
        screen.pixels.to(pixel_type), screen.depth.to(pixel_type), perspective=True
    )
    image = rasterizer(typed, faces.to(face_type), SIZE)
    assert image.dtype == torch.int32
    assert torch.equal(image, rasterizer(screen, faces, SIZE))


def test_inputs_are_not_changed(rasterizer):
    screen, faces = random_screen(2, batch=1, perspective=True), random_faces(2)
    pixels, depth, indices = screen.pixels.clone(), screen.depth.clone(), faces.clone()
    rasterizer(screen, faces, SIZE)
    assert torch.equal(screen.pixels, pixels)
    assert torch.equal(screen.depth, depth)
    assert torch.equal(faces, indices)


def test_an_unknown_backend_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="'opengl' does not exist; use one of warp, torch"):
        make_rasterizer("opengl")


@pytest.mark.parametrize("backend", ["nvdiffrast", "pytorch3d"])
def test_a_backend_that_is_not_installed_says_so(backend):
    if importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is installed")
    with pytest.raises(UsageError, match=f"'{backend}' is not installed"):
        make_rasterizer(backend)


def test_warp_refuses_devices_it_cannot_use():
    with pytest.raises(UsageError, match="runs on cpu and cuda, not on meta"):
        make_rasterizer("warp", "meta")


@pytest.mark.parametrize("backend", ["nvdiffrast", "pytorch3d"])
def test_other_backends_agree_with_the_twin(backend, twin):
    pytest.importorskip(backend, reason=f"needs {backend}")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    other = make_rasterizer(backend, "cuda")
    screen, faces = random_screen(1, batch=2, perspective=True), random_faces(1)
    on_gpu = ScreenVertices(screen.pixels.cuda(), screen.depth.cuda(), perspective=True)
    image = other(on_gpu, faces.cuda(), SIZE).cpu()
    assert (image == twin(screen, faces, SIZE)).float().mean() > 0.99


def test_warp_on_cuda_equals_warp_on_cpu(warp):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    screen, faces = random_screen(1, batch=2, perspective=True), random_faces(1)
    on_gpu = ScreenVertices(screen.pixels.cuda(), screen.depth.cuda(), perspective=True)
    image = make_rasterizer("warp", "cuda")(on_gpu, faces.cuda(), SIZE)
    assert torch.equal(image.cpu(), warp(screen, faces, SIZE))


def test_importing_does_not_load_warp_and_drawing_prints_nothing(repository):
    program = (
        "import sys, torch\n"
        "import flame_fit.render as render\n"
        "assert 'warp' not in sys.modules\n"
        "warp = render.make_rasterizer('warp')\n"
        "screen = render.ScreenVertices(torch.zeros(1, 3, 2), torch.ones(1, 3), perspective=True)\n"
        "warp(screen, torch.tensor([[0, 1, 2]]), (4, 4))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=repository, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
