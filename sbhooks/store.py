"""What a store of events must be able to do.

A store keeps events and answers with events or with sums. It is the only
truth; every other table or figure is a function of its log. Analytics sees the
reading half, :class:`EventReader`, and therefore cannot write.

``sbhooks.testing.EventStoreContract`` has one test per promise made here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import Event

K = TypeVar("K")

#: What events can be grouped by. ``hour`` and ``day`` are UTC, written as
#: ``2026-11-20T12`` and ``2026-11-20``. ``project``, ``user``, ``branch`` and ``commit`` are
#: those of the event's session: of its earliest ``SessionStart`` (ties by id). A field that
#: the kind does not have is ``None``.
Dimension = Literal[
    "kind", "source", "session", "project", "user", "branch", "commit",
    "skill", "phase", "workflow", "error_type",
    "test", "params", "subtest", "detail", "worker",
    "outcome", "hour", "day",
]  # fmt: skip

#: Ratio between the limits of neighbouring duration buckets: 2 % wide, so a
#: quantile read from them is at most 1 % off.
BUCKET_RATIO = 1.02
BUCKET_LOG = math.log(BUCKET_RATIO)


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are meant. Empty tuples and ``None`` do not restrict.

    Attributes:
        since: First time that counts (inclusive).
        until: First time that no longer counts (exclusive).
        newest_first: Order of ``events``; otherwise oldest first.
        limit: At most that many events.
    """

    kinds: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = False
    limit: int | None = None


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a group of events; rollups of disjoint groups add up with ``+``.

    A duration is the event's ``duration_s``: of test results the sum of their phases, of
    other kinds the field of that name, where they have one.

    Attributes:
        key: The group: one value per requested dimension, in that order.
        n: Number of events.
        outcomes: Number of events per outcome; kinds without an outcome add nothing.
        duration_n: Number of events that have a duration.
        duration_sum: Their sum, in seconds.
        duration_sum_squares: The sum of their squares.
        first_at: The earliest event.
        last_at: The latest event.
        buckets: Number of durations per :func:`bucket`.
    """

    key: tuple[str | None, ...]
    n: int
    outcomes: Mapping[str, int]
    duration_n: int
    duration_sum: float
    duration_sum_squares: float
    first_at: datetime
    last_at: datetime
    buckets: Mapping[int, int]

    def __add__(self, other: Rollup) -> Rollup:
        return Rollup(
            key=self.key,
            n=self.n + other.n,
            outcomes=_add(self.outcomes, other.outcomes),
            duration_n=self.duration_n + other.duration_n,
            duration_sum=self.duration_sum + other.duration_sum,
            duration_sum_squares=self.duration_sum_squares + other.duration_sum_squares,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
            buckets=_add(self.buckets, other.buckets),
        )

    @property
    def duration_mean(self) -> float | None:
        """Mean duration in seconds; ``None`` without durations."""
        return self.duration_sum / self.duration_n if self.duration_n else None

    def quantile(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of the durations do not exceed.

        Returns:
            Seconds, within 1 % of the nearest-rank quantile of the durations themselves
            (durations are kept to the microsecond); ``None`` without durations.

        References:
            Masson, Rim & Lee, *DDSketch*, VLDB 2019, section 2.
        """
        rank = max(1, math.ceil(share * self.duration_n))
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                return bucket_middle(index)
        return None


def bucket(duration_s: float) -> int:
    """Number of the bucket that holds a duration; 0 holds everything under one microsecond."""
    micros = round(duration_s * 1e6)
    return math.floor(math.log(micros) / BUCKET_LOG + 1e-9) + 1 if micros >= 1 else 0


def bucket_middle(index: int) -> float:
    """The duration in seconds that stands for a bucket: at most 1 % off any inside."""
    if index == 0:
        return 0.0
    low = math.exp((index - 1) * BUCKET_LOG)
    return low * 2 * BUCKET_RATIO / (1 + BUCKET_RATIO) / 1e6


