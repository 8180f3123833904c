"""What lies between two levels: commits, versions of tools, options.

It is what a change may come from: a range, not a culprit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sbhooks.events import SessionStart
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.cutoff import chunks

MOST_RUNS = 20  #: Of each level that are compared.
_TOLD = ("tool_version", "python", "platform", "host")


Sides = tuple[Sequence[str], Sequence[str]]
V = TypeVar("V", bound=Hashable)


class Gap(NamedTuple):
    """Between the last run of the old level and the first one of the new level.

    Attributes:
        sessions: These two runs.
        commit_before: Commit of the last run before; ``None`` when nobody knows.
        commit_after: Commit of the first run after.
        changed: What else differs between all runs of the one and all of the other.
    """

    sessions: list[str]
    commit_before: str | None
    commit_after: str | None
    changed: list[str]


def gaps(store: EventReader, sides: Sequence[Sides]) -> list[Gap]:
    """What lies between two levels, as far as the begins of their runs are known.

    Args:
        store: The events.
        sides: The newest runs of each old level, and the first ones of each new level.
    """
    starts: dict[str, SessionStart] = {}
    for some in chunks(sorted({session for both in sides for side in both for session in side})):
        for event in store.events(EventQuery(kinds=("session-start",), sessions=some)):
            if isinstance(event, SessionStart):
                starts.setdefault(event.session, event)
    return [_gap(starts, *both) for both in sides]


def _gap(starts: Mapping[str, SessionStart], before: Sequence[str], after: Sequence[str]) -> Gap:
    last, first = ([starts.get(name) for name in side] for side in (before[-1:], after[:1]))
    old = [starts[session] for session in before if session in starts]
    new = [starts[session] for session in after if session in starts]
    return Gap(
        [*before[-1:], *after[:1]], _commit(last), _commit(first), list(_differences(old, new))
    )


def _commit(run: Sequence[SessionStart | None]) -> str | None:
    return run[0].vcs.commit if run and run[0] and run[0].vcs else None


def _differences(old: Sequence[SessionStart], new: Sequence[SessionStart]) -> Iterator[str]:
    """What else differs: versions, the machine, options of the tool."""
    if not old or not new:
        return
    for field in _TOLD:
        step = _step([getattr(run, field) for run in old], [getattr(run, field) for run in new])
        if step is not None:
            name = f"{new[0].tool} version" if field == "tool_version" else field
            yield f"{name}: {step[0] or 'unknown'} → {step[1] or 'unknown'}"
    for key in sorted({key for run in (*old, *new) for key in run.attributes}):
        step = _step(*([run.attributes.get(key, "nothing") for run in runs] for runs in (old, new)))
        if step is not None:
            yield f"{key}: {str(step[0])[:80]} → {str(step[1])[:80]}"


def _step(old: Sequence[V], new: Sequence[V]) -> tuple[V, V] | None:
    """From which value to which a fact went, if it did so once and for all.

    What some runs had on either side cannot have made the difference, and what is another one
    in each run, such as a seed, was not changed.
    """
    if set(old) & set(new):
        return None
    (was, times), (became, again) = (Counter(side).most_common(1)[0] for side in (old, new))
    return (was, became) if 2 * times > len(old) and 2 * again > len(new) else None
