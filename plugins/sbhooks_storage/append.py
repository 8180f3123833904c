"""The way into the database: a batch of events in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain, compress
from typing import Any

from sbhooks.events import Codec, Event, Invocation, SessionStart
from sbhooks_storage import derived, invocations, rollups, rows, sessions
from sbhooks_storage.batches import Batch, Run, batch
from sbhooks_storage.gathered import Gathered
from sbhooks_storage.identities import Packed, claim, packed
from sbhooks_storage.invocations import Columns
from sbhooks_storage.others import Others
from sbhooks_storage.refusals import REFUSALS, named, refused
from sbhooks_storage.rows import all_micros
from sbhooks_storage.sessions import NO_CONTEXT, Arrival, Session

COUNTER = "skill_invocation"  #: Its AUTOINCREMENT numbers all events.
_MOST_KNOWN_TESTS = 200_000
_AT_ONCE = 1_000  # rows that are in memory at the same time

_Starts = Mapping[int, tuple[Any, ...]]  # place in the batch → fields of a session's start


def high_water(connection: sqlite3.Connection) -> int:
    """The number of the newest event, or of the latest renaming or erasure."""
    (seq,) = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = ?", (COUNTER,)
    ).fetchone()
    return int(seq)


def set_high_water(connection: sqlite3.Connection, seq: int) -> None:
    """Go on counting behind ``seq``."""
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (seq, COUNTER))


class Appender:
    """Writes batches; remembers the numbers of tests from one batch to the next.

    Args:
        codec: Knows the kinds that plugins declare.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._tests: dict[tuple[str, str | None], int] = {}
        self._erasures = -1

    def append(self, connection: sqlite3.Connection, events: Sequence[Event]) -> int:
        """Write what is new; see ``EventStore.append``.

        Args:
            connection: In a write transaction that is undone when this raises.
            events: The batch.
        """
        ids = packed([event.id for event in events])
        if len({*ids}) < len(ids):  # of two with the same id the first counts
            first: dict[Packed, Event] = {}
            for event_id, event in zip(ids, events, strict=True):
                first.setdefault(event_id, event)
            ids, events = [*first], [*first.values()]
        known = claim(connection, ids)
        if known:
            is_new = [event_id not in known for event_id in ids]
            ids, events = [*compress(ids, is_new)], [*compress(events, is_new)]
        if events:
            self._write(connection, ids, events)
        return len(events)

    def forget(self) -> None:
        """Trust no number any more: those of new tests are undone with their transaction."""
        self._tests = {}

    def _write(
        self, connection: sqlite3.Connection, ids: Sequence[Packed], events: Sequence[Event]
    ) -> None:
        before = high_water(connection)
        rollups.catch_up(connection, before)  # what other programs have written
        new = _Write(connection, batch(ids, events, before + 1))
        new.take_in_sessions()
        new.write(self._codec, self._known_tests(connection))
        set_high_water(connection, new.batch.seqs[-1])
        new.derive()

    def _known_tests(self, connection: sqlite3.Connection) -> dict[tuple[str, str | None], int]:
        """Numbers that still hold: an erasure, by whatever process, makes all doubtful."""
        (erasures,) = connection.execute(
            "SELECT value FROM store_state WHERE name = 'erasures'"
        ).fetchone()
        if erasures != self._erasures or len(self._tests) > _MOST_KNOWN_TESTS:
            self._tests, self._erasures = {}, erasures
        return self._tests


