"""Finished sessions as CDEvents 0.5.1, in CloudEvents 1.0.

==============================  ==============================================================
sbhooks                         CDEvents
==============================  ==============================================================
stage of a pipeline             ``taskrun.finished``
session of Crackerjack          ``pipelinerun.finished``
session of tests                ``testsuiterun.finished``
attempt at a test               ``testcaserun.finished``, or ``.skipped``
call of a skill                 ``dev.cdeventsx.sbhooks-invocation.finished``, a custom event
==============================  ==============================================================

CDEvents have four outcomes: a timeout is an ``error`` with a reason, and what was skipped, unless
it is a test, has no event.

References:
    CDEvents 0.5.1, https://cdevents.dev; "CloudEvents binding for CDEvents".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from sbhooks.events import Event, Invocation, Outcome, PipelineStage, TestResult
from sbhooks_ci.export_junit import full_name
from sbhooks_ci.finished import Finished

SPEC = "0.5.1"
_OUTCOMES = {
    Outcome.SUCCESS: "success", Outcome.FAILURE: "failure", Outcome.ERROR: "error",
    Outcome.TIMEOUT: "error", Outcome.CANCELLATION: "cancel",
}  # fmt: skip

CloudEvent = dict[str, Any]


def cloud_events(session: Finished) -> Iterator[CloudEvent]:
    """Yield the events of a session, oldest first."""
    for event in session.events:
        made = _made(event, session)
        if made is not None:
            kind, subject = made
            yield _envelope(event, session, kind, subject)
    whole = _whole(session)
    if whole is not None:
        yield _envelope(session.end, session, *whole)


def _made(event: Event, session: Finished) -> tuple[str, dict[str, Any]] | None:
    if isinstance(event, PipelineStage) and event.outcome in _OUTCOMES:
        return "dev.cdevents.taskrun.finished.0.3.0", _task(event, session)
    if isinstance(event, TestResult):
        if event.outcome is Outcome.SKIP:
            return "dev.cdevents.testcaserun.skipped.0.2.0", _case(event, session)
        return "dev.cdevents.testcaserun.finished.0.3.0", _case(event, session)
    if isinstance(event, Invocation):
        known = {
            "skill": event.skill,
            "outcome": str(event.outcome),
            "durationSeconds": event.duration_s,
            "phase": event.phase,
            "errorType": event.error_type,
        }
        content = {name: value for name, value in known.items() if value is not None}
        subject = {"id": event.id, "content": content}
        return "dev.cdeventsx.sbhooks-invocation.finished.0.1.0", subject
    return None


def _task(stage: PipelineStage, session: Finished) -> dict[str, Any]:
    url = _url(session)
    content = {
        "taskName": stage.stage,
        "pipelineRun": {"id": stage.run},
        "outcome": _OUTCOMES[stage.outcome],
        **({"errors": stage.error_type} if stage.error_type else {}),
        **({"uri": url} if url else {}),
    }
    return {"id": stage.id, "content": content}


def _case(result: TestResult, session: Finished) -> dict[str, Any]:
    name = full_name(result)
    content: dict[str, Any] = {
        "environment": {"id": _environment(session)},
        "testSuiteRun": {"id": session.start.session},
        "testCase": {"id": name, "name": name},
    }
    if result.outcome is not Outcome.SKIP:
        content["outcome"] = _OUTCOMES[result.outcome]
    if result.failure is not None:
        told = [part for part in (result.failure.type, result.failure.message) if part]
        content["reason"] = ": ".join(told) or "failed"
    return {"id": result.id, "content": content}


def _whole(session: Finished) -> tuple[str, dict[str, Any]] | None:
    """The event of the session itself."""
    start, end = session.start, session.end
    if end.outcome not in _OUTCOMES:
        return None
    outcome = _OUTCOMES[end.outcome]
    if start.source in {"pytest", "junit"}:
        name = start.project or start.tool
        content: dict[str, Any] = {
            "environment": {"id": _environment(session)},
            "testSuite": {"id": name, "name": name},
            "outcome": outcome,
        }
        if end.reason and outcome != "success":
            content["reason"] = end.reason
        return "dev.cdevents.testsuiterun.finished.0.3.0", {"id": start.session, "content": content}
    if start.source == "crackerjack":
        content = {"pipelineName": start.tool, "outcome": outcome}
        return "dev.cdevents.pipelinerun.finished.0.3.0", {"id": start.session, "content": content}
    return None


def _envelope(event: Event, session: Finished, kind: str, subject: dict[str, Any]) -> CloudEvent:
    source = f"/sbhooks/{quote(session.start.project or session.start.source)}"
    at = event.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    cdevent = {
        "context": {
            "specversion": SPEC,
            "id": event.id,
            "source": source,
            "type": kind,
            "timestamp": at,
        },
        "subject": subject,
    }
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": kind,
        "time": at,
        "subject": subject["id"],
        "datacontenttype": "application/json",
        "data": cdevent,
    }


def _environment(session: Finished) -> str:
    run = session.start.ci
    return (run.environment if run else None) or (run.provider if run else None) or "local"


def _url(session: Finished) -> str | None:
    return session.start.ci.url if session.start.ci else None
