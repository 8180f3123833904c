"""The page of events: every kind with its fields, and one line of JSON of each."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sbhooks import events
from sbhooks.events import BUILTIN_KINDS, Codec, Detail, Event, Outcome

from _build import prose, structs

_AT = datetime(2026, 3, 2, 9, 30, 0, 250_000, tzinfo=UTC)
_SESSION = "019cadf4-7a80-7000-8000-000000000001"
_TEST = "tests/test_cart.py::TestTotals::test_rounding"
_LIMITS = ("MAX_ATTRIBUTES", "MAX_ATTRIBUTE_BYTES", "MAX_EVENT_BYTES")


def page() -> str:
    """Every built-in kind of event."""
    notes = prose.comments(events)
    limits = [(f"{getattr(events, name):,}", notes[name]) for name in _LIMITS]
    parts = [
        "# Events",
        prose.docstring(events).text,
        "In JSON an event is one object; its `kind` says which of the following it is. A field "
        "that has its default is left out; the default *none* means that it is not known or does "
        "not apply.",
        prose.table(
            ["Kind", "Python", "Delivered by", "What has happened"],
            [_summary(kind) for kind in BUILTIN_KINDS],
        ),
        "Plugins can declare more kinds: see "
        "[`sbhooks_event_types`](hooks.md#sbhooks_event_types).",
        "## Fields of every event",
        structs.field_table(structs.fields(Event)),
        "Limits, beyond which an event is cut; the attribute `sbhooks.cut` then says how many of "
        "its texts and attributes were shortened or dropped:",
        prose.table(["Limit", "Of what"], limits),
        *(_entry(kind) for kind in BUILTIN_KINDS),
        "## Parts of events",
        *(_part(part) for part in (events.Vcs, events.Ci, events.Failure)),
        *(_values(kind) for kind in (Outcome, Detail)),
    ]
    return "\n\n".join(parts)


def _summary(kind: type[Event]) -> tuple[str, str, str, str]:
    first = re.split(r"(?<=\.)\s|;", prose.docstring(kind).text)[0].rstrip(".")
    hook = f"[`{kind.hook}`](hooks.md#{kind.hook})"
    return f"`{structs.tag(kind)}`", f"[`{kind.__name__}`](#{kind.__name__.lower()})", hook, first


def _entry(kind: type[Event]) -> str:
    line = Codec().encode(_example(kind)).decode()
    return "\n\n".join(
        [
            f"## {kind.__name__}",
            f"Kind `{structs.tag(kind)}`, delivered by [`{kind.hook}`](hooks.md#{kind.hook}). "
            + prose.docstring(kind).text,
            structs.field_table(structs.fields(kind, own=True)),
            f"```json\n{line}\n```",
        ]
    )


def _part(part: type[events.Vcs | events.Ci | events.Failure]) -> str:
    return "\n\n".join(
        [
            f"### {part.__name__}",
            prose.docstring(part).text,
            structs.field_table(structs.fields(part)),
        ]
    )


def _values(kind: type[Outcome | Detail]) -> str:
    return "\n\n".join(
        [f"### {kind.__name__}", prose.docstring(kind).text, structs.enum_table(kind)]
    )


def _example(kind: type[Event]) -> Event:
    """One event of a kind, with the fields that it usually has."""
    number = BUILTIN_KINDS.index(kind) + 2
    own = {
        "session-start": {
            "tool": "pytest",
            "tool_version": "9.0.0",
            "project": "shop",
            "user": "user-3fa1c2-52e5a2f6c1d0b944",
            "vcs": events.Vcs(commit="8d4f0c1e" * 5, branch="main"),
        },
        "session-end": {
            "outcome": Outcome.FAILURE,
            "exit_status": 1,
            "duration_s": 12.5,
            "counts": {"passed": 118, "failed": 2},
            "reason": "finished",
        },
        "invocation": {
            "skill": "pytest-run",
            "outcome": Outcome.FAILURE,
            "duration_s": 12.5,
            "phase": "execution",
            "error_type": "tests-failed",
        },
        "phase-change": {
            "workflow": "pytest-run",
            "phase_from": "setup",
            "phase_to": "execution",
            "step": "tests",
        },
        "pipeline-stage": {
            "pipeline": "release",
            "run": "4711",
            "stage": "test",
            "outcome": Outcome.SUCCESS,
            "duration_s": 95.0,
            "queued_s": 4.0,
        },
        "test-result": {
            "test": _TEST,
            "params": "EUR",
            "outcome": Outcome.FAILURE,
            "detail": Detail.FAILED,
            "call_s": 0.125,
            "failure": events.Failure(
                fingerprint="a1f09c3b5d7e2468",
                type="AssertionError",
                message="assert 9.99 == 10.0",
            ),
        },
    }[structs.tag(kind)]
    identity = f"019cadf4-7a80-7000-8000-00000000000{number}"
    return kind(source="pytest", session=_SESSION, id=identity, at=_AT, **own)  # type: ignore[arg-type]
