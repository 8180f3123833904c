"""Which recorded sessions belong to the CI run around this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from sbhooks import ci
from sbhooks.errors import SbhooksError
from sbhooks.events import SessionStart
from sbhooks.store import EventQuery, EventReader

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine

_LOOKED_AT = 2_000  #: Sessions of a run are among the newest ones.


def newest_session(store: EventReader, query: EventQuery, kind: str = "test-result") -> str:
    """The newest session that has events of a kind.

    Raises:
        SbhooksError: There is none.
    """
    chosen = msgspec.structs.replace(query, kinds=(kind,), newest_first=True, limit=1)
    for event in store.events(chosen):
        return event.session
    raise SbhooksError("no test run is recorded. Run your tests, then: sbhooks runs")


def ended_sessions(line: CommandLine, sessions: Sequence[str]) -> set[str]:
    """Which of some sessions are stored with their end; collects first.

    None, where no store can be asked, or where events go to a server.
    """
    query = EventQuery(kinds=("session-end",), sessions=tuple(sessions))
    try:
        if line.config.forward_to is not None:
            return set()
        line.runtime.collect()
        return {event.session for event in line.runtime.store.events(query)}
    except (SbhooksError, OSError):
        return set()


def sessions_of_run(
    store: EventReader, query: EventQuery, environ: Mapping[str, str]
) -> list[SessionStart]:
    """The starts of the sessions of this CI run, newest first.

    In CI all sessions with the provider, run and attempt of the environment; outside of CI the
    newest session with test results, and the stage around it.

    Raises:
        SbhooksError: Nothing of it is recorded.
    """
    found = ci.detect(environ)
    run = found.run() if found is not None else {}
    if "run_id" in run:
        same = [start for start in islice(_starts(store, query), _LOOKED_AT) if _is(start, run)]
        if same:
            return same
        raise SbhooksError(
            f"nothing is recorded of run {run['run_id']}. Run your stages with: sbhooks ci run -- …"
        )
    newest = newest_session(store, query)
    (start,) = _first(store, newest)
    around = _first(store, start.parent) if start.parent else []
    return [start, *around]


def _is(start: SessionStart, run: Mapping[str, str | int]) -> bool:
    told = start.ci
    if told is None:
        return False
    return all(getattr(told, name) == run.get(name) for name in ("provider", "run_id", "attempt"))


def _first(store: EventReader, session: str) -> list[SessionStart]:
    chosen = EventQuery(kinds=("session-start",), sessions=(session,), limit=1)
    return [event for event in store.events(chosen) if isinstance(event, SessionStart)]


def _starts(store: EventReader, query: EventQuery) -> list[SessionStart]:
    chosen = msgspec.structs.replace(
        query, kinds=("session-start",), newest_first=True, limit=_LOOKED_AT
    )
    return [event for event in store.events(chosen) if isinstance(event, SessionStart)]
