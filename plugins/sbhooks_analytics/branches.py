"""Which branch of a project everything is merged into, and which runs were of it.

A change under review may fail for a good reason; what failed on the default branch between two
passes probably had none. Nobody records which branch is the default one, so names decide, and
among unknown names the branch with the most runs. A project without version control has one line
of history, and that is the default one.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.cutoff import chunks

USUAL = ("main", "master", "trunk", "develop")  #: The first of them that a project has.


def default_branches(store: EventReader, query: EventQuery) -> dict[str | None, str | None]:
    """Project → its default branch; ``None`` where no branch was ever recorded."""
    chosen = msgspec.structs.replace(query, kinds=("session-start",), tests=(), skills=())
    found: dict[str | None, dict[str, int]] = {}
    for row in store.rollup(chosen, by=["project", "branch"]):
        counts = found.setdefault(row.key[0], {})
        if row.key[1] is not None:
            counts[row.key[1]] = row.n
    return {project: _default(counts) for project, counts in found.items()}


def branches_of(store: EventReader, sessions: Iterable[str]) -> dict[str, str | None]:
    """Session → its branch."""
    found: dict[str, str | None] = {}
    for some in chunks(sorted(set(sessions))):
        chosen = EventQuery(kinds=("session-start",), sessions=some)
        for row in store.rollup(chosen, by=["session", "branch"]):
            found[str(row.key[0])] = row.key[1]
    return found


def _default(counts: dict[str, int]) -> str | None:
    usual = [name for name in USUAL if name in counts]
    if usual:
        return usual[0]
    return max(sorted(counts), key=lambda name: counts[name], default=None)
