"""Hypothesis strategies: any event that may legally reach a store, odd ones included.

Few sessions, tests and ids, so that events meet; any Unicode text, NUL and very long names
included; durations in whole microseconds from 0 to the longest allowed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import strategies as st

from sbhooks.events import (
    Ci,
    Detail,
    Event,
    Failure,
    Invocation,
    Outcome,
    PhaseChange,
    PipelineStage,
    SessionEnd,
    SessionStart,
    TestResult,
    Vcs,
)
from sbhooks.store import Dimension, EventQuery
from sbhooks.testing.factories import NoteEvent

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

DIMENSIONS: tuple[Dimension, ...] = (
    "kind", "source", "session", "project", "user", "branch", "commit",
    "skill", "phase", "workflow", "error_type",
    "test", "params", "subtest", "detail", "worker",
    "outcome", "hour", "day",
)  # fmt: skip

_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_US = timedelta(microseconds=1)

texts = st.one_of(st.sampled_from(["", "a", "b", "a\0b", "é", "🙂", "'; --", "%"]), st.text())
names = st.one_of(st.sampled_from(["a", "b", "a\0b", "A", " "]), st.text(min_size=1))
people = st.sampled_from(["ann", "bob", "ann\0", ""])
sessions = st.sampled_from(["s1", "s2", "S1", "s1\0"])
counts = st.integers(1, 2**31 - 1)
durations = st.one_of(
    st.integers(0, 10**15), st.integers(0, 10**7), st.sampled_from([0, 1, 10**15])
).map(lambda us: us / 1e6)
scalars = st.one_of(
    texts,
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
attributes: SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.dictionaries(texts, scalars, max_size=4)
)
moments = st.one_of(
    st.integers(0, 20).map(lambda s: datetime(2026, 11, 20, 23, 59, 50, tzinfo=UTC) + s * _US),
    st.integers(0, 10**11).map(lambda us: datetime(2026, 11, 20, tzinfo=UTC) + us * _US),
    st.integers(0, (9998 * 365) * 86_400 * 10**6).map(lambda us: _FIRST + us * _US),
)
ids = st.one_of(
    st.integers(0, 9).map(lambda n: str(UUID(int=n))),
    st.sampled_from(["", "x", "0", "\0", str(UUID(int=10)).upper().replace("0", "A", 1)]),
    st.uuids().map(str),
)


def _optional(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def _events(kind: type[Event], **fields: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.builds(
        kind,
        source=st.sampled_from(["pytest", "ci"]),
        session=sessions,
        id=ids,
        at=moments,
        attributes=attributes,
        **fields,
    )


vcs = st.builds(
    Vcs,
    commit=_optional(texts), branch=_optional(texts),
    dirty=_optional(st.booleans()), base=_optional(texts),
)  # fmt: skip
ci = st.builds(
    Ci, provider=texts, run_id=_optional(texts), attempt=_optional(st.integers(0, 2**62))
)
failures = st.builds(Failure, fingerprint=texts, type=_optional(texts), message=_optional(texts))
outcomes = st.sampled_from(Outcome)

session_starts = _events(
    SessionStart,
    tool=texts, tool_version=_optional(texts), project=_optional(names),
    user=_optional(people), host=_optional(people), python=_optional(texts),
    platform=_optional(texts), vcs=_optional(vcs), ci=_optional(ci),
    traceparent=_optional(texts), parent=_optional(sessions),
)  # fmt: skip
session_ends = _events(
    SessionEnd,
    outcome=outcomes, exit_status=_optional(st.integers(-(2**63), 2**63 - 1)),
    duration_s=_optional(durations), reason=_optional(texts),
    counts=st.dictionaries(texts, st.integers(-(2**70), 2**70), max_size=3),
)  # fmt: skip
invocations = _events(
    Invocation,
    skill=names, outcome=outcomes, duration_s=_optional(durations), phase=_optional(texts),
    step=_optional(texts), workflow=_optional(texts), error_type=_optional(texts),
    query=_optional(texts), alternatives=st.lists(texts, max_size=3),
    selection_rank=_optional(counts), follow_up_actions=st.lists(texts, max_size=3),
    rating=_optional(st.integers(1, 5)),
)  # fmt: skip
phase_changes = _events(
    PhaseChange, workflow=texts, phase_from=texts, phase_to=texts, step=_optional(texts)
)
pipeline_stages = _events(
    PipelineStage,
    pipeline=texts, run=texts, stage=texts, outcome=outcomes, phase=_optional(texts),
    duration_s=_optional(durations), queued_s=_optional(durations),
    artifacts=st.lists(texts, max_size=3), error_type=_optional(texts),
)  # fmt: skip
test_results = _events(
    TestResult,
    test=names, params=_optional(texts), outcome=outcomes, detail=st.sampled_from(Detail),
    attempt=counts, setup_s=_optional(durations), call_s=_optional(durations),
    teardown_s=_optional(durations), failure=_optional(failures), subtest=_optional(texts),
    worker=_optional(texts), invocation=_optional(ids),
)  # fmt: skip
notes = _events(
    NoteEvent,
    text=texts, subtest=_optional(texts), skill=_optional(names), outcome=_optional(outcomes),
    duration_s=_optional(durations), author=_optional(people),
)  # fmt: skip

#: An event of any kind; ``NoteEvent`` must be declared to whoever reads it.
events = st.one_of(
    session_starts, session_ends, invocations, phase_changes, pipeline_stages, test_results, notes
)
batches = st.lists(events, max_size=12)

#: A query that is likely to match some of such events.
queries = st.builds(
    EventQuery,
    kinds=st.lists(
        st.sampled_from(["test-result", "invocation", "session-start", "testing-note", "?"]),
        max_size=2,
    ).map(tuple),
    sources=st.lists(st.sampled_from(["pytest", "ci"]), max_size=1).map(tuple),
    sessions=st.lists(sessions, max_size=2).map(tuple),
    projects=st.lists(names, max_size=1).map(tuple),
    users=st.lists(people, max_size=2).map(tuple),
    skills=st.lists(names, max_size=2).map(tuple),
    tests=st.lists(names, max_size=2).map(tuple),
    since=_optional(moments),
    until=_optional(moments),
    newest_first=st.booleans(),
    limit=_optional(st.integers(0, 5)),
)
groupings = st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True)
