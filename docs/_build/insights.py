"""The page of insights: what can be found out, and what is asked."""

from __future__ import annotations

import inspect

import msgspec
from sbhooks import insights
from sbhooks.insights import Insight, InsightQuery

from _build import prose, structs


def page() -> str:
    """Every built-in kind of insight."""
    found = kinds()
    parts = [
        "# Insights",
        prose.docstring(insights).text,
        prose.table(
            ["Kind", "Python", "What it says"],
            [
                (f"`{structs.tag(k)}`", f"[`{k.__name__}`](#{k.__name__.lower()})", _first(k))
                for k in found
            ],
        ),
        "## Fields of every insight",
        structs.field_table(structs.fields(Insight)),
        *(_entry(kind) for kind in found),
        "## InsightQuery",
        prose.docstring(InsightQuery).text,
        structs.field_table(structs.fields(InsightQuery)),
    ]
    return "\n\n".join(parts)


def kinds() -> list[type[Insight]]:
    """The built-in kinds, in the order of their declaration."""
    return [
        item
        for item in vars(insights).values()
        if inspect.isclass(item) and issubclass(item, Insight) and item is not Insight
    ]


def _entry(kind: type[msgspec.Struct]) -> str:
    return "\n\n".join(
        [
            f"## {kind.__name__}",
            f"Kind `{structs.tag(kind)}`. {prose.docstring(kind).text}",
            structs.field_table(structs.fields(kind, own=True)),
        ]
    )


def _first(kind: type[Insight]) -> str:
    return prose.docstring(kind).text.splitlines()[0].rstrip(".")
