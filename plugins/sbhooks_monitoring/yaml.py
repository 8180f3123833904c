"""Writes plain data as YAML that people like to read.

Only what rules and configurations need: mappings, lists, texts, numbers, truth values. Texts that
YAML could take for something else are quoted, if need be as JSON strings, which YAML understands;
several lines are written as a block.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:-]*[A-Za-z0-9_/]|[A-Za-z]|\d+[smhd]")
_QUOTABLE = re.compile(r"[ -&(-~]*\"[ -&(-~]*")  # has double quotes, and no single ones
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def dump(document: Mapping[str, Any], *, comment: str = "") -> str:
    """A document, with a comment above it.

    Args:
        document: What to write.
        comment: Lines without ``#``.
    """
    head = [f"# {line}".rstrip() for line in comment.splitlines()]
    return "\n".join([*head, *_lines(document)]) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _entry(f"{_scalar(str(key))}:", part)
    else:
        for part in value:
            first, *rest = _lines(part) if _has_lines(part) else _block("", part)
            yield f"- {first}"
            yield from (f"  {line}" if line else "" for line in rest)


def _entry(key: str, value: Any) -> Iterator[str]:
    if _has_lines(value):
        yield key
        yield from (f"  {line}" if line else "" for line in _lines(value))
    else:
        yield from _block(key, value)


def _block(key: str, value: Any) -> Iterator[str]:
    """A value beside its key, or below it when it has several lines."""
    lead = f"{key} " if key else ""
    if isinstance(value, str) and "\n" in value:
        yield f"{lead}|-"
        yield from (f"  {line}" if line else "" for line in value.split("\n"))
    else:
        yield f"{lead}{_scalar(value)}"


def _has_lines(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return bool(value) and (isinstance(value, Mapping) or is_list)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, str) and _QUOTABLE.fullmatch(value):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
