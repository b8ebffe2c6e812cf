"""Pickles: all that models hold is read as Python would, and nothing else is ever done."""

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_fit.errors import AssetError
from flame_fit.untrusted import UnresolvedExpression, decode_pickle, read_pickle
from scripts.fuzzing.attacks import CANARY, attack_programs
from tests.flame import python_two_pickle
from tests.flame.python_two_pickle import Named, chumpy_array, sparse_columns

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

keys = st.one_of(st.text(max_size=5), st.integers(-(2**50), 2**50), st.booleans(), st.none())
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**250), 2**250),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=300),
)
plain = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
    ),
    max_leaves=12,
)


def decoded(value: object, protocol: int = 2) -> object:
    return decode_pickle(pickle.dumps(value, protocol=protocol), name="a.pkl")


def refusal(data: bytes) -> str:
    with pytest.raises(AssetError) as raised:
        decode_pickle(data, name="a.pkl", maximum_bytes=10**6)
    text = str(raised.value)
    assert text.startswith("a.pkl: ") and "\n" not in text and text.isprintable()
    return text


@settings(max_examples=50, deadline=None, database=None)
@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_are_read_as_python_reads_them(value: object, protocol: int) -> None:
    found = decoded(value, protocol)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.arange(6, dtype=">i2").reshape(3, 2),
        np.array(2.5),
        np.zeros((0, 3), dtype=np.uint8),
        np.array([True, False]),
        np.array(["naïve", "x"]),
        np.array([b"raw", b""]),
        np.array([1 + 2j]),
        np.arange(10)[::3],
    ],
)
def test_arrays(array: np.ndarray, protocol: int) -> None:
    found = decoded({"array": array}, protocol)["array"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")
    found[...] = found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers_of_numpy(protocol: int) -> None:
    found = decoded([np.float32(1.5), np.int64(-3), np.bool_(1), np.str_("é")], protocol)
    assert found == [1.5, -3, True, "é"]
    assert decoded(np.dtype("<f4"), protocol) == "float32"


def test_arrays_of_objects_become_lists() -> None:
    scalar = np.empty((), dtype=object)
    scalar[()] = {"a": np.arange(3)}
    np.testing.assert_array_equal(decoded(scalar)["a"], np.arange(3))
    square = np.array([["a", None], [1, "b"]], dtype=object)
    assert decoded(square) == [["a", None], [1, "b"]]


@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_sparse_matrices_become_full(form: str, kind: str, rng: np.random.Generator) -> None:
    full = rng.normal(size=(5, 40)) * (rng.random((5, 40)) < 0.2)
    matrix = getattr(scipy.sparse, f"{form}_{kind}")(full)
    for protocol in PROTOCOLS[2:]:
        np.testing.assert_array_equal(decoded(matrix, protocol), full)


def test_tensors_become_arrays() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    found = decoded(
        {
            "plain": base,
            "view": base.T[1:],
            "parameter": torch.nn.Parameter(base),
            "integers": torch.tensor([1, -2]),
            "flags": torch.tensor([True, False]),
            "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
            "empty": torch.zeros(0, 3),
            "type": torch.float32,
            "size": torch.Size((2, 3)),
        }
    )
    np.testing.assert_array_equal(found["plain"], base)
    np.testing.assert_array_equal(found["view"], base.T[1:])
    np.testing.assert_array_equal(found["parameter"], base)
    assert found["integers"].tolist() == [1, -2] and found["flags"].tolist() == [True, False]
    assert found["brain"].tolist() == [1.5, -2.0] and found["brain"].dtype == np.float32
    assert found["empty"].shape == (0, 3)
    assert (found["type"], found["size"]) == ("torch.float32", (2, 3))


def test_ordered_dicts_and_what_torch_hangs_on_them() -> None:
    state = torch.nn.Linear(2, 3).state_dict()
    found = decoded(state, 4)
    assert list(found) == ["weight", "bias"]
    np.testing.assert_array_equal(found["weight"], state["weight"])
    assert decoded(collections.OrderedDict(b=1, a=2), 0) == {"b": 1, "a": 2}


def test_chumpy_objects_without_chumpy() -> None:
    values = np.arange(12.0).reshape(3, 4)
    selection = {"a": chumpy_array(values), "idxs": np.array([3, 1]), "preferred_shape": (1, 2)}
    content = {
        "array": chumpy_array(values),
        "turned": Named("chumpy.reordering", "transpose", {"a": chumpy_array(values)}),
        "chosen": Named("chumpy.reordering", "Select", selection),
        "sum": Named("chumpy.ch_ops", "add", {"a": chumpy_array(values), "b": 1.0}),
        "other": Named("chumpy.linalg", "Solve", {"a": {"nested": values}}),
        "sparse": sparse_columns(np.eye(3)),
    }
    found = decode_pickle(python_two_pickle.dumps(content), name="a.pkl")
    np.testing.assert_array_equal(found["array"], values)
    np.testing.assert_array_equal(found["turned"], values.T)
    np.testing.assert_array_equal(found["chosen"], [[3.0, 1.0]])
    np.testing.assert_array_equal(found["sum"], values + 1)
    np.testing.assert_array_equal(found["sparse"], np.eye(3))
    assert found["other"] == UnresolvedExpression("chumpy.linalg.Solve")


def test_text_of_python_two_is_latin_1() -> None:
    assert decode_pickle(b"\x80\x02U\x04na\xefv.", name="a.pkl") == "naïv"
    assert decode_pickle(b"S'na\\xefv\\n\\'\\101'\n.", name="a.pkl") == "naïv\n'A"


def test_attacks_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    refused = 0
    for name, body in attack_programs(tmp_path).items():
        # The long ones would only repeat an instruction; `test_fuzz` runs them without type checks.
        if len(body) > 3000:
            continue
        path.write_bytes(b"\x80\x02" + body + b".")
        try:
            read_pickle(path, maximum_bytes=10**6)
        except AssetError as error:
            refused += 1
            assert "\n" not in str(error), name
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.pkl"], name
    assert refused > 120


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """Python's own unpickler falls for them, so a reader that used it would fail above."""
    fell_for = set()
    for name in ("_global os.system", "_global_of_stack builtins.eval", "nested calls"):
        body = attack_programs(tmp_path)[name]
        value = pickle.loads(b"\x80\x04" + body + b".")  # noqa: S301 - harmless: touches a file
        if name == "nested calls":
            value = list(value)
        if (tmp_path / CANARY).exists():
            fell_for.add(name)
            (tmp_path / CANARY).unlink()
    assert fell_for == {"_global os.system", "_global_of_stack builtins.eval", "nested calls"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "asks for 'os.system'"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "asks for 'builtins.eval'"),
        (b"(ios\nsystem\n.", "uses INST"),
        (b"\x82\x01.", "uses EXT1"),
        (b"Px\n.", "refers to data outside the file"),
        (b"\xff.", "is no instruction of a pickle"),
        (b"", "ends too early"),
        (b"X\xff\xff\xff\x7fabc.", "ends too early"),
        (b"]q\x00h\x00a.", "contains itself"),
        (b"]" * 100 + b"a" * 99 + b".", "nests more than 60 levels"),
        (b"}((ttNs.", "as a key"),
        (b"cnumpy\nndarray\n.", "holds 'numpy.ndarray' itself"),
        (b"j\x05\x00\x00\x00.", "refers to object 5, which it has not made"),
        (b"\x80\x09N.", "has protocol 9, known are 0 to 5"),
        (b"\x8b\xff\xff\xff\x7f.", "a number of too many digits"),
    ],
)
def test_refusals_say_what_came(data: bytes, message: str) -> None:
    assert message in refusal(data)


