"""Findings are asked for now and then: nobody waits for news, and nothing gets old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sbhooks.config import load_config
from sbhooks.events import utc_now
from sbhooks.hookspecs import hookimpl
from sbhooks.ids import new_id
from sbhooks.insights import Insight, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import Timeline
from sbhooks_server import findings as module
from sbhooks_server.findings import KeptFindings

from .conftest import PATIENCE_S


class Finder:
    """A plugin that finds how often it was asked; while ``gate`` is closed, it is busy."""

    def __init__(self) -> None:
        self.times = 0
        self.gate = threading.Event()
        self.gate.set()

    @hookimpl
    def sbhooks_insights(self, query: Any) -> list[Insight]:
        self.times += 1
        number = self.times
        assert self.gate.wait(PATIENCE_S)
        return [Insight(subject=str(number), summary="Found.", score=0.5, n=1, method="by hand")]


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def runtime(finder: Finder) -> Iterator[Runtime]:
    with Runtime.start(load_config()) as made:
        made.hooks.plugins["analytics"].status = "out"
        made.hooks.plugins["experiments"].status = "out"
        made.hooks.register(finder, "finder")
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer gets old, however long a busy machine takes."""
    monkeypatch.setattr(module, "_OLD_S", 1e9)


def told(kept: KeptFindings, **question: Any) -> str:
    found, _ = kept.of(InsightQuery(now=utc_now(), **question))
    return found[0].subject


def store_something(runtime: Runtime) -> None:
    runtime.store.append([Timeline().invocation(id=new_id())])


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_answer_holds_as_long_as_nothing_is_stored(runtime: Runtime, finder: Finder) -> None:
    kept = KeptFindings(runtime)
    assert told(kept) == told(kept) == "1" or finder.times == 2  # a new hour has begun
    assert told(kept, skills=("lint",)) == str(finder.times)
    kept.stop()


def test_who_asks_after_news_is_told_the_last_answer_and_then_the_next(
    runtime: Runtime, finder: Finder, patient: None
) -> None:
    kept = KeptFindings(runtime)
    first = told(kept)
    finder.gate.clear()
    store_something(runtime)
    until(lambda: bool(told(kept)) and finder.times > int(first))
    assert told(kept) == first  # while the plugin is busy with the next
    busy = finder.times
    assert told(kept) == first
    assert finder.times == busy  # one thread at a time asks
    finder.gate.set()
    until(lambda: told(kept) == str(busy))
    kept.stop()


def test_an_old_answer_is_not_told(
    runtime: Runtime, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptFindings(runtime)
    told(kept)
    monkeypatch.setattr(module, "_OLD_S", -1e9)
    store_something(runtime)
    before = finder.times
    until(lambda: told(kept) > str(before))
    assert finder.times == before + 1
    kept.stop()


def test_the_number_of_answers_is_bounded(
    runtime: Runtime, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_QUESTIONS", 2)
    kept = KeptFindings(runtime)
    for name in "abc":
        told(kept, skills=(name,))
    assert [question.skills for question in kept._answers] == [("b",), ("c",)]
    kept.stop()


def test_nothing_is_begun_any_more_once_it_was_stopped(
    runtime: Runtime, finder: Finder, patient: None
) -> None:
    kept = KeptFindings(runtime)
    first = told(kept)
    kept.stop()
    store_something(runtime)
    (answer,) = kept._answers.values()
    answer.due = time.monotonic()
    assert told(kept) == first
    assert finder.times == int(first)


def test_without_a_thread_the_last_answer_is_told_and_the_next_asked_for_later(
    runtime: Runtime, finder: Finder, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class NoThread(threading.Thread):
        def start(self) -> None:
            tried.append(self)
            raise RuntimeError("can't start new thread")

    kept = KeptFindings(runtime)
    first = told(kept)
    store_something(runtime)
    with monkeypatch.context() as patch:
        patch.setattr(module, "Thread", NoThread)
        until(lambda: told(kept) == first and len(tried) == 2)  # it is tried again
    until(lambda: told(kept) > first)
    kept.stop()
