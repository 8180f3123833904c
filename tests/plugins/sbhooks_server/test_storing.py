"""Batches that are stored together: each sender is told what became of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sbhooks.config import load_config
from sbhooks.errors import StoreError
from sbhooks.events import Codec, Event
from sbhooks.hookspecs import hookimpl
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_server import keeper
from sbhooks_server.storing import Kept, keep

from .conftest import PATIENCE_S, Serving

PATH = "/api/v1/events"
LINES = {"content-type": "application/x-ndjson"}


class Told:
    """A plugin that is told of batches, and takes its time when it is asked to."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Event]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    @hookimpl
    def sbhooks_events_stored(self, events: Sequence[Event]) -> None:
        self.batches.append(events)
        self.goes_on.wait(PATIENCE_S)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def runtime(home: Path, told: Told) -> Iterator[Runtime]:
    with Runtime.start(load_config()) as runtime:
        runtime.hooks.register(told, "told")
        yield runtime


def some(number: int, session: str = "s") -> list[Event]:
    line = Timeline(session)
    return [line.invocation(f"skill-{n}") for n in range(number)]


def ids(events: Sequence[Event]) -> set[str]:
    return {event.id for event in events}


def stored(runtime: Runtime) -> set[str]:
    return ids([*runtime.store.events(EventQuery())])


def test_batches_are_stored_together_and_plugins_are_told_once(
    runtime: Runtime, told: Told
) -> None:
    batches = [some(3, "a"), some(2, "b"), []]
    assert keep(runtime, batches) == [Kept(new=3), Kept(new=2), Kept()]
    (events,) = told.batches
    assert [*events] == [*batches[0], *batches[1]]
    assert stored(runtime) == ids(events)


def test_each_batch_learns_which_of_its_events_were_there(runtime: Runtime, told: Told) -> None:
    old, new = some(4), some(6)
    keep(runtime, [old])
    found = keep(runtime, [[*old[:2], *new[:3]], [*new[1:5], new[1]], [*old, *new[:5]], new[5:]])
    assert found == [
        Kept(new=3, known=2),
        Kept(new=2, known=3),  # the first batch had two of them, and one came twice
        Kept(known=9),
        Kept(new=1),
    ]
    assert stored(runtime) == ids([*old, *new])
    assert keep(runtime, [new, old]) == [Kept(known=6), Kept(known=4)]


def test_many_events_are_attributed_too(runtime: Runtime) -> None:
    """More than are read from a store at once."""
    events = some(12_000)
    assert keep(runtime, [events[:1], events[:7_000], events[5_000:]]) == [
        Kept(new=1), Kept(new=6_999, known=1), Kept(new=5_000, known=2_000),
    ]  # fmt: skip


def test_an_event_that_cannot_be_stored_harms_no_other_batch(runtime: Runtime, told: Told) -> None:
    good = some(5)
    bad = Timeline().invocation("bad", workflow="\ud800")
    first, second, third = keep(runtime, [good[:2], [good[2], bad, good[3]], good[4:]])
    assert (first, third) == (Kept(new=2), Kept(new=1))
    assert (second.new, second.known, [*second.poison]) == (2, 0, [1])
    assert stored(runtime) == ids(good)
    assert ids([event for events in told.batches for event in events]) == ids(good)


def test_a_store_that_fails_is_no_fault_of_any_batch(runtime: Runtime, told: Told) -> None:
    assert runtime.refusal is None
    runtime.store.close()
    with pytest.raises(StoreError, match="closed"):
        keep(runtime, [some(1), some(1)])
    assert not told.batches


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def busy(serving: Callable[..., Any], told: Told) -> Iterator[Serving]:
    """A server that is storing something, and will go on when ``told`` does."""
    server: Serving = serving()
    server.runtime.hooks.register(told, "told")
    told.goes_on.clear()
    with ThreadPoolExecutor(1) as sender:
        first = sender.submit(sent, server, some(1))
        until(lambda: bool(told.batches))
        try:
            yield server
        finally:
            told.goes_on.set()
        assert first.result() == {"accepted": 1, "duplicates": 0, "rejected": []}


def sent(server: Serving, events: Sequence[Event]) -> Any:
    body = b"\n".join(map(Codec().encode, events))
    with server.client() as client:
        return client.post(PATH, content=body, headers=LINES).raise_for_status().json()


def waiting(server: Serving, told: Told, batches: Sequence[Sequence[Event]]) -> list[Any]:
    """Send batches one after the other while the server is busy; returns its answers."""
    with ThreadPoolExecutor(len(batches)) as senders:
        answers = []
        for number, events in enumerate(batches, 1):
            answers.append(senders.submit(sent, server, events))
            until(lambda count=number: server.site.keeper.waiting == count)  # type: ignore[misc]
        told.goes_on.set()
        return [answer.result() for answer in answers]


def test_what_comes_while_the_store_is_busy_is_stored_together(busy: Serving, told: Told) -> None:
    batches = [some(2), some(3), some(4)]
    answers = waiting(busy, told, [*batches, batches[0]])
    assert answers[:3] == [
        {"accepted": len(events), "duplicates": 0, "rejected": []} for events in batches
    ]
    assert answers[3] == {"accepted": 0, "duplicates": 2, "rejected": []}
    _, together = told.batches
    assert ids(together) == ids([event for events in batches for event in events])


def test_not_too_much_is_stored_together(
    busy: Serving, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_TOGETHER", 5)
    batches = [some(2), some(3), some(1), some(9), some(1)]
    waiting(busy, told, batches)
    assert [len(events) for events in told.batches[1:]] == [5, 1, 9, 1]


def test_all_that_wait_are_told_when_nothing_can_be_stored(busy: Serving, told: Told) -> None:
    def refused(events: Sequence[Event]) -> tuple[int, str]:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            sent(busy, events)
        return caught.value.response.status_code, caught.value.response.headers["retry-after"]

    with ThreadPoolExecutor(3) as senders:
        answers = [senders.submit(refused, some(1)) for _ in range(3)]
        until(lambda: busy.site.keeper.waiting == 3)
        busy.runtime.store.close()
        told.goes_on.set()
        assert [answer.result() for answer in answers] == [(503, "5")] * 3
