"""A page for each alert: what it means, where to look, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sbhooks_monitoring.catalog import Alert, Group

_ELSEWHERE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
_INDEX = """\
# Runbooks

One page for each alert that `sbhooks monitoring export` writes: what it means, where to look, what
to do. **critical** wakes somebody, **warning** is for the working day, **info** is for those who
look.
"""


def pages(groups: Sequence[Group]) -> dict[str, str]:
    """Name of the file → Markdown; ``README.md`` lists the others."""
    found = {"README.md": _index(groups)}
    for group in groups:
        for alert in group.alerts:
            found[f"{alert.name}.md"] = page(alert, group)
    return found


def by_itself(text: str) -> str:
    """A page without its links to pages that only the documentation has."""
    return _ELSEWHERE.sub(r"\1", text)


def page(alert: Alert, group: Group) -> str:
    """The page of one alert."""
    lasting = "at once" if alert.for_ == "0m" else f"after {alert.for_}"
    parts = [
        f"# {alert.name}",
        f"**{alert.severity}** · {group.about.title} · {lasting}",
        f"> {_plain(alert.summary)}\n>\n> {_plain(alert.description)}",
        "## What it means",
        alert.means,
        "## Where to look",
        _numbered(alert.look),
        "## What to do",
        _listed(alert.act),
        *(["## When to change it", alert.tune] if alert.tune else []),
        "## The rule",
        f"```text\n{alert.expression}\n```",
        "[All alerts](README.md) · written by `sbhooks monitoring export`",
    ]
    return "\n\n".join(parts) + "\n"


def _index(groups: Sequence[Group]) -> str:
    parts = [_INDEX]
    for group in groups:
        rows = [
            f"| [{alert.name}]({alert.name}.md) | {alert.severity} | {alert.for_} "
            f"| {_plain(alert.summary)} |"
            for alert in group.alerts
        ]
        parts.append(
            "\n".join([
                f"## {group.about.title}", "", group.about.about, "",
                "| alert | severity | for | what it says |", "|---|---|---|---|", *rows, "",
            ])
        )  # fmt: skip
    return "\n".join(parts)


def _plain(text: str) -> str:
    """A template as people read it: ``{{ $labels.skill_name }}`` becomes *skill_name*."""
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", "*value*", text)


def _numbered(steps: Sequence[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _listed(steps: Sequence[str]) -> str:
    return "\n".join(f"* {step}" for step in steps)
