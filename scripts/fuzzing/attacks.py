"""Pickles that try to run code or to use up the machine, written instruction by instruction."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from scripts.fuzzing.hostile_files import Case, object_npy, old_torch, zipped

CANARY = "canary"


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _global_of_stack(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def shell_line(folder: Path) -> str:
    """Return the command that attacks run: it makes the canary file."""
    return f"touch {folder / CANARY}"


def attack_programs(folder: Path) -> dict[str, bytes]:
    """Return bodies of pickles, without header and end, that leave one value on the stack.

    Args:
        folder: where they try to make the canary file.
    """
    calls = {
        f"{form.__name__} {module}.{name}": _call(form(module, name), argument)
        for form in (_global, _global_of_stack)
        for module, name, argument in _dangerous_calls(folder)
    }
    line = _text(shell_line(folder))
    return calls | _hidden_calls(line) | _false_states(line) | _false_arrays(line) | _bombs()


def _dangerous_calls(folder: Path) -> tuple[tuple[str, str, bytes], ...]:
    """Return module, name and pickled argument of what must not be called."""
    line, python = _text(shell_line(folder)), _text(f"open({str(folder / CANARY)!r}, 'w').close()")
    path = _text(str(folder / CANARY))
    return (
        ("os", "system", line), ("posix", "system", line), ("nt", "system", line),
        ("os", "popen", line), ("subprocess", "Popen", line),
        ("subprocess", "check_output", line), ("subprocess", "getoutput", line),
        ("builtins", "eval", python), ("builtins", "exec", python),
        ("__builtin__", "eval", python), ("__builtin__", "execfile", line),
        ("builtins", "compile", python), ("builtins", "__import__", _text("os")),
        ("builtins", "open", path + _text("w")),
        ("io", "open", path + _text("w")),
        ("pathlib", "Path.touch", path), ("runpy", "run_path", python),
        ("pydoc", "pipepager", line + line), ("timeit", "timeit", python),
        ("pty", "spawn", line), ("code", "interact", b""),
        ("importlib", "import_module", _text("antigravity")), ("builtins", "breakpoint", b""),
        ("builtins", "input", b""), ("shutil", "rmtree", _text(str(folder))),
        ("numpy", "load", _text("x")), ("numpy", "fromfile", _text("/etc/passwd")),
        ("numpy.testing._private.utils", "runstring", python + b"}"),
        ("numpy.core.multiarray", "fromfile", _text("/dev/zero")),
        ("numpy", "zeros", b"J\xff\xff\xff\x7f"), ("numpy.f2py.diagnose", "run_command", line),
        ("torch", "load", _text("x")), ("torch.hub", "load", line),
        ("torch.serialization", "load", line),
        ("torch.utils.cpp_extension", "load_inline", line),
        ("torch._utils", "_rebuild_wrapper_subclass", line),
        ("scipy.sparse", "load_npz", _text("x")), ("chumpy", "os.system", line),
        ("chumpy.os", "system", line), ("chumpy/../os", "system", line),
        ("chumpy.ch", "Ch.__init__", line), ("flame_fit.cli", "main", b"]"),
        ("copyreg", "add_extension", line), ("functools", "partial", line),
        ("operator", "attrgetter", _text("__class__")), ("types", "CodeType", line),
        ("marshal", "loads", line), ("ctypes", "CDLL", line), ("socket", "socket", b""),
        ("webbrowser", "open", line), ("collections", "namedtuple", line + line),
        ("builtins", "getattr", _global("numpy", "ndarray") + _text("tofile")),
        ("builtins", "bytearray", b"J\xff\xff\xff\x7f"),
        ("builtins", "bytes", b"J\xff\xff\xff\x7f"),
    )  # fmt: skip


def _hidden_calls(line: bytes) -> dict[str, bytes]:
    system = _global("os", "system")
    getattr_ = _global("builtins", "getattr")
    chumpy = _global("chumpy.ch", "Ch")
    return {
        "nested calls": _call(
            _global("builtins", "list"),
            _call(_global("builtins", "map"), system, b"(" + line + b"l"),
        ),
        "getattr chain": _call(
            getattr_, _call(_global("builtins", "__import__"), _text("os")), _text("system")
        ),
        "class walk": _call(getattr_, _call(getattr_, b")", _text("__class__")), _text("__base__")),
        "call of a value": _text("x") + b")R",
        "call of a chumpy class": _call(chumpy, line),
        "new chumpy with arguments": chumpy + b"(" + line + b"t\x81",
        "new with keywords": chumpy + b")}\x92",
        "old instance": b"(" + line + b"ios\nsystem\n",
        "old object": b"(" + system + line + b"o",
        "extension 1": b"\x82\x01",
        "extension 2": b"\x83\x01\x00",
        "extension 4": b"\x84\x01\x00\x00\x00",
        "persistent text": b"Pos.system\n",
        "persistent value": line + b"Q",
        "outside buffer": b"\x97",
        "read-only buffer": b"\x98",
    }


def _false_states(line: bytes) -> dict[str, bytes]:
    system = _global("os", "system")
    ndarray = _global("numpy", "ndarray")
    chumpy = _global("chumpy.ch", "Ch")
    return {
        "chumpy with a call as state": chumpy + b")\x81" + _call(system, line) + b"b",
        "chumpy with a class in its state": chumpy + b")\x81}" + _text("x") + system + b"sb",
        "state of __setstate__": chumpy + b")\x81}" + _text("__setstate__") + system + b"sb",
        "state of __class__": chumpy + b")\x81}" + _text("__class__") + ndarray + b"sb",
        "state pair": chumpy + b")\x81N}" + _text("__reduce__") + ndarray + b"s\x86b",
        "state on a class": ndarray + b"}" + _text("tofile") + line + b"sb",
        "state on text": _text("x") + b"}b",
        "state twice": chumpy + b")\x81}b}b",
        "reconstructor of a class": _call(
            _global("copy_reg", "_reconstructor"), system, _global("__builtin__", "object"), b"N"
        ),
        "reconstructor with state": _call(
            _global("copy_reg", "_reconstructor"), chumpy, _global("__builtin__", "tuple"), line
        ),
    }


def _false_arrays(line: bytes) -> dict[str, bytes]:
    system = _global("os", "system")
    ndarray = _global("numpy", "ndarray")
    rebuilt = _call(
        _global("numpy.core.multiarray", "_reconstruct"), ndarray, b"(K\x00t", _text("b")
    )
    dtype = _call(_global("numpy", "dtype"), _text("O8"), b"K\x00", b"K\x01")
    return {
        "array of objects": rebuilt
        + b"(K\x01K\x01\x85"
        + dtype
        + b"\x89]"
        + _call(system, line)
        + b"atb",
        "array of objects in a scalar": _call(
            _global("numpy.core.multiarray", "scalar"), dtype, line
        ),
        "array of another class": _call(
            _global("numpy.core.multiarray", "_reconstruct"), system, b"(K\x00t", _text("b")
        ),
        "array with absurd shape": rebuilt
        + b"(K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"
        + _call(_global("numpy", "dtype"), _text("f8"), b"K\x00", b"K\x01")
        + b"\x89C\x08aaaaaaaatb",
        "array with negative shape": rebuilt
        + b"(K\x01J\xff\xff\xff\xff\x85"
        + _call(_global("numpy", "dtype"), _text("f8"), b"K\x00", b"K\x01")
        + b"\x89C\x08aaaaaaaatb",
        "empty array with absurd shape": rebuilt
        + b"(K\x01K\x00J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87"
        + _call(_global("numpy", "dtype"), _text("f8"), b"K\x00", b"K\x01")
        + b"\x89C\x00tb",
        "type of records": _call(_global("numpy", "dtype"), _text("f8,O"), b"K\x00", b"K\x01"),
        "type with an absurd size": _call(
            _global("numpy", "dtype"), _text("S2147483647"), b"K\x00", b"K\x01"
        ),
        "torch storage of bytes": _call(
            _global("torch.storage", "_load_from_bytes"),
            b"B"
            + struct.pack("<I", 60)
            + (b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00true" + b"tR.").ljust(60, b"."),
        ),
        "torch tensor past its data": _call(
            _global("torch._utils", "_rebuild_tensor_v2"),
            b"("
            + _text("storage")
            + _global("torch", "FloatStorage")
            + _text("0")
            + _text("cpu")
            + b"K\x01tQ",
            b"K\x00",
            b"(J\xff\xff\xff\x7ft",
            b"(K\x01t",
            b"\x89",
            b")R",
        ),
    }


def _bombs() -> dict[str, bytes]:
    """Return small programs that unfold into much, or announce much."""
    laughs, tuples = b"]q\x00", b")q\x00"
    for level in range(60):
        again, keep = b"h" + bytes([level]), b"q" + bytes([level + 1])
        laughs += b"](" + 10 * again + b"e" + keep
        tuples += b"(" + 8 * again + b"t" + keep
    deep_lists = 20_000 * b"]" + 19_999 * b"a"
    return {
        "laughing lists": laughs,
        "tuples with an endless hash": b"}" + tuples + b"Ns",
        "set with an endless hash": b"\x8f(" + tuples + b"\x90",
        "deep lists": deep_lists,
        "deep tuples": b")" + 50_000 * b"\x85",
        "deep marks": 100_000 * b"(" + b"N",
        "list in itself": b"]q\x00h\x00a",
        "dict in itself": b"}q\x00" + _text("a") + b"h\x00s",
        "memo far away": b"Nr\xff\xff\xff\xff",
        "memo of many digits": b"Np" + 79 * b"9" + b"\n",
        "memo never filled": b"j\xff\xff\xff\x7f",
        "huge bytes": b"\x8e" + struct.pack("<Q", 2**62),
        "huge text": b"\x8d" + struct.pack("<Q", 2**63),
        "huge array of bytes": b"\x96" + struct.pack("<Q", 2**40),
        "negative text": b"T\xff\xff\xff\xff",
        "negative number": b"\x8b\xff\xff\xff\xff",
        "huge number": b"\x8b\xff\xff\xff\x7f",
        "number of many digits": b"I" + 100_000 * b"9" + b"\n",
        "long of many digits": b"L" + 100_000 * b"9" + b"L\n",
        "wide number": b"\x8b" + struct.pack("<i", 100_000) + 100_000 * b"\x7f",
        "huge frame": b"\x95" + struct.pack("<Q", 2**63) + b"N",
        "protocol 255": b"\x80\xff",
        "many constants": 300_000 * b"N" + b"0" * 299_999,
        "empty stack": b"0",
        "no list": b"Na",
        "no dict": b"NNNs",
        "no mark": b"t",
    }


def attacks(folder: Path) -> Iterator[Case]:
    """Yield every attack in every wrapping a reader may meet.

    Args:
        folder: where the attacks try to make the canary file.
    """
    for name, body in attack_programs(folder).items():
        for header in (b"", b"\x80\x02", b"\x80\x04"):
            yield Case(f"pickle {name}", ".pkl", header + body + b".")
        held = b"\x80\x02}" + _text("v_template") + body + b"s."
        yield Case(f"dict {name}", ".pkl", held)
        program = b"\x80\x02" + body + b"."
        yield Case(f"npy {name}", ".npy", object_npy(program))
        yield Case(f"npz {name}", ".npz", zipped({"J_regressor.npy": object_npy(program)}))
        yield Case(f"pt {name}", ".pt", zipped({"a/data.pkl": program, "a/data/0": b"1234"}))
        yield Case(f"old pt {name}", ".pt", old_torch(program))
