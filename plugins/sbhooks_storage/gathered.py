"""What a batch of invocations comes to: groups for sums, sessions' skills, names to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sbhooks.events import Invocation, Outcome
from sbhooks_storage.invocations import Columns
from sbhooks_storage.rollups import HOUR_US, Group, Groups
from sbhooks_storage.sessions import Session

_SUCCESS = Outcome.SUCCESS
_NAMING = {"workflow_path": "workflow_paths", "error_type": "common_errors"}

Member = tuple[int, int, str]  #: Hour, session number, skill.


class Gathered:
    """Invocations of a batch, some at a time.

    Attributes:
        groups: What :func:`rollups.fold` and :func:`derived.fold` add.
        ranks: Skill → how many have a rank, how many of these completed, sum of the ranks.
    """

    __slots__ = ("_actions", "_members", "_named", "groups", "ranks")

    def __init__(self) -> None:
        self.groups: Groups = {}
        self.ranks: dict[str, list[int]] = {}
        self._members: Counter[tuple[int, int, str, int]] = Counter()
        self._named: dict[str, Counter[tuple[str, str | None]]] = {
            name: Counter() for name in _NAMING
        }
        self._actions: Counter[tuple[str, str | None]] = Counter()

    def add(
        self,
        events: Sequence[Invocation],
        log: Columns,
        micros: Sequence[int | None],
        sessions: Sequence[Session],
    ) -> None:
        """Take in some.

        Args:
            events: The invocations.
            log: Their rows, from :func:`invocations.columns`.
            micros: How long they took, microseconds.
            sessions: Their sessions.
        """
        times, skills = log["at_us"], log["skill_name"]
        hours = [at_us // HOUR_US for at_us in times]
        members = zip(hours, log["session_no"], skills, log["completed"], strict=True)
        self._members.update(members)
        for column, names in self._named.items():
            names.update(zip(skills, log[column], strict=True))
        self._add_groups(
            [
                (hour, session.project, event.source, event.skill, event.phase, event.outcome)
                for hour, session, event in zip(hours, sessions, events, strict=True)
            ],
            times,
            micros,
        )
        for event in events:
            if event.follow_up_actions or event.selection_rank is not None:
                self._add_seldom(event)

    def members(self) -> dict[Member, tuple[int, int]]:
        """(hour, session number, skill) → how many, how many of them completed."""
        found: dict[Member, tuple[int, int]] = {}
        for (hour, number, skill, completed), n in self._members.items():
            member = (hour, number, skill)
            total, done = found.get(member, (0, 0))
            found[member] = (total + n, done + n * completed)
        return found

    def names(self) -> dict[tuple[str, str, str], int]:
        """(skill, column of ``skill_metrics``, name) → how often it was named."""
        found = [(_NAMING[column], names.items()) for column, names in self._named.items()]
        return {
            (skill, column, name): n
            for column, named in [*found, ("follow_up_actions", self._actions.items())]
            for (skill, name), n in named
            if name is not None
        }

    def _add_groups(
        self, keys: Sequence[Group], times: Sequence[int], micros: Sequence[int | None]
    ) -> None:
        """Put together times and durations of those that are alike."""
        groups = self.groups
        for key, at_us, us in zip(keys, times, micros, strict=True):
            group = groups.get(key)
            if group is None:
                group = groups[key] = ([], [])
            group[0].append(at_us)
            if us is not None:
                group[1].append(us)

    def _add_seldom(self, event: Invocation) -> None:
        for action in event.follow_up_actions:
            # up to its first NUL, as SQLite's JSON functions see it
            self._actions[event.skill, action.partition("\0")[0]] += 1
        if event.selection_rank is not None:
            ranks = self.ranks.setdefault(event.skill, [0, 0, 0])
            ranks[0] += 1
            ranks[1] += event.outcome is _SUCCESS
            ranks[2] += event.selection_rank
