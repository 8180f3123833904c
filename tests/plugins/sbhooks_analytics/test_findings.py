"""Insights about tests: complete sentences, in the order of importance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sbhooks.insights import BrokenTest, FlakyTest, InsightQuery, SlowTest
from sbhooks.testing.factories import NOON
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.findings import findings

Record = Callable[..., str]
NOW = NOON + timedelta(days=3)


@pytest.fixture
def history(record: Record) -> None:
    for attempts in ("p", "p", "fp", "p", "p"):
        record({"tests/a.py::shaky[1]": attempts, "broken": "f"}, code="A")


@pytest.mark.usefixtures("history")
def test_each_kind_is_found_and_says_what_it_is(store: MemoryEventStore) -> None:
    found = {type(i): i for i in findings(InsightQuery(now=NOW, kinds=()), store)}
    flaky, broken, slow = found[FlakyTest], found[BrokenTest], found[SlowTest]
    assert flaky.summary == (
        "tests/a.py::shaky[1] passed and failed on the same code; it fails in 17 % of its "
        "attempts (95 % interval 3 % to 56 %)."
    )
    assert broken.summary == "broken has failed in its last 5 runs."
    assert slow.summary.endswith("usually 10 ms, one in twenty longer than 10 ms.")
    assert (flaky.n, broken.n, slow.n) == (6, 5, 5)
    assert all(0 <= insight.score <= 1 for insight in found.values())
    assert all(insight.project == "acme" for insight in found.values())


@pytest.mark.usefixtures("history")
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
