"""Follows the instructions of a pickle without doing anything a pickle can ask for.

Python's own unpickler looks up and calls whatever a file names. This one has no such step: a name
is kept as a `Name`, a call as a `Deferred`, and both stay inert data until `pickle_values` turns
the few kinds it knows into arrays. So there is nothing to escape from, and every cost is counted:
the number of instructions, the size of announced data, and keys whose hash could take for ever.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flame_fit.untrusted.pickle_names import STORAGE, Meaning, Name, allowed_name
from flame_fit.untrusted.pickle_opcodes import OPCODES, Cursor
from flame_fit.untrusted.refusal import Refused, quoted

MAXIMUM_INSTRUCTIONS = 2_000_000
"""A published head model has about 300, a network's weights a few ten thousand."""
HIGHEST_PROTOCOL = 5
LARGEST_KEY = 2**60
"""Whole numbers beyond this could be chosen so that all have the same hash."""

_CALLABLE = {
    Meaning.ARRAY, Meaning.ARRAY_OF_BUFFER, Meaning.SCALAR, Meaning.DTYPE, Meaning.BYTES_OF_TEXT,
    Meaning.BYTES, Meaning.TENSOR, Meaning.PARAMETER, Meaning.STORAGE_OF_BYTES, Meaning.SIZE,
    Meaning.DEVICE, Meaning.FOREIGN,
}  # fmt: skip
_MADE_WITHOUT_ARGUMENTS = {Meaning.CHUMPY, Meaning.SPARSE, Meaning.FOREIGN}


@dataclass(eq=False)
class Deferred:
    """A call in the file that was not made: what was to be called, with what, and its state."""

    name: Name
    arguments: tuple
    state: object = None
    has_state: bool = False


@dataclass(frozen=True, eq=False)
class PickleContent:
    """What one pickle holds, not yet turned into arrays, and where it ends."""

    root: object
    end: int
    storages: tuple[Deferred, ...]
    """References to data outside the pickle."""


class _Stop(Exception):
    """The last instruction was reached."""


def read_instructions(
    data: bytes, position: int = 0, *, with_storages: bool = False, with_foreign: bool = False
) -> PickleContent:
    """Follow one pickle from a position to its end.

    Args:
        data: the file's content.
        position: where the pickle begins.
        with_storages: allow references to data outside the pickle, as torch files have them.
        with_foreign: keep objects of classes that are not known here as inert as all else; what
            holds one is refused only when its value is asked for.

    Raises:
        Refused: damaged, too long, or asking for something that is not allowed.
    """
    cursor = Cursor(data, position)
    machine = _Machine(cursor, with_storages=with_storages, with_foreign=with_foreign)
    try:
        for _ in range(MAXIMUM_INSTRUCTIONS):
            machine.step()
    except _Stop:
        root = machine.pop()
        return PickleContent(root, machine.cursor.position, tuple(machine.storages))
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the pickle is damaged ({error}); copy or download the file again") from None
    raise Refused(f"the pickle has over {MAXIMUM_INSTRUCTIONS} instructions; it is no model file")


class _Machine:
    """The stack, the marks and the numbered objects of a pickle being followed."""

    def __init__(self, cursor: Cursor, *, with_storages: bool, with_foreign: bool) -> None:
        self.cursor = cursor
        self.with_storages = with_storages
        self.with_foreign = with_foreign
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.storages: list[Deferred] = []

    def step(self) -> None:
        code = self.cursor.take(1)[0]
        opcode = OPCODES.get(code)
        if opcode is None:
            raise Refused(f"{quoted(chr(code))} is no instruction of a pickle; the file is damaged")
        handler = _HANDLERS.get(opcode.name)
        if handler is None:
            raise Refused(
                f"the pickle uses {opcode.name}, which models have no use for; nothing was run, "
                "get the file from its publisher"
            )
        argument = opcode.argument(self.cursor) if opcode.argument is not None else None
        handler(self, argument)

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if not self.stack:
            raise Refused("the pickle takes more than it has; copy or download the file again")
        return self.stack.pop()

    def top(self) -> object:
        value = self.pop()
        self.push(value)
        return value

    def pop_mark(self) -> list[object]:
        if not self.marks:
            raise Refused("the pickle has no start of a list; copy or download the file again")
        items = self.stack
        self.stack = self.marks.pop()
        return items


