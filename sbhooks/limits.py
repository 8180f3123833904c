"""How large an event may be, and how a larger one is cut.

Nothing is refused for its size: a shortened event is worth more than none. What was cut is
said in the attribute ``sbhooks.cut``. The same way goes what JSON has no form for: values of
subclasses (numpy's floats, freezegun's dates) become plain ones.
"""

from __future__ import annotations

import enum
from datetime import datetime
from math import isfinite
from typing import Any

import msgspec

from sbhooks.events import (
    MAX_ATTRIBUTE_BYTES,
    MAX_ATTRIBUTES,
    MAX_EVENT_BYTES,
    Event,
    Scalar,
    from_us,
    to_us,
)

CUT = "sbhooks.cut"  #: Attribute that says how many texts, lists and attributes were cut.
_STEPS = ((2_000, 100), (500, 50), (100, 20), (20, 5))  #: Longest text, most items: until it fits.
_LONGEST_ATTRIBUTE = 500
_LONGEST_NAME = 100
_MOST_BITS = 64
_PLAIN = (bool, int, float, str)
_ENCODE = msgspec.json.Encoder().encode


def encode_bounded(event: Event) -> bytes:
    """Encode an event as one line of JSON, cut to the limits where necessary.

    Raises:
        TypeError: A field holds what JSON has no form for.
    """
    try:
        line = _ENCODE(event)
    except (TypeError, ValueError):
        # Values of subclasses; lone surrogates, as in file names that are not UTF-8.
        return _shortened(event)
    attributes = event.attributes
    if not attributes:
        return line if len(line) <= MAX_EVENT_BYTES else _shortened(event)
    if len(line) <= MAX_EVENT_BYTES and _fits(attributes):
        return line
    return _shortened(event)


def bounded(event: Event) -> Event:
    """A copy of an event within the limits: long texts and lists cut, attributes dropped."""
    for longest, most in _STEPS:
        copy = _cut(event, _Cuts(longest, most))
        if len(_ENCODE(copy)) <= MAX_EVENT_BYTES:
            break
    return copy


def _shortened(event: Event) -> bytes:
    return _ENCODE(bounded(event))


def _cut(event: Event, cuts: _Cuts) -> Event:
    changes = {
        name: cuts.value(getattr(event, name))
        for name in event.__struct_fields__
        if name not in {"id", "attributes"}
    }
    attributes = cuts.attributes(event.attributes)
    if cuts.count:
        attributes[CUT] = cuts.count
    return msgspec.structs.replace(event, **changes, attributes=attributes)


def _fits(attributes: dict[str, Scalar]) -> bool:
    return (
        len(attributes) <= MAX_ATTRIBUTES
        and all(map(_is_scalar, attributes.values()))
        and len(_ENCODE(attributes)) <= MAX_ATTRIBUTE_BYTES
    )


def _is_scalar(value: Any) -> bool:
    """Whether a reader takes a value back: JSON has no infinity and no "not a number"."""
    kind = type(value)
    if kind is float:
        return isfinite(value)
    if kind is int:
        return bool(value.bit_length() <= _MOST_BITS)
    return kind is str or kind is bool


def _plain(value: Any) -> Any:
    """A value of a subclass as one of the class that JSON knows."""
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return from_us(to_us(value))
    for kind in _PLAIN:
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    return value


class _Cuts:
    """Cuts values and counts how often it had to.

    Args:
        longest: Characters that a text may have.
        most: Items that a list or table may have.
    """

    def __init__(self, longest: int, most: int) -> None:
        self.count = 0
        self._longest = longest
        self._most = most

    def value(self, value: Any) -> Any:
        value = _plain(value)
        if type(value) is str:
            return self.text(value, self._longest)
        if isinstance(value, list | tuple):
            self.count += len(value) > self._most
            return [self.value(item) for item in value[: self._most]]
        if isinstance(value, dict):
            self.count += len(value) > self._most
            return {self.value(k): self.value(v) for k, v in list(value.items())[: self._most]}
        if isinstance(value, msgspec.Struct):
            fields = {name: self.value(getattr(value, name)) for name in value.__struct_fields__}
            return msgspec.structs.replace(value, **fields)
        return value

    def text(self, text: str, longest: int) -> str:
        clean = text.encode("utf-8", "backslashreplace").decode()
        if len(clean) <= longest:
            return clean
        self.count += 1
        return clean[: longest - 1] + "…"

    def attributes(self, attributes: dict[str, Scalar]) -> dict[str, Scalar]:
        kept: dict[str, Scalar] = {}
        room = MAX_ATTRIBUTE_BYTES - len(CUT) - 16
        for key, value in attributes.items():
            item = _plain(value.value if isinstance(value, enum.Enum) else value)
            if isinstance(item, str):
                item = self.text(item, min(_LONGEST_ATTRIBUTE, self._longest))
            name = self.text(str(key), _LONGEST_NAME)
            size = len(_ENCODE({name: item})) if _is_scalar(item) else MAX_ATTRIBUTE_BYTES
            if len(kept) < MAX_ATTRIBUTES - 1 and size <= room:
                kept[name] = item
                room -= size
            else:
                self.count += 1
        return kept
