"""The names a pickle may mention: a closed list, none of which is ever looked up or called."""

import re
from dataclasses import dataclass
from enum import Enum

from flame_fit.untrusted.refusal import Refused, quoted


class Meaning(Enum):
    """What an allowed name stands for."""

    ARRAY_CLASS = "array class"
    ARRAY = "array"
    ARRAY_OF_BUFFER = "array of a buffer"
    SCALAR = "scalar"
    DTYPE = "dtype"
    BYTES_OF_TEXT = "bytes of text"
    RECONSTRUCTOR = "reconstructor"
    BASE_CLASS = "base class"
    DICT = "dict"
    SET = "set"
    FROZENSET = "frozenset"
    BYTES = "bytes"
    SPARSE = "sparse matrix"
    CHUMPY = "chumpy expression"
    TENSOR = "tensor"
    PARAMETER = "parameter"
    STORAGE_TYPE = "storage type"
    STORAGE_OF_BYTES = "storage of bytes"
    STORAGE = "storage"
    TORCH_DTYPE = "torch dtype"
    SIZE = "size"
    DEVICE = "device"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Name:
    """An allowed name as it stands in the file."""

    module: str
    name: str
    meaning: Meaning

    @property
    def label(self) -> str:
        """Module and name as one word."""
        return f"{self.module}.{self.name}"


STORAGE = Name("torch", "storage", Meaning.STORAGE)
"""Stands for data that a torch file keeps outside its pickle."""

STORAGE_TYPES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bf16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "b1",
}  # fmt: skip
"""Element type of each of torch's storages; bf16 has no numpy type of its own."""

_TORCH_DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
_SPARSE_FORMATS = ("csc", "csr", "coo")
_CHUMPY_MODULE = re.compile(r"chumpy(\.[A-Za-z_]\w*)*", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_RENAMED = (
    ("__builtin__", "builtins"),
    ("copy_reg", "copyreg"),
    ("numpy._core.", "numpy.core."),
    ("scipy.sparse._", "scipy.sparse."),
)
"""Modules that have other names in other versions of Python, numpy and scipy."""

_ALLOWED: dict[str, Meaning] = {
    "numpy.ndarray": Meaning.ARRAY_CLASS,
    "numpy.dtype": Meaning.DTYPE,
    "numpy.core.multiarray._reconstruct": Meaning.ARRAY,
    "numpy.core.multiarray.scalar": Meaning.SCALAR,
    "numpy.core.numeric._frombuffer": Meaning.ARRAY_OF_BUFFER,
    "_codecs.encode": Meaning.BYTES_OF_TEXT,
    "copyreg._reconstructor": Meaning.RECONSTRUCTOR,
    "builtins.object": Meaning.BASE_CLASS,
    "builtins.set": Meaning.SET,
    "builtins.frozenset": Meaning.FROZENSET,
    "builtins.bytes": Meaning.BYTES,
    "builtins.bytearray": Meaning.BYTES,
    "collections.OrderedDict": Meaning.DICT,
    "torch._utils._rebuild_tensor": Meaning.TENSOR,
    "torch._utils._rebuild_tensor_v2": Meaning.TENSOR,
    "torch._utils._rebuild_parameter": Meaning.PARAMETER,
    "torch.storage._load_from_bytes": Meaning.STORAGE_OF_BYTES,
    "torch.Size": Meaning.SIZE,
    "torch.device": Meaning.DEVICE,
    **{f"torch.{name}": Meaning.STORAGE_TYPE for name in STORAGE_TYPES},
    **{f"torch.{name}": Meaning.TORCH_DTYPE for name in _TORCH_DTYPES},
    **{
        f"scipy.sparse.{place}{form}_{kind}": Meaning.SPARSE
        for form in _SPARSE_FORMATS
        for place in ("", f"{form}.")
        for kind in ("matrix", "array")
    },
}


def allowed_name(module: str, name: str, *, with_foreign: bool = False) -> Name:
    """Return what a name of the file stands for.

    Every class of chumpy is allowed, because a chumpy object is only ever kept as the arrays it was
    made of.

    Args:
        module: as it stands in the file.
        name: as it stands in the file.
        with_foreign: return a name that is not on the list as a foreign one, which stands for
            nothing: no value is ever made of it.

    Raises:
        Refused: the name is not on the list.
    """
    known = module
    for other, ours in _RENAMED:
        # A prefix that ends in a separator stands for all modules that begin with it.
        if known == other or (other[-1] in "._" and known.startswith(other)):
            known = ours + known[len(other) :]
            break
    meaning = _ALLOWED.get(f"{known}.{name}")
    if meaning is None and _CHUMPY_MODULE.fullmatch(module) and _IDENTIFIER.fullmatch(name):
        meaning = Meaning.CHUMPY
    if meaning is None:
        if not with_foreign:
            raise foreign_refusal(f"{module}.{name}")
        meaning = Meaning.FOREIGN
    return Name(known, name, meaning)


def foreign_refusal(label: str) -> Refused:
    """Return the refusal of a name that is not on the list."""
    return Refused(
        f"the file asks for {quoted(label)}, which models have no use for and "
        "which could run code; nothing was run, get the file from its publisher"
    )
