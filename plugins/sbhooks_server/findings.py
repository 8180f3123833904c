"""What plugins found, asked of them now and then: asking can take seconds.

Pages and programs ask again whenever something is stored. So an answer holds for ten times as
long as it took, and as long as nothing is stored until the next full hour, because findings are
about days. When its time is over, whoever asks still gets it, and a thread asks the plugins;
only an answer that nobody has asked for in a while is waited for.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock, Thread
from time import monotonic

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.insights import Insight, InsightQuery
from sbhooks.runtime import Runtime

MOST_QUESTIONS = 32  #: That are kept; the one that was not asked for longest goes.
_COST = 10  #: An answer holds that many times as long as it took.
_OLD_S = 10.0  #: So long after its time an answer is no longer given.
_STOP_S = 5.0
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger("sbhooks.server")


class _Answer:
    """To one question.

    Attributes:
        lock: Held by whoever asks the plugins.
        asked: What it is an answer to: position and hour.
        found: The answer.
        as_of: When the plugins were asked.
        due: When they may be asked again, on the clock of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.asked: tuple[object, ...] = ()
        self.found: Sequence[Insight] = ()
        self.as_of = _ANY_TIME
        self.due = float("-inf")

    @property
    def is_old(self) -> bool:
        """Whether it is better to wait than to be told this."""
        return monotonic() > self.due + _OLD_S


class KeptFindings:
    """Asks plugins; one thread at a time asks the same.

    Args:
        runtime: Plugins and store.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = Lock()
        self._answers: OrderedDict[InsightQuery, _Answer] = OrderedDict()
        self._threads: set[Thread] = set()
        self._is_stopped = False

    def of(self, query: InsightQuery) -> tuple[Sequence[Insight], datetime]:
        """What plugins found, and when they were asked.

        Args:
            query: What about; its ``now`` is when they are asked, if they are.

        Raises:
            StoreError: The store cannot be read.
        """
        asked = (self._runtime.store.high_water(), f"{query.now:%Y-%m-%dT%H}")
        answer = self._answer(msgspec.structs.replace(query, now=_ANY_TIME))
        if answer.asked != asked and monotonic() >= answer.due:
            if answer.is_old:
                with answer.lock:
                    if answer.is_old:
                        self._ask(answer, query, asked)
            elif answer.lock.acquire(blocking=False):
                self._begin(answer, query, asked)
        return answer.found, answer.as_of

    def stop(self) -> None:
        """Begin nothing more, and wait for what is begun, but not for ever."""
        with self._lock:
            self._is_stopped = True
            threads = list(self._threads)
        until = monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, until - monotonic()))

    def _answer(self, question: InsightQuery) -> _Answer:
        with self._lock:
            answer = self._answers.pop(question, None) or _Answer()
            self._answers[question] = answer
            if len(self._answers) > MOST_QUESTIONS:
                self._answers.popitem(last=False)
            return answer

    def _begin(self, answer: _Answer, query: InsightQuery, asked: tuple[object, ...]) -> None:
        """Have a thread ask, and give back the lock of the answer."""

        def ask() -> None:
            try:
                self._ask(answer, query, asked)
            except SbhooksError as error:
                _log.warning("cannot ask plugins for findings: %s", error)
            finally:
                answer.lock.release()
                with self._lock:
                    self._threads.discard(thread)

        thread = Thread(target=ask, name="sbhooks-findings", daemon=True)
        with self._lock:
            if self._is_stopped:
                answer.lock.release()
                return
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:  # there are too many
                answer.lock.release()
                _log.warning("cannot begin to ask plugins for findings: %s", error)
                return
            self._threads.add(thread)

    def _ask(self, answer: _Answer, query: InsightQuery, asked: tuple[object, ...]) -> None:
        begun = monotonic()
        answer.found, answer.as_of = self._runtime.insights(query), query.now
        answer.asked, answer.due = asked, monotonic() + _COST * (monotonic() - begun)
