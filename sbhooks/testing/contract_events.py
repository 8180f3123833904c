"""What a store promises of reading events: filters, order, one state."""

from __future__ import annotations

from datetime import timedelta

from sbhooks.store import EventQuery, EventStore
from sbhooks.testing.asking import EVERYTHING, only, stored
from sbhooks.testing.factories import NOON, Timeline


class EventsContract:
    """Promises of ``events``."""

    def test_events_come_by_time_then_by_id(self, store: EventStore) -> None:
        late, early = Timeline(start=NOON + timedelta(hours=1)), Timeline()
        b = early.passed(id="00000000-0000-7000-8000-00000000000b")
        a = late.phase("x", at=b.at, id="00000000-0000-7000-8000-00000000000a")
        odd = late.note("odd", at=b.at, id="ffffffff")
        c = late.invocation()
        store.append([c, b])
        store.append([a, odd])
        assert stored(store) == [odd, a, b, c]
        assert stored(store, EventQuery(newest_first=True)) == [c, b, a, odd]

    def test_a_limit_takes_the_first_in_order(self, store: EventStore) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        assert stored(store, EventQuery(limit=2)) == events[:2]
        assert stored(store, EventQuery(limit=2, newest_first=True)) == events[:-3:-1]
        assert stored(store, EventQuery(limit=0)) == []

    def test_since_is_included_and_until_is_not(self, store: EventStore) -> None:
        time = Timeline(step=timedelta(microseconds=1))
        first, second, third = events = [time.passed(), time.invocation(), time.stage()]
        store.append(events)
        assert stored(store, EventQuery(since=second.at)) == [second, third]
        assert stored(store, EventQuery(until=second.at)) == [first]
        assert stored(store, EventQuery(since=first.at, until=third.at)) == [first, second]
        assert stored(store, EventQuery(since=second.at, until=second.at)) == []

    def test_each_filter_restricts(self, store: EventStore) -> None:
        mine = Timeline("mine").one_of_each()
        ours = Timeline("ours", "ci")
        theirs = [ours.start(project="other", user="user-2"), ours.passed("t"),
                  ours.invocation("ruff-check")]  # fmt: skip
        store.append([*mine, *theirs])
        for query, expected in (
            (EventQuery(sessions=("mine",)), mine),
            (EventQuery(sources=("ci",)), theirs),
            (EventQuery(projects=("acme",)), mine),
            (EventQuery(users=("user-2",)), theirs),
            (EventQuery(skills=("ruff-check", "?")), theirs[2:]),
            (EventQuery(tests=("t", "?")), theirs[1:2]),
            (EventQuery(kinds=("phase-change", "session-end")), [mine[1], mine[5]]),
            (EventQuery(tests=("t",), skills=("ruff-check",)), []),
            (EventQuery(kinds=("unheard-of",)), []),
        ):
            assert stored(store, query) == expected
            assert sum(row.n for row in store.rollup(query)) == len(expected)

    def test_a_session_is_known_by_its_earliest_start(self, store: EventStore) -> None:
        time = Timeline()
        early, late = time.start(project="right", user="ann"), time.start(project="wrong")
        store.append([time.passed()])
        store.append([late])
        assert only(store.rollup(EventQuery(tests=("tests/test_a.py::test_one",)),
                                 ["project"])).key == ("wrong",)  # fmt: skip
        store.append([early])
        assert only(store.rollup(EVERYTHING, ["project", "user"])).key == ("right", "ann")
        assert len(stored(store, EventQuery(projects=("right",)))) == 3

    def test_reading_sees_one_state(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.passed() for _ in range(3)])
        iterator = store.events(EVERYTHING)
        next(iterator)
        store.append([time.passed(), time.start(user="ann")])
        assert len(list(iterator)) == 2
        assert len(stored(store)) == 5

    def test_an_iteration_may_be_left_early(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.passed() for _ in range(5)])
        for _ in range(20):
            next(store.events(EVERYTHING))
        assert store.append([time.passed()]) == 1
