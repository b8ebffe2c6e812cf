"""Random pickles that are grammatical: instructions with arguments of the right form."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

MODULES = (
    "os", "posix", "builtins", "__builtin__", "numpy", "numpy.core.multiarray", "copyreg", "torch",
    "numpy._core.numeric", "collections", "copy_reg", "_codecs", "chumpy.ch", "chumpy.reordering",
    "chumpy.ch_ops", "scipy.sparse.csc", "scipy.sparse._coo", "torch._utils", "torch.storage",
    "subprocess",
)  # fmt: skip
NAMES = (
    "system", "eval", "exec", "getattr", "_reconstruct", "ndarray", "dtype", "scalar", "Ch", "set",
    "_frombuffer", "OrderedDict", "_reconstructor", "encode", "Select", "transpose", "add", "bytes",
    "csc_matrix", "coo_matrix", "_rebuild_tensor_v2", "_load_from_bytes", "FloatStorage", "Size",
    "object", "Popen",
)  # fmt: skip
KEYS = (
    "x", "a", "b", "idxs", "preferred_shape", "axes", "_shape", "data", "indices", "indptr", "f8",
    "O8",
)  # fmt: skip


def _global() -> st.SearchStrategy[bytes]:
    pair = st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES))
    return pair.map(lambda names: f"c{names[0]}\n{names[1]}\n".encode())


def _text() -> st.SearchStrategy[bytes]:
    texts = st.one_of(st.sampled_from(KEYS), st.sampled_from(NAMES), st.text(max_size=8))
    return texts.map(
        lambda text: (
            b"X"
            + struct.pack("<I", len(text.encode("utf-8", "surrogatepass")))
            + text.encode("utf-8", "surrogatepass")
        )
    )


def _data() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=32).map(lambda data: b"C" + bytes([len(data)]) + data)


def _number() -> st.SearchStrategy[bytes]:
    small = st.integers(0, 255).map(lambda value: b"K" + bytes([value]))
    wide = st.integers(-(2**31), 2**31 - 1).map(lambda value: b"J" + struct.pack("<i", value))
    real = st.floats().map(lambda value: b"G" + struct.pack(">d", value))
    return st.one_of(small, wide, real)


def _memo() -> st.SearchStrategy[bytes]:
    index = st.integers(0, 6)
    return st.one_of(
        index.map(lambda i: b"h" + bytes([i])),
        index.map(lambda i: b"q" + bytes([i])),
        st.just(b"\x94"),
    )


def _simple() -> st.SearchStrategy[bytes]:
    codes = b"(.012N)]}atesulbRd\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93oQ\x97\x98"
    return st.sampled_from([bytes([code]) for code in codes])


def _rebuilt_array() -> st.SearchStrategy[bytes]:
    """An array as numpy pickles it, with any shape, type and data."""
    shape = st.lists(_number(), max_size=3).map(lambda parts: b"(" + b"".join(parts) + b"t")
    code = st.sampled_from(
        (b"U\x02f8", b"U\x02i4", b"U\x02O8", b"U\x02b1", b"U\x02U2", b"U\x03V99")
    )
    order = st.sampled_from((b"U\x01<", b"U\x01>", b"U\x01|", b"N"))
    data = st.one_of(_data(), _text(), st.just(b"]"), st.just(b"]Na"))
    return st.tuples(shape, code, order, data).map(
        lambda parts: (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(K\x00tC\x01b\x87R(K\x01"
            + parts[0]
            + b"cnumpy\ndtype\n("
            + parts[1]
            + b"K\x00K\x01tR(K\x03"
            + parts[2]
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
            + parts[3]
            + b"tb"
        )
    )


def _object() -> st.SearchStrategy[bytes]:
    """A chumpy or sparse object with a state of random parts."""
    named = st.sampled_from(
        (
            b"cchumpy.ch\nCh\n",
            b"cchumpy.reordering\nSelect\n",
            b"cchumpy.reordering\ntranspose\n",
            b"cchumpy.ch_ops\nadd\n",
            b"cscipy.sparse.csc\ncsc_matrix\n",
            b"cscipy.sparse.coo\ncoo_matrix\n",
        )
    )
    value = st.one_of(_rebuilt_array(), _number(), st.just(b"(K\x02K\x02t"), _text(), _memo())
    state = st.lists(st.tuples(_text(), value), max_size=5).map(
        lambda pairs: b"}(" + b"".join(key + part for key, part in pairs) + b"u"
    )
    return st.tuples(named, state).map(lambda parts: parts[0] + b")\x81" + parts[1] + b"b")


def programs() -> st.SearchStrategy[bytes]:
    """Return pickles of random but grammatical instructions."""
    instruction = st.one_of(
        _simple(),
        _simple(),
        _global(),
        _text(),
        _data(),
        _number(),
        _memo(),
        _rebuilt_array(),
        _object(),
    )
    body = st.lists(instruction, max_size=30).map(b"".join)
    header = st.sampled_from((b"", b"\x80\x02", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00"))
    return st.tuples(header, body).map(lambda parts: parts[0] + parts[1] + b".")
