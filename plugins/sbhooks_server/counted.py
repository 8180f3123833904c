"""Sums of everything that is stored, kept up with what is stored since.

Read whole once, then only the news are added: a scrape after an event costs what the event
costs, not what the history does. They are read whole again when something else happened to the
store than events being added (people renamed or erased), when there is much news, and every few
minutes.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client.samples import Exemplar

from sbhooks.events import Event, Invocation, kind_of
from sbhooks.store import EventQuery, EventReader, Rollup, bucket

BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  #: Of the histogram, in seconds.
MOST_NEWS = 2_000  #: More events are cheaper to count by reading everything.
WHOLE_EVERY_S = 300.0
_LAST_BUCKETS = [bucket(bound) for bound in BOUNDS]
_NAMES = (*map(repr, BOUNDS), "+Inf")
_TRIES = 3
NO_PHASE = "unknown"  #: The label of an invocation without a phase; an empty one is none at all.
_LONGEST_EXEMPLAR = 128  # characters of all labels, names included: OpenMetrics, "Exemplars"


class Sums:
    """Of the invocations of one skill in one phase.

    Attributes:
        n: How many.
        completed: How many of them succeeded.
        within: How many durations fall under each bound and not under the one before.
        timed: How many have a duration.
        seconds: Their sum.
        examples: Of each part of ``within`` the newest invocation, if it came as news.
    """

    __slots__ = ("completed", "examples", "n", "seconds", "timed", "within")

    def __init__(self) -> None:
        self.n = self.completed = self.timed = 0
        self.seconds = 0.0
        self.within = [0] * (len(BOUNDS) + 1)
        self.examples: dict[int, Exemplar] = {}

    def add_rollup(self, rollup: Rollup) -> None:
        """Take in what the store has added up."""
        self.n += rollup.n
        self.completed += rollup.outcomes.get("success", 0)
        self.timed += rollup.duration_n
        self.seconds += rollup.duration_sum
        for index, number in rollup.buckets.items():
            self.within[bisect_left(_LAST_BUCKETS, index)] += number

    def add_one(self, event: Invocation) -> None:
        """Take in one invocation."""
        self.n += 1
        self.completed += event.outcome == "success"
        if event.duration_s is not None:
            self.timed += 1
            self.seconds += event.duration_s
            place = bisect_left(_LAST_BUCKETS, bucket(event.duration_s))
            self.within[place] += 1
            self._note({place: _example(event, event.duration_s)})

    def add(self, other: Sums) -> None:
        """Take in those of something else."""
        self.n += other.n
        self.completed += other.completed
        self.timed += other.timed
        self.seconds += other.seconds
        self.within = [a + b for a, b in zip(self.within, other.within, strict=True)]
        self._note(other.examples)

    def buckets(self) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        """How many durations are no longer than each bound, with an example if there is one."""
        numbers = zip(_NAMES, accumulate(self.within), strict=True)
        return [
            (*pair, self.examples[place]) if place in self.examples else pair
            for place, pair in enumerate(numbers)
        ]

    def _note(self, examples: Mapping[int, Exemplar | None]) -> None:
        """Take over examples that are newer."""
        for place, example in examples.items():
            known = self.examples.get(place)
            if example is not None and (known is None or _at(known) <= _at(example)):
                self.examples[place] = example


def _example(event: Invocation, seconds: float) -> Exemplar | None:
    """Names the run of an invocation, so that a point of a chart leads to it."""
    if len("session") + len(event.session) > _LONGEST_EXEMPLAR:
        return None
    return Exemplar({"session": event.session}, seconds, event.at.timestamp())


def _at(example: Exemplar) -> float:
    return float(example.timestamp or 0.0)


class Counted:
    """What is stored, added up.

    Attributes:
        position: Of the store, up to which everything is in.
        skills: Skill → phase → sums; see :data:`NO_PHASE`.
        events: Source, kind and outcome → events; "" for no outcome.
        newest: Time of the latest event.
    """

    def __init__(self) -> None:
        self.position = -1
        self.skills: dict[str, dict[str, Sums]] = {}
        self.events: dict[tuple[str, str, str], int] = {}
        self.newest: datetime | None = None
        self._whole_at = 0.0

    def follow(self, store: EventReader) -> set[str] | None:
        """Take in what has been stored since.

        Returns:
            The skills whose sums are others now; ``None`` if those of any may be.

        Raises:
            StoreError: The store cannot be read.
        """
        newest = store.high_water()
        if newest == self.position:
            return set()
        is_fresh = time.monotonic() < self._whole_at + WHOLE_EVERY_S
        if is_fresh and self.position >= 0 and 0 < newest - self.position <= MOST_NEWS:
            tail = store.tail(self.position, limit=MOST_NEWS)
            if len(tail.events) == tail.position - self.position:  # nothing but events
                self.position = tail.position
                return self._add(tail.events)
        self._read(store)
        return None

    def _add(self, events: Sequence[Event]) -> set[str]:
        changed = set()
        for event in events:
            outcome = getattr(event, "outcome", None)
            key = (event.source, kind_of(event), "" if outcome is None else str(outcome))
            self.events[key] = self.events.get(key, 0) + 1
            self.newest = event.at if self.newest is None else max(self.newest, event.at)
            if isinstance(event, Invocation):
                phases = self.skills.setdefault(event.skill, {})
                phases.setdefault(event.phase or NO_PHASE, Sums()).add_one(event)
                changed.add(event.skill)
        return changed

    def _read(self, store: EventReader) -> None:
        """Read everything, if it holds still for so long; otherwise again next time."""
        for _ in range(_TRIES):
            before = store.high_water()
            query = EventQuery(kinds=("invocation",))
            skills = store.rollup(query, by=["skill", "phase"])
            events = store.rollup(EventQuery(), by=["source", "kind", "outcome"])
            is_still = store.high_water() == before
            if is_still:
                break
        self.position = before if is_still else -1
        self._whole_at = time.monotonic()
        self.newest = max((rollup.last_at for rollup in events), default=None)
        self.events = {
            (str(source), str(kind), outcome or ""): rollup.n
            for rollup in events
            for source, kind, outcome in [rollup.key]
        }
        self.skills = {}
        for rollup in skills:
            skill, phase = rollup.key
            if skill is not None:
                sums = self.skills.setdefault(skill, {}).setdefault(phase or NO_PHASE, Sums())
                sums.add_rollup(rollup)
