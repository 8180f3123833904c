"""What a store promises of appending: everything once, exactly, or nothing."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Detail, Failure, Outcome, Vcs
from sbhooks.ids import new_id
from sbhooks.store import EventQuery, EventStore
from sbhooks.testing.asking import EVERYTHING, only, stored
from sbhooks.testing.factories import NOON, Timeline


class AppendContract:
    """Promises of ``append``."""

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
        assert stored(
            store,
            EventQuery(
                since=NOON + timedelta(microseconds=1), until=NOON + timedelta(microseconds=2)
            ),
        ) == [event]
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
