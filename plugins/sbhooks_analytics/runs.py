"""Runs of tools: each session's start and end put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.events import Outcome, SessionEnd, SessionStart
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.counts import TOLD, counted
from sbhooks_analytics.cutoff import chunks

RUNNING = "running"
UNKNOWN = "unknown"
KILLED = "killed"
_LOST_AFTER = timedelta(days=1)  # no run takes longer: its end was lost


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a tool.

    Attributes:
        started_at: When it began, UTC.
        duration_s: Wall-clock time; ``None`` while it runs. Of a run that was killed, the time
            until it was last seen alive.
        duration_is_lower_bound: Whether it took at least ``duration_s``, and nobody knows how
            much more: it was killed.
        outcome: An outcome, ``"running"``, or ``"unknown"`` when its end was never recorded.
        exit_status: Of the tool; ``None`` while it runs, and when it was killed.
        counts: What the tool counted, such as ``{"passed": 12}``. Of a run that did not come
            to its end: what is recorded, with ``"interrupted"`` for tests that were cut off.
        reason: Why it ended.
        code_state: The same for runs that saw the same code; ``None`` when nobody knows.
    """

    session: str
    source: str
    project: str | None
    started_at: datetime
    duration_s: float | None
    outcome: str
    exit_status: int | None
    counts: dict[str, int]
    commit: str | None
    branch: str | None
    tool: str
    tool_version: str | None
    reason: str | None
    code_state: str | None
    duration_is_lower_bound: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the tool came to its end, so that its own counts are to be trusted."""
        if self.outcome in {Outcome.CANCELLATION, UNKNOWN} or was_killed(self):
            return False
        return self.reason in {None, "finished"} or "error" not in self.counts

    @property
    def exact_duration_s(self) -> float | None:
        """The time that it took; ``None`` when nobody knows it exactly."""
        return None if self.duration_is_lower_bound else self.duration_s


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks runs --json`` prints; the newest run first."""

    runs: list[Run]  #: At most as many as were asked for.


def runs(store: EventReader, query: EventQuery, *, now: datetime, limit: int) -> list[Run]:
    """The newest runs, newest first.

    Args:
        store: The events.
        query: Projects and times to look at; the time is that of the start.
        now: Decides what still counts as running.
        limit: At most that many.
    """
    chosen = msgspec.structs.replace(
        query, kinds=("session-start",), newest_first=True, limit=limit
    )
    starts = _first_of_each(store.events(chosen))
    ends = _ends(store, [start.session for start in starts])
    return recounted(store, [joined(start, ends.get(start.session), now) for start in starts])


def recounted(store: EventReader, runs: Iterable[Run]) -> list[Run]:
    """The same runs, with what is recorded of those that did not come to their end counted."""
    runs = list(runs)
    found = counted(store, [run.session for run in runs if not run.is_complete])
    return [run if run.is_complete else _counted(run, found.get(run.session, {})) for run in runs]


def runs_of(store: EventReader, sessions: Iterable[str], *, now: datetime) -> dict[str, Run]:
    """The runs with the given sessions, by session; those without a start are left out.

    Their counts are those that the tools gave; see :func:`recounted`.
    """
    found: dict[str, Run] = {}
    for chunk in chunks(sorted(set(sessions))):
        starts = _first_of_each(store.events(EventQuery(kinds=("session-start",), sessions=chunk)))
        ends = _ends(store, chunk)
        found.update((s.session, joined(s, ends.get(s.session), now)) for s in starts)
    return found


def joined(start: SessionStart, end: SessionEnd | None, now: datetime) -> Run:
    """One run from its two events."""
    vcs = start.vcs
    state = end.attributes.get("code.state") if end is not None else None
    return Run(
        session=start.session,
        source=start.source,
        project=start.project,
        started_at=start.at,
        duration_s=None if end is None else _duration_s(start, end),
        outcome=_open_outcome(start, now) if end is None else str(end.outcome),
        exit_status=None if end is None else end.exit_status,
        counts={} if end is None else end.counts,
        commit=vcs.commit if vcs else None,
        branch=vcs.branch if vcs else None,
        tool=start.tool,
        tool_version=start.tool_version,
        reason=None if end is None else end.reason,
        code_state=state if isinstance(state, str) and state else None,
        duration_is_lower_bound=end is not None and end.reason == KILLED,
    )


def was_killed(run: Run) -> bool:
    """Whether the process ended without a word."""
    return run.reason == KILLED


def find_run(store: EventReader, name: str, query: EventQuery) -> str:
    """The session that a user means.

    Args:
        store: The events.
        name: ``"last"``, a session, or its unique beginning or end.
        query: Projects and times to choose from.

    Raises:
        SbhooksError: There is none, or more than one.
    """
    if not name.strip():
        raise SbhooksError("no run was named. Write 'last', or a name that 'sbhooks runs' shows")
    chosen = msgspec.structs.replace(query, kinds=("session-start",), newest_first=True)
    if name == "last":
        chosen = msgspec.structs.replace(chosen, limit=1)
    known = dict.fromkeys(event.session for event in store.events(chosen))
    if name in known:
        return name
    found = [s for s in known if name == "last" or s.startswith(name) or s.endswith(name)]
    if not found:
        what = "no run" if name == "last" else f"no run {name!r}"
        where = f" of {' or '.join(map(repr, query.projects))}" if query.projects else ""
        when = " in that time" if query.since is not None else ""
        raise SbhooksError(f"{what}{where} is recorded{when}. List them with: sbhooks runs")
    if len(found) > 1:
        some = ", ".join(found[:3])
        raise SbhooksError(
            f"{name!r} is the name of {len(found)} runs ({some}, …): write more of it"
        )
    return found[0]


def short_names(sessions: Sequence[str], *, least: int = 8) -> dict[str, str]:
    """Ends of sessions that tell them apart; the beginnings of UUIDv7 are times, much alike."""
    length = least
    while len({s[-length:] for s in sessions}) < len(set(sessions)):
        length += 1
    return {session: session[-length:] for session in sessions}


def _open_outcome(start: SessionStart, now: datetime) -> str:
    return RUNNING if now - start.at < _LOST_AFTER else UNKNOWN


def _duration_s(start: SessionStart, end: SessionEnd) -> float | None:
    """How long a run took; a killed one up to when it was last seen alive."""
    if end.reason == KILLED:
        return max(0.0, (end.at - start.at).total_seconds())
    return end.duration_s


def _counted(run: Run, found: dict[str, int]) -> Run:
    """A run with what is recorded, and beside it what only the tool knows."""
    own = {word: number for word, number in run.counts.items() if word not in TOLD}
    return msgspec.structs.replace(run, counts=found | own)


def _first_of_each(events: Iterable[object]) -> list[SessionStart]:
    found: dict[str, SessionStart] = {}
    for event in events:
        if isinstance(event, SessionStart):
            found.setdefault(event.session, event)
    return list(found.values())


def _ends(store: EventReader, sessions: Sequence[str]) -> dict[str, SessionEnd]:
    return {
        event.session: event
        for chunk in chunks(sessions)
        for event in store.events(EventQuery(kinds=("session-end",), sessions=chunk))
        if isinstance(event, SessionEnd)
    }
