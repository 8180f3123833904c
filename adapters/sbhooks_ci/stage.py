"""One stage of a pipeline as events: its start, its end, and its end if nobody tells it.

Standard library only: jobs wait for it.
"""

from __future__ import annotations

import signal
from json import dumps
from os.path import basename
from typing import TYPE_CHECKING, Any, NamedTuple

from sbhooks import ci, context
from sbhooks.ids import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sbhooks.child import Ended
    from sbhooks.emitter import Emitter

#: Words in the name of a stage → the phase of work it stands for; the first that fits counts.
PHASES = {
    "rollback": ("rollback", "revert"),
    "cleanup": ("cleanup", "clean", "teardown"),
    "deployment": ("deploy", "deployment", "release", "publish", "ship", "promote"),
    "verification": (
        "test", "tests", "testing", "pytest", "tox", "nox", "unit", "integration", "e2e", "lint",
        "check", "checks", "verify", "quality", "typecheck", "mypy", "ruff", "security", "scan",
        "audit", "coverage",
    ),
    "setup": ("setup", "prepare", "install", "init", "bootstrap", "restore", "checkout"),
    "execution": ("build", "compile", "package", "docs", "run", "make"),
}  # fmt: skip

#: Programs that only run the one that is named behind them.
_RUNNERS = {
    "python": ("-m",), "uv": ("run",), "poetry": ("run",), "pdm": ("run",),
    "hatch": ("run",), "pipenv": ("run",), "npx": (), "bundle": ("exec",), "env": (), "nice": (),
    "time": (), "sudo": (), "coverage": ("run", "-m"),
}  # fmt: skip
_STOPPED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_LONGEST = 200


class Labels(NamedTuple):
    """What the user calls it; empty for what is to be found out.

    Attributes:
        stage: Name of the stage.
        skill: Name of what is invoked.
        environment: What is deployed to or tested.
        triggered_by: What started the run.
    """

    stage: str = ""
    skill: str = ""
    environment: str = ""
    triggered_by: str = ""


class Stage:
    """Records one stage.

    Args:
        emitter: Takes the events.
        folder: Where the command runs.
        environ: The environment of the job.
        command: What runs; of it only the program's name is recorded.
        labels: What the user calls it.
        began_us: When it was started.
        span: Identity of the span that the command continues; "" without a trace.
    """

    def __init__(
        self,
        emitter: Emitter,
        folder: str,
        environ: Mapping[str, str],
        command: Sequence[str],
        labels: Labels,
        *,
        began_us: int,
        span: str = "",
    ) -> None:
        self._emitter = emitter
        self._began_us = began_us
        self._ids = {kind: emitter.new_id() for kind in ("session-end", "invocation", "stage")}
        found = ci.detect(environ)
        labels = Labels(*map(_tidy, labels))
        self._skill = labels.skill or skill_of(command)
        self._tool = basename(command[0])[:_LONGEST]
        facts = found.facts if found else {}
        self._stage = labels.stage or str(facts.get("stage") or facts.get("job") or self._skill)
        self._phase = phase_of(self._stage)
        if found is not None:
            told = {"environment": labels.environment, "triggered_by": labels.triggered_by}
            found.facts.update({name: value for name, value in told.items() if value})
        self._start = context.session_fields(
            emitter.settings, folder, environ, context=found, session=emitter.session
        )
        self._pipeline = str(facts.get("pipeline") or self._start.get("project") or "local")
        self._run = str(facts.get("run_id") or emitter.session)
        self._queued_s = ci.queued_s(found.provider, environ) if found else None
        self._attributes = {
            "provider": found.provider if found else "",
            "attempt": facts.get("attempt", 0),
            "environment": labels.environment or str(facts.get("environment", "")),
            "triggered_by": labels.triggered_by or str(facts.get("triggered_by", "")),
            "trace.span": span,
        }

    def begin(self) -> None:
        """The command runs: from now on a killed job leaves its end behind."""
        self._emit("session-start", {"tool": self._tool, **self._start})
        at = iso(self._emitter.clock.now_us())
        for slot, event in enumerate(self._endings("error", "killed", None, at, None)):
            self._emitter.will(slot, _encoded(event))

    def end(self, ended: Ended) -> None:
        """The command has ended."""
        outcome, error_type = outcome_of(ended, self._tool)
        now_us = self._emitter.clock.now_us()
        duration_s = (now_us - self._began_us) / 1e6
        events = self._endings(outcome, error_type, duration_s, iso(now_us), ended.status)
        for event in events[::-1]:  # the session's end comes last
            self._emitter.emit_line(_encoded(event))

    def _endings(
        self,
        outcome: str,
        error_type: str | None,
        duration_s: float | None,
        at: str,
        status: int | None,
    ) -> list[dict[str, Any]]:
        """The session's end, the invocation and the stage: the order of their slots."""
        fate = {"outcome": outcome, "duration_s": duration_s, "at": at}
        work = {**fate, "phase": self._phase, "error_type": error_type}
        attributes = {name: value for name, value in self._attributes.items() if value}
        if status is not None:
            attributes["exit_status"] = status
        reason = "killed" if error_type == "killed" else "finished"
        return [
            self._event("session-end", self._ids["session-end"])
            | fate | {"exit_status": status, "reason": reason},
            self._event("invocation", self._ids["invocation"])
            | work | {"skill": self._skill, "workflow": self._pipeline},
            self._event("pipeline-stage", self._ids["stage"])
            | work
            | {
                "pipeline": self._pipeline, "run": self._run, "stage": self._stage,
                "queued_s": self._queued_s, "attributes": attributes,
            },
        ]  # fmt: skip

    def _emit(self, kind: str, fields: dict[str, Any]) -> None:
        event = self._event(kind, self._emitter.new_id()) | {"at": iso(self._began_us)} | fields
        self._emitter.emit_line(_encoded(event))

    def _event(self, kind: str, identity: str) -> dict[str, Any]:
        emitter = self._emitter
        return {"kind": kind, "source": emitter.source, "session": emitter.session, "id": identity}


