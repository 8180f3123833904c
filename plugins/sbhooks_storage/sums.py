"""What is kept of a group of invocations: how many, how long, when."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import log
from operator import mul
from typing import Any, NamedTuple, TypeVar

from sbhooks.store import BUCKET_LOG
from sbhooks_storage import buckets

K = TypeVar("K", bound=Hashable)
L = TypeVar("L", bound=Hashable)

COLUMNS = "n, timed, total_us, squares_us, first_us, last_us, buckets"  #: Of every table of sums.
_FITTING = 1 << 63

Key = tuple[str | None, str, str, str | None, str]  #: Project, source, skill, phase, outcome.


class Row(NamedTuple):
    """Sums of a group, in the order of the columns."""

    n: int
    timed: int
    total_us: int
    squares_us: float
    first_us: int
    last_us: int
    counts: dict[int, int]

    def plus(self, other: Row) -> Row:
        """Both together."""
        counts = dict(self.counts)
        buckets.add(counts, other.counts)
        return Row(
            self.n + other.n,
            self.timed + other.timed,
            self.total_us + other.total_us,
            self.squares_us + other.squares_us,
            min(self.first_us, other.first_us),
            max(self.last_us, other.last_us),
            counts,
        )

    def plus_held(self, held: Sequence[Any] | None) -> Row:
        """Together with what a table holds, if anything."""
        if held is None:
            return self
        counts = buckets.unpack(held[6])
        buckets.add(counts, self.counts)
        return Row(
            self.n + held[0],
            self.timed + held[1],
            self.total_us + held[2],
            self.squares_us + held[3],
            min(self.first_us, held[4]),
            max(self.last_us, held[5]),
            counts,
        )

    def written(self) -> tuple[Any, ...]:
        """The values of :data:`COLUMNS`."""
        return (
            self.n, self.timed, fitting(self.total_us), self.squares_us,
            self.first_us, self.last_us, buckets.pack(self.counts),
        )  # fmt: skip


class Fresh:
    """Sums of a group of events that were not stored before; grows when others are added.

    The buckets of their durations are counted when all are together: adding up counters again
    and again would be most of the work. Copies to which nothing is added share what was counted.

    Args:
        times: When each happened, microseconds since 1970.
        micros: How long those took that have a duration, in microseconds.
    """

    __slots__ = ("_row", "first_us", "last_us", "n", "numbers", "squares_us", "timed", "total_us")

    def __init__(self, times: Sequence[int], micros: Sequence[int]) -> None:
        self.n = len(times)
        self.timed = len(micros)
        self.total_us = sum(micros)
        self.squares_us = float(sum(map(mul, micros, micros)))
        self.first_us = min(times)
        self.last_us = max(times)
        # as sbhooks.store.bucket has it, for whole microseconds
        self.numbers = [int(log(us) / BUCKET_LOG + 1e-9) + 1 if us else 0 for us in micros]
        self._row: Row | None = None

    def copy(self) -> Fresh:
        """The same, to be added to."""
        made = Fresh.__new__(Fresh)
        made.n, made.timed, made.total_us = self.n, self.timed, self.total_us
        made.squares_us, made.first_us, made.last_us = self.squares_us, self.first_us, self.last_us
        made.numbers = self.numbers.copy()
        made._row = self.row()  # which somebody will want of each that is copied
        return made

    def add(self, other: Fresh) -> None:
        """Add another group."""
        self.n += other.n
        self.timed += other.timed
        self.total_us += other.total_us
        self.squares_us += other.squares_us
        self.first_us = min(self.first_us, other.first_us)
        self.last_us = max(self.last_us, other.last_us)
        self.numbers += other.numbers
        self._row = None

    def row(self) -> Row:
        """With the buckets counted."""
        if self._row is None:
            counts: dict[int, int] = {}
            for number in self.numbers:  # few: a Counter would take longer to make than to fill
                counts[number] = counts.get(number, 0) + 1
            self._row = Row(self.n, self.timed, self.total_us, self.squares_us, self.first_us,
                            self.last_us, counts)  # fmt: skip
        return self._row


def merged(parts: Mapping[K, Fresh], key: Callable[[K], L]) -> dict[L, Fresh]:
    """Add up parts whose keys become equal; the parts stay as they are."""
    wholes: dict[L, Fresh] = {}
    for part, fresh in parts.items():
        whole = key(part)
        held = wholes.get(whole)
        if held is None:
            wholes[whole] = fresh.copy()
        else:
            held.add(fresh)
    return wholes


def added_up(rows: Iterable[tuple[K, Row]]) -> dict[K, Row]:
    """Add up rows with the same key."""
    wholes: dict[K, Row] = {}
    for key, row in rows:
        wholes[key] = wholes[key].plus(row) if key in wholes else row
    return wholes


def read(held: Sequence[Any]) -> Row:
    """The sums that stand in :data:`COLUMNS`."""
    return Row(held[0], held[1], held[2], held[3], held[4], held[5], buckets.unpack(held[6]))


def fitting(number: int) -> int | float:
    """A sum as SQLite can keep it: its integers end at 63 bits."""
    return number if number < _FITTING else float(number)
