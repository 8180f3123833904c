"""Tests to inherit: whoever writes a store proves with them that it keeps every promise."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Codec, Detail, Event, Failure, Outcome, SessionStart, Vcs
from sbhooks.ids import new_id
from sbhooks.store import EventQuery, EventReader, EventStore, Rollup, bucket, merge
from sbhooks.testing.factories import NOON, NoteEvent, Timeline

EVERYTHING = EventQuery()
_US = timedelta(microseconds=1)


def stored(store: EventReader, query: EventQuery = EVERYTHING) -> list[Event]:
    """What a query finds."""
    return list(store.events(query))


def only(rollups: Sequence[Rollup]) -> Rollup:
    """The one row of an answer that has one."""
    (rollup,) = rollups
    return rollup


class EventStoreContract:
    """One test per promise of :mod:`sbhooks.store`.

    Inherit and override :meth:`store` and :meth:`reopened`. A store that ends with its process
    says so by ``test_appends_survive_closing = None``.
    """

    codec = Codec()  #: What the store under test must be able to read back.

    @pytest.fixture
    def store(self) -> EventStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self) -> Callable[[], EventStore]:
        """Opens the same store once more."""
        raise NotImplementedError

    # --- append

    def test_what_is_appended_comes_back_exactly(self, store: EventStore) -> None:
        events = Timeline().one_of_each()
        assert store.append(events) == len(events)
        assert stored(store) == events

    def test_every_field_comes_back_exactly(self, store: EventStore) -> None:
        time = Timeline()
        attributes = {"text": "a\0é🙂", "whole": 2**64 - 1, "real": 0.1, "true": True, "": -0.5}
        events = [
            time.start(
                tool_version="9", project="p", user="u", host="h", python="3.11", platform="x",
                vcs=Vcs(commit="c" * 40, branch="b", dirty=False, base="main"),
                traceparent="00-a", parent="other", attributes=attributes,
            ),
            time.invocation(
                "ruff-check", Outcome.TIMEOUT, duration_s=1e-6, phase="setup", step="1",
                workflow="w", error_type="E", query="why?", alternatives=["a", ""],
                selection_rank=1, follow_up_actions=["x"], rating=5, attributes=attributes,
            ),
            time.failed(
                params="1-é", attempt=3, failure=Failure(fingerprint="f", type="T", message="m"),
                subtest="s", worker="gw1", invocation=new_id(), attributes=attributes,
            ),
            time.stage(
                outcome=Outcome.ERROR, phase="p", duration_s=1e9, queued_s=0.0,
                artifacts=["a"], error_type="E", attributes=attributes,
            ),
            time.phase("", "setup", step="s", attributes=attributes),
            time.end(
                Outcome.CANCELLATION, exit_status=-9, counts={"passed": 2**70}, reason="killed",
                duration_s=3.25, attributes=attributes,
            ),
        ]  # fmt: skip
        store.append(events)
        assert stored(store) == events

    def test_empty_and_missing_are_told_apart(self, store: EventStore) -> None:
        time = Timeline()
        events = [
            time.start(vcs=Vcs(), project="", user=""),
            time.start(vcs=None, project=None, user=None),
            time.passed(params="", worker="", subtest="", setup_s=0.0, call_s=None),
            time.passed(params=None, worker=None, subtest=None, setup_s=None, call_s=0.0),
            time.invocation(query="", workflow=""),
            time.invocation(query=None, workflow=None),
        ]
        store.append(events)
        assert stored(store) == events

    @pytest.mark.parametrize("outcome", list(Outcome))
    @pytest.mark.parametrize("error_type", [None, "E"])
    def test_every_outcome_comes_back(
        self, store: EventStore, outcome: Outcome, error_type: str | None
    ) -> None:
        time = Timeline()
        events = [
            time.invocation(outcome=outcome, error_type=error_type),
            time.stage(outcome=outcome, error_type=error_type),
            time.end(outcome),
        ]
        store.append(events)
        assert stored(store) == events
        assert only(store.rollup(EVERYTHING)).outcomes == {outcome: 3}

    @pytest.mark.parametrize("detail", list(Detail))
    def test_every_detail_comes_back(self, store: EventStore, detail: Detail) -> None:
        event = Timeline().passed()
        event = type(event)(
            source="pytest", session="s", test="t", outcome=Outcome.SKIP, detail=detail
        )
        store.append([event])
        assert stored(store) == [event]
        assert only(store.rollup(EVERYTHING, ["detail"])).key == (str(detail),)

    def test_the_same_id_is_stored_once(self, store: EventStore) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        assert store.append(events) == 0
        assert store.append([*events[:2], Timeline().passed()]) == 1
        assert len(stored(store)) == len(events) + 1

    def test_of_two_events_with_one_id_the_first_counts(self, store: EventStore) -> None:
        time = Timeline()
        first = time.passed("first")
        others = [time.passed("second", id=first.id), time.invocation(id=first.id),
                  time.end(id=first.id, session="another")]  # fmt: skip
        assert store.append([first, *others]) == 1
        assert store.append(others) == 0
        assert stored(store) == [first]

    def test_any_text_is_an_id(self, store: EventStore) -> None:
        time = Timeline()
        uuid = new_id()
        names = ["1", "é", uuid.upper(), uuid.replace("-", ""), f"{uuid[:-1]} ", "x" * 36, uuid]
        events = [time.passed(id=name) for name in names]
        assert store.append(events) == len(names)
        assert store.append(events) == 0
        assert stored(store) == events

    def test_appending_nothing_changes_nothing(self, store: EventStore) -> None:
        assert store.append([]) == 0
        assert store.high_water() == 0

    def test_a_batch_that_cannot_be_stored_leaves_nothing(self, store: EventStore) -> None:
        time = Timeline()
        impossible = time.passed(call_s=math.nan)
        with pytest.raises(StoreError):
            store.append([time.start(), time.passed("new"), impossible])
        assert stored(store) == []
        assert store.high_water() == 0
        assert store.append([time.passed("new")]) == 1

    @pytest.mark.parametrize("seconds", [math.nan, math.inf, -1e-6, 1.1e9])
    def test_impossible_durations_are_refused(self, store: EventStore, seconds: float) -> None:
        time = Timeline()
        for event in (
            time.passed(setup_s=seconds), time.invocation(duration_s=seconds),
            time.end(duration_s=seconds), time.stage(queued_s=seconds),
        ):  # fmt: skip
            with pytest.raises(StoreError):
                store.append([event])
        assert stored(store) == []

    def test_what_json_cannot_say_is_refused(self, store: EventStore) -> None:
        time = Timeline()
        for odd in ({"a": math.inf}, {"a": math.nan}, {"a": [1]}, {"a": None}):
            for event in (time.passed(attributes=odd), time.start(attributes=odd)):
                with pytest.raises(StoreError):
                    store.append([event])
        assert stored(store) == []

    def test_times_of_any_zone_are_the_same_instant(self, store: EventStore) -> None:
        east = datetime(2026, 11, 20, 14, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
        event = Timeline().passed(at=east)
        store.append([event])
        assert stored(store, EventQuery(since=NOON + _US, until=NOON + 2 * _US)) == [event]
        assert only(store.rollup(EVERYTHING, ["hour"])).key == ("2026-11-20T12",)

    def test_durations_are_kept_to_the_microsecond(self, store: EventStore) -> None:
        store.append([Timeline().invocation(duration_s=0.123456789)])
        (event,) = stored(store)
        assert event.duration_s == pytest.approx(0.123456789, abs=0.5e-6)  # type: ignore[attr-defined]

    def test_kinds_that_plugins_declare_are_kept(self, store: EventStore) -> None:
        note = Timeline().note("é\0", skill="ruff-check", outcome=Outcome.SKIP, duration_s=2.0)
        store.append([note])
        assert stored(store) == [note]
        assert stored(store, EventQuery(kinds=("testing-note",), skills=("ruff-check",))) == [note]
        rollup = only(store.rollup(EVERYTHING, ["kind", "skill"]))
        assert rollup.key == ("testing-note", "ruff-check")
        assert rollup.outcomes == {"skip": 1}
        assert rollup.duration_sum == 2.0

    def test_appends_survive_closing(
        self, store: EventStore, reopened: Callable[[], EventStore]
    ) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        position = store.high_water()
        store.close()
        again = reopened()
        assert stored(again) == events
        assert again.high_water() == position
        assert again.append(events) == 0

    def test_threads_append_and_read_at_once(self, store: EventStore) -> None:
        seen: list[int] = []
        new: list[int] = []
        troubles: list[BaseException] = []

        def write(number: int) -> None:
            try:
                for batch in range(5):
                    time = Timeline(f"session-{number}-{batch}")
                    mine = [time.start(), time.passed(), *[time.passed(id=f"shared-{batch}")]]
                    new.append(store.append(mine))
                    seen.append(len(stored(store)))
            except BaseException as error:  # noqa: BLE001
                troubles.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert troubles == []
        assert sum(new) == len(stored(store)) == 4 * 5 * 2 + 5
        assert max(seen) <= 45

    # --- events

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
        time = Timeline(step=_US)
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

    # --- rollup

    def test_a_rollup_counts_and_adds_up(self, store: EventStore) -> None:
        time = Timeline()
        events = [time.invocation(duration_s=1.0), time.invocation(duration_s=3.0),
                  time.invocation(outcome=Outcome.FAILURE)]  # fmt: skip
        store.append(events)
        assert only(store.rollup(EVERYTHING, ["skill"])) == Rollup(
            key=("pytest-run",), n=3, outcomes={"success": 2, "failure": 1},
            duration_n=2, duration_sum=4.0, duration_sum_squares=10.0,
            first_at=events[0].at, last_at=events[2].at,
            buckets={bucket(1.0): 1, bucket(3.0): 1},
        )  # fmt: skip

    def test_the_duration_of_a_test_is_the_sum_of_its_phases(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.passed(), time.passed(setup_s=None, call_s=None, teardown_s=None)])
        rollup = only(store.rollup(EVERYTHING))
        assert (rollup.n, rollup.duration_n) == (2, 1)
        assert rollup.duration_sum == pytest.approx(0.01)
        assert rollup.buckets == {bucket(0.01): 1}

    def test_no_events_give_no_rows(self, store: EventStore) -> None:
        assert store.rollup(EVERYTHING) == []
        assert store.rollup(EVERYTHING, ["skill"]) == []

    def test_rows_are_ordered_by_key_with_nothing_first(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.invocation(s) for s in ("b", "a", "é", "Z")] + [time.passed()])
        keys = [row.key for row in store.rollup(EVERYTHING, ["skill"])]
        assert keys == [(None,), ("Z",), ("a",), ("b",), ("é",)]

    def test_limit_and_order_do_not_apply_to_rollups(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.invocation("b"), time.invocation("a")])
        rows = store.rollup(EventQuery(limit=1, newest_first=True), ["skill"])
        assert [row.key for row in rows] == [("a",), ("b",)]

    def test_every_dimension_groups(self, store: EventStore) -> None:
        time = Timeline("s")
        start = time.start(project="p", user="u", vcs=Vcs(branch="b", commit="c"))
        test = time.failed("t", params="1", worker="gw0")
        call = time.invocation("k", phase="setup", workflow="w", error_type="E")
        store.append([start, test, call])
        for query, by, key in (
            (("test-result",), ("kind", "source", "session", "project", "user", "branch",
                                "commit", "test", "params", "detail", "worker", "outcome"),
             ("test-result", "pytest", "s", "p", "u", "b", "c", "t", "1", "failed", "gw0",
              "failure")),
            (("invocation",), ("skill", "phase", "workflow", "error_type", "hour", "day", "test"),
             ("k", "setup", "w", "E", "2026-11-20T12", "2026-11-20", None)),
        ):  # fmt: skip
            assert only(store.rollup(EventQuery(kinds=query), by)).key == key  # type: ignore[arg-type]

    def test_rollups_of_parts_add_up_to_the_whole(self, store: EventStore) -> None:
        time = Timeline()
        for skill in ("a", "b"):
            store.append([time.invocation(skill, duration_s=n / 7) for n in range(20)])
        (total,) = merge(store.rollup(EVERYTHING, ["skill", "hour"]), keep=())
        whole = only(store.rollup(EVERYTHING))
        assert (total.n, total.outcomes, total.buckets) == (whole.n, whole.outcomes, whole.buckets)
        assert total.duration_sum == pytest.approx(whole.duration_sum)

    def test_a_quantile_is_within_one_per_cent(self, store: EventStore) -> None:
        time = Timeline()
        durations = [1.1**n / 1000 for n in range(100)]
        store.append([time.invocation(duration_s=seconds) for seconds in durations])
        rollup = only(store.rollup(EVERYTHING))
        for share in (0.01, 0.5, 0.95, 1.0):
            exact = durations[math.ceil(share * 100) - 1]
            assert rollup.quantile(share) == pytest.approx(exact, rel=0.0101, abs=1e-6)

    def test_hours_and_days_before_1970_are_right(self, store: EventStore) -> None:
        at = datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        store.append([Timeline().passed(at=at)])
        assert only(store.rollup(EVERYTHING, ["hour", "day"])).key == (
            "0999-12-31T23", "0999-12-31",
        )  # fmt: skip

    # --- tail and high_water

    def test_the_tail_gives_everything_once_in_pages(self, store: EventStore) -> None:
        time = Timeline()
        batches = [[time.passed() for _ in range(n)] for n in (1, 7, 3)]
        for batch in batches:
            store.append(batch)
        position, read = 0, list[Event]()
        while page := store.tail(position, limit=4):
            assert len(page.events) <= 4
            read += page.events
            position = page.position
            if not page.events:
                break
        assert read == [event for batch in batches for event in batch]
        assert position == store.high_water()

    def test_the_tail_follows_the_order_of_storing(self, store: EventStore) -> None:
        late = Timeline(start=NOON + timedelta(days=1)).one_of_each()
        store.append(late)
        position = store.high_water()
        early = Timeline().one_of_each()
        store.append(early)
        tail = store.tail(position)
        assert (tail.events, tail.position) == (early, store.high_water())
        assert store.tail(tail.position).events == []

    def test_the_tail_of_an_empty_store_is_empty(self, store: EventStore) -> None:
        assert (store.tail(0).events, store.tail(0).position) == ([], 0)

    def test_the_tail_crosses_gaps(self, store: EventStore) -> None:
        gone = Timeline("gone")
        store.append([gone.start(user="ann"), *[gone.passed() for _ in range(20)]])
        kept = Timeline("kept").passed()
        store.append([kept])
        store.erase_user("ann")
        tail = store.tail(0, limit=5)
        assert tail.events == [kept]
        assert store.tail(tail.position, limit=5).events == []

    def test_the_mark_moves_only_when_something_changes(self, store: EventStore) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        mark = store.high_water()
        store.append(events)
        assert store.rename_people({"nobody": "somebody"}) == 0
        assert store.erase_user("nobody") == 0
        stored(store)
        assert store.high_water() == mark
        store.rename_people({"user-1": "user-2"})
        assert store.high_water() > mark
        mark = store.high_water()
        store.erase_user("user-2")
        assert store.high_water() > mark

    def test_positions_are_not_used_again(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.start(user="ann"), time.passed()])
        mark = store.high_water()
        store.erase_user("ann")
        new = Timeline("next").passed()
        store.append([new])
        assert store.tail(mark).events == [new]

    # --- people

    def test_people_are_renamed_everywhere(self, store: EventStore) -> None:
        one, two = Timeline("one"), Timeline("two")
        store.append([one.start(user="ann", host="h"), one.passed(), two.start(user="bob")])
        assert store.rename_people({"ann": "ANN", "h": "H", "nobody": "x"}) == 1
        (start,) = stored(store, EventQuery(users=("ANN",), kinds=("session-start",)))
        assert isinstance(start, SessionStart)
        assert (start.user, start.host) == ("ANN", "H")
        assert stored(store, EventQuery(users=("ann",))) == []
        assert len(stored(store, EventQuery(users=("ANN",)))) == 2

    def test_people_may_swap_names(self, store: EventStore) -> None:
        one, two = Timeline("one"), Timeline("two")
        store.append([one.start(user="ann"), two.start(user="bob")])
        assert store.rename_people({"ann": "bob", "bob": "ann"}) == 2
        assert [start.user for start in stored(store)] == ["bob", "ann"]  # type: ignore[attr-defined]

    def test_events_that_name_people_are_theirs(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.start(user="bob"), time.note(author="ann"), time.note(author="bob"),
                      time.note(text="ann")])  # fmt: skip
        assert store.rename_people({"ann": "bob", "bob": "ann"}) == 1
        notes = stored(store, EventQuery(kinds=("testing-note",)))
        assert [note.author for note in notes] == ["bob", "ann", None]  # type: ignore[attr-defined]
        mark = store.high_water()
        assert store.erase_user("bob") == 1
        assert store.high_water() > mark
        assert stored(store, EventQuery(kinds=("testing-note",))) == notes[1:]
        assert store.erase_user("ann") == 3
        assert stored(store) == []

    def test_erasing_a_user_takes_all_their_sessions(self, store: EventStore) -> None:
        mine, theirs = Timeline("mine"), Timeline("theirs")
        kept = [theirs.start(user="bob"), theirs.passed(), theirs.failed()]
        gone = mine.one_of_each()
        store.append([*gone, *kept])
        assert store.erase_user("user-1") == len(gone)
        assert stored(store) == kept
        assert store.rollup(EventQuery(sessions=("mine",))) == []
        assert store.erase_user("user-1") == 0

    def test_what_was_erased_can_be_stored_again(self, store: EventStore) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        store.erase_user("user-1")
        assert store.append(events) == len(events)
        assert stored(store) == events

    # --- close

    def test_closing_twice_is_harmless(self, store: EventStore) -> None:
        store.close()
        store.close()

    def test_a_closed_store_says_so(self, store: EventStore) -> None:
        store.append([Timeline().passed()])
        store.close()
        for use in (
            lambda: store.append([Timeline().passed()]), lambda: stored(store),
            lambda: store.rollup(EVERYTHING), lambda: store.tail(0), store.high_water,
        ):  # fmt: skip
            with pytest.raises(StoreError, match="closed"):
                use()

    def test_it_is_a_store_for_the_type_checker_and_at_run_time(self, store: EventStore) -> None:
        assert isinstance(store, EventReader)
        assert isinstance(store, EventStore)


EventStoreContract.codec = Codec([*EventStoreContract.codec.kinds.values(), NoteEvent])
