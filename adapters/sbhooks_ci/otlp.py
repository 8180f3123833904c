"""Finished sessions as OpenTelemetry traces: OTLP in its JSON form, without an SDK.

A CI run is one trace: the one that was continued (``TRACEPARENT``), else one whose id follows from
provider, run and attempt, so that the jobs of a run meet in it. Ids of spans follow from ids of
events: exporting again gives the same spans. The names are those of the semantic conventions for
CI/CD and tests, which are in development; what they have no name for begins with ``sbhooks.``.

References:
    OpenTelemetry, "OTLP/HTTP, JSON Protobuf encoding"; semantic conventions 1.44, ``cicd.*``,
    ``vcs.*`` and ``test.*``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sbhooks import __version__, context
from sbhooks.events import (
    Event,
    Invocation,
    Outcome,
    PhaseChange,
    PipelineStage,
    TestResult,
    to_us,
)
from sbhooks_ci.export_junit import full_name
from sbhooks_ci.finished import Finished

_INTERNAL, _SERVER = 1, 2
_OK, _ERROR = 1, 2
_BAD = {Outcome.FAILURE, Outcome.ERROR, Outcome.TIMEOUT}
_CASE = {"passed": "pass", "xfailed": "pass", "xpassed": "pass", "failed": "fail", "error": "fail"}
_SUITE = {
    Outcome.SUCCESS: "success", Outcome.FAILURE: "failure", Outcome.ERROR: "failure",
    Outcome.TIMEOUT: "timed_out", Outcome.CANCELLATION: "aborted", Outcome.SKIP: "skipped",
}  # fmt: skip

Span = dict[str, Any]


def request(sessions: Iterable[Finished]) -> dict[str, Any]:
    """An ``ExportTraceServiceRequest`` with the spans of sessions."""
    scope = {"name": "sbhooks", "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(_resource(session))},
                "scopeSpans": [{"scope": scope, "spans": spans(session)}],
            }
            for session in sessions
        ]
    }


def spans(session: Finished) -> list[Span]:
    """The spans of one session; the first is that of the session itself."""
    trace = _trace(session)
    own = _own_span(session)
    whole = _session_span(session, trace, own)
    inner = [
        span for event in session.events if (span := _inner(event, session, trace, own)) is not None
    ]
    return [whole, *inner]


def _session_span(session: Finished, trace: str, own: str) -> Span:
    start, end = session.start, session.end
    stages = [e for e in session.of(PipelineStage) if isinstance(e, PipelineStage)]
    facts: dict[str, Any] = {
        "sbhooks.session": start.session,
        "sbhooks.outcome": str(end.outcome),
    }
    name, kind = start.tool, _INTERNAL
    if start.source == "ci" and stages:  # the session is the stage
        stage = stages[0]
        name, facts = stage.stage, {**facts, **_task(stage, session)}
    elif start.source in {"pytest", "junit"}:
        facts |= {"test.suite.name": start.project, "test.suite.run.status": _SUITE[end.outcome]}
    else:
        name, kind = f"RUN {start.tool}", _SERVER
        facts |= {
            "cicd.pipeline.name": start.tool,
            "cicd.pipeline.action.name": "RUN",
            "cicd.pipeline.result": str(end.outcome),
        }
    span = _span((trace, own), name, (start.at, end.at), end.outcome, facts)
    span["kind"] = kind
    parent = _parent(session)
    if parent:
        span["parentSpanId"] = parent
    changes = [event for event in session.of(PhaseChange) if isinstance(event, PhaseChange)]
    if changes:
        span["events"] = [
            {
                "timeUnixNano": _nanos(change.at),
                "name": "sbhooks.phase.changed",
                "attributes": _attributes(
                    {"from": change.phase_from, "to": change.phase_to, "step": change.step}
                ),
            }
            for change in changes
        ]
    return span


def _inner(event: Event, session: Finished, trace: str, own: str) -> Span | None:
    """The span of an event inside a session; ``None`` when it is the session's own."""
    if isinstance(event, TestResult):
        name = full_name(event)
        facts: dict[str, Any] = {
            "test.case.name": name,
            "test.case.result.status": _CASE.get(str(event.detail)),
            "test.suite.name": session.start.project,
            "sbhooks.test.attempt": event.attempt,
            "sbhooks.outcome": str(event.outcome),
            "error.type": event.failure.type if event.failure else None,
        }
    elif isinstance(event, PipelineStage) and session.start.source != "ci":
        name, facts = event.stage, _task(event, session)
    elif isinstance(event, Invocation) and session.start.source not in {"ci", "pytest"}:
        name = event.skill
        facts = {
            "sbhooks.skill": event.skill,
            "sbhooks.phase": event.phase,
            "sbhooks.outcome": str(event.outcome),
            "error.type": event.error_type,
        }
    else:
        return None
    length = getattr(event, "duration_s", None) or 0.0
    began = event.at - timedelta(seconds=length)
    span = _span((trace, _span_id(event.id)), name, (began, event.at), event.outcome, facts)
    span["parentSpanId"] = own
    return span


