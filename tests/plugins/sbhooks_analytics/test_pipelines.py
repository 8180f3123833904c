"""Pipelines: rates, times, the bottleneck, and the commit that changed a stage."""

from __future__ import annotations

import io
import math
import sys
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from rich.console import Console

from sbhooks.events import Outcome, PipelineStage, SessionStart, Vcs
from sbhooks.output import Output
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.draw_pipelines import draw_pipelines
from sbhooks_analytics.pipelines import PipelineActivity, pipelines
from sbhooks_analytics.stage_changes import slower_since

GOOD, BAD, ERROR = Outcome.SUCCESS, Outcome.FAILURE, Outcome.ERROR


class Ci:
    """Stores stages of runs, one run per hour, each on a commit of its own."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store
        self._number = 0

    def run(self, *stages: tuple[str, Outcome, float], run: str = "", **fields: Any) -> None:
        self._number += 1
        session = f"s{self._number}"
        at = NOON + timedelta(hours=self._number)
        common: dict[str, Any] = {"source": "ci", "session": session}
        self._store.append(
            [SessionStart(**common, at=at, tool="sh", vcs=Vcs(commit=f"{self._number:040}"))]
        )
        for stage, outcome, duration_s in stages:
            at += timedelta(seconds=duration_s)
            kind = (
                None if outcome in {GOOD, Outcome.SKIP, Outcome.CANCELLATION} else "exit-status-1"
            )
            self._store.append(
                [PipelineStage(**common, at=at, pipeline="checks", run=run or f"r{self._number}",
                               stage=stage, outcome=outcome, duration_s=duration_s,
                               **{"error_type": kind, **fields})]
            )  # fmt: skip


@pytest.fixture
def ci(store: MemoryEventStore) -> Ci:
    return Ci(store)


def checks(store: MemoryEventStore) -> PipelineActivity:
    (found,) = pipelines(store, EventQuery()).pipelines
    return found


def test_b17_a_pipeline_that_never_ran_has_no_rate(store: MemoryEventStore) -> None:
    """It was told to succeed in 50 %."""
    assert pipelines(store, EventQuery()).pipelines == []


def test_a_run_succeeds_when_all_its_stages_do(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("build", GOOD, 10.0), ("test", GOOD, 30.0), ("deploy", Outcome.SKIP, 0.0))
    ci.run(("build", GOOD, 10.0), ("test", BAD, 20.0))
    ci.run(("build", ERROR, 1.0), error_type="SIGKILL")
    found = checks(store)
    assert (found.runs, found.succeeded, found.stopped) == (3, 1, 0)
    # Wilson's interval for 1 of 3: statsmodels' proportion_confint(1, 3, method="wilson").
    assert found.success_rate == pytest.approx(1 / 3)
    assert found.success_rate_low == pytest.approx(0.0615, abs=1e-4)
    assert found.success_rate_high == pytest.approx(0.7923, abs=1e-4)
    assert found.failures == {"SIGKILL": 1, "exit-status-1": 1}
    assert [stage.stage for stage in found.stages] == ["build", "test", "deploy"]
    assert found.p50_s == 30.0
    assert found.p95_s == 40.0


def test_the_bottleneck_takes_most_of_the_time_with_its_queue(
    store: MemoryEventStore, ci: Ci
) -> None:
    ci.run(("build", GOOD, 10.0), ("test", GOOD, 30.0))
    found = checks(store)
    assert found.bottleneck == "test"
    assert [stage.share for stage in found.stages] == [0.25, 0.75]
    ci.run(("build", GOOD, 10.0), queued_s=90.0)
    found = checks(store)
    assert (found.bottleneck, found.stages[0].queued_p50_s) == ("build", 90.0)
    assert found.stages[1].queued_p50_s is None


def test_the_last_attempt_of_a_stage_counts(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("test", BAD, 5.0), run="7")
    ci.run(("test", GOOD, 6.0), run="7")
    found = checks(store)
    assert (found.runs, found.succeeded, found.failures) == (1, 1, {})


def test_a_stopped_run_is_neither_good_nor_bad(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("test", GOOD, 5.0))
    ci.run(("test", Outcome.CANCELLATION, 1.0))
    found = checks(store)
    assert (found.runs, found.succeeded, found.stopped) == (1, 1, 1)
    assert (found.stages[0].runs, found.stages[0].success_rate) == (1, 1.0)


def test_only_stopped_runs_have_no_rate(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("test", Outcome.CANCELLATION, 1.0))
    found = checks(store)
    assert (found.runs, found.success_rate, found.p50_s, found.bottleneck) == (0, None, None, None)
    shown(store)


def test_the_commit_since_which_a_stage_fails_is_named(store: MemoryEventStore, ci: Ci) -> None:
    for outcome in (BAD, GOOD, GOOD, BAD, BAD):
        ci.run(("test", outcome, 5.0))
    (stage,) = checks(store).stages
    assert stage.change is not None
    assert (stage.change.what, stage.change.runs) == ("failing", 2)
    assert (stage.change.before_commit, stage.change.commit) == (f"{3:040}", f"{4:040}")


def test_a_stage_that_never_succeeded_has_not_changed(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("test", BAD, 5.0))
    assert checks(store).stages[0].change is None


def test_the_commit_since_which_a_stage_is_slower_is_named(store: MemoryEventStore, ci: Ci) -> None:
    random = Random(1)
    for number in range(24):
        usual = 10.0 if number < 14 else 15.0
        ci.run(("test", GOOD, usual * math.exp(random.gauss(0, 0.05))))
    change = checks(store).stages[0].change
    assert change is not None
    assert (change.what, change.commit, change.runs) == ("slower", f"{15:040}", 10)
    assert change.before_s == pytest.approx(10, rel=0.05)
    assert change.after_s == pytest.approx(15, rel=0.05)
    assert "test: slower since 000000000000 (10 runs), from" in shown(store)


def test_few_runs_and_small_changes_are_no_change(store: MemoryEventStore, ci: Ci) -> None:
    for number in range(9):
        ci.run(("few", GOOD, 1.0 if number < 5 else 9.0))
    for number in range(30):
        ci.run(("small", GOOD, 10.0 if number < 15 else 11.0))
    assert [stage.change for stage in checks(store).stages] == [None, None]


def test_slow_runs_that_come_together_are_no_change(store: MemoryEventStore, ci: Ci) -> None:
    """A machine that is slow for a while: durations with a memory, and no change of the stage."""
    alarms, random = 0, Random(20261120)
    for number in range(30):
        drift, timed = 0.0, []
        for _ in range(40):
            drift = 0.6 * drift + random.gauss(0, 0.2)
            timed.append(stage_end(f"{number}", 10 * math.exp(drift)))
        alarms += slower_since(timed, {}) is not None
    assert alarms <= 3  # of 30 at 1 %: less than once in 10,000 by chance


def stage_end(session: str, duration_s: float) -> PipelineStage:
    return PipelineStage(
        source="ci", session=session, pipeline="checks", run=session, stage="test", outcome=GOOD,
        duration_s=duration_s,
    )  # fmt: skip


def test_without_the_libraries_only_the_durations_are_not_looked_at(
    store: MemoryEventStore, ci: Ci, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(24):
        ci.run(("test", GOOD, 10.0 if number < 14 else 15.0 + number / 100))
    assert pipelines(store, EventQuery()).note is None
    for module in ("numpy", "scipy", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    found = pipelines(store, EventQuery())
    assert found.pipelines[0].stages[0].change is None
    assert found.note is not None and "pip install 'sbhooks[analytics]'" in found.note
    assert "pip install" in shown(store)


def shown(store: MemoryEventStore, width: int = 100) -> str:
    file = io.StringIO()
    out = Output(Console(file=file, width=width, color_system=None))
    draw_pipelines(out, pipelines(store, EventQuery()), NOON + timedelta(days=2))
    return file.getvalue()


def test_people_see_each_stage_on_a_line(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("build", GOOD, 10.0), ("test \x1b[31m", BAD, 30.0))
    text = shown(store)
    assert "checks" in text
    assert "1 run, 0 % ok (0–79 %, 95 % interval), half within 40.0 s" in text
    assert "most time in test" in text
    assert "\x1b" not in text
    assert "exit-status-1 1" in text
    assert all(len(line) <= 60 for line in shown(store, 60).splitlines())


def test_pipelines_can_be_chosen(store: MemoryEventStore, ci: Ci) -> None:
    ci.run(("build", GOOD, 10.0))
    assert pipelines(store, EventQuery(), names=["other"]).pipelines == []
    assert len(pipelines(store, EventQuery(), names=["checks"]).pipelines) == 1
    assert pipelines(store, EventQuery(), limit=0).pipelines == []
