"""Which skills are used most: counts alone, a tenth of the work of all their sums."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from sbhooks.store import EventQuery
from sbhooks_storage import keyed, rolled
from sbhooks_storage.groups import summands
from sbhooks_storage.relations import Selection


class SkillCounts:
    """Numbers of events per skill.

    Args:
        connection: In a read transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._counts: Counter[str | None] = Counter()

    def add_sums(self, query: EventQuery, whole: rolled.Span) -> None:
        """Add what is known of whole hours."""
        parts = rolled.parts(["skill"], whole)
        if rolled.concerns_skills(query, ["skill"]):
            for part in parts:
                self._add(rolled.skill_counts(self._connection, query, part))
            return
        for skill, _, n, *_ in keyed.sums(self._connection, query, ["skill"], parts):
            self._counts[skill] += n

    def add_log(self, parts: Sequence[Selection]) -> None:
        """Add rows of the log."""
        inner = " UNION ALL ".join(summands(part, ["skill"]) for part in parts)
        self._add(self._connection.execute(
            f"SELECT d0, count(*) FROM ({inner}) GROUP BY d0",
            [value for part in parts for value in part.values],
        ))  # fmt: skip

    def most(self, limit: int) -> list[str]:
        """The skills with the highest numbers, ties by name."""
        known = [(-n, skill) for skill, n in self._counts.items() if skill is not None]
        return [skill for _, skill in sorted(known)[:limit]]

    def _add(self, rows: sqlite3.Cursor) -> None:
        for skill, n in rows:
            self._counts[skill] += n
