"""Observations of one Crackerjack run as events.

Standard library only: it may run inside of Crackerjack.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from os.path import expanduser
from typing import Any

from sbhooks import context
from sbhooks.emitter import Emitter
from sbhooks.ids import iso
from sbhooks.redact import redact
from sbhooks_crackerjack.phases import PHASES, fate_of_phase, fate_of_tool, is_idle

SOURCE = "crackerjack"
WORKFLOW = "crackerjack"
_LONGEST = 300


class Recorder:
    """Writes the events of one run.

    Args:
        emitter: Takes the events.
        folder: Where Crackerjack works.
        environ: Its environment.
        began_us: When it was started, microseconds since 1970.
    """

    def __init__(
        self, emitter: Emitter, folder: str, environ: Mapping[str, str], *, began_us: int
    ) -> None:
        self._emitter = emitter
        self._places = [(f"{folder}/", ""), (expanduser("~") + "/", "~/")]
        self._began_us = began_us
        self._end_id, self._run_id = emitter.new_id(), emitter.new_id()
        self._fields = context.session_fields(
            emitter.settings, folder, environ, session=emitter.session
        )
        self._phase = ""
        self._tools: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._did = 0

    def begin(self, version: str | None = None) -> None:
        """The run begins: from now on a killed one leaves its end behind."""
        fields = {"tool": "crackerjack", "tool_version": version, **self._fields}
        self._emit("session-start", self._emitter.new_id(), self._began_us, fields)
        at_us = self._emitter.clock.now_us()
        fate = {"outcome": "error"}
        for slot, line in enumerate(
            (
                self._line("session-end", self._end_id, at_us, {**fate, "reason": "killed"}),
                self._line("invocation", self._run_id, at_us,
                           {**fate, "skill": "crackerjack", "error_type": "killed"}),
            )
        ):  # fmt: skip
            self._emitter.will(slot, line)

    def take(self, seen: Mapping[str, Any]) -> None:
        """Record an observation; what is none is passed by."""
        at = seen.get("ts")
        at_us = int(at * 1e6) if isinstance(at, int | float) else self._emitter.clock.now_us()
        if seen.get("kind") == "tool" and seen.get("tool") and seen.get("phase") != "tests":
            self._take_tool(seen, at_us)
        elif seen.get("kind") == "phase" and seen.get("phase"):
            self._take_phase(seen, at_us)

    def end(self, status: int | None, *, stopped: bool = False, at_us: int | None = None) -> None:
        """The run has ended.

        Args:
            status: Its exit status; ``None`` when nobody knows.
            stopped: Whether somebody stopped it.
            at_us: When; now by default.
        """
        now_us = at_us or self._emitter.clock.now_us()
        outcome, error_type, reason = self._ending(status, stopped=stopped)
        if self._phase:
            self._change("", now_us)
        fate = {"outcome": outcome, "duration_s": max(0, now_us - self._began_us) / 1e6}
        work = {"skill": "crackerjack", "workflow": WORKFLOW, "error_type": error_type}
        self._emit("invocation", self._run_id, now_us, {**fate, **work})
        end = {"exit_status": status, "counts": self._counts, "reason": reason}
        self._emit("session-end", self._end_id, now_us, {**fate, **end})

    def _ending(self, status: int | None, *, stopped: bool) -> tuple[str, str | None, str]:
        if stopped or status == 130:
            return "cancellation", "interrupted", "interrupted"
        if status is None:
            return "error", "killed", "killed"
        if status:
            return "failure", f"exit-status-{status}", "finished"
        if not self._did:
            return "skip", None, "nothing ran"
        return "success", None, "finished"

    def _take_tool(self, seen: Mapping[str, Any], at_us: int) -> None:
        phase = str(seen.get("phase"))
        outcome, error_type = fate_of_tool(seen)
        self._tools[phase] = self._tools.get(phase, 0) + 1
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        self._did += outcome != "skip"
        attributes = {
            "crackerjack.phase": phase,
            "attempt": seen.get("attempt"),
            "issues": seen.get("issues"),
            "exit_code": seen.get("exit_code"),
            "reported_s": seen.get("duration"),
            "message": self._message(seen.get("error")),
        }
        self._emit(
            "invocation",
            self._emitter.new_id(),
            at_us,
            {
                "skill": str(seen["tool"])[:_LONGEST],
                "outcome": outcome,
                "duration_s": _seconds(seen.get("tool_seconds"), seen.get("duration")),
                "phase": PHASES.get(phase, phase),
                "step": phase,
                "workflow": WORKFLOW,
                "error_type": error_type,
                "attributes": _plain(attributes),
            },
        )

    def _take_phase(self, seen: Mapping[str, Any], at_us: int) -> None:
        phase = str(seen["phase"])[:_LONGEST]
        if is_idle(seen):
            return
        tools = self._tools.get(phase, 0)
        outcome, error_type = fate_of_phase(seen, tools=tools)
        duration_s = _seconds(seen.get("duration"))
        self._did += phase == "tests" and outcome != "skip"
        self._change(phase, at_us - int((duration_s or 0) * 1e6))
        self._emit(
            "pipeline-stage",
            self._emitter.new_id(),
            at_us,
            {
                "pipeline": WORKFLOW,
                "run": self._emitter.session,
                "stage": phase,
                "outcome": outcome,
                "phase": PHASES.get(phase, phase),
                "duration_s": duration_s,
                "error_type": error_type,
                "attributes": _plain({"tools": tools, "message": self._message(seen.get("error"))}),
            },
        )

    def _change(self, phase: str, at_us: int) -> None:
        before, self._phase = self._phase, phase
        fields = {
            "workflow": WORKFLOW,
            "phase_from": PHASES.get(before, before),
            "phase_to": PHASES.get(phase, phase),
            "step": phase or None,
        }
        self._emit("phase-change", self._emitter.new_id(), at_us, fields)

    def _message(self, text: object) -> str | None:
        settings = self._emitter.settings
        if not text or not settings.failure_messages:
            return None
        line = str(text)[: 10 * _LONGEST].strip().partition("\n")[0]
        for place, short in self._places:
            line = line.replace(place, short)
        return (redact(line) if settings.redact else line)[:_LONGEST]

    def _emit(self, kind: str, identity: str, at_us: int, fields: Mapping[str, Any]) -> None:
        self._emitter.emit_line(self._line(kind, identity, at_us, fields))

    def _line(self, kind: str, identity: str, at_us: int, fields: Mapping[str, Any]) -> bytes:
        emitter = self._emitter
        head = {"kind": kind, "source": SOURCE, "session": emitter.session, "id": identity}
        event = {**head, "at": iso(at_us), **fields}
        kept = {name: value for name, value in event.items() if value is not None and value != {}}
        return dumps(kept, separators=(",", ":")).encode("utf-8", "replace")


def _seconds(*told: object) -> float | None:
    """The first that is a duration."""
    for value in told:
        if isinstance(value, int | float) and 0 <= value < 1e9:
            return float(value)
    return None


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, str | int | float) and value not in {"", None}
    }
