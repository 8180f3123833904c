"""Which skills are looked at: all of them, or the most used where there are too many.

A store may hold a million skills that were used once or twice. Nothing can be said about these,
and adding them up would take minutes and gigabytes. So questions about all skills are about the
most used ones, and whoever answers says how many there are in all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from sbhooks.cutoff import chunks
from sbhooks.store import Dimension, EventQuery, EventReader, RanksSkills, Rollup
from sbhooks.wording import count

VERY_MANY = 20_000  #: From here on, not even names or sums of all skills are looked through.


class Ranked(NamedTuple):
    """Some skills.

    Attributes:
        names: The most used first, ties by name; those of the query, where it names some.
        of: How many there are to choose from.
    """

    names: tuple[str, ...]
    of: int

    @property
    def skills(self) -> tuple[str, ...]:
        """What a query has to be restricted to; nothing when these are all."""
        return self.names if len(self.names) < self.of else ()


def ranked(store: EventReader, query: EventQuery, most: int) -> Ranked:
    """The most used skills of the time looked at.

    Args:
        store: The events.
        query: Projects, skills and times; the kind is always that of invocations.
        most: At most that many skills; those that a query names are all taken.
    """
    if query.skills:
        return Ranked(query.skills, len(query.skills))
    names = used(store, query)
    return Ranked(tuple(names[:most]), len(names))


def used(store: EventReader, query: EventQuery) -> list[str]:
    """The names of all skills that were invoked, the most used first, ties by name."""
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    if isinstance(store, RanksSkills):
        return store.most_used(chosen, sys.maxsize)
    rows = [row for row in store.rollup(chosen, by=["skill"]) if row.key[0] is not None]
    return [str(row.key[0]) for row in sorted(rows, key=lambda row: (-row.n, row.key))]


def sums(
    store: EventReader, query: EventQuery, skills: Sequence[str], by: Sequence[Dimension]
) -> list[Rollup]:
    """Sums of the invocations of some skills; of all where none are named.

    Args:
        store: The events.
        query: Which invocations.
        skills: What to restrict it to, any number of names.
        by: What to group by; ``"skill"`` is among it.
    """
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    if not skills:
        return store.rollup(chosen, by)
    return [
        row
        for some in chunks(skills)
        for row in store.rollup(msgspec.structs.replace(chosen, skills=some), by)
    ]


def by_log(by: list[Dimension], of: int) -> list[Dimension]:
    """The same dimensions; with that of users when some of very many skills are looked at.

    Stores keep sums of phases side by side for all skills, and know nothing of users there. To find
    a thousand skills in the sums of a million takes ten times as long as to read the log.
    """
    return [*by, "user"] if of > VERY_MANY else by


def told(number: int, of: int) -> str:
    """How many skills were looked at: ``"12 skills"``, ``"the 500 most used of 9,000 skills"``."""
    if number >= of:
        return count(number, "skill")
    return f"the {number:,} most used of {count(of, 'skill')}"
