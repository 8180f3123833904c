"""What is kept of a group of invocations: how many, how long, when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sbhooks_storage import buckets

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
        return self if held is None else self.plus(read(held))

    def written(self) -> tuple[Any, ...]:
        """The values of :data:`COLUMNS`."""
        return (
            self.n, self.timed, fitting(self.total_us), self.squares_us,
            self.first_us, self.last_us, buckets.pack(self.counts),
        )  # fmt: skip


def read(held: Sequence[Any]) -> Row:
    """The sums that stand in :data:`COLUMNS`."""
    return Row(held[0], held[1], held[2], held[3], held[4], held[5], buckets.unpack(held[6]))


def fitting(number: int) -> int | float:
    """A sum as SQLite can keep it: its integers end at 63 bits."""
    return number if number < _FITTING else float(number)
