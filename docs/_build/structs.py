"""Structs as tables: what a field is called, holds and means."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as shapes

from _build import prose

_MADE = {"id": "a new one", "at": "now"}
_UNITS = {"_s": "seconds", "_bytes": "bytes", "_us": "microseconds"}


class Field(NamedTuple):
    """One field of a Struct, in words."""

    name: str
    kind: str
    default: str
    meaning: str


def fields(struct: type[msgspec.Struct], *, own: bool = False) -> list[Field]:
    """The fields of a Struct in the order of their declaration.

    Args:
        struct: What to describe.
        own: Leave out what it inherits.
    """
    shape = shapes.type_info(struct)
    if not isinstance(shape, shapes.StructType):
        raise TypeError(f"{struct.__name__} is no Struct")
    parent = struct.__mro__[1]
    inherited = set(getattr(parent, "__struct_fields__", ())) if own else set()
    meanings = meanings_of(struct)
    return [
        Field(
            name=field.encode_name,
            kind=_with_unit(field.name, type_name(field.type)),
            default=_default(field),
            meaning=meanings.get(field.name, ""),
        )
        for field in shape.fields
        if field.name not in inherited
    ]


def meanings_of(struct: type) -> dict[str, str]:
    """What docstrings and comments say of each field, the nearest class first."""
    found: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if not issubclass(owner, msgspec.Struct) or owner.__module__.startswith("msgspec"):
            continue
        notes = prose.comments(sys.modules[owner.__module__])
        prefix = f"{owner.__name__}."
        found |= {k.removeprefix(prefix): v for k, v in notes.items() if k.startswith(prefix)}
        found |= prose.docstring(owner.__dict__.get("__doc__") or "").items.get("Attributes", {})
    return found


def field_table(found: list[Field]) -> str:
    """The fields as a Markdown table."""
    rows = [(f"`{f.name}`", f.kind, f.default, f.meaning or "–") for f in found]
    return prose.table(["Field", "Type", "Default", "Meaning"], rows)


def enum_table(kind: type[enum.Enum]) -> str:
    """The values of an enumeration as a Markdown table."""
    notes = prose.comments(sys.modules[kind.__module__])
    rows = [(f"`{m.value}`", notes.get(f"{kind.__name__}.{m.name}", "–")) for m in kind]
    return prose.table(["Value", "Meaning"], rows)


def tag(struct: type[msgspec.Struct]) -> str:
    """The word that names a kind in JSON."""
    return str(struct.__struct_config__.tag)


def type_name(shape: Any) -> str:
    """A type in JSON's words."""
    match shape:
        case shapes.UnionType(types=types):
            inner = [type_name(t) for t in types if not isinstance(t, shapes.NoneType)]
            return ", ".join(inner[:-1]) + " or " + inner[-1] if len(inner) > 1 else inner[0]
        case shapes.IntType(ge=low, le=high):
            return f"integer{_range(low, high)}"
        case shapes.FloatType(ge=low, le=high):
            return f"number{_range(low, high)}"
        case shapes.StrType(min_length=shortest):
            return "text, not empty" if shortest else "text"
        case shapes.BoolType():
            return "true or false"
        case shapes.DateTimeType():
            return "time (ISO 8601, UTC)"
        case shapes.EnumType(cls=cls) | shapes.StructType(cls=cls):
            return f"[`{cls.__name__}`](#{cls.__name__.lower()})"
        case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
            return f"list of {type_name(item)}"
        case shapes.DictType(key_type=key, value_type=value):
            return f"object: {type_name(key)} → {type_name(value)}"
        case shapes.CustomType(cls=cls) if issubclass(cls, Path):
            return "path"
        case shapes.LiteralType(values=values):
            return " or ".join(f'`"{value}"`' for value in values)
        case shapes.RawType():
            return "object"
        case shapes.AnyType():
            return "anything"
    raise TypeError(f"no words for the type {shape!r}")


def _range(low: float | None, high: float | None) -> str:
    """The bounds that a reader has to know; those of 64-bit integers are not."""
    if low == -(2**63):
        return ""
    if low is not None and high is not None:
        return f" from {low:,} to {high:,.0f}"
    return f" ≥ {low:,}" if low is not None else ""


def _with_unit(name: str, kind: str) -> str:
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
    return f"{kind}, {unit}" if unit and kind.startswith(("number", "integer")) else kind


def _default(field: shapes.Field) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT:
        factory = field.default_factory
        if factory in {list, dict}:
            return f"`{msgspec.json.encode(factory()).decode()}`"
        return _MADE[field.name]
    if field.default is None:
        return "*none*"
    value = msgspec.json.encode(field.default, enc_hook=str).decode()
    return f"`{value}`"