class _Write:
    """The way of one batch into the tables.

    Args:
        connection: In a write transaction.
        new: What to store.
    """

    def __init__(self, connection: sqlite3.Connection, new: Batch) -> None:
        self.batch = new
        self._connection = connection
        self._sessions: Sequence[Session] = []  # as the batch's runs
        self._moved: list[int] = []
        self._invocations = Gathered()

    def take_in_sessions(self) -> None:
        """Find or make the sessions: what follows from their starts holds for all of the batch."""
        new, starts = self.batch, self._starts()
        self._sessions = sessions.take_in(
            self._connection, [self._arrival(run, starts.get(run.session, {})) for run in new.runs]
        )
        started = [(s, starts[s.name]) for s in self._sessions if s.name in starts]
        self._connection.executemany(
            rows.SESSION_START.insert,
            [
                (new.seqs[n], new.ids[n], session.number, new.times[n], new.events[n].source, *row)
                for session, of_session in started
                for n, row in of_session.items()
            ],
        )
        for session, of_session in started:
            is_told = session.is_new and len(of_session) == 1
            if not is_told and sessions.learn_project(self._connection, session):
                self._moved.append(session.number)

    def write(self, codec: Codec, tests: dict[tuple[str, str | None], int]) -> None:
        """Write all other events.

        Args:
            codec: Knows the kinds that plugins declare.
            tests: Numbers of tests that are known to hold; grows.
        """
        new = self.batch
        kinds = [*map(type, new.events)]
        of_runs = zip(self._sessions, new.runs, strict=True)
        owners = [*chain.from_iterable([s] * (run.stop - run.start) for s, run in of_runs)]
        self._write_invocations([kind is Invocation for kind in kinds], owners)
        others = Others(self._connection, codec, tests)
        for n in [n for n, kind in enumerate(kinds) if kind not in (Invocation, SessionStart)]:
            event = new.events[n]
            try:
                others.add(event, new.ids[n], new.seqs[n], new.times[n], owners[n])
            except REFUSALS as error:
                raise refused(event, error) from error
        others.write()

    def derive(self) -> None:
        """Bring in step what is derived from the log; the rows of the batch are in it."""
        if self._invocations.groups:
            members = {s.number: derived.Member(s.name, s.is_new) for s in self._sessions}
            sums = rollups.sums(self._invocations.groups)
            first_seq = self.batch.seqs[0]
            derived.fold(self._connection, self._invocations, sums, members, first_seq)
            rollups.fold(self._connection, sums)
        rollups.set_rolled_up(self._connection, self.batch.seqs[-1])
        for session_no in self._moved:
            rollups.refold(self._connection, rollups.hours_of(self._connection, session_no))

    def _starts(self) -> dict[str, dict[int, tuple[Any, ...]]]:
        """Session → place in the batch → fields of its starts."""
        places = [n for n, event in enumerate(self.batch.events) if type(event) is SessionStart]
        events = [self.batch.events[n] for n in places]
        found = named(lambda some: [*map(rows.SESSION_START.row, events[some])], events)
        starts: dict[str, dict[int, tuple[Any, ...]]] = {}
        for n, event, row in zip(places, events, found, strict=True):
            starts.setdefault(event.session, {})[n] = row
        return starts

    def _arrival(self, run: Run, starts: _Starts) -> Arrival:
        new = self.batch
        opening = next(iter(starts), run.start)
        times = new.times[run.start : run.stop]
        return Arrival(
            name=run.session,
            source=new.events[opening].source,
            origin_us=new.times[opening],
            first_us=min(times),
            last_us=max(times),
            first_seq=new.seqs[run.start],
            last_seq=new.seqs[run.stop - 1],
            context=rows.context(starts[opening]) if len(starts) == 1 else NO_CONTEXT,
        )

    def _write_invocations(self, chosen: Sequence[bool], owners: Sequence[Session]) -> None:
        """Write rows of the log and gather their sums, some at a time."""
        new = self.batch
        events: list[Any] = [*compress(new.events, chosen)]
        seqs, ids = [*compress(new.seqs, chosen)], [*compress(new.ids, chosen)]
        times, owners = [*compress(new.times, chosen)], [*compress(owners, chosen)]
        for start in range(0, len(events), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            log, micros = _rows(events[some], seqs[some], ids[some], times[some], owners[some])
            invocations.insert(self._connection, log)
            self._invocations.add(events[some], log, micros, owners[some])


def _rows(
    events: Sequence[Invocation],
    seqs: Sequence[int],
    ids: Sequence[Packed],
    times: Sequence[int],
    owners: Sequence[Session],
) -> tuple[Columns, list[int | None]]:
    """Rows of the log, and how long each of them took in microseconds.

    Raises:
        StoreError: Names the event of which none can be made.
    """
    micros = named(lambda some: all_micros([event.duration_s for event in events[some]]), events)
    log = named(
        lambda some: invocations.columns(
            events[some], seqs=seqs[some], ids=ids[some], times=times[some], micros=micros[some],
            sessions=owners[some],
        ),
        events,
    )  # fmt: skip
    return log, micros
