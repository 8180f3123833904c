"""New events, put in order: those of one session side by side, nothing else between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from sbhooks.events import Event
from sbhooks_storage import rows
from sbhooks_storage.identities import Packed
from sbhooks_storage.refusals import named


class Run(NamedTuple):
    """Where the events of a session stand in a batch."""

    session: str
    start: int
    stop: int


class Batch(NamedTuple):
    """Events that were not stored before.

    Attributes:
        ids: Packed ones.
        events: In their order within each session.
        times: When they happened, microseconds since 1970.
        seqs: Their numbers in the order of storing.
        runs: The sessions, each once.
    """

    ids: Sequence[Packed]
    events: Sequence[Event]
    times: Sequence[int]
    seqs: range
    runs: Sequence[Run]


def batch(ids: Sequence[Packed], events: Sequence[Event], first_seq: int) -> Batch:
    """Put together what belongs together, sessions in the order of their first events.

    Raises:
        StoreError: The time of an event is none.
    """
    runs = _runs(events)
    rank = {name: n for n, name in enumerate(dict.fromkeys(run.session for run in runs))}
    if len(rank) < len(runs):  # sessions that take turns
        ranks = [rank[event.session] for event in events]
        order = sorted(range(len(events)), key=ranks.__getitem__)
        ids, events = [ids[n] for n in order], [events[n] for n in order]
        runs = _runs(events)
    times = named(lambda some: rows.moments(events[some]), events)
    return Batch(ids, events, times, range(first_seq, first_seq + len(events)), runs)


def _runs(events: Sequence[Event]) -> list[Run]:
    runs, stop = [], 0
    for name, some in groupby(events, attrgetter("session")):
        start, stop = stop, stop + len([*some])
        runs.append(Run(name, start, stop))
    return runs
