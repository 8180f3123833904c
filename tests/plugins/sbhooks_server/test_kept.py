"""Kept answers are what the store would say, whatever has been stored, renamed or erased since."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sbhooks.events import Codec, Detail, Failure, Invocation, Outcome, TestResult
from sbhooks.ids import new_id
from sbhooks.store import EventQuery, EventStore
from sbhooks.testing.factories import NOON, Timeline
from sbhooks_server import answers, kept, kept_answers
from sbhooks_server.answers import MOST_POINTS
from sbhooks_server.kept import Kept
from sbhooks_server.kept_answers import KeptAnswers
from sbhooks_server.shapes import Step
from sbhooks_storage.sqlite import open_sqlite

STEPS: tuple[Step, ...] = ("hour", "day")
QUERIES = [
    EventQuery(),
    EventQuery(skills=("a",)),
    EventQuery(projects=("acme",)),
    EventQuery(since=NOON + timedelta(hours=1, minutes=20)),
    EventQuery(since=NOON - timedelta(days=60), skills=("a",)),
    EventQuery(until=NOON + timedelta(hours=2)),
]


def invocation(minutes: int, skill: str, session: str = "s") -> Invocation:
    at = NOON + timedelta(minutes=minutes)
    line = Timeline(session, start=at)
    good = Outcome.FAILURE if minutes % 3 == 0 else Outcome.SUCCESS
    return line.invocation(skill, good, id=new_id(), duration_s=abs(minutes) / 7)


def attempt(minutes: int, test: str, session: str = "s") -> TestResult:
    """One that passed, failed, or was killed with its run."""
    line = Timeline(session, start=NOON + timedelta(minutes=minutes))
    made = (line.failed if minutes % 2 else line.passed)(test, id=new_id())
    if minutes % 3:
        return made
    killed = Failure(fingerprint="killed", type="Killed")
    return msgspec.structs.replace(
        made, outcome=Outcome.ERROR, detail=Detail.ERROR, setup_s=None, call_s=None,
        teardown_s=None, failure=killed,
    )  # fmt: skip


def check(answers_kept: KeptAnswers, store: EventStore) -> None:
    for query in QUERIES:
        for step in STEPS:
            assert answers_kept.series(query, step=step) == answers.series(store, query, step=step)
        assert answers_kept.skills(query, limit=3) == answers.skills(store, query, limit=3)
        assert answers_kept.runs(query, limit=3) == answers.runs(store, query, limit=3)
        assert answers_kept.tests(query, limit=3) == answers.tests(store, query, limit=3)


minutes = st.one_of(st.integers(-300, 300), st.integers(-90_000, 90_000))
news = st.lists(st.tuples(minutes, st.sampled_from("ab"), st.sampled_from("st")), max_size=6)


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(news, st.booleans(), st.booleans()), min_size=1, max_size=5))
def test_it_says_what_the_store_would_say(turns: Sequence[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder, "s.db"), Codec())
        answers_kept = KeptAnswers(store)
        for made, has_start, is_erased in turns:
            before = Timeline("s", start=NOON - timedelta(days=1))
            starts = [before.start(project="acme", user="ann", id=new_id())] if has_start else []
            tests = [attempt(*one) for one in made]
            ends = [before.end(Outcome.ERROR, id=new_id())] if len(made) == 2 else []
            store.append([*starts, *(invocation(*one) for one in made), *tests, *ends])
            check(answers_kept, store)
            if is_erased:
                store.erase_user("ann")
                check(answers_kept, store)
        store.close()


class Watched:
    """A store that notes which hours it is asked about."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.asked: list[EventQuery] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def rollup(self, query: EventQuery, by: Sequence[Any] = ()) -> Any:
        self.asked.append(query)
        return self._store.rollup(query, by)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Watched]:
    opened = open_sqlite(tmp_path / "s.db", Codec())
    yield Watched(opened)
    opened.close()


def test_only_what_has_changed_is_added_up_again(store: Any) -> None:
    store.append([invocation(n * 60, "a") for n in range(100)])
    answers_kept = KeptAnswers(store)
    answers_kept.series(EventQuery(), step="hour")
    store.asked.clear()
    answers_kept.series(EventQuery(), step="hour")
    assert store.asked == []
    store.append([invocation(61, "b"), invocation(62, "b")])
    told = answers_kept.series(EventQuery(), step="hour")
    assert [point.total_invocations for point in told.points[:3]] == [1, 3, 1]
    (asked,) = store.asked
    hour = NOON + timedelta(hours=1)
    assert (asked.since, asked.until) == (hour, hour + timedelta(hours=1))


def test_it_keeps_no_more_than_it_tells_nor_more_series_than_it_may(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_ANSWERS", 2)
    answers_kept = KeptAnswers(store)
    for number in range(3):
        first = 60 * number * (MOST_POINTS - 1)
        store.append([invocation(first, "a"), invocation(first + 60 * 10, "a")])
        check(answers_kept, store)
        held = [one.value for one in answers_kept._series._answers.values()]
        assert len(held) == 2
        assert all(value is not None and len(value) <= 6 for value in held)


@pytest.mark.parametrize(
    "at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=["1", "9999"]
)
def test_events_at_the_ends_of_the_calendar_are_told_too(store: Any, at: datetime) -> None:
    answers_kept = KeptAnswers(store)
    query = EventQuery(since=answers.begin_of(at, "hour"))
    for number in (1, 2):
        store.append([Timeline("s", start=NOON).invocation("a", id=new_id(), at=at)])
        check(answers_kept, store)
        for step in STEPS:
            for asked in (EventQuery(), query):
                told = answers_kept.series(asked, step=step)
                assert told == answers.series(store, asked, step=step)
                (point,) = told.points
                assert (point.at, point.total_invocations) == (answers.begin_of(at, step), number)


def test_what_has_too_many_names_is_not_kept_and_told_all_the_same(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_answers, "MOST_NAMES", 2)
    answers_kept = KeptAnswers(store)
    both: tuple[Kept[Any], ...] = (answers_kept._skills, answers_kept._tests)
    for turn, names in enumerate(["ab", "c", "d", "a"]):
        store.append([invocation(turn, name) for name in names])
        store.append([attempt(turn, name) for name in names])
        check(answers_kept, store)
        held = [kept_.of(EventQuery(), pytest.fail, lambda v, _: v).by for kept_ in both]
        assert [by and len(by) for by in held] == ([2, 2] if turn == 0 else [None, None])


def test_all_answers_together_hold_no_more_than_they_may(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_ENTRIES", 5)
    store.append([attempt(n, name, name) for n, name in enumerate("abcd")])
    starts = [Timeline(name, start=NOON).start(project=name, id=new_id()) for name in "abcd"]
    store.append(starts)
    answers_kept = KeptAnswers(store)
    queries = [EventQuery(), *(EventQuery(projects=(name,)) for name in "abc")]
    for query in queries:
        assert answers_kept.tests(query, limit=3) == answers.tests(store, query, limit=3)
    assert list(answers_kept._tests._answers) == queries[1:]  # four tests, and one each
    answers_kept.tests(EventQuery(), limit=3)
    assert list(answers_kept._tests._answers) == [queries[-1], queries[0]]
