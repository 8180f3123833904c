"""What a batch of invocations comes to, gathered while its rows are made.

Nothing here is done per event that can be done per group or by one call for all: these few
lines are most of what storing costs in Python.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

from sbhooks.events import Invocation, Outcome
from sbhooks_storage import rows
from sbhooks_storage.rollups import HOUR_US, Groups
from sbhooks_storage.sessions import Session

_AT_ONCE = 50  # rows that one statement inserts: what a statement costs is shared
_SUCCESS = Outcome.SUCCESS
_INSERT_ONE, _INSERT_MANY = rows.insert_invocations(1), rows.insert_invocations(_AT_ONCE)


class Gathered:
    """A batch's invocations: rows of the log, groups for sums, and names to count.

    Attributes:
        groups: What :func:`rollups.fold` and :func:`derived.fold` add.
        ranks: Skill → how many have a rank, how many of these completed, sum of the ranks.
    """

    __slots__ = ("_actions", "_completed", "_errors", "_members", "_paths", "_values", "groups",
                 "ranks")  # fmt: skip

    def __init__(self) -> None:
        self.groups: Groups = {}
        self.ranks: dict[str, list[int]] = {}
        self._values: list[Any] = []
        self._members: list[tuple[int, int, str]] = []
        self._completed: list[tuple[int, int, str]] = []
        self._paths: list[tuple[str, str]] = []
        self._errors: list[tuple[str, str]] = []
        self._actions: list[tuple[str, str]] = []

    def add(
        self, event: Invocation, event_id: bytes | str, seq: int, at_us: int, session: Session
    ) -> None:
        """Take in one event."""
        us = rows.micros(event.duration_s)
        self._values += rows.invocation_row(
            event,
            seq=seq,
            event_id=event_id,
            at_us=at_us,
            us=us,
            session_no=session.number,
            session_source=session.source,
        )
        skill, outcome, hour = event.skill, event.outcome, at_us // HOUR_US
        key = (hour, session.project, event.source, skill, event.phase, outcome)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = ([], [])
        group[0].append(at_us)
        if us is not None:
            group[1].append(us)
        member = (hour, session.number, skill)
        self._members.append(member)
        if outcome is _SUCCESS:
            self._completed.append(member)
        if event.workflow is not None:
            self._paths.append((skill, event.workflow))
        if event.error_type is not None:
            self._errors.append((skill, event.error_type))
        if event.follow_up_actions or event.selection_rank is not None:
            self._add_seldom(event)

    def insert(self, connection: sqlite3.Connection) -> None:
        """Write the rows of the log."""
        values, width = self._values, rows.INVOCATION_WIDTH
        whole = len(values) - len(values) % (_AT_ONCE * width)
        for start in range(0, whole, _AT_ONCE * width):
            connection.execute(_INSERT_MANY, values[start : start + _AT_ONCE * width])
        for start in range(whole, len(values), width):
            connection.execute(_INSERT_ONE, values[start : start + width])

    def members(self) -> dict[tuple[int, int, str], tuple[int, int]]:
        """(hour, session number, skill) → how many, how many of them completed."""
        completed = Counter(self._completed)
        return {key: (n, completed[key]) for key, n in Counter(self._members).items()}

    def names(self) -> dict[tuple[str, str, str], int]:
        """(skill, column of ``skill_metrics``, name) → how often it was named."""
        found = (
            ("workflow_paths", self._paths), ("common_errors", self._errors),
            ("follow_up_actions", self._actions),
        )  # fmt: skip
        return {
            (skill, column, name): n
            for column, named in found
            for (skill, name), n in Counter(named).items()
        }

    def _add_seldom(self, event: Invocation) -> None:
        for action in event.follow_up_actions:
            # up to its first NUL, as SQLite's JSON functions see it
            self._actions.append((event.skill, action.partition("\0")[0]))
        if event.selection_rank is not None:
            ranks = self.ranks.setdefault(event.skill, [0, 0, 0])
            ranks[0] += 1
            ranks[1] += event.outcome is _SUCCESS
            ranks[2] += event.selection_rank