def _mark(machine: _Machine, _: object) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _stop(machine: _Machine, _: object) -> None:
    raise _Stop


def _pop(machine: _Machine, _: object) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: _Machine, _: object) -> None:
    machine.pop_mark()


def _duplicate(machine: _Machine, _: object) -> None:
    machine.push(machine.top())


def _constant(machine: _Machine, value: object) -> None:
    machine.push(value)


def _protocol(machine: _Machine, value: object) -> None:
    if not isinstance(value, int) or value > HIGHEST_PROTOCOL:
        raise Refused(f"the pickle has protocol {quoted(value)}, known are 0 to {HIGHEST_PROTOCOL}")


def _frame(machine: _Machine, _: object) -> None:
    """Frames only group instructions for reading ahead."""


def _tuple_of_mark(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.push(tuple(items))


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def handler(machine: _Machine, _: object) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(items)))

    return handler


def _list_of_mark(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.push(items)


def _append(machine: _Machine, _: object) -> None:
    item = machine.pop()
    _extend(machine.top(), [item])


def _appends(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    _extend(machine.top(), items)


def _extend(target: object, items: list[object]) -> None:
    if _is_foreign(target):
        return
    if not isinstance(target, list):
        raise Refused("the pickle appends to something that is no list; the file is damaged")
    target.extend(items)


def _dict_of_mark(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.push(_fill({}, items))


def _set_item(machine: _Machine, _: object) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.top(), [key, value])


def _set_items(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    _fill(machine.top(), items)


def _fill(target: object, items: list[object]) -> object:
    if _is_foreign(target):
        return target
    if not isinstance(target, dict) or len(items) % 2:
        raise Refused("the pickle sets an item of something that is no dict; the file is damaged")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_checked_key(key)] = value
    return target


def _is_foreign(target: object) -> bool:
    """Tell whether this is an object of an unknown class, whose items nobody will ask for."""
    return isinstance(target, Deferred) and target.name.meaning is Meaning.FOREIGN


def _checked_key(key: object) -> object:
    """Return a key whose hash costs nothing."""
    simple = key is None or isinstance(key, str | bytes | bool)
    if simple or (isinstance(key, int) and abs(key) < LARGEST_KEY):
        return key
    raise Refused(f"the pickle has {quoted(key)} as a key; allowed are names and small numbers")


def _add_items(machine: _Machine, _: object) -> None:
    items = machine.pop_mark()
    target = machine.top()
    if not isinstance(target, set):
        raise Refused("the pickle adds to something that is no set; the file is damaged")
    target.update(map(_checked_key, items))


def _frozen_set(machine: _Machine, _: object) -> None:
    machine.push(frozenset(map(_checked_key, machine.pop_mark())))


def _get(machine: _Machine, number: object) -> None:
    if number not in machine.memo:
        raise Refused(f"the pickle refers to object {quoted(number)}, which it has not made")
    machine.push(machine.memo[number])  # pyright: ignore[reportArgumentType]


def _put(machine: _Machine, number: object) -> None:
    machine.memo[number] = machine.top()  # pyright: ignore[reportArgumentType]


def _memoize(machine: _Machine, _: object) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _global(machine: _Machine, names: object) -> None:
    module, name = names  # pyright: ignore[reportGeneralTypeIssues]
    machine.push(allowed_name(module, name, with_foreign=machine.with_foreign))


def _global_of_stack(machine: _Machine, _: object) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Refused("the pickle names something by other than text; the file is damaged")
    machine.push(allowed_name(module, name, with_foreign=machine.with_foreign))


def _reduce(machine: _Machine, _: object) -> None:
    arguments, function = machine.pop(), machine.pop()
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise Refused("the pickle calls something it built itself; nothing was run")
    machine.push(_called(function, arguments))


def _called(function: Name, arguments: tuple) -> object:
    """Return a container at once, because later instructions fill it; anything else deferred."""
    if function.meaning is Meaning.DICT:
        return _dict_of_pairs(arguments)
    if function.meaning in (Meaning.SET, Meaning.FROZENSET):
        items = set(map(_checked_key, _only_list(arguments)))
        return items if function.meaning is Meaning.SET else frozenset(items)
    if function.meaning is Meaning.RECONSTRUCTOR:
        return _reconstructed(arguments)
    if function.meaning in _CALLABLE:
        return Deferred(function, arguments)
    raise Refused(f"the pickle calls {function.label}, which is no function; the file is damaged")


def _dict_of_pairs(arguments: tuple) -> object:
    flat: list[object] = []
    for pair in _only_list(arguments):
        if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004
            raise Refused("the pickle makes a dict of something else than pairs")
        flat += pair
    return _fill({}, flat)


def _only_list(arguments: tuple[object, ...]) -> Iterable[object]:
    if len(arguments) == 0:
        return []
    first = arguments[0]
    if len(arguments) > 1 or not isinstance(first, list | tuple):
        raise Refused("the pickle makes a collection of something that is no list")
    return first


def _reconstructed(arguments: tuple) -> Deferred:
    """Return an instance as protocols 0 and 1 make it: of a class, without calling that class."""
    if len(arguments) == 3:  # noqa: PLR2004
        made, base, state = arguments
        if isinstance(base, Name) and base.meaning is Meaning.BASE_CLASS and state is None:
            return _instance(made)
    raise Refused("the pickle makes an object of an unknown kind; nothing was run")


def _new_object(machine: _Machine, _: object) -> None:
    arguments, made = machine.pop(), machine.pop()
    foreign = isinstance(made, Name) and made.meaning is Meaning.FOREIGN
    if arguments != () and not foreign:
        raise Refused("the pickle makes an object with arguments; nothing was run")
    machine.push(_instance(made))


def _instance(made: object) -> Deferred:
    if isinstance(made, Name) and made.meaning in _MADE_WITHOUT_ARGUMENTS:
        return Deferred(made, ())
    raise Refused("the pickle makes an object of a kind that models do not have; nothing was run")


def _build(machine: _Machine, _: object) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, dict):
        # The state of torch's ordered dicts is bookkeeping (`_metadata`) that holds no numbers.
        return
    if not isinstance(target, Deferred) or target.has_state:
        raise Refused("the pickle changes something that has no state; nothing was run")
    target.state, target.has_state = state, True


def _storage(machine: _Machine, identifier: object) -> None:
    if not machine.with_storages:
        raise Refused("the pickle refers to data outside the file; get it from its publisher")
    reference = Deferred(STORAGE, (identifier,))
    machine.storages.append(reference)
    machine.push(reference)


def _storage_of_stack(machine: _Machine, _: object) -> None:
    _storage(machine, machine.pop())


def _pushing(make: Callable[[], object]) -> Callable[[_Machine, object], None]:
    return lambda machine, _: machine.push(make())


_HANDLERS: dict[str, Callable[[_Machine, object], None]] = {
    "MARK": _mark, "STOP": _stop, "POP": _pop, "POP_MARK": _pop_mark, "DUP": _duplicate,
    "CONSTANT": _constant, "NONE": _pushing(lambda: None), "TRUE": _pushing(lambda: True),
    "FALSE": _pushing(lambda: False), "PROTO": _protocol, "FRAME": _frame,
    "EMPTY_TUPLE": _pushing(tuple), "EMPTY_LIST": _pushing(list), "EMPTY_DICT": _pushing(dict),
    "EMPTY_SET": _pushing(set), "TUPLE": _tuple_of_mark, "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3), "LIST": _list_of_mark, "APPEND": _append,
    "APPENDS": _appends, "DICT": _dict_of_mark, "SETITEM": _set_item, "SETITEMS": _set_items,
    "ADDITEMS": _add_items, "FROZENSET": _frozen_set, "GET": _get, "PUT": _put,
    "MEMOIZE": _memoize, "GLOBAL": _global, "STACK_GLOBAL": _global_of_stack, "REDUCE": _reduce,
    "NEWOBJ": _new_object, "BUILD": _build, "PERSID": _storage, "BINPERSID": _storage_of_stack,
}  # fmt: skip
"""What each instruction does; those that are missing here are refused."""
