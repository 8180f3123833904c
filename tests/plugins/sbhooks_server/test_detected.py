"""The count of anomalies: whole, never going back, and asked for no more often than needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sbhooks.config import load_config
from sbhooks.events import utc_now
from sbhooks.hookspecs import hookimpl
from sbhooks.insights import Anomaly
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import Timeline
from sbhooks_server import detected as module
from sbhooks_server.detected import Detected


class Finder:
    """A plugin that finds what it is told."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.found: list[tuple[str, str]] = []

    @hookimpl
    def sbhooks_insights(self, query: Any) -> list[Anomaly]:
        self.asked.append(query)
        return [
            Anomaly(
                subject=skill, summary="Unusual.", score=0.5, n=9, method="by hand", id=f"{number}",
                metric="duration", type=type_, expected=1.0, expected_low=0.5, expected_high=2.0,
                observed=9.0, p_value=0.001, started_at=utc_now(),
            )
            for number, (type_, skill) in enumerate(self.found)
        ]  # fmt: skip


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def runtime(finder: Finder) -> Iterator[Runtime]:
    with Runtime.start(load_config()) as made:
        made.hooks.plugins["analytics"].status = "out"
        made.hooks.register(finder, "finder")
        yield made


def counted(detected: Detected) -> dict[tuple[str, str], float]:
    """What is known when the thread that asks has ended."""
    detected.counted()
    detected.stop()
    detected._due = 0.0
    family = detected.counted()
    return {(s.labels["anomaly_type"], s.labels["skill_name"]): s.value for s in family.samples}


def test_nobody_is_asked_about_nothing(runtime: Runtime, finder: Finder) -> None:
    assert counted(Detected(runtime)) == {}
    assert finder.asked == []


def test_a_count_never_goes_back(runtime: Runtime, finder: Finder) -> None:
    detected = Detected(runtime)
    finder.found = [("drop", "lint"), ("drop", "lint"), ("spike", "build")]
    runtime.store.append([Timeline().invocation()])
    assert counted(detected) == {("drop", "lint"): 2, ("spike", "build"): 1}
    finder.found = [("drop", "lint"), ("drop", "docs")]
    runtime.store.append([Timeline().invocation()])
    assert counted(detected) == {("drop", "lint"): 2, ("spike", "build"): 1, ("drop", "docs"): 1}
    assert all(query.kinds == ("anomaly",) for query in finder.asked)


def test_it_asks_when_something_was_stored_and_not_too_often(
    runtime: Runtime, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, now = [0.0], utc_now()
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "_PATIENCE_S", 60.0)
    monkeypatch.setattr(module, "utc_now", lambda: now)
    detected = Detected(runtime)
    runtime.store.append([Timeline().invocation()])
    detected.counted()
    assert len(finder.asked) == 1
    clock[0] = 1e6
    detected.counted()
    assert len(finder.asked) == 1  # nothing was stored
    runtime.store.append([Timeline().invocation()])
    detected.counted()
    assert len(finder.asked) == 2
    runtime.store.append([Timeline().invocation()])
    detected.counted()
    assert len(finder.asked) == 2  # a moment ago
    clock[0] += 601
    detected.counted()
    assert len(finder.asked) == 3
    detected.stop()
    clock[0] += 601
    runtime.store.append([Timeline().invocation()])
    detected.counted()
    assert len(finder.asked) == 3


def test_the_number_of_series_is_bounded(
    runtime: Runtime, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SKILLS", 2)
    finder.found = [("drop", "a"), ("drop", "a"), ("drop", "b"), ("drop", "c"), ("spike", "d")]
    runtime.store.append([Timeline().invocation()])
    assert counted(Detected(runtime)) == {
        ("drop", "a"): 2, ("drop", "b"): 1, ("drop", "other"): 1, ("spike", "other"): 1,
    }  # fmt: skip


def test_a_store_that_is_gone_is_no_trouble(runtime: Runtime) -> None:
    detected = Detected(runtime)
    runtime.store.append([Timeline().invocation()])
    runtime.store.close()
    detected._ask(utc_now())
    assert detected._counts == {}
