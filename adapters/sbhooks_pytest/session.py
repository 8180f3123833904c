"""The run as a whole: its start, phases, end, and what is stored if it is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sbhooks.identity import load_key
from sbhooks.ids import iso
from sbhooks_pytest import facts
from sbhooks_pytest.results import as_json, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from sbhooks.emitter import Emitter
    from sbhooks_pytest.codestate import CodeState
    from sbhooks_pytest.ending import Ending
    from sbhooks_pytest.privacy import Privacy
    from sbhooks_pytest.results import Results

SKILL = "pytest-run"

#: Phase of ours → what pytest does in it.
STEPS = {"setup": "collection", "execution": "tests", "verification": "report"}


class Session:
    """Writes the events of the session.

    Args:
        config: Of the run.
        emitter: Takes the events.
        privacy: What of texts is recorded.
        environ: A copy of the environment, made before any test could change it.
        distributed: Whether workers of xdist run the tests.

    Attributes:
        invocation: Id of the invocation that the run is.
        collected: Number of tests that are to run.
        deselected: Number of tests left out on purpose.
        warnings: Number of warnings.
        collection_errors: Number of files that could not be collected.
        stopped: Why pytest stopped before all tests had run.
        interrupted: What interrupted it.
        internal: What was wrong inside pytest.
    """

    def __init__(
        self,
        config: pytest.Config,
        emitter: Emitter,
        privacy: Privacy,
        environ: Mapping[str, str],
        *,
        distributed: bool,
    ) -> None:
        self._emitter = emitter
        self._privacy = privacy
        self._distributed = distributed
        self.invocation = emitter.new_id()
        self._end_id = emitter.new_id()
        self._began_us = emitter.clock.now_us()
        self._phase = ""
        self._state: CodeState | None = None
        self.started = self.ended = False
        self.collected = self.deselected = self.warnings = self.collection_errors = 0
        self.stopped = self.interrupted = self.internal = ""
        self._start = facts.start_fields(emitter.settings, privacy, environ)
        self._config = config

    @property
    def project(self) -> str | None:
        """Name of the project, as it is recorded."""
        return self._start.get("project")

    def secret(self) -> bytes:
        """The key under which redacted texts stay distinguishable."""
        try:
            return load_key(self._emitter.settings.home).secret
        except (OSError, ValueError):
            return self._emitter.session.encode()

    def start(self, results: Results) -> None:
        """The run begins: from now on, a killed process leaves its end behind."""
        self._results = results
        self.started = True
        # Not before: plugins draw their seeds when pytest is configured.
        attributes = facts.attributes(self._config, self._privacy)
        self.foresee()
        self._emit("session-start", {"attributes": attributes, **self._start})
        self.enter("setup")

    def enter(self, phase: str) -> None:
        """Move on to a phase, or to "" at the end of the run."""
        if not self.started or phase == self._phase:
            return
        before, self._phase = self._phase, phase
        fields = {"phase_from": before, "phase_to": phase, "step": STEPS.get(phase)}
        fields = {name: value for name, value in fields.items() if value}
        self._emit("phase-change", {"workflow": SKILL, **fields})
        if phase == "execution":
            self.foresee()  # what is to run is known now
            self._state = self._code_state()

    def foresee(self) -> None:
        """Renew what is stored if the process dies now."""
        now_us = self._emitter.clock.now_us()
        at, duration_s = iso(now_us), (now_us - self._began_us) / 1e6
        end = f'{self._head("session-end", self._end_id)},"at":"{at}","outcome":"error"'
        invocation = f'{self._head("invocation", self.invocation)},"at":"{at}","skill":"{SKILL}"'
        counts = ",".join([f'"{name}":{count}' for name, count in self.counts().items()])
        lines = (
            f'{end},"duration_s":{duration_s},"counts":{{{counts}}},"reason":"killed"}}',
            # Without a duration: nobody knows how long it would have taken.
            f'{invocation},"outcome":"error","phase":"execution","error_type":"killed"}}',
        )
        for slot, line in enumerate(lines):
            self._emitter.will(slot, line.encode())

    def finish(self, status: int) -> Ending:
        """The run ended with this exit status."""
        end = self._ending(status)
        self.enter("")
        session_end, invocation = self._endings(end, status)
        state = self._tested_state()
        if state is not None:
            session_end["attributes"] = {"code.state": state}
        self._emitter.emit_last([encode(as_json(invocation)), encode(as_json(session_end))])
        self.ended = True
        return end

    def give_up(self) -> None:
        """The recorder failed: say that, in place of an end that it will not see."""
        if self.started and not self.ended:
            self.ended = True
            end = ("error", "recorder-failed", "the recorder failed")
            session_end, invocation = self._endings(end, None)
            self._emitter.emit_last([encode(as_json(invocation)), encode(as_json(session_end))])

    def _ending(self, status: int) -> Ending:
        if status == 0 and not self.interrupted:
            return "success", None, "finished"  # most runs; nothing to look up
        from sbhooks_pytest.ending import ending

        return ending(
            status,
            stopped=self.stopped,
            interrupted=self.interrupted,
            internal=self.internal,
            done=self._results.tally.done,
            collected=self.collected,
            collection_errors=self.collection_errors,
        )

    def _endings(self, end: Ending, status: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The session's end and the invocation, in the order of their slots."""
        outcome, error_type, reason = end
        duration_s = (self._emitter.clock.now_us() - self._began_us) / 1e6
        invocation = self._event("invocation", self.invocation) | {
            "skill": SKILL,
            "outcome": outcome,
            "duration_s": duration_s,
            "phase": "execution",
            "error_type": error_type,
        }
        session_end = self._event("session-end", self._end_id) | {
            "outcome": outcome,
            "exit_status": status,
            "duration_s": duration_s,
            "counts": self.counts(),
            "reason": reason,
        }
        return session_end, invocation

    def counts(self) -> dict[str, int]:
        """What happened how often; without what did not happen."""
        tally = self._results.tally
        counts = {
            **tally.counts,
            "reruns": tally.reruns,
            "flaky": len(set(tally.flaky)),
            "subtests_failed": tally.failed_subtests,
            "collected": self.collected,
            "deselected": self.deselected,
            "collection_errors": self.collection_errors,
            "warnings": self.warnings,
        }
        return {name: count for name, count in counts.items() if count}

    def _code_state(self) -> CodeState | None:
        from sbhooks_pytest.codestate import code_state

        try:
            return code_state(self._privacy.root, imported=not self._distributed)
        except OSError:
            return None  # files come and go

    def _tested_state(self) -> str | None:
        """What stands for the code that was tested, if nobody edited it meanwhile."""
        before, after = self._state, self._code_state()
        if before is None or after is None or not before.holds(after):
            return None
        return after.digest(self._start.get("vcs", {}).get("commit"))

    def _head(self, kind: str, identity: str) -> str:
        """The beginning of an event, as JSON."""
        emitter = self._emitter
        source, session = emitter.source, emitter.session
        return f'{{"kind":"{kind}","source":"{source}","session":"{session}","id":"{identity}"'

    def _event(self, kind: str, identity: str) -> dict[str, Any]:
        emitter = self._emitter
        return {
            "kind": kind,
            "source": emitter.source,
            "session": emitter.session,
            "id": identity,
            "at": iso(emitter.clock.now_us()),
        }

    def _emit(self, kind: str, fields: dict[str, Any]) -> None:
        event = self._event(kind, self._emitter.new_id()) | fields
        self._emitter.emit_line(encode(as_json(event)))
