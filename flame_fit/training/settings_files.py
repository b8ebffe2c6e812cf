"""Training settings as YAML: every name is checked, and what is not given keeps its default."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from flame_fit.asset_files import write_atomically
from flame_fit.errors import InputError, UsageError
from flame_fit.training.packages import Foreign, training_package
from flame_fit.untrusted import read_file

Settings = TypeVar("Settings")

LARGEST_FILE = 2**20


def read_settings(path: Path, default: Settings) -> Settings:
    """Read a tree of settings from a YAML file.

    Args:
        path: The file; its sections and names are the fields of the settings.
        default: Settings whose values stand for all that the file leaves out.

    Raises:
        AssetError: The file is missing or unreadable.
        InputError: It is no YAML, or a name or value in it is wrong.
    """
    yaml = training_package("yaml")

    try:
        content = yaml.load(read_file(path, maximum_bytes=LARGEST_FILE), Loader=_strict_loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is no YAML that can be read ({reason}); correct it") from None
    try:
        return _filled(default, {} if content is None else content, place="")
    except UsageError as error:
        raise InputError(f"{path}: {error}") from None


def settings_text(settings: object) -> str:
    """Return settings as YAML, which `read_settings` turns into the same settings."""
    yaml = training_package("yaml")

    return yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True)


def write_settings(path: Path, settings: object) -> None:
    """Write settings as a YAML file, whole or not at all."""
    write_atomically(path, settings_text(settings).encode())


def _strict_loader() -> type:
    """Return PyYAML's safe loader, made to refuse a name that stands twice in one section."""
    yaml = training_package("yaml")

    class StrictLoader(yaml.SafeLoader):
        pass

    def mapping(loader: Foreign, node: Foreign) -> dict[object, object]:
        pairs = [
            (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
            for key, value in node.value
        ]
        names = [str(key) for key, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice[0]} is given twice", node.start_mark
            )
        return dict(pairs)

    StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return StrictLoader


def _filled(default: Foreign, content: object, *, place: str) -> Foreign:
    """Return a copy of a dataclass with the values of a mapping."""
    if not isinstance(content, Mapping):
        where = place.rstrip(".") or "the file"
        raise UsageError(f"{where} holds {content!r}; expected names with values")
    kinds = typing.get_type_hints(type(default))
    changes = {}
    for name, value in content.items():
        if name not in kinds:
            close = difflib.get_close_matches(str(name), kinds, n=1) or sorted(kinds)
            raise UsageError(f"{place}{name} does not exist; did you mean {', '.join(close)}?")
        before = getattr(default, name)
        if dataclasses.is_dataclass(before):
            changes[name] = _filled(before, value, place=f"{place}{name}.")
        else:
            changes[name] = _value(kinds[name], value, place=f"{place}{name}")
    return dataclasses.replace(default, **changes)


def _value(kind: object, value: object, *, place: str) -> object:
    """Return a value of a file as the kind that a field has."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (kind,) = (part for part in parts if part is not type(None))
        return _value(kind, value, place=place)
    if origin is typing.Literal:
        if value in parts:
            return value
        raise _wrong(place, value, f"one of {', '.join(map(str, parts))}")
    if origin is tuple:
        if isinstance(value, list) and len(value) == len(parts):
            return tuple(
                _value(part, one, place=place) for part, one in zip(parts, value, strict=True)
            )
        raise _wrong(place, value, f"a list of {len(parts)}")
    return _single(kind, value, place=place)


def _single(kind: object, value: object, *, place: str) -> object:
    """Return a value without parts as its kind; YAML takes 1e-3 without a point for text."""
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            raise _wrong(place, value, "a number") from None
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind in (bool, int, str) and type(value) is kind:
        return value
    words = {float: "a number", int: "a whole number", bool: "true or false", Path: "a path"}
    raise _wrong(place, value, words.get(typing.cast("type", kind), "a text"))


def _wrong(place: str, value: object, expected: str) -> UsageError:
    return UsageError(f"{place} is {value!r}; expected {expected}")


def _plain(value: object) -> object:
    """Return settings as mappings, lists and single values."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
