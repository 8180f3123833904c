"""What people see of the health of tests and of trends, word by word."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from sbhooks.events import Failure
from sbhooks.output import Output
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics import draw_health, draw_tests
from sbhooks_analytics.attempts import Case, summaries
from sbhooks_analytics.broken import BrokenTests, broken
from sbhooks_analytics.changes import Changes
from sbhooks_analytics.cost import cost
from sbhooks_analytics.dependence import Dependence, Dependences, why
from sbhooks_analytics.draw_changes import draw_changes, times
from sbhooks_analytics.draw_trends import change, draw_trends, figure, p_is, p_text
from sbhooks_analytics.failures import incidents
from sbhooks_analytics.flaky import flaky
from sbhooks_analytics.health import TestStates as States
from sbhooks_analytics.health import counted, health
from sbhooks_analytics.quarantine import Quarantined, QuarantineList
from sbhooks_analytics.selection import Selection, select
from sbhooks_analytics.series import Metric, Series
from sbhooks_analytics.trends import Seasonality, SkillTrend, Trends

ALL = EventQuery()
LATER = NOON + timedelta(days=30)
Record = Callable[..., str]


def drawn(draw: Callable[[Output], None], width: int = 100) -> list[str]:
    """The lines that a drawing prints, without what stands there only to align."""
    file = io.StringIO()
    draw(Output(Console(file=file, width=width, markup=False, highlight=False, emoji=False)))
    return [" ".join(line.split()) for line in file.getvalue().rstrip("\n").split("\n")]


@pytest.fixture
def known(store: MemoryEventStore, record: Record) -> MemoryEventStore:
    """A flaky test, a broken one, a healthy one, and one that was skipped or cut off."""
    for number in range(9):
        record({"shaky": "fp" if number % 3 == 0 else "p", "red": "f" if number > 5 else "p",
                "fine": "p", "idle": "sc"}, code=f"A{number}")  # fmt: skip
    return store


def test_one_word_per_thing_in_all_tables_about_tests(known: MemoryEventStore) -> None:
    every = health(known, ALL, now=LATER)
    found = States(tests=every, counts=counted(every))
    assert drawn(lambda out: draw_health.draw_health(out, found)) == [
        "test state decided failure rate passes since",
        "red broken 9 – –",
        "shaky flaky 12 25 % (9–53 %) 2 of 9",
        "idle unknown 0 – –",
        "fine healthy 9 – –",
        "1 broken, 1 flaky, 1 unknown, 1 healthy.",
        "Decided: attempts that passed or failed; others were skipped or cut off.",
        "Failure rate: on code on which the test also passed, with its 95 % interval, as in "
        "'sbhooks tests",
        "flaky'.",
    ]
    tests = summaries(known, ALL)
    assert drawn(lambda out: draw_tests.draw_tests(out, tests, len(tests))) == [
        "test last attempts failed p50 p95",
        "fine ✓ passed 9 0 10 ms 10 ms",
        "idle · skipped 18 0 – –",
        "red ✗ failed 9 3 10 ms 10 ms",
        "shaky ✓ passed 12 3 10 ms 10 ms",
        "4 tests.",
    ]
    red = BrokenTests(tests=broken(known, ALL, now=LATER))
    assert drawn(lambda out: draw_health.draw_broken(out, red, LATER)) == [
        "test failing runs since", "red 3 29 d ago",
    ]  # fmt: skip
    shaky = flaky(known, ALL, now=LATER, limit=9)
    assert drawn(lambda out: draw_tests.draw_flaky(out, shaky, LATER)) == [
        "test failed failure rate last failed",
        "shaky 3 of 12 25 % (9–53 %) 29 d ago",
        "Flaky: passed and failed in one run, or in runs of the same code. 95 % intervals.",
    ]


def test_without_a_flaky_test_nothing_is_said_of_its_rate(
    store: MemoryEventStore, record: Record
) -> None:
    record({"fine": "p"})
    every = health(store, ALL, now=LATER)
    lines = drawn(
        lambda out: draw_health.draw_health(out, States(tests=every, counts=counted(every)))
    )
    assert lines == [
        "test state decided failure rate passes since", "fine unknown 1 – –", "1 unknown.",
        "Decided: attempts that passed or failed; others were skipped or cut off.",
    ]  # fmt: skip


def test_nothing_broken_and_no_failure_are_said_in_words(
    store: MemoryEventStore, record: Record
) -> None:
    record({"fine": "p"})
    none = BrokenTests(tests=[])
    assert drawn(lambda out: draw_health.draw_broken(out, none, LATER)) == [
        "No test has failed in each of its last two runs."
    ]
    found = incidents(store, ALL, limit=9)
    assert drawn(lambda out: draw_health.draw_failures(out, found, LATER)) == ["No failures."]


def test_what_tests_cost(known: MemoryEventStore, store: MemoryEventStore) -> None:
    found = cost(known, ALL, limit=9)
    assert drawn(lambda out: draw_health.draw_cost(out, found)) == [
        "test lost reruns time share timed",
        "shaky 30 ms 3 120 ms 40 % 12",
        "fine – 0 90 ms 30 % 9",
        "red – 0 90 ms 30 % 9",
        "30 ms of 300 ms lost in attempts that failed in a run in which the test passed in the "
        "end; 3 reruns",
        "in all.",
    ]


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        ("p", "Nothing of 10 ms was lost by flaky failures."),
        ("ff", "Nothing of 20 ms was lost by flaky failures; 1 rerun in all."),
    ],
)
def test_time_that_was_not_lost(
    attempts: str, told: str, store: MemoryEventStore, record: Record
) -> None:
    record({"t": attempts})
    found = cost(store, ALL, limit=9)
    assert drawn(lambda out: draw_health.draw_cost(out, found))[-1] == told


def test_causes_of_failures(store: MemoryEventStore) -> None:
    line = Timeline(start=NOON)
    why_not = Failure(fingerprint="f", type="ValueError", message="no")
    store.append([
        line.start(), line.failed("b", failure=why_not), line.failed("a", failure=why_not),
        line.failed("c", failure=Failure(fingerprint="g")),
    ])  # fmt: skip
    found = incidents(store, ALL, limit=9)
    assert drawn(lambda out: draw_health.draw_failures(out, found, NOON + timedelta(hours=2))) == [
        "what tests runs failures last for example",
        "ValueError: no 2 1 2 1 h ago a",
        "g 1 1 1 1 h ago c",
        "3 failures in the newest 1 failing run.",
    ]


def test_what_failures_depend_on() -> None:
    one = Dependence(
        factor="after", value="t.py::spoiler", failed_with=15, with_it=20, failed_without=1,
        without_it=1_020, p_value=0.0004, command="pytest t.py::spoiler t.py::victim",
    )  # fmt: skip
    hours = Dependence(
        factor="hours", value="00–06 UTC", failed_with=3, with_it=3, failed_without=0,
        without_it=9, p_value=0.02, command="",
    )  # fmt: skip
    found = Dependences(
        test="t.py::victim", params="x", dependences=[one, hours], attempts=1_040, failed=16,
        tried=4,
    )  # fmt: skip
    assert drawn(lambda out: draw_health.draw_why(out, found)) == [
        "t.py::victim[x]",
        "after t.py::spoiler",
        "failed 15 of 20 with it, 1 of 1,020 without (p < 0.001)",
        "try pytest t.py::spoiler t.py::victim",
        "",
        "hours 00–06 UTC",
        "failed 3 of 3 with it, 0 of 9 without (p = 0.020)",
        "",
        "16 failures in 1,040 attempts; 4 circumstances compared (Fisher, Benjamini-Hochberg).",
    ]


def test_what_depends_on_nothing(store: MemoryEventStore, record: Record) -> None:
    for number in range(12):
        record({f"before{number % 2}": "p", "t": "f" if number % 3 == 0 else "p"})
    for test, told in (
        ("t", "Its failures do not depend on anything that was looked at."),
        ("before0", "not enough data: 0 failures and 6 passes, 3 of each are needed"),
    ):
        found = why(store, ALL, Case("acme", test, None))
        assert drawn(lambda out, found=found: draw_health.draw_why(out, found))[1] == told


def test_the_quarantine() -> None:
    def quarantined(test: str, days: float, **fields: Any) -> Quarantined:
        known = {"owner": "ann", "note": "waits", "state": "flaky", **fields}
        return Quarantined(
            test=test, params=None, project=None, since=NOON, expires_at=NOON + timedelta(days),
            **known,
        )  # fmt: skip

    rows = [
        quarantined("a", 3),
        quarantined("b", 9.6, owner=None, note=None, state="broken", advice="repair it"),
        quarantined("c", 12, state=None),
    ]
    found = QuarantineList(tests=rows, expired=2)
    assert drawn(lambda out: draw_health.draw_quarantine(out, found, NOON)) == [
        "test owner days left now note",
        "a ann 3 flaky waits",
        "b – 10 broken",
        "c ann 12 – waits",
        "b: repair it.",
        "2 quarantines ended by expiring.",
    ]
    nothing = QuarantineList(tests=[], expired=0)
    assert drawn(lambda out: draw_health.draw_quarantine(out, nothing, NOON)) == [
        "No test is in quarantine."
    ]


def test_a_selection(store: MemoryEventStore, record: Record) -> None:
    for number in range(9):
        record({"fine": "p", "idle": "sc", "red": "f" if number > 2 else "p", "well": "p"})
    found = select(store, ALL, budget=0.4)
    shown = drawn(lambda out: draw_health.draw_selection(out, found, [t.name for t in found.tests]))
    # When it failed first, nothing told it from the others; from then on it had failed last time.
    assert shown == [
        "red",
        "1 test, 10 ms, 33 % of the time of all; it would have noticed 83 % of 6 failing runs "
        "(44–97 %).",
    ]
    few = Selection(tests=[], time_s=1.0, time_share=0.5, recall=None, failing_runs=2)
    assert drawn(lambda out: draw_health.draw_selection(out, few, ["a", "b"])) == [
        "a", "b",
        "0 tests, 1.0 s, 50 % of the time of all; not enough data to say what it would miss: five "
        "failing",
        "runs are needed.",
    ]  # fmt: skip
    none = select(MemoryEventStore(), ALL, budget=0.5)
    assert drawn(lambda out: draw_health.draw_selection(out, none, []))[0].endswith(".")


@pytest.mark.parametrize(
    ("p_value", "text", "sentence"),
    [
        (None, "–", "p = –"), (0.0009, "<0.001", "p < 0.001"), (0.001, "0.001", "p = 0.001"),
        (0.0999, "0.100", "p = 0.100"), (0.1, "0.10", "p = 0.10"), (1.0, "1.00", "p = 1.00"),
    ],
)  # fmt: skip
def test_p_values_have_no_more_digits_than_they_have(
    p_value: float | None, text: str, sentence: str
) -> None:
    assert (p_text(p_value), p_is(p_value)) == (text, sentence)


@pytest.mark.parametrize(
    ("metric", "value", "shown", "changed"),
    [
        ("completion_rate", 0.25, "25 %", "+25.00 points"),
        ("duration", 2.0, "2.0 s", "+200.00 %"),
        ("invocations", 1234.0, "1,234", "+1.2e+03"),
        ("invocations", -0.5, "-0", "-0.5"),
        ("duration", None, "–", "–"),
    ],
)
def test_figures_have_their_unit(
    metric: Metric, value: float | None, shown: str, changed: str
) -> None:
    assert (figure(value, metric), change(value, metric)) == (shown, changed)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "?"),
        (0.5, "0.50 times"),
        (2.0, "2.0 times"),
        (9.99, "10.0 times"),
        (10.0, "10 times"),
    ],
)
def test_ratios_are_said_as_people_say_them(ratio: float | None, text: str) -> None:
    assert times(ratio) == text


@pytest.mark.parametrize(
    ("metric", "apart"),
    [("duration", "1.5 times"), ("completion_rate", "150 %"), ("invocations", "2")],
)
def test_one_trend_says_everything_that_is_known(metric: Metric, apart: str) -> None:
    starts = [datetime(2026, 3, 2 + day, tzinfo=UTC) for day in range(3)]
    series = Series(
        skill="ruff", metric=metric, period="day", starts=starts, values=[0.5, None, 1.0],
        n=[3, 0, 4],
    )  # fmt: skip
    one = SkillTrend(
        skill_name="ruff", trend="declining", slope_per_day=-0.01, slope_low=-0.02, slope_high=0.0,
        p_value=0.03, level=0.75, n=7, periods=2, series=series, method="by hand",
        seasonality=Seasonality(
            by="weekday", highest="Monday", lowest="Sunday", range=1.5, p_value=0.001
        ),
    )  # fmt: skip
    found = Trends(trends=[one], metric=metric, unit="", period="day", skills_in_all=1)
    lines = drawn(lambda out: draw_trends(out, found))
    assert lines[0].startswith("ruff: ") and lines[0].endswith(" by day")
    told = [
        line for line in lines if line.split(" ")[0] in {"trend", "slope", "p-value", "by", "from"}
    ]
    low, middle, high = (change(value, metric) for value in (-0.02, -0.01, 0.0))
    assert told == [
        "trend declining",
        f"slope {middle} a day, 95 % interval {low} to {high}",
        "p-value 0.030 (by hand)",
        f"by weekday highest on Monday, lowest on Sunday, apart by {apart}",
        "from 7 observations in 2 days; gaps: nothing known",
    ]


def test_a_trend_without_data_says_why() -> None:
    series = Series(skill="ruff", metric="duration", period="day", starts=[], values=[], n=[])
    one = SkillTrend(
        skill_name="ruff", trend="insufficient_data", reason="not enough data: none", n=0,
        periods=0, series=series,
    )  # fmt: skip
    found = Trends(trends=[one], metric="duration", unit="", period="day", skills_in_all=1)
    assert drawn(lambda out: draw_trends(out, found)) == [
        "ruff: median time by day", "trend not enough data", "not enough data: none",
        "from 0 observations in 0 days; gaps: nothing known",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("series", "short", "lines"),
    [
        (0, 0, ["Not enough data: ten runs are needed."]),
        (0, 3, ["Not enough data: ten runs are needed.",
                "3 series with fewer than 10 points not looked at."]),
        (5, 0, ["No change found.", "5 series looked at."]),
        (5, 1, ["No change found.", "5 series looked at, 1 series with fewer than 10 points not."]),
    ],
)  # fmt: skip
def test_no_change_is_said_in_words(series: int, short: int, lines: list[str]) -> None:
    found = Changes(changes=[], series=series, short=short)
    assert drawn(lambda out: draw_changes(out, found, [], 9)) == lines
