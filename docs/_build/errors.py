"""The page of errors: the hierarchy, and what the reader of each should look at."""

from __future__ import annotations

import inspect

from sbhooks import errors
from sbhooks.errors import SbhooksError

from _build import prose


def page() -> str:
    """Every error that is raised on purpose."""
    return "\n\n".join(
        [
            "# Errors",
            prose.docstring(errors).text,
            "Who meets them: an adapter never does, because its `Emitter` keeps trouble to itself "
            "and records it for `sbhooks doctor`. A plugin's error is recorded there too, except "
            "in [`sbhooks_open_store`](hooks.md#sbhooks_open_store). The command line prints one "
            "line, `sbhooks: …`, and ends with status 2.",
            *(_entry(kind) for kind in kinds()),
        ]
    )


def kinds() -> list[type[SbhooksError]]:
    """All classes, in the order of their declaration."""
    return [
        item
        for item in vars(errors).values()
        if inspect.isclass(item) and issubclass(item, SbhooksError)
    ]


def _entry(kind: type[SbhooksError]) -> str:
    doc = prose.docstring(kind)
    parents = ", ".join(f"`{parent.__name__}`" for parent in kind.__bases__)
    parts = [f"## `{kind.__name__}`", f"{doc.text} Derived from {parents}."]
    if "Args" in doc.items:
        parts.append("\n".join(f"* `{k}`: {v}" for k, v in doc.items["Args"].items()))
    return "\n\n".join(parts)
