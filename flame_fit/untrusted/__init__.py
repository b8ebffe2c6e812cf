"""Reading files nobody vouches for: nothing in them is run, every size is checked beforehand."""

from flame_fit.untrusted.file_bytes import MAXIMUM_BYTES, read_file
from flame_fit.untrusted.numpy_files import read_npy, read_npz, read_npz_objects
from flame_fit.untrusted.obj_files import ObjFile, read_obj
from flame_fit.untrusted.pickle_expressions import UnresolvedExpression
from flame_fit.untrusted.pickle_files import decode_pickle, read_pickle
from flame_fit.untrusted.torch_files import TorchEntries, open_torch, read_torch
from flame_fit.untrusted.zip_files import ZipFolder, ZipMember, open_zip

__all__ = [
    "MAXIMUM_BYTES",
    "ObjFile",
    "TorchEntries",
    "UnresolvedExpression",
    "ZipFolder",
    "ZipMember",
    "decode_pickle",
    "open_torch",
    "open_zip",
    "read_file",
    "read_npy",
    "read_npz",
    "read_npz_objects",
    "read_obj",
    "read_pickle",
    "read_torch",
]
