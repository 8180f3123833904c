"""What a CI run comes to: its tests, its stages, and what is new about them.

One reading of the store, from which the summary of the pull request and the gate are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from sbhooks.events import PipelineStage, SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_ci.export_junit import full_name, results_of

_BAD = {"failed", "error"}
_GOOD = {"passed", "xfailed", "xpassed"}
_CHUNK = 500
_LOOKED_BACK = timedelta(days=90)  #: What is older says little about how things are.
FEWEST = 5  #: Earlier durations of a test below which nobody says what is usual.
_LEAST_S = 0.1  #: A test is not slower for less.


class JudgedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test of the run that people should look at.

    Attributes:
        test: With its parameters.
        file: Of the test; ``None`` where its name does not begin with one.
        attempts: How many were made.
        message: Of its first failure: type and first line.
        is_new: Whether it never failed so before: of a flaky test, that it was never flaky in
            an earlier run, of a failed one, that it never failed.
    """

    test: str
    file: str | None
    attempts: int
    message: str | None
    is_new: bool


class SlowerTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that took longer than usual; usual is the median of ``n`` earlier passes."""

    test: str
    duration_s: float
    usual_s: float
    n: int

    @property
    def ratio(self) -> float:
        """How many times the usual time it took."""
        return self.duration_s / self.usual_s if self.usual_s else float(FEWEST)


class StageResult(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the run."""

    stage: str
    outcome: str
    duration_s: float | None
    error_type: str | None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks ci summary --json` prints.

    Attributes:
        pipeline: Name of the pipeline, or of the project outside of CI.
        url: Page of the run.
        commit: What was tested.
        counts: How the tests ended, each by its last attempt, and ``flaky``.
        failed: Tests that did not pass; those that never failed before come first.
        flaky: Tests that failed and then passed; new ones first.
        slower: Tests that took longer than usual, the worst first.
        compared: Number of tests for which the usual time is known.
        stages: In the order in which they ended.
    """

    pipeline: str
    url: str | None
    commit: str | None
    counts: dict[str, int]
    failed: list[JudgedTest]
    flaky: list[JudgedTest]
    slower: list[SlowerTest]
    compared: int
    stages: list[StageResult]

    @property
    def completion(self) -> float | None:
        """Share of the tests that were not skipped and passed; ``None`` without any."""
        passed = sum(self.counts.get(word, 0) for word in _GOOD)
        bad = sum(self.counts.get(word, 0) for word in _BAD)
        return passed / (passed + bad) if passed + bad else None


class _History(msgspec.Struct, frozen=True, kw_only=True):
    """What was in the 90 days before the run.

    Attributes:
        failed: Tests that failed in an earlier run.
        flaky: Tests that failed and passed in one earlier run.
        usual: Test → median seconds of earlier passes, and their number.
    """

    failed: set[str]
    flaky: set[str]
    usual: dict[str, tuple[float, int]]


def report(store: EventReader, starts: Sequence[SessionStart]) -> RunReport:
    """Sum up the sessions of a run.

    Args:
        store: The events.
        starts: Of the sessions of the run; at least one.
    """
    sessions = [start.session for start in starts]
    tests = results_of(store, sessions)
    began = min(start.at for start in starts)
    history = _history(store, {test for test, _ in tests}, began)
    counts: dict[str, int] = {}
    failed, flaky, slower = [], [], []
    compared = 0
    for attempts in tests.values():
        last = attempts[-1]
        counts[last.detail] = counts.get(last.detail, 0) + 1
        name = full_name(last)
        if last.detail in _BAD:
            failed.append(_verdict(attempts, is_new=name not in history.failed))
        elif last.detail in _GOOD and any(result.detail in _BAD for result in attempts):
            flaky.append(_verdict(attempts, is_new=name not in history.flaky))
        usual = history.usual.get(name)
        if usual is not None and last.detail == "passed" and last.duration_s is not None:
            compared += 1
            if last.duration_s - usual[0] >= _LEAST_S:
                slower.append(
                    SlowerTest(test=name, duration_s=last.duration_s, usual_s=usual[0], n=usual[1])
                )
    if flaky:
        counts["flaky"] = len(flaky)
    named = next((start for start in starts if start.ci and start.ci.pipeline), starts[0])
    return RunReport(
        pipeline=(named.ci.pipeline if named.ci else None) or named.project or "local",
        url=named.ci.url if named.ci else None,
        commit=next((s.vcs.commit for s in starts if s.vcs and s.vcs.commit), None),
        counts=counts,
        failed=sorted(failed, key=lambda v: (not v.is_new, v.test)),
        flaky=sorted(flaky, key=lambda v: (not v.is_new, v.test)),
        slower=sorted(slower, key=lambda s: (-s.ratio, s.test)),
        compared=compared,
        stages=_stages(store, sessions),
    )


def _verdict(attempts: list[TestResult], *, is_new: bool) -> JudgedTest:
    last = attempts[-1]
    why = next((result.failure for result in attempts if result.failure), None)
    told = ": ".join(part for part in (why.type, why.message) if part) if why else ""
    if why and why.type and why.message and why.message.startswith(why.type):
        told = why.message
    place = last.test.partition("::")[0]
    is_file = "." in place and ("/" in place or place.endswith((".py", ".js", ".ts")))
    return JudgedTest(
        test=full_name(last),
        file=place if is_file else None,
        attempts=len(attempts),
        message=told or None,
        is_new=is_new,
    )


def _stages(store: EventReader, sessions: Sequence[str]) -> list[StageResult]:
    chosen = EventQuery(kinds=("pipeline-stage",), sessions=tuple(sessions))
    return [
        StageResult(
            stage=event.stage,
            outcome=str(event.outcome),
            duration_s=event.duration_s,
            error_type=event.error_type,
        )
        for event in store.events(chosen)
        if isinstance(event, PipelineStage)
    ]


def _history(store: EventReader, tests: set[str], until: datetime) -> _History:
    names = sorted(tests)
    found = _History(failed=set(), flaky=set(), usual={})
    for start in range(0, len(names), _CHUNK):
        chosen = EventQuery(
            kinds=("test-result",),
            tests=tuple(names[start : start + _CHUNK]),
            since=until - _LOOKED_BACK,
            until=until,
        )
        outcomes: dict[tuple[str, str | None], set[str]] = {}
        for row in store.rollup(chosen, by=["test", "params", "session", "detail"]):
            test, params, session, detail = row.key
            name = f"{test}[{params}]" if params else str(test)
            outcomes.setdefault((name, session), set()).add(str(detail))
        for (name, _), details in outcomes.items():
            if details & _BAD:
                found.failed.add(name)
                if details & _GOOD:
                    found.flaky.add(name)
        for row in store.rollup(chosen, by=["test", "params", "detail"]):
            test, params, detail = row.key
            usual = row.quantile(0.5) if detail == "passed" else None
            if usual is not None and row.duration_n >= FEWEST:
                name = f"{test}[{params}]" if params else str(test)
                found.usual[name] = (usual, row.duration_n)
    return found
