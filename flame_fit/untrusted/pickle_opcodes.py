"""The instructions of a pickle and their arguments, for protocols 0 to 5.

Source: the opcode table in the documentation of Python's `pickletools`. Every argument is read from
memory that is there: a length the file announces is compared with what is left of the file.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from flame_fit.untrusted.refusal import Refused

LONGEST_NUMBER = 80
"""Bytes of a number in text or binary form."""
LONGEST_NAME = 200
"""Characters of the name of a module or class."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(\n)|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Cursor:
    """A place in a pickle; takes bytes from there on."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        """Start reading `data` at a position."""
        self.data = data
        self.position = position

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise Refused("the pickle ends too early; copy or download the file again")
        part = self.data[self.position : end]
        self.position = end
        return part

    def line(self, longest: int | None = None) -> str:
        """Return the text up to the next line break, which is skipped."""
        limit = len(self.data) if longest is None else self.position + longest
        end = self.data.find(b"\n", self.position, limit)
        if end < 0:
            raise Refused("the pickle has an endless line; copy or download the file again")
        text = self.data[self.position : end].decode("latin-1")
        self.position = end + 1
        return text


@dataclass(frozen=True)
class Opcode:
    """One instruction: its published name and how its argument is read."""

    name: str
    argument: Callable[[Cursor], object] | None = None


def _number(layout: str) -> Callable[[Cursor], object]:
    packed = struct.Struct(layout)
    return lambda cursor: packed.unpack(cursor.take(packed.size))[0]


def _counted(layout: str, *, longest: int | None = None) -> Callable[[Cursor], bytes]:
    count = _number(layout)

    def read(cursor: Cursor) -> bytes:
        size = count(cursor)
        if not isinstance(size, int) or (longest is not None and size > longest):
            raise Refused("the pickle holds a number of too many digits; it is not a model file")
        return cursor.take(size)

    return read


def _text(read: Callable[[Cursor], bytes], encoding: str) -> Callable[[Cursor], str]:
    errors = "surrogatepass" if encoding == "utf-8" else "strict"
    return lambda cursor: read(cursor).decode(encoding, errors)


def _long(read: Callable[[Cursor], bytes]) -> Callable[[Cursor], int]:
    return lambda cursor: int.from_bytes(read(cursor), "little", signed=True)


def _decimal(cursor: Cursor) -> int:
    return int(cursor.line(LONGEST_NUMBER).removesuffix("L"))


def _decimal_or_flag(cursor: Cursor) -> int | bool:
    text = cursor.line(LONGEST_NUMBER)
    return text == "01" if text in ("00", "01") else int(text)


def _float(cursor: Cursor) -> float:
    return float(cursor.line(LONGEST_NUMBER))


def _quoted_string(cursor: Cursor) -> str:
    text = cursor.line()
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:  # noqa: PLR2004
        raise Refused("the pickle has a string without quotes; copy or download the file again")
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal, octal, line_break, letter = found.groups()
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    if octal:
        return chr(int(octal, 8) & 0xFF)
    return (
        "" if line_break else _LETTERS.get(letter, letter if letter in "\\'\"" else f"\\{letter}")
    )


def _raw_unicode(cursor: Cursor) -> str:
    return cursor.line().encode("latin-1").decode("raw-unicode-escape")


def _two_lines(cursor: Cursor) -> tuple[str, str]:
    module = cursor.line(LONGEST_NAME)
    return module, cursor.line(LONGEST_NAME)


def _line(cursor: Cursor) -> str:
    return cursor.line(LONGEST_NAME)


_BYTE, _SHORT, _INT, _WORD, _LONG = map(_number, ("B", "<H", "<i", "<I", "<Q"))

OPCODES: dict[int, Opcode] = {
    ord(code): Opcode(name, argument)
    for code, name, argument in (
        ("(", "MARK", None), (".", "STOP", None), ("0", "POP", None), ("1", "POP_MARK", None),
        ("2", "DUP", None), ("F", "CONSTANT", _float), ("I", "CONSTANT", _decimal_or_flag),
        ("J", "CONSTANT", _INT), ("K", "CONSTANT", _BYTE), ("L", "CONSTANT", _decimal),
        ("M", "CONSTANT", _SHORT), ("N", "NONE", None), ("P", "PERSID", _line),
        ("Q", "BINPERSID", None), ("R", "REDUCE", None), ("S", "CONSTANT", _quoted_string),
        ("T", "CONSTANT", _text(_counted("<i"), "latin-1")),
        ("U", "CONSTANT", _text(_counted("B"), "latin-1")),
        ("V", "CONSTANT", _raw_unicode), ("X", "CONSTANT", _text(_counted("<I"), "utf-8")),
        ("a", "APPEND", None), ("b", "BUILD", None), ("c", "GLOBAL", _two_lines),
        ("d", "DICT", None), ("}", "EMPTY_DICT", None), ("e", "APPENDS", None),
        ("g", "GET", _decimal), ("h", "GET", _BYTE), ("i", "INST", _two_lines),
        ("j", "GET", _WORD), ("l", "LIST", None), ("]", "EMPTY_LIST", None),
        ("o", "OBJ", None), ("p", "PUT", _decimal), ("q", "PUT", _BYTE), ("r", "PUT", _WORD),
        ("s", "SETITEM", None), ("t", "TUPLE", None), (")", "EMPTY_TUPLE", None),
        ("u", "SETITEMS", None), ("G", "CONSTANT", _number(">d")),
        ("\x80", "PROTO", _BYTE), ("\x81", "NEWOBJ", None), ("\x82", "EXT1", _BYTE),
        ("\x83", "EXT2", _SHORT), ("\x84", "EXT4", _INT), ("\x85", "TUPLE1", None),
        ("\x86", "TUPLE2", None), ("\x87", "TUPLE3", None), ("\x88", "TRUE", None),
        ("\x89", "FALSE", None), ("\x8a", "CONSTANT", _long(_counted("B", longest=LONGEST_NUMBER))),
        ("\x8b", "CONSTANT", _long(_counted("<i", longest=LONGEST_NUMBER))),
        ("B", "CONSTANT", _counted("<I")), ("C", "CONSTANT", _counted("B")),
        ("\x8c", "CONSTANT", _text(_counted("B"), "utf-8")),
        ("\x8d", "CONSTANT", _text(_counted("<Q"), "utf-8")),
        ("\x8e", "CONSTANT", _counted("<Q")), ("\x8f", "EMPTY_SET", None),
        ("\x90", "ADDITEMS", None), ("\x91", "FROZENSET", None), ("\x92", "NEWOBJ_EX", None),
        ("\x93", "STACK_GLOBAL", None), ("\x94", "MEMOIZE", None), ("\x95", "FRAME", _LONG),
        ("\x96", "CONSTANT", _counted("<Q")), ("\x97", "NEXT_BUFFER", None),
        ("\x98", "READONLY_BUFFER", None),
    )
}  # fmt: skip
"""The instruction of each code. Instructions that only push their argument are named CONSTANT."""
