"""What people see: it fits, it is true to what it draws, and no stored text is obeyed."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from rich.console import Console

from sbhooks.errors import SbhooksError
from sbhooks.events import Event, Failure, TestResult
from sbhooks.output import Output, json_text
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks.testing.strategies import batches
from sbhooks.wording import cells
from sbhooks_analytics import draw_health, draw_runs, draw_tests
from sbhooks_analytics.activity import top
from sbhooks_analytics.attempts import Case, slow, summaries
from sbhooks_analytics.broken import BrokenTests, broken
from sbhooks_analytics.cells import range_of, span_of
from sbhooks_analytics.details import details
from sbhooks_analytics.findings import findings
from sbhooks_analytics.flaky import flaky
from sbhooks_analytics.health import TestStates as States
from sbhooks_analytics.health import counted, health
from sbhooks_analytics.history import history
from sbhooks_analytics.runs import runs

NOW = NOON + timedelta(hours=5)
ALL = EventQuery()
Record = Callable[..., str]


def drawn(draw: Callable[[Output], None], width: int = 80) -> str:
    """What a drawing prints."""
    file = io.StringIO()
    draw(Output(Console(file=file, width=width, markup=False, highlight=False, emoji=False)))
    return file.getvalue()


def every_answer(store: MemoryEventStore, events: list[Event]) -> list[tuple[object, str]]:
    """Each answer that can be asked for, as a document and as drawn."""
    activity = top(store, ALL, now=NOW, limit=9)
    known = runs(store, ALL, now=NOW, limit=9)
    tests = summaries(store, ALL)
    expensive, shaky = slow(store, ALL, limit=9), flaky(store, ALL, now=NOW, limit=9)
    answers: list[tuple[object, str]] = [
        (activity, drawn(lambda out: draw_runs.draw_top(out, activity, NOW))),
        (known, drawn(lambda out: draw_runs.draw_runs(out, known, NOW))),
        (tests, drawn(lambda out: draw_tests.draw_tests(out, tests, len(tests)))),
        (expensive, drawn(lambda out: draw_tests.draw_slow(out, expensive))),
        (shaky, drawn(lambda out: draw_tests.draw_flaky(out, shaky, NOW))),
    ]
    for test in {event.test for event in events if isinstance(event, TestResult)}:
        past = history(store, ALL, Case(None, test, None), now=NOW, limit=9)
        answers.append(
            (past, drawn(lambda out, past=past: draw_tests.draw_history(out, past, NOW)))
        )
    for session in [run.session for run in known]:
        full = details(store, session, now=NOW, limit=9)
        answers.append((full, drawn(lambda out, full=full: draw_runs.draw_details(out, full, NOW))))
    return answers


@given(batches)
def test_no_stored_text_is_obeyed_by_the_terminal(events: list[Event]) -> None:
    store = MemoryEventStore()
    store.append(events)
    for document, text in every_answer(store, events):
        assert all(line.isprintable() for line in text.split("\n"))
        assert all(cells(line) <= 80 for line in text.split("\n"))
        assert not any("\x7f" <= char <= "\x9f" for char in json_text(document))


def test_runs_are_a_table_and_two_courses(record: Record, store: MemoryEventStore) -> None:
    record({}, counts={"passed": 9, "failed": 1}, outcome="failure", commit="abcdef0123")
    record({}, counts={"passed": 10}, commit="abcdef0123")
    found = runs(store, ALL, now=NOON + timedelta(hours=2), limit=9)
    assert drawn(lambda out: draw_runs.draw_runs(out, found, NOON + timedelta(hours=2))).split(
        "\n"
    ) == [
        "run       started  outcome    tests  failed   time  commit   branch",
        "ion-0001  1 h ago  ✓ success     10       0  3.0 s  abcdef0  main",
        "ion-0000  2 h ago  ✗ failure     10       1  3.0 s  abcdef0  main",
        "",
        "time    ██  3.0 s",
        "failed  █▁  0–10 %",
        "",
    ]


def test_runs_of_several_projects_are_kept_apart(record: Record, store: MemoryEventStore) -> None:
    for project in ("one", "two", "one", "two"):
        record({}, project=project, counts={"passed": 1})
    found = runs(store, ALL, now=NOW, limit=9)
    text = drawn(lambda out: draw_runs.draw_runs(out, found, NOW))
    assert "project" in text.split("\n")[0]
    assert text.count("time ") >= 2


def test_the_health_of_tests_of_several_projects_is_kept_apart(
    record: Record, store: MemoryEventStore
) -> None:
    for project in ("one", "two") * 2:
        record({"t": "f"}, project=project)
    every = health(store, ALL, now=NOW)
    states = States(tests=every, counts=counted(every))
    broken_tests = BrokenTests(tests=broken(store, ALL, now=NOW))
    for text in (
        drawn(lambda out: draw_health.draw_health(out, states)),
        drawn(lambda out: draw_health.draw_broken(out, broken_tests, NOW)),
    ):
        assert "project" in text.split("\n")[0]
        assert "one" in text and "two" in text


def test_a_killed_run_names_the_test_that_was_running(store: MemoryEventStore) -> None:
    import msgspec

    line = Timeline()
    killed = Failure(fingerprint="killed", type="Killed")
    hung = msgspec.structs.replace(line.failed("a.py::hung"), detail="error", failure=killed)
    store.append([line.start(), hung, line.end("error", reason="killed")])  # type: ignore[arg-type]
    found = details(store, "session-1", now=NOW, limit=5)
    text = drawn(lambda out: draw_runs.draw_details(out, found, NOW))
    assert "outcome  ✗ killed" in text
    assert "Running when it was killed: a.py::hung" in text


def test_a_killed_run_took_at_least_as_long_as_it_was_seen(
    record: Record, store: MemoryEventStore
) -> None:
    for _ in range(2):
        record({"t": "p"}, counts={"passed": 1})
    killed = record({"t": "p", "u": "k"}, outcome="error", reason="killed")
    found = runs(store, ALL, now=NOW, limit=9)
    text = drawn(lambda out: draw_runs.draw_runs(out, found, NOW))
    assert "✗ killed       1       0  ≥ 3.0 s" in text.split("\n")[1]
    assert "time    ██   3.0 s\n" in text  # a gap for the killed run
    assert "failed  ▁▁▁  0 %\n" in text
    full = details(store, killed, now=NOW, limit=9)
    shown = drawn(lambda out: draw_runs.draw_details(out, full, NOW))
    assert "time     ≥ 3.0 s\n" in shown
    assert "counts   1 passed, 1 interrupted\n" in shown


def test_several_tests_that_were_running_are_listed_under_one_heading(
    record: Record, store: MemoryEventStore
) -> None:
    session = record({"a": "k", "b[1]": "k"}, outcome="error", reason="killed")
    full = details(store, session, now=NOW, limit=9)
    text = drawn(lambda out: draw_runs.draw_details(out, full, NOW))
    assert text.endswith("\nRunning when it was killed:\n  a\n  b[1]\n")


def test_a_run_that_was_interrupted_says_so(record: Record, store: MemoryEventStore) -> None:
    session = record({"a": "p", "b": "c"}, outcome="cancellation", counts={"error": 1, "passed": 1})
    full = details(store, session, now=NOW, limit=9)
    text = drawn(lambda out: draw_runs.draw_details(out, full, NOW))
    assert "Running when it was interrupted: b\n" in text
    assert "counts   1 passed, 1 interrupted\n" in text
    assert "failed" not in text


def test_failed_subtests_stand_under_their_test(store: MemoryEventStore) -> None:
    line = Timeline()
    why = Failure(fingerprint="f", type="ValueError", message="no")
    store.append(
        [
            line.start(),
            line.failed("t", subtest="i=1", failure=why),
            line.failed("u"),
            line.failed("t", subtest="i=2"),
            line.failed("t", failure=why),
        ]
    )
    found = details(store, "session-1", now=NOW, limit=5)
    text = drawn(lambda out: draw_runs.draw_details(out, found, NOW))
    assert (
        "2 failed attempts\n"
        "✗ failed  t\n"
        "          ValueError: no\n"
        "          subtest i=1\n"
        "          ValueError: no\n"
        "          subtest i=2\n"
        "✗ failed  u\n"
    ) in text


def test_counts_read_as_words(record: Record, store: MemoryEventStore) -> None:
    counts = {"passed": 2, "error": 2, "warnings": 1, "subtests_failed": 3, "reruns": 1, "odd_x": 2}
    session = record({}, counts=counts)
    found = details(store, session, now=NOW, limit=5)
    told = "2 passed, 2 errors, 1 warning, 3 failed subtests, 1 rerun, 2 odd x"
    assert told in drawn(lambda out: draw_runs.draw_details(out, found, NOW), 200)


def test_a_list_that_was_cut_says_of_how_many(record: Record, store: MemoryEventStore) -> None:
    record({"a": "p", "b": "p", "c": "p"})
    tests = summaries(store, ALL)
    assert drawn(lambda out: draw_tests.draw_tests(out, tests[:2], 3)).endswith("2 of 3 tests.\n")
    assert drawn(lambda out: draw_tests.draw_tests(out, tests, 3)).endswith("\n3 tests.\n")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.0, 0.0, "0 %"), (0.5, 0.5, "50 %"), (0.36, 0.8, "36–80 %"), (None, None, "–")],
)
def test_a_range_without_a_span_is_one_value(
    low: float | None, high: float | None, text: str
) -> None:
    assert range_of(low, high) == text


def test_a_span_of_equal_times_is_one_value() -> None:
    assert span_of([0.0002, None, 0.00021]) == "0.2 ms"
    assert span_of([0.1, 0.2]) == "100 ms – 200 ms"
    assert span_of([None]) == "–"


def test_many_failures_are_cut_for_people(store: MemoryEventStore) -> None:
    line = Timeline()
    store.append([line.start(), *(line.failed(f"t{n}") for n in range(25))])
    found = details(store, "session-1", now=NOW, limit=5)
    text = drawn(lambda out: draw_runs.draw_details(out, found, NOW))
    assert "25 failed attempts" in text
    assert "5 more; --json shows them all." in text


def test_too_few_attempts_have_no_rate(record: Record, store: MemoryEventStore) -> None:
    record({"t": "fp"})
    record({"u": "p"})
    record({"u": "f"})
    found = flaky(store, ALL, now=NOW, limit=9)
    text = drawn(lambda out: draw_tests.draw_flaky(out, found, NOW))
    assert "not enough data" in text.split("\n")[1]
    assert "1 more test passed and failed, but whether on the same code is not known" in text


def test_rows_of_several_projects_say_which() -> None:
    store = MemoryEventStore()
    for project, time_s in (("shop", 2.0), ("bank", 1.0)):
        line = Timeline(project)
        store.append([line.start(project=project), line.passed("a.py::t", call_s=time_s)])
    found = slow(store, ALL, limit=9)
    lines = drawn(lambda out: draw_tests.draw_slow(out, found)).splitlines()
    assert lines[0].endswith("project")
    assert [line.split()[-1] for line in lines[1:3]] == ["shop", "bank"]


def test_no_flaky_test_is_said_in_words(record: Record, store: MemoryEventStore) -> None:
    record({"t": "p"})
    found = flaky(store, ALL, now=NOW, limit=9)
    assert drawn(lambda out: draw_tests.draw_flaky(out, found, NOW)).startswith("No test is known")


def test_history_shows_outcomes_from_old_to_new(record: Record, store: MemoryEventStore) -> None:
    for letter in "pfsx":
        record({"t": letter})
    found = history(store, ALL, Case("acme", "t", None), now=NOW, limit=9)
    text = drawn(lambda out: draw_tests.draw_history(out, found, NOW))
    assert text.split("\n")[1] == "outcomes  ✓✗··"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_tables_fit_terminals_of_any_sensible_width(
    width: int, record: Record, store: MemoryEventStore
) -> None:
    record(
        {f"tests/some/very/long/folder/test_{n}.py::test_of_things[{n}]": "pf" for n in range(3)}
    )
    tests, shaky = summaries(store, ALL), flaky(store, ALL, now=NOW, limit=9)
    for text in (
        drawn(lambda out: draw_tests.draw_tests(out, tests, len(tests)), width),
        drawn(lambda out: draw_tests.draw_flaky(out, shaky, NOW), width),
    ):
        assert all(cells(line) <= width for line in text.split("\n"))
        assert "things[2]" in text or width < 60


def test_findings_of_anything_are_sentences(store: MemoryEventStore, record: Record) -> None:
    from sbhooks.insights import InsightQuery

    for _ in range(3):
        record({"a": "f", "b": "fp"})
    for insight in findings(InsightQuery(now=NOW), store):
        assert insight.summary.endswith(".")
    with pytest.raises(SbhooksError):
        details(store, "nothing", now=NOW, limit=1)
