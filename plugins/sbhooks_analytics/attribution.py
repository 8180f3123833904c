"""What lies between two runs: commits, versions of tools, options.

It is what a change may come from: a range, not a culprit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sbhooks.events import SessionStart
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.cutoff import chunks

_TOLD = ("tool_version", "python", "platform", "host")


class Gap(NamedTuple):
    """Between the last run of the old level and the first one of the new level.

    Attributes:
        commit_before: Commit of the last run before; ``None`` when nobody knows.
        commit_after: Commit of the first run after.
        changed: What else differs, as sentences.
    """

    commit_before: str | None
    commit_after: str | None
    changed: list[str]


def gaps(store: EventReader, pairs: Sequence[Sequence[str]]) -> list[Gap | None]:
    """What lies between the two runs of each pair; ``None`` where one of them is not known."""
    starts: dict[str, SessionStart] = {}
    for some in chunks(sorted({session for pair in pairs for session in pair})):
        for event in store.events(EventQuery(kinds=("session-start",), sessions=some)):
            if isinstance(event, SessionStart):
                starts.setdefault(event.session, event)
    return [_gap([starts[session] for session in pair if session in starts]) for pair in pairs]


def _gap(starts: Sequence[SessionStart]) -> Gap | None:
    if len(starts) != 2:
        return None
    old, new = starts
    return Gap(
        old.vcs.commit if old.vcs else None,
        new.vcs.commit if new.vcs else None,
        list(_differences(old, new)),
    )


def _differences(old: SessionStart, new: SessionStart) -> Iterator[str]:
    """What else differs: versions, the machine, options of the tool."""
    for field in _TOLD:
        was, became = getattr(old, field), getattr(new, field)
        if was != became:
            name = f"{new.tool} version" if field == "tool_version" else field
            yield f"{name}: {was or 'unknown'} → {became or 'unknown'}"
    for key in sorted({*old.attributes, *new.attributes}):
        was, became = old.attributes.get(key, "nothing"), new.attributes.get(key, "nothing")
        if was != became:
            yield f"{key}: {str(was)[:80]} → {str(became)[:80]}"
