"""Pickles written by hand: Python and numpy read them back, and so does the safe reader."""

import io
import pickle

import numpy as np
import scipy.sparse

from flame_fit.untrusted import read_npy
from flame_fit.untrusted.pickle_writer import npy_of_dictionary, python_two_pickle

CONTENT = {
    "long": "x" * 300,
    "integers": np.array([-(2**40), 255, 256, 70_000]),
    "bytes": np.arange(256, dtype=np.uint8),
    "wide": np.zeros((1, 70_000), dtype=np.float32),
    "big_endian": np.arange(3, dtype=">f8"),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "scalar": np.array(2.5),
    "small": 7,
    "middle": 300,
    "large": 100_000,
}


def assert_same(back):
    assert list(back) == list(CONTENT)
    for key, value in CONTENT.items():
        assert np.shape(back[key]) == np.shape(value)
        np.testing.assert_array_equal(back[key], value)


def test_values_of_every_kind_and_length_survive():
    assert_same(pickle.loads(python_two_pickle(CONTENT), encoding="latin1"))  # noqa: S301


def test_sparse_matrices_come_back_as_such():
    dense = np.diag([1.0, 0.0, 3.0])[:2]
    data = python_two_pickle({"matrix": scipy.sparse.csc_array(dense)})
    matrix = pickle.loads(data, encoding="latin1")["matrix"]  # noqa: S301
    assert isinstance(matrix, scipy.sparse.csc_matrix)
    np.testing.assert_array_equal((matrix * 2).todense(), 2 * dense)


def test_numpy_and_the_safe_reader_open_the_npy(tmp_path):
    data = npy_of_dictionary(CONTENT)
    array = np.load(io.BytesIO(data), allow_pickle=True)
    assert (array.shape, array.dtype) == ((), np.dtype(object))
    assert_same(array.item())
    path = tmp_path / "codes.npy"
    path.write_bytes(data)
    assert_same(read_npy(path))
