"""Short ways to make events for tests: everything has a default, and times are fixed.

Each event of one :class:`Timeline` is a second later than the one before, from
2026-11-20T12:00:00Z on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from sbhooks.events import (
    Detail,
    Event,
    Invocation,
    Outcome,
    PhaseChange,
    PipelineStage,
    SessionEnd,
    SessionStart,
    TestResult,
)

E = TypeVar("E", bound=Event)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  #: When timelines begin.


class NoteEvent(Event, frozen=True, kw_only=True, tag="testing-note"):
    """A kind as a plugin might declare it, with fields that can be grouped by."""

    text: str = ""
    skill: str | None = None
    subtest: str | None = None
    outcome: Outcome | None = None
    duration_s: float | None = None
    author: str | None = None

    people: ClassVar[tuple[str, ...]] = ("author",)


class Timeline:
    """Makes events one after the other.

    Args:
        session: Of all its events, unless said otherwise.
        source: Likewise.
        start: The time of the first.
        step: From one to the next.
    """

    def __init__(
        self,
        session: str = "session-1",
        source: str = "pytest",
        *,
        start: datetime = NOON,
        step: timedelta = timedelta(seconds=1),
    ) -> None:
        self._common = {"session": session, "source": source}
        self._next = start
        self._step = step

    def start(self, **fields: Any) -> SessionStart:
        """The session begins."""
        return self._event(SessionStart, tool="pytest", **fields)

    def end(self, outcome: Outcome = Outcome.SUCCESS, **fields: Any) -> SessionEnd:
        """The session ends."""
        return self._event(SessionEnd, outcome=outcome, **fields)

    def invocation(
        self, skill: str = "pytest-run", outcome: Outcome = Outcome.SUCCESS, **fields: Any
    ) -> Invocation:
        """A skill was called."""
        return self._event(Invocation, skill=skill, outcome=outcome, **fields)

    def phase(self, phase_to: str, phase_from: str = "", **fields: Any) -> PhaseChange:
        """A workflow moves on."""
        return self._event(
            PhaseChange, **{"workflow": "pytest"} | fields, phase_to=phase_to, phase_from=phase_from
        )

    def stage(
        self, stage: str = "build", outcome: Outcome = Outcome.SUCCESS, **fields: Any
    ) -> PipelineStage:
        """A stage of a pipeline ended."""
        defaults = {"pipeline": "ci", "run": "1"}
        return self._event(PipelineStage, **defaults | fields, stage=stage, outcome=outcome)

    def passed(self, test: str = "tests/test_a.py::test_one", **fields: Any) -> TestResult:
        """A test passed in 10 ms."""
        defaults = {"setup_s": 0.001, "call_s": 0.008, "teardown_s": 0.001}
        return self._event(
            TestResult, **defaults | fields, test=test,
            outcome=Outcome.SUCCESS, detail=Detail.PASSED,
        )  # fmt: skip

    def failed(self, test: str = "tests/test_a.py::test_one", **fields: Any) -> TestResult:
        """A test failed in 10 ms."""
        defaults = {"setup_s": 0.001, "call_s": 0.008, "teardown_s": 0.001}
        return self._event(
            TestResult, **defaults | fields, test=test,
            outcome=Outcome.FAILURE, detail=Detail.FAILED,
        )  # fmt: skip

    def note(self, text: str = "", **fields: Any) -> NoteEvent:
        """A kind that a plugin declares."""
        return self._event(NoteEvent, text=text, **fields)

    def one_of_each(self) -> list[Event]:
        """One event of every built-in kind, in a likely order."""
        return [
            self.start(project="acme", user="user-1", host="host-1"),
            self.phase("execution"),
            self.passed(),
            self.invocation(duration_s=1.5),
            self.stage(duration_s=2.0),
            self.end(duration_s=2.5),
        ]

    def _event(self, kind: type[E], **fields: Any) -> E:
        at, self._next = self._next, self._next + self._step
        return kind(**{"at": at} | self._common | fields)
