"""Insights about tests: complete sentences, in the order of importance."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from rich.console import Console

from sbhooks.insights import BrokenTest, FlakyTest, InsightQuery, SlowTest
from sbhooks.output import Output
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.attempts import slow
from sbhooks_analytics.cost import cost
from sbhooks_analytics.draw_insights import Insights, draw_insights
from sbhooks_analytics.findings import findings
from sbhooks_analytics.flaky import flaky
from sbhooks_analytics.health import health

Record = Callable[..., str]
NOW = NOON + timedelta(days=3)


@pytest.fixture
def history(record: Record) -> None:
    for attempts in ("p", "p", "fp", "p", "p"):
        record({"tests/a.py::shaky[1]": attempts, "broken": "f"}, code="A")


@pytest.fixture
def waited_for(store: MemoryEventStore) -> None:
    line = Timeline("waiting")
    store.append([line.start(project="acme"), *(line.passed("waits", call_s=0.5) for _ in "12345")])


@pytest.mark.usefixtures("history", "waited_for")
def test_each_kind_is_found_and_says_what_it_is(store: MemoryEventStore) -> None:
    found = {type(i): i for i in findings(InsightQuery(now=NOW, kinds=()), store)}
    flaky, broken, slow = found[FlakyTest], found[BrokenTest], found[SlowTest]
    assert flaky.summary == (
        "tests/a.py::shaky[1] passed and failed on the same code; it fails in 17 % of its "
        "attempts (95 % interval 3 % to 56 %)."
    )
    assert broken.summary == "broken has failed in its last 5 runs."
    assert slow.summary.endswith("usually 498 ms, one in twenty longer than 498 ms.")
    assert (flaky.n, broken.n, slow.n) == (6, 5, 5)
    assert all(0 <= insight.score <= 1 for insight in found.values())
    assert all(insight.project == "acme" for insight in found.values())


@pytest.mark.usefixtures("history", "waited_for")
@pytest.mark.parametrize("kind", ["flaky-test", "broken-test", "slow-test"])
def test_only_what_is_asked_for_is_answered(kind: str, store: MemoryEventStore) -> None:
    kinds = {i.__struct_config__.tag for i in findings(InsightQuery(now=NOW, kinds=(kind,)), store)}
    assert kinds == {kind}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "restricted",
    [{"skills": ("lint",)}, {"projects": ("other",)}, {"tests": ("x",)}, {"since": NOW}],
)
def test_what_does_not_match_is_no_finding(
    restricted: dict[str, object], store: MemoryEventStore
) -> None:
    assert list(findings(InsightQuery(now=NOW, **restricted), store)) == []  # type: ignore[arg-type]


def test_too_few_attempts_make_no_rate(record: Record, store: MemoryEventStore) -> None:
    record({"t": "fp"})
    (flaky,) = findings(InsightQuery(now=NOW, kinds=("flaky-test",)), store)
    assert flaky.summary.endswith("there are too few attempts to say how often it fails.")


@pytest.mark.parametrize(("call_s", "is_slow"), [(0.0004, False), (0.09, False), (0.2, True)])
def test_what_nobody_waits_for_is_not_slow(
    call_s: float, is_slow: bool, store: MemoryEventStore
) -> None:
    """All of the time of a suite of 0.4 ms is still no time."""
    line = Timeline()
    store.append([line.passed("t", call_s=call_s) for _ in range(20)])
    store.append([line.passed(f"quick{n}", call_s=1e-5) for n in range(200)])
    found = list(findings(InsightQuery(now=NOW, kinds=("slow-test",)), store))
    assert [one.subject for one in found] == ["t"] * is_slow
    late = NOW + timedelta(days=30)
    states = {one.test: one.state for one in health(store, EventQuery(), now=late)}
    assert (states["t"] == "slow") == is_slow


@pytest.mark.usefixtures("history", "waited_for")
def test_a_figure_is_the_same_wherever_it_is_told(store: MemoryEventStore) -> None:
    told = {type(one): one for one in findings(InsightQuery(now=NOW), store)}
    row = slow(store, EventQuery(), limit=1).tests[0]
    dear = {one.test: one for one in cost(store, EventQuery(), limit=9).tests}
    assert told[SlowTest].share == row.share == dear["waits"].share
    (shaky,) = flaky(store, EventQuery(), now=NOW, limit=9).tests
    assert told[FlakyTest].failure_rate == shaky.failure_rate


def sentences(found: list[SlowTest]) -> str:
    file = io.StringIO()
    shown = Insights(insights=list(found), more=0)
    draw_insights(Output(Console(file=file, width=200)), shown)
    return file.getvalue()


def test_insights_say_which_project_they_are_about() -> None:
    made = [
        SlowTest(
            subject=name, summary=f"{name} is slow.", score=0.5, n=9, method="m", project=project,
            p50_s=1.0, p95_s=1.0, share=0.5,
        )
        for name, project in (("one", "acme"), ("two", "shop"))
    ]  # fmt: skip
    assert "acme: one is slow." in sentences(made) and "shop: two is slow." in sentences(made)
    assert sentences(made[:1]).splitlines() == ["slow-test  one is slow.", "Project: acme."]
