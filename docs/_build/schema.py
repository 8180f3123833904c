"""The page of the database: every table, view and trigger, as the scripts leave them."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from importlib.resources import files
from typing import Any, NamedTuple

from sbhooks_migrations import HEAD, Migration, migrations
from sbhooks_storage.deployment import TABLES, VIEWS
from sbhooks_storage.losses import statements

from _build import prose

UNKNOWN = "–"
_COMMENT = re.compile(r"^[ \t]*(\w+) [^-\n]*--[ \t]*(.*)$", re.MULTILINE)
_CREATED = re.compile(
    r"^CREATE (?:VIRTUAL )?(TABLE|VIEW|TRIGGER) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE
)


class Column(NamedTuple):
    """A column of a table or view."""

    name: str
    type: str
    meaning: str


class Thing(NamedTuple):
    """A table, view or trigger."""

    kind: str
    name: str
    since: int
    meaning: str
    columns: list[Column]


def page() -> str:
    """The schema at the newest version."""
    found = things()
    parts = [
        "# The database",
        f"The schema of the SQLite store at version {HEAD}. Versions 1 to 4 are those of the system "
        "that sbhooks took over: their tables and views keep names and meanings. Any completion or "
        "success rate is a fraction from 0 to 1. Times as text are ISO 8601; `_us` is "
        "microseconds, in times since 1970 (UTC).",
        "Everything but the log and the tables of events is a function of these and can be made "
        "anew (`sbhooks db rebuild`). Read with `sbhooks db query`, which also sees "
        "archived months. Write only into `skill_invocation` and `skill_user_interactions`: triggers "
        "keep the rest in step.",
        "## Versions",
        prose.table(["Version", "What it brings"], [_version(step) for step in migrations("sqlite")]),
        "## Tables",
        *(_entry(thing) for thing in found if thing.kind == "table"),
        "## Views",
        *(_entry(thing) for thing in found if thing.kind == "view"),
        "## Triggers",
        prose.table(
            ["Trigger", "What it does"],
            [(f"`{t.name}`", t.meaning) for t in found if t.kind == "trigger"],
        ),
        "## What a deployment is checked for",
        f"`sbhooks doctor --deployment` looks for the {len(TABLES)} tables of version 4 "
        f"({_names(TABLES)}) and its {len(VIEWS)} views ({_names(VIEWS)}).",
    ]
    return "\n\n".join(parts)


def things() -> list[Thing]:
    """Everything in the schema, in the order in which the versions bring it."""
    told = tomllib.loads(files("sbhooks_migrations").joinpath("meanings.toml").read_text("utf-8"))
    connection = sqlite3.connect(":memory:")
    since: dict[str, int] = {}
    for step in migrations("sqlite"):
        for statement in statements(step.up):
            connection.execute(statement)
        for match in _CREATED.finditer(step.up):
            since.setdefault(match[2], step.number)
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type <> 'index' "
        "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts_config' "
        "AND name NOT LIKE '%_fts_data' AND name NOT LIKE '%_fts_docsize' "
        "AND name NOT LIKE '%_fts_idx' AND name NOT LIKE '%_fts_content' ORDER BY rowid"
    ).fetchall()
    found = [
        Thing(kind, name, since.get(name, HEAD), _meaning(told, name),
              [] if kind == "trigger" else _columns(connection, name, sql, told))
        for kind, name, sql in rows
    ]  # fmt: skip
    connection.close()
    return sorted(found, key=lambda thing: (thing.kind, thing.since))


def _meaning(told: dict[str, Any], name: str) -> str:
    if name in told["objects"]:
        return str(told["objects"][name])
    if name.endswith("_before_insert"):
        return "Makes the row in `skill_metrics` that the new row refers to."
    return UNKNOWN


def _columns(
    connection: sqlite3.Connection, table: str, sql: str, told: dict[str, Any]
) -> list[Column]:
    comments = {name: text for name, text in _COMMENT.findall(sql) if text}
    own = told.get(f"columns.{table}", {})
    return [
        Column(name, kind, own.get(name) or told["columns"].get(name)
               or _sentence(comments.get(name)) or UNKNOWN)
        for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
    ]  # fmt: skip


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _entry(thing: Thing) -> str:
    rows = [(f"`{c.name}`", c.type.lower() or UNKNOWN, c.meaning) for c in thing.columns]
    return "\n\n".join([
        f"### `{thing.name}`",
        f"{thing.meaning} Since version {thing.since}.",
        prose.table(["Column", "Type", "Meaning"], rows),
    ])  # fmt: skip


def _version(step: Migration) -> tuple[str, str]:
    comment = "".join(
        line.removeprefix("--") for line in _leading_comment(step.up)
    ).strip() or step.name.replace("_", " ").capitalize()
    return f"`{step.version}`", comment.split(". ")[0].rstrip(".") + "."


def _leading_comment(script: str) -> list[str]:
    lines = []
    for line in script.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return lines


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