def test_small_files_that_unfold_into_much_are_refused() -> None:

    list_in_list: list = []
    for _ in range(40):
        list_in_list = [list_in_list, list_in_list]
    assert "unfolds into over" in refusal(pickle.dumps(list_in_list))
    assert len(pickle.dumps(list_in_list)) < 1000


def test_arrays_may_not_take_more_than_allowed() -> None:
    one = np.zeros(60_000)
    assert "more memory than allowed" in refusal(pickle.dumps([one, one + 1, one + 2]))
    thin = {"a": chumpy_array(np.zeros((1, 4000))), "b": chumpy_array(np.zeros((4000, 1)))}
    wide = Named("chumpy.ch_ops", "add", thin)
    assert "more memory than allowed" in refusal(python_two_pickle.dumps(wide))
    state = sparse_columns(np.eye(3)).state | {"_shape": (10**6, 3)}
    sparse = Named("scipy.sparse.csc", "csc_matrix", state)
    assert "more memory than allowed" in refusal(python_two_pickle.dumps(sparse))
    assert "more memory than allowed" in refusal(
        pickle.dumps(torch.zeros(1).expand(10**6), protocol=2)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": np.array([0, 1, 3], np.int32)}, "entries outside its shape"),
        ({"indices": np.array([0, -1, 2], np.int32)}, "negative indices"),
        ({"indptr": np.array([0, 2, 1, 3], np.int32)}, "do not fit together"),
        ({"indptr": np.array([0, 1, 2], np.int32)}, "do not fit together"),
        ({"data": np.array([1.0, 2.0])}, "do not fit together"),
        ({"data": None}, "no lists of numbers"),
        ({"_shape": (3,)}, "has no two sizes"),
        ({"_shape": (3, -3)}, "announces a size of -3"),
    ],
)
def test_sparse_matrices_that_do_not_fit(change: dict, message: str) -> None:
    state = sparse_columns(np.eye(3)).state | change
    matrix = Named("scipy.sparse.csc", "csc_matrix", state)
    assert message in refusal(python_two_pickle.dumps({"a": matrix}))


def test_every_cut_of_a_pickle_is_refused() -> None:
    content = {"v": np.arange(3.0), "s": sparse_columns(np.eye(2)), "c": chumpy_array(np.ones(2))}
    whole = python_two_pickle.dumps(content)
    decode_pickle(whole, name="a.pkl")
    for size in range(0, len(whole), 9):
        refusal(whole[:size])
