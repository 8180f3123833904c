"""Answers that are kept, and changed by what is stored instead of being worked out again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from sbhooks.events import Event
from sbhooks.store import EventReader

MOST_ANSWERS = 64  #: The one that was not asked for longest goes.
MOST_ENTRIES = 60_000  #: Of all answers together, as far as they are counted; likewise.
MOST_NEWS = 2_000  #: After more events everything is worked out again.

V = TypeVar("V")


class _Answer(Generic[V]):
    """To one question; whoever holds the lock may read and change it.

    Attributes:
        position: Of the store; -1 when it is not known what the value is of.
        value: The answer.
        entries: How much it holds; read without the lock.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.position = -1
        self.value: V | None = None
        self.entries = 0


class Kept(Generic[V]):
    """Answers to questions about a store.

    Args:
        store: What they are about.
        entries: How much an answer holds, where that is not bounded by itself.
    """

    def __init__(self, store: EventReader, entries: Callable[[V], int] = lambda _: 0) -> None:
        self._store = store
        self._entries = entries
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, _Answer[V]] = OrderedDict()

    def of(
        self,
        question: Hashable,
        whole: Callable[[], V],
        changed: Callable[[V, Sequence[Event]], V | None],
    ) -> V:
        """The answer to a question, as of now.

        Args:
            question: What is asked.
            whole: Works it out.
            changed: Works it out from what it was and the events that were stored since, or
                gives up with ``None``. It may know of later events already, and is then told
                of them once more.

        Raises:
            StoreError: The store cannot be read.
        """
        answer = self._answer(question)
        with answer.lock:
            before, now = answer.position, self._store.high_water()
            if answer.value is not None and before == now:
                return answer.value
            value, answer.value = answer.value, None
            if value is not None and before >= 0 and 0 < now - before <= MOST_NEWS:
                tail = self._store.tail(before, limit=MOST_NEWS)
                is_all = len(tail.events) == tail.position - before  # nothing but events
                value = changed(value, tail.events) if is_all else None
                now = tail.position
            else:
                value = None
            if value is None:
                now = self._store.high_water()
                value = whole()
            answer.value, answer.position = value, now
            answer.entries = self._entries(value)
            self._forget_some()
            return value

    def _answer(self, question: Hashable) -> _Answer[V]:
        with self._lock:
            answer = self._answers.pop(question, None) or _Answer()
            self._answers[question] = answer
            if len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
            return answer

    def _forget_some(self) -> None:
        """Let go of answers that were not asked for longest, while all hold too much."""
        with self._lock:
            held = sum(answer.entries for answer in self._answers.values())
            while held > MOST_ENTRIES:
                held -= self._answers.popitem(last=False)[1].entries
