"""One run in full."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from sbhooks.errors import SbhooksError
from sbhooks.events import Detail, Failure, Outcome
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.details import details

NOW = NOON + timedelta(minutes=5)


def test_a_run_shows_its_phases_failures_and_slowest_tests(store: MemoryEventStore) -> None:
    line = Timeline(step=timedelta(seconds=2))
    why = Failure(fingerprint="f1", type="ValueError", message="no")
    store.append(
        [
            line.start(python="3.11.7", platform="linux"),
            line.phase("setup"),
            line.phase("execution", "setup"),
            line.passed("quick"),
            line.failed("bad", call_s=2.0, failure=why),
            line.failed("bad", subtest="i=2"),
            line.invocation("pytest-run", Outcome.FAILURE),
            line.phase("", "execution"),
            line.end(Outcome.FAILURE, exit_status=1),
        ]
    )
    found = details(store, "session-1", now=NOW, limit=1)
    assert (found.python, found.platform, found.ci) == ("3.11.7", "linux", None)
    assert [(p.phase, p.duration_s) for p in found.phases] == [("setup", 2.0), ("execution", 10.0)]
    assert [(f.test, f.subtest, f.failure) for f in found.failures] == [
        ("bad", None, why),
        ("bad", "i=2", None),
    ]
    assert [test.test for test in found.slowest] == ["bad"]
    assert found.attempts == 2
    assert found.skills == {"pytest-run": 1}
    assert found.interrupted == []


def test_a_killed_run_says_what_was_running(store: MemoryEventStore) -> None:
    line = Timeline()
    killed = Failure(fingerprint="killed", type="Killed", message="…")
    store.append(
        [
            line.start(),
            line.phase("execution"),
            line.passed("done"),
            msgspec.structs.replace(line.failed("hung"), detail=Detail.ERROR, failure=killed),
            line.end(Outcome.ERROR, reason="killed"),
        ]
    )
    found = details(store, "session-1", now=NOW, limit=5)
    assert [test.test for test in found.interrupted] == ["hung"]
    assert found.failures == []
    assert found.phases[-1].duration_s is None


def test_a_run_that_goes_on_is_in_its_phase_until_now(store: MemoryEventStore) -> None:
    line = Timeline()
    store.append([line.start(), line.phase("execution")])
    (phase,) = details(store, "session-1", now=NOON + timedelta(seconds=61), limit=5).phases
    assert phase.duration_s == 60.0


def test_a_run_without_a_start_cannot_be_shown(store: MemoryEventStore) -> None:
    store.append([Timeline().end()])
    with pytest.raises(SbhooksError, match="start of run"):
        details(store, "session-1", now=NOW, limit=5)
