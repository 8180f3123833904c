"""The rows behind a figure, and tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from sbhooks.cutoff import INTERRUPTED, is_cut_off
from sbhooks.events import Event, SessionEnd, TestResult
from sbhooks.insights import Insight
from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers

MOST_SHOWN = 200  #: Rows of a page.
MOST_EXPORTED = 10_000  #: Rows of a CSV file.
_SUBJECTS = ("test", "skill", "stage", "phase_to", "tool", "reason")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as tables show it."""

    at: datetime
    kind: str
    source: str
    subject: str
    outcome: str
    duration_s: float | None
    session: str


def row(event: Event) -> Row:
    """What tables show of an event of any kind."""
    subject = next((str(v) for n in _SUBJECTS if (v := getattr(event, n, None))), "")
    params = getattr(event, "params", None)
    return Row(
        at=event.at,
        kind=str(event.__struct_config__.tag),
        source=event.source,
        subject=f"{subject}[{params}]" if params else subject,
        outcome=_outcome(event),
        duration_s=getattr(event, "duration_s", None),
        session=event.session,
    )


def _outcome(event: Event) -> str:
    """How it ended; nothing that was cut off failed."""
    if isinstance(event, TestResult) and is_cut_off(event):
        return INTERRUPTED
    if isinstance(event, SessionEnd) and event.reason == "killed":
        return "killed"
    return str(getattr(event, "outcome", "") or "")


def rows(store: EventReader, query: EventQuery, *, limit: int, params: str = "") -> list[Row]:
    """The newest events, newest first; with ``params`` only those of tests that have these."""
    most = None if params else limit
    wanted = msgspec.structs.replace(query, newest_first=True, limit=most)
    found = (e for e in store.events(wanted) if not params or getattr(e, "params", None) == params)
    return [row(event) for event in islice(found, limit)]


def table(
    name: str, store: EventReader, query: EventQuery, *, params: str = ""
) -> Sequence[msgspec.Struct] | None:
    """The rows of a table that can be had as CSV; ``None`` when there is no such table."""
    if name == "events":
        return rows(store, query, limit=MOST_EXPORTED, params=params)
    if name == "skills":
        return answers.skills(store, query, limit=MOST_EXPORTED).skills
    if name == "tests":
        return answers.tests(store, query, limit=MOST_EXPORTED).tests
    if name == "runs":
        return answers.runs(store, query, limit=1_000).runs
    return None


def findings(found: Iterable[Insight]) -> list[dict[str, Any]]:
    """Findings as rows: what all kinds of them have in common."""
    names = ("kind", "subject", "project", "summary", "score", "n", "method")
    known = [msgspec.to_builtins(one) for one in found]
    return [{name: one.get(name) for name in names} for one in known]


def as_csv(records: Sequence[Any]) -> str:
    """Write records as CSV (RFC 4180).

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    plain = [msgspec.to_builtins(record) for record in records]
    file = io.StringIO()
    writer = csv.writer(file)
    if plain:
        writer.writerow(plain[0])
        writer.writerows([_cell(value) for value in one.values()] for one in plain)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = " ".join(f"{key}={part}" for key, part in value.items())
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