def _add(left: Mapping[K, int], right: Mapping[K, int]) -> dict[K, int]:
    """Add up two counters."""
    total = dict(left)
    for key, count in right.items():
        total[key] = total.get(key, 0) + count
    return total


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What has been stored after a position.

    Attributes:
        events: In the order of their positions: call by call of ``append``, and within one
            call each session's events in the order given.
        position: Hand it to the next call of ``tail``.
    """

    events: Sequence[Event]
    position: int


@runtime_checkable
class EventReader(Protocol):
    """The reading half of a store: all that analytics and outputs ever see."""

    def events(self, query: EventQuery) -> Iterator[Event]:
        """Yield events by time, ties by id, exactly as they were appended.

        Times and durations are kept to the microsecond. Ids that are not UUIDs come before
        those that are. The events are those stored when the iteration began. Kinds that no
        installed plugin declares any more are left out; rollups go on counting them.
        """
        ...

    def rollup(self, query: EventQuery, by: Sequence[Dimension] = ()) -> list[Rollup]:
        """Add up events, one row per group that has any, ordered by key (``None`` first).

        ``query.limit`` and ``query.newest_first`` do not apply. Without ``by`` there is one
        row with the key ``()``, or none when nothing matches.
        """
        ...

    def tail(self, after: int, *, limit: int = 5_000) -> Tail:
        """Read on behind a position; 0 is the beginning.

        Events become visible in the order of their positions: none appears later behind a
        position that was handed out. Returns at most ``limit`` events, and none only when
        there are no more; then the position is ``high_water()``.
        """
        ...

    def high_water(self) -> int:
        """The position behind the newest event.

        It grows whenever events are stored, renamed or erased and stays the same otherwise,
        so answers may be kept by it.
        """
        ...


@runtime_checkable
class EventStore(EventReader, Protocol):
    """A whole store."""

    def append(self, events: Sequence[Event]) -> int:
        """Keep events, all or none of them; durable on return.

        An event whose id is already there changes nothing, and of two events with the same
        id in one call the first counts.

        Returns:
            How many were new.

        Raises:
            StoreError: Nothing was stored: the store cannot be written, or an event holds
                what JSON or its kind does not allow, such as a negative duration.
        """
        ...

    def rename_people(self, pseudonyms: Mapping[str, str]) -> int:
        """Replace pseudonyms of users and hosts by new ones; returns how many sessions changed.

        Those of events too whose kind says that a field may name people (``Event.people``).
        """
        ...

    def erase_user(self, user: str) -> int:
        """Remove every event of every session that a user started; returns how many went.

        And every event that names the user in a field of which its kind says that it may
        (``Event.people``), whoever's session it stands in.
        """
        ...

    def close(self) -> None:
        """Release files and connections. Closing twice is harmless."""
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """A store that can examine itself; asked by ``sbhooks doctor``, optional for stores."""

    def faults(self) -> Sequence[str]:
        """Say what is wrong with the data, or why they cannot be written; empty when all is well.

        Reads everything: seconds per gigabyte.
        """
        ...


@runtime_checkable
class MayRefuse(Protocol):
    """A store that can be open although nothing can be written to it; optional for stores."""

    @property
    def refusal(self) -> StoreError | None:
        """Why nothing can be written, known without trying; ``None`` when it can be."""
        ...


#: What a cell of a results table can hold.
SqlValue = str | int | float | bytes | None


@runtime_checkable
class KeepsResults(Protocol):
    """A store with tables for what analyses found, for readers with SQL; optional for stores.

    The tables are caches: whoever fills them can fill them again from the log.
    :data:`sbhooks.results.RESULT_TABLES` names them and their columns;
    ``sbhooks.testing.results_contract.ResultsContract`` has one test per promise made here.
    """

    def keep_results(self, tables: Mapping[str, Sequence[Mapping[str, SqlValue]]]) -> None:
        """Replace the rows of the named tables, all of them or none.

        A row maps columns to values; columns left out take the table's default. Of
        ``skill_dependencies`` expectations stay until they have been observed
        (:func:`sbhooks.results.replaced`).

        Raises:
            StoreError: A table is not one for results, a column or value does not fit, or
                the store cannot be written; nothing changed.
        """
        ...


def merge(rollups: Iterable[Rollup], keep: Sequence[int]) -> list[Rollup]:
    """Add up rollups whose keys agree at the positions ``keep``, in order of first appearance."""
    groups: dict[tuple[str | None, ...], Rollup] = {}
    for rollup in rollups:
        key = tuple(rollup.key[i] for i in keep)
        shorter = msgspec.structs.replace(rollup, key=key)
        groups[key] = groups[key] + shorter if key in groups else shorter
    return list(groups.values())
