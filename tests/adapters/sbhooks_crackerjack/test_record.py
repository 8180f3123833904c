"""Real recorded runs of Crackerjack 0.74.4 and 0.91.1 become the right events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sbhooks.emitter import Emitter
from sbhooks.settings import host_settings
from sbhooks.store import EventQuery
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_crackerjack.phases import fate_of_phase, fate_of_tool, is_idle
from sbhooks_crackerjack.record import Recorder
from sbhooks_crackerjack.report import report
from sbhooks_crackerjack.sbhooks_run import observations

DATA = Path(__file__).parents[2] / "data" / "crackerjack" / "observed"
Recorded = Callable[..., list[Any]]


@pytest.fixture
def replay(home: Path) -> Callable[..., None]:
    """Record a run from what was observed of it."""

    def run(name: str, status: int | None, **end: Any) -> None:
        seen = observations(str(DATA / f"{name}.jsonl"))
        began = min(item["ts"] for item in seen if "ts" in item)
        last = max(item["ts"] for item in seen if "ts" in item)
        settings = host_settings(str(DATA), {"SBHOOKS_HOME": str(home)})
        emitter = Emitter(settings, source="crackerjack")
        recorder = Recorder(emitter, str(DATA), {}, began_us=int(began * 1e6))
        recorder.begin("0.74.4")
        for item in seen:
            recorder.take(item)
        recorder.end(status, at_us=int(last * 1e6), **end)
        emitter.close()
        assert emitter.lost == 0

    return run


def test_a_whole_run_has_an_event_per_tool(replay: Callable[..., None], recorded: Recorded) -> None:
    replay("A_074_full", 1)
    tools = [event for event in recorded("invocation") if event.skill != "crackerjack"]
    assert len(tools) == 27
    assert Counter(str(event.outcome) for event in tools) == {
        "success": 23, "skip": 1, "error": 3,
    }  # fmt: skip
    assert {event.skill: event.error_type for event in tools if event.outcome == "error"} == {
        "semgrep": "tool-missing", "betterleaks": "tool-missing", "lychee": "tool-missing",
    }  # fmt: skip
    assert Counter(event.step for event in tools) == {"fast_hooks": 16, "comprehensive_hooks": 11}
    assert {event.phase for event in tools} == {"verification"}
    (run,) = [event for event in recorded("invocation") if event.skill == "crackerjack"]
    assert (run.outcome, run.error_type) == ("failure", "exit-status-1")


def test_the_time_of_a_tool_is_what_it_took_not_what_is_reported(
    replay: Callable[..., None], recorded: Recorded
) -> None:
    replay("A_074_full", 1)
    (ruff,) = [event for event in recorded("invocation") if event.skill == "ruff-check"]
    assert ruff.duration_s < 1 < 5 <= ruff.attributes["reported_s"]


def test_phases_become_changes_and_stages(replay: Callable[..., None], recorded: Recorded) -> None:
    replay("A_074_full", 1)
    assert [(s.stage, str(s.outcome)) for s in recorded("pipeline-stage")] == [
        ("fast_hooks", "success"), ("tests", "success"), ("comprehensive_hooks", "failure"),
    ]  # fmt: skip
    assert [(c.phase_from, c.phase_to, c.step) for c in recorded("phase-change")] == [
        ("", "verification", "fast_hooks"),
        ("verification", "verification", "tests"),
        ("verification", "verification", "comprehensive_hooks"),
        ("verification", "", None),
    ]


@pytest.mark.parametrize(
    ("name", "tools"), [("A_074_green_stubbed_scanners", 27), ("A_091_full", 29)]
)
def test_other_runs_and_releases_are_understood(
    replay: Callable[..., None], recorded: Recorded, name: str, tools: int
) -> None:
    replay(name, 0)
    assert len(recorded("invocation")) == tools + 1
    assert {"fast_hooks", "tests", "comprehensive_hooks"} <= {
        stage.stage for stage in recorded("pipeline-stage")
    }


def test_a_tool_that_runs_again_is_another_attempt(
    replay: Callable[..., None], recorded: Recorded
) -> None:
    replay("D_074_dirty_fast", 1)
    ruff = [event for event in recorded("invocation") if event.skill == "ruff-check"]
    assert [(event.attributes["attempt"], str(event.outcome)) for event in ruff] == [
        (1, "failure"), (2, "failure"),
    ]  # fmt: skip
    assert "F821" in ruff[0].attributes["message"]
    assert ruff[0].attributes["issues"] > 0


def test_a_run_that_was_interrupted_says_so(
    replay: Callable[..., None], recorded: Recorded
) -> None:
    replay("A_091_sigint", 130)
    (end,) = recorded("session-end")
    assert (end.outcome, end.reason, end.exit_status) == ("cancellation", "interrupted", 130)
    (stage,) = recorded("pipeline-stage")
    assert (stage.outcome, stage.error_type) == ("cancellation", "interrupted")


def test_a_run_that_did_nothing_did_not_pass(home: Path, recorded: Recorded) -> None:
    settings = host_settings(str(DATA), {"SBHOOKS_HOME": str(home)})
    emitter = Emitter(settings, source="crackerjack")
    recorder = Recorder(emitter, str(DATA), {}, began_us=emitter.clock.now_us())
    recorder.begin()
    for phase in ("configuration", "fast_hooks", "commit"):
        recorder.take({"kind": "phase", "phase": phase, "success": True, "duration": 0.02})
    recorder.end(0)
    emitter.close()
    (end,), (stage,) = recorded("session-end"), recorded("pipeline-stage")
    assert (end.outcome, end.reason) == ("skip", "nothing ran")
    assert (stage.stage, stage.outcome) == ("fast_hooks", "skip")


def test_what_is_no_observation_is_passed_by(home: Path, recorded: Recorded) -> None:
    settings = host_settings(str(DATA), {"SBHOOKS_HOME": str(home)})
    emitter = Emitter(settings, source="crackerjack")
    recorder = Recorder(emitter, str(DATA), {}, began_us=emitter.clock.now_us())
    recorder.begin()
    for strange in ({}, {"kind": "tool"}, {"kind": 3}, {"kind": "phase", "ts": "now"}):
        recorder.take(strange)
    recorder.take({"kind": "tool", "tool": "x", "phase": "later_phase", "status": "odd",
                   "duration": "long", "attempt": [1]})  # fmt: skip
    recorder.end(0)
    emitter.close()
    (tool, _) = recorded("invocation")
    assert (tool.phase, tool.step, tool.outcome) == ("later_phase", "later_phase", "failure")


@pytest.mark.parametrize(
    ("seen", "fate"),
    [
        ({"status": "passed"}, ("success", None)),
        ({"status": "skipped", "error": "binary not found"}, ("skip", None)),
        ({"status": "failed", "exit_code": 3}, ("failure", "exit-status-3")),
        ({"status": "failed"}, ("failure", "issues-found")),
        ({"status": "failed", "error": "[Errno 2] No such file or directory: 'x'"},
         ("error", "tool-missing")),
        ({"status": "failed", "error": "Command 'x' timed out after 9 seconds"},
         ("timeout", "timeout")),
        ({"status": "error", "error": "KeyboardInterrupt: "}, ("cancellation", "interrupted")),
        ({"status": "error"}, ("error", "tool-failed")),
        ({}, ("failure", "issues-found")),
    ],
)  # fmt: skip
def test_the_words_of_crackerjack_have_outcomes(seen: dict[str, Any], fate: Any) -> None:
    assert fate_of_tool(seen) == fate


def test_the_end_of_a_phase_has_an_outcome() -> None:
    crash = {"phase": "tests", "success": False, "error": "AttributeError: 'PosixPath' …"}
    assert fate_of_phase(crash, tools=0) == ("error", "AttributeError")
    failed = {"phase": "tests", "success": False, "error": "Tests failed"}
    assert fate_of_phase(failed, tools=0) == ("failure", "failed")
    assert is_idle({"phase": "commit", "success": True, "duration": 0.0})
    assert not is_idle({"phase": "commit", "success": True, "duration": 3.0})
    assert not is_idle({"phase": "tests", "success": True, "duration": 0.0})


def test_a_report_says_what_to_run_first(
    replay: Callable[..., None], recorded: Recorded, store: MemoryEventStore
) -> None:
    replay("A_074_full", 1)
    replay("D_074_dirty_fast", 1)
    recorded()
    found = report(store, EventQuery())
    assert [phase.phase for phase in found.phases] == ["fast_hooks", "comprehensive_hooks"]
    fast, slow = found.phases
    assert fast.next_checks[0] == "ruff-check"
    assert fast.common_failures["ruff-check: exit-status-1"] == 2
    assert fast.invocations == sum(tool.invocations for tool in fast.tools)
    assert (fast.skipped, fast.completion_rate) == (3, fast.completed / fast.invocations)
    assert slow.completion_rate == pytest.approx(8 / 11)
    assert set(slow.next_checks) == {"semgrep", "betterleaks", "lychee"}
    assert report(store, EventQuery(since=datetime(2030, 1, 1, tzinfo=UTC))).phases == []