def skill_of(command: Sequence[str]) -> str:
    """What a command line calls, without those programs that only run another.

    ``uv run python -m pytest -q`` is ``pytest``; ``make test`` is ``make``.
    """
    rest = list(command)
    while len(rest) > 1:
        name = basename(rest[0])
        words = _RUNNERS.get("python" if name.startswith("python") else name)
        if name.startswith("python") and rest[1].endswith(".py"):
            words = ()
        if words is None or [*rest[1 : 1 + len(words)]] != [*words]:
            break
        following = rest[1 + len(words) :]
        if not following or following[0].startswith("-") or "=" in following[0]:
            break
        rest = following
    name = basename(rest[0])
    return (name.removesuffix(".exe").removesuffix(".py") or name)[:_LONGEST] or "command"


def phase_of(stage: str) -> str | None:
    """The phase of work that a stage stands for, by the words in its name."""
    words = "".join(c if c.isalnum() else " " for c in stage.lower()).split()
    for phase, names in PHASES.items():
        if not set(names).isdisjoint(words):
            return phase
    return None


def outcome_of(ended: Ended, tool: str) -> tuple[str, str | None]:
    """Outcome and kind of error of a command."""
    if ended.error:
        return "error", "tool-missing" if ended.status == 127 else "tool-not-executable"
    if ended.signal is not None:
        if ended.signal in _STOPPED and ended.signal == ended.passed_on:
            return "cancellation", _name(ended.signal)
        return "error", _name(ended.signal)
    if ended.status == 0:
        return "success", None
    if ended.passed_on in _STOPPED:
        return "cancellation", _name(ended.passed_on or 0)
    if tool == "timeout" and ended.status == 124:
        return "timeout", "timeout"
    return "failure", f"exit-status-{ended.status}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal-{number}"


def _tidy(label: str) -> str:
    """A label on one line, without characters that nobody sees."""
    return " ".join("".join(c if c.isprintable() else " " for c in label).split())[:_LONGEST]


def _encoded(event: dict[str, Any]) -> bytes:
    kept = {name: value for name, value in event.items() if value is not None and value != {}}
    return dumps(kept, separators=(",", ":")).encode()