def _task(stage: PipelineStage, session: Finished) -> dict[str, Any]:
    run = session.start.ci
    return {
        "cicd.pipeline.name": stage.pipeline,
        "cicd.pipeline.run.id": stage.run,
        "cicd.pipeline.task.name": stage.stage,
        "cicd.pipeline.task.run.id": stage.id,
        "cicd.pipeline.task.run.result": str(stage.outcome),
        "cicd.pipeline.task.run.url.full": run.url if run else None,
        "error.type": stage.error_type,
    }


def _resource(session: Finished) -> dict[str, Any]:
    start = session.start
    vcs, run = start.vcs, start.ci
    return {
        "service.name": start.project or "sbhooks",
        "cicd.pipeline.name": run.pipeline if run else None,
        "cicd.pipeline.run.id": run.run_id if run else None,
        "cicd.pipeline.run.url.full": run.url if run else None,
        "cicd.worker.name": run.worker if run else None,
        "vcs.ref.head.name": (vcs.tag or vcs.branch) if vcs else None,
        "vcs.ref.head.type": "tag" if vcs and vcs.tag else "branch" if vcs and vcs.branch else None,
        "vcs.ref.head.revision": vcs.commit if vcs else None,
        "vcs.change.id": run.pr if run else None,
    }


def _span(
    ids: tuple[str, str],
    name: str,
    between: tuple[datetime, datetime],
    outcome: Outcome,
    facts: dict[str, Any],
) -> Span:
    return {
        "traceId": ids[0],
        "spanId": ids[1],
        "name": name[:500],
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanos(min(between)),
        "endTimeUnixNano": _nanos(between[1]),
        "attributes": _attributes(facts),
        "status": {"code": _ERROR if outcome in _BAD else _OK},
    }


def _trace(session: Finished) -> str:
    for start in (session.start, session.root):
        given = context.traceparent(start.traceparent or "")
        if given:
            return given.split("-")[1]
    run = session.root.ci
    if run is not None and run.run_id:
        return _digest("trace", run.provider, run.run_id, str(run.attempt or ""))[:32]
    return _digest("trace", session.root.session)[:32]


def _own_span(session: Finished) -> str:
    """The span that the session's command was told to be in, where it was told one."""
    for event in session.events:
        told = event.attributes.get("trace.span")
        if isinstance(told, str) and len(told) == 16:
            return told
    return _session_span_id(session.start.session)


def _parent(session: Finished) -> str | None:
    given = context.traceparent(session.start.traceparent or "")
    if given:
        return given.split("-")[2]
    return _session_span_id(session.start.parent) if session.start.parent else None


def _session_span_id(session: str) -> str:
    return _digest("session", session)[:16]


def _span_id(event: str) -> str:
    return _digest("event", event)[:16]


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _nanos(at: datetime) -> str:
    return str(max(0, to_us(at)) * 1000)


def _attributes(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that are known, as OTLP writes them."""
    return [
        {"key": key, "value": _value(value)}
        for key, value in facts.items()
        if value is not None and value != ""
    ]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": str(value)}
