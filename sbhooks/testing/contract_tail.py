"""What a store promises of following it, of people, and of its end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Event, SessionStart
from sbhooks.store import EventQuery, EventReader, EventStore
from sbhooks.testing.asking import EVERYTHING, stored
from sbhooks.testing.factories import NOON, Timeline


class TailContract:
    """Promises of ``tail``, ``high_water``, ``rename_people``, ``erase_user`` and ``close``."""

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
