"""The page of hooks: signature, meaning, arguments and answers of each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from sbhooks import hookspecs
from sbhooks.events import BUILTIN_KINDS

from _build import prose

_BANNER = re.compile(r"^# --- (.+?) -*$")


def page() -> str:
    """Every hook, in the order in which an event meets them."""
    parts = ["# Hooks", prose.docstring(hookspecs).text, "```text\n" + _list() + "\n```"]
    section = ""
    for heading, hook in _in_order():
        if heading != section:
            section = heading
            parts.append(f"## {section}")
        parts.append(_entry(hook))
    return "\n\n".join(parts)


def names() -> list[str]:
    """The names of all hooks."""
    return [hook.__name__ for _, hook in _in_order()]


def signature(hook: Callable[..., Any]) -> str:
    """The hook with its arguments, their types and its answer's."""
    return f"{hook.__name__}{inspect.signature(hook)}".replace("'", "")


def _list() -> str:
    return "\n".join(f"{hook.__name__}({', '.join(_arguments(hook))})" for _, hook in _in_order())


def _arguments(hook: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(hook).parameters)


def _in_order() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each hook with the heading that stands above it in the module."""
    heading = ""
    for line in inspect.getsource(hookspecs).splitlines():
        banner = _BANNER.match(line)
        if banner:
            heading = banner[1]
        elif line.startswith("def sbhooks_"):
            yield heading, getattr(hookspecs, line[4:].partition("(")[0])


def _entry(hook: Callable[..., Any]) -> str:
    doc = prose.docstring(hook)
    parts = [f"### `{hook.__name__}`", f"```text\n{signature(hook)}\n```"]
    parts.append(doc.text)
    kind = next((kind for kind in BUILTIN_KINDS if kind.hook == hook.__name__), None)
    if kind is not None:
        parts.append(f"The event: [`{kind.__name__}`](events.md#{kind.__name__.lower()}).")
    if doc.items.get("Args"):
        parts.append("\n".join(f"* `{k}`: {v}" for k, v in doc.items["Args"].items()))
    if "Returns" in doc.texts:
        parts.append(f"Returns: {doc.texts['Returns']}")
    if doc.items.get("Raises"):
        parts.append("\n".join(f"* Raises `{k}`: {v}" for k, v in doc.items["Raises"].items()))
    if getattr(hook, "sbhooks_spec", {}).get("firstresult"):
        parts.append("The first answer that is not `None` counts; nobody else is asked.")
    return "\n\n".join(part for part in parts if part)
