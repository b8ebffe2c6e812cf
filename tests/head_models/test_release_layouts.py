"""Exported models: the layouts of releases, and the same heads from them."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import torch

from flame_fit.errors import UsageError
from flame_fit.flame import FlameModel, FlameParams, load_assets
from flame_fit.head_models.release_layouts import release_bytes
from flame_fit.testing import tiny_assets
from flame_fit.untrusted import read_npz, read_pickle
from tests.published_flame import published_vertices

DENSE = ("v_template", "f", "shapedirs", "posedirs", "J", "kintree_table", "weights")


@pytest.fixture(scope="module")
def tiny():
    return tiny_assets()


@pytest.fixture(scope="module")
def trusted(tiny):
    """The file as other FLAME code opens it; written here, so it may be unpickled."""
    data = release_bytes(tiny, layout="flame-pickle")
    return pickle.loads(data, encoding="latin1")  # noqa: S301


def random_params(seed, shape=6, expression=4):
    generator = torch.Generator().manual_seed(seed)

    def draw(count, size=1.0):
        return size * torch.randn(1, count, generator=generator, dtype=torch.float64)

    return FlameParams(
        shape=draw(shape), expression=draw(expression), head_rotation=draw(3, 0.4),
        neck=draw(3, 0.3), jaw=draw(3, 0.3), eyes=draw(6, 0.3), translation=draw(3, 0.0),
    )  # fmt: skip


def published_pose(params):
    vectors = (params.head_rotation, params.neck, params.jaw, params.eyes)
    return torch.cat(vectors, dim=-1)[0].numpy()


def published_betas(params):
    betas = np.zeros(400)
    betas[: params.shape.shape[1]] = params.shape[0]
    betas[300 : 300 + params.expression.shape[1]] = params.expression[0]
    return betas


def test_the_pickle_has_the_released_layout(trusted, tiny):
    count = len(tiny.v_template)
    assert set(trusted) == {*DENSE, "J_regressor", "bs_type", "bs_style"}
    assert all(type(key) is str for key in trusted)
    assert (trusted["bs_type"], trusted["bs_style"]) == ("lrotmin", "lbs")
    assert isinstance(trusted["J_regressor"], scipy.sparse.csc_matrix)
    assert trusted["J_regressor"].shape == (5, count)
    assert trusted["shapedirs"].shape == (count, 3, 400)
    assert trusted["posedirs"].shape == (count, 3, 36)
    assert trusted["f"].dtype == np.uint32
    assert trusted["v_template"].dtype == np.float64
    assert trusted["kintree_table"].tolist() == [[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]
    assert not trusted["shapedirs"][..., 6:300].any()
    assert not trusted["shapedirs"][..., 304:].any()


def test_the_published_formula_gives_the_same_head_from_it(trusted, tiny):
    model = FlameModel(tiny, dtype=torch.float64)
    for seed in range(3):
        params = random_params(seed)
        ours = model.mesh(params).vertices[0].numpy()
        theirs = published_vertices(trusted, published_betas(params), published_pose(params))
        np.testing.assert_allclose(theirs, ours, atol=1e-12)


def test_the_safe_reader_returns_the_same_arrays(tiny, trusted, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(release_bytes(tiny, layout="flame-pickle"))
    content = read_pickle(path)
    assert isinstance(content, dict)
    for key in DENSE:
        np.testing.assert_array_equal(content[key], trusted[key])
    np.testing.assert_array_equal(
        np.asarray(content["J_regressor"]), trusted["J_regressor"].todense()
    )


def test_the_npz_holds_plain_arrays_and_loads_as_a_model(tiny, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(release_bytes(tiny, layout="smplx-npz"))
    arrays = read_npz(path)
    assert set(arrays) == {*DENSE, "J_regressor"}
    assert {array.dtype.name for array in arrays.values()} == {"float32", "uint32", "int64"}
    params = random_params(5)
    ours = FlameModel(tiny, dtype=torch.float64).mesh(params).vertices[0].numpy()
    theirs = published_vertices(arrays, published_betas(params), published_pose(params))
    np.testing.assert_allclose(theirs, ours, atol=1e-6)

    again = load_assets(path)
    assert (again.shape_basis.shape[-1], again.expression_basis.shape[-1]) == (300, 100)
    params = params.to(dtype=torch.float32)
    np.testing.assert_allclose(
        FlameModel(again).mesh(params).vertices, FlameModel(tiny).mesh(params).vertices, atol=1e-6
    )


def test_the_library_loads_its_own_export_as_any_release(tiny, tmp_path):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(release_bytes(tiny, layout="flame-pickle"))
    again = load_assets(path)
    assert torch.equal(again.faces, tiny.faces)
    assert again.parents == tiny.parents
    params = random_params(7).to(dtype=torch.float32)
    np.testing.assert_allclose(
        FlameModel(again).mesh(params).vertices, FlameModel(tiny).mesh(params).vertices, atol=1e-6
    )


def test_only_names_that_every_version_of_numpy_and_scipy_knows_are_used(tiny):
    data = release_bytes(tiny, layout="flame-pickle")
    names = set(re.findall(rb"c((?:numpy|scipy|copy_reg|__builtin__)[a-z_.]*)\n([a-z_]+)\n", data))
    assert names == {
        (b"numpy.core.multiarray", b"_reconstruct"),
        (b"numpy", b"ndarray"),
        (b"numpy", b"dtype"),
        (b"scipy.sparse", b"csc_matrix"),
        (b"copy_reg", b"_reconstructor"),
        (b"__builtin__", b"object"),
    }
    assert data[:2] == b"\x80\x02"


def test_a_plain_interpreter_reads_it_without_this_library(tiny, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(release_bytes(tiny, layout="flame-pickle"))
    script = (
        "import pickle, sys\n"
        "model = pickle.load(open(sys.argv[1], 'rb'), encoding='latin1')\n"
        "assert not any(name.startswith('flame_fit') for name in sys.modules)\n"
        "print(model['J_regressor'].todense().shape, model['shapedirs'].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(5, 302) (302, 3, 400)"


def test_models_with_too_many_components_are_refused():
    with pytest.raises(UsageError, match="301 identity and 4 expression .* holds 300 and 100"):
        release_bytes(tiny_assets(shape_count=301), layout="flame-pickle")
