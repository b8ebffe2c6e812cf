"""Tensors of torch files as numpy arrays, without torch and without running anything."""

import struct
from dataclasses import dataclass

import numpy as np

from flame_fit.untrusted.array_values import array_of_bytes, checked_shape
from flame_fit.untrusted.pickle_machine import Deferred, read_instructions
from flame_fit.untrusted.pickle_names import STORAGE_TYPES, Meaning, Name
from flame_fit.untrusted.refusal import Refused, quoted

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
BRAIN_FLOAT = "bf16"
_IDENTIFIER_FIELDS = 5


@dataclass(frozen=True)
class StorageReference:
    """What a torch pickle says of data that lie outside it."""

    element: str
    """Type code such as "f4", or "bf16"."""
    key: str
    count: int

    @property
    def byte_count(self) -> int:
        """Size of the data."""
        return self.count * (2 if self.element == BRAIN_FLOAT else int(self.element[1:]))


@dataclass(frozen=True, eq=False)
class LegacyContent:
    """A torch file in the format before version 1.6."""

    root: object
    storages: dict[str, np.ndarray]


def parse_reference(deferred: Deferred) -> StorageReference:
    """Return what the identifier of outside data says.

    Raises:
        Refused: it does not have torch's form.
    """
    fields = deferred.arguments[0] if deferred.arguments else None
    if isinstance(fields, tuple) and len(fields) >= _IDENTIFIER_FIELDS and fields[0] == "storage":
        _, kind, key, _, count = fields[:_IDENTIFIER_FIELDS]
        known = isinstance(kind, Name) and kind.meaning is Meaning.STORAGE_TYPE
        if known and isinstance(key, str):
            (count,) = checked_shape((count,))
            return StorageReference(STORAGE_TYPES[kind.name], key, count)
    raise Refused("the file refers to data in a way that torch files do not")


def storage_values(reference: StorageReference, data: bytes) -> np.ndarray:
    """Return the numbers of a storage; bf16 as float32.

    Raises:
        Refused: the data have another size than announced.
    """
    if reference.element != BRAIN_FLOAT:
        return array_of_bytes(data, np.dtype(f"<{reference.element}"), (reference.count,))
    halves = array_of_bytes(data, np.dtype("<u2"), (reference.count,))
    return (halves.astype(np.uint32) << 16).view(np.float32)


def strided_values(
    storage: np.ndarray, *, offset: object, shape: object, strides: object
) -> np.ndarray:
    """Return the tensor that lies in a storage at the given places, as a new array.

    Raises:
        Refused: some place is outside the storage.
    """
    sizes = checked_shape(shape)
    steps = checked_shape(strides)
    (start,) = checked_shape((offset,))
    if len(sizes) != len(steps):
        raise Refused("a tensor has sizes and strides of different number")
    last = start + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if 0 in sizes:
        return np.zeros(sizes, dtype=storage.dtype)
    if last >= len(storage):
        raise Refused(
            f"a tensor reaches past its {len(storage)} stored numbers; get the file again"
        )
    item = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage[start:], shape=sizes, strides=[step * item for step in steps], writeable=False
    )
    return view.copy()


def read_legacy(data: bytes, *, with_foreign: bool = False) -> LegacyContent:
    """Read a torch file of the old format: pickles, then the storages one after the other.

    Args:
        data: the file's content.
        with_foreign: keep objects of classes that are not known here, inert.

    Raises:
        Refused: damaged, or not of this format.
    """
    magic = read_instructions(data)
    protocol = read_instructions(data, magic.end)
    if magic.root != LEGACY_MAGIC or protocol.root != LEGACY_PROTOCOL:
        raise Refused("this is not a torch file; expected the marks torch.save writes")
    machine = read_instructions(data, protocol.end)
    content = read_instructions(data, machine.end, with_storages=True, with_foreign=with_foreign)
    keys = read_instructions(data, content.end)
    if not isinstance(machine.root, dict) or machine.root.get("little_endian") is not True:
        raise Refused("the torch file was not written on a little-endian machine; save it on one")
    references = {each.key: each for each in map(parse_reference, content.storages)}
    if not isinstance(keys.root, list) or sorted(map(str, keys.root)) != sorted(references):
        raise Refused("the torch file lists other storages than it uses; get the file again")
    storages, position = {}, keys.end
    for key in keys.root:
        reference = references[str(key)]
        head = data[position : position + 8]
        body = data[position + 8 : position + 8 + reference.byte_count]
        if head != struct.pack("<q", reference.count):
            raise Refused(
                f"storage {quoted(key)} of the torch file has another size than announced"
            )
        storages[reference.key] = storage_values(reference, body)
        position += 8 + reference.byte_count
    return LegacyContent(root=content.root, storages=storages)
