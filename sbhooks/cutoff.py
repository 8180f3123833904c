"""Attempts that were cut off: they say nothing about the test, and count nowhere as failures.

An attempt is cut off when somebody stopped the run (its outcome is ``cancellation``), or when
the process was killed while it ran (its failure is the one that a killed recorder leaves).
Whoever asks for sums gets both under a detail of their own, :data:`INTERRUPTED`.

Which attempt was killed, sums do not tell. It is looked up, among the few errors without any
timed phase in the few runs that ended in an error themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sbhooks.events import Detail, Outcome, TestResult
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge

INTERRUPTED = "interrupted"  #: Stands beside pytest's own words for how an attempt ended.
_CHUNK = 500  # tests or sessions per question
_FINGERPRINTS = frozenset({"killed", "interrupted"})
_NEEDED: tuple[Dimension, ...] = ("session", "test", "params", "subtest", "detail")

Killed = Counter[tuple[str | None, ...]]  #: (Session, test, parameters) → attempts.


def is_cut_off(event: TestResult) -> bool:
    """Whether an attempt did not end by itself."""
    failure = event.failure
    return event.outcome == Outcome.CANCELLATION or (
        failure is not None and failure.fingerprint in _FINGERPRINTS
    )


def rollup(store: EventReader, query: EventQuery, by: Sequence[Dimension]) -> list[Rollup]:
    """Add up test results as the store does, those that were cut off apart.

    Args:
        store: The events.
        query: Which of them; the kind is always that of test results.
        by: What to group by; ``"test"`` and ``"detail"`` are among it.

    Returns:
        One row per group, ordered by key (``None`` first). The detail of what was cut off is
        :data:`INTERRUPTED`.
    """
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    names: list[Dimension] = [*by, "outcome"]
    rows = store.rollup(chosen, by=names)
    dead = _killed(store, chosen)
    if not dead:
        return _renamed(rows, names, by)
    tests = sorted({str(test) for _, test, _ in dead})
    place = by.index("test")
    doubtful = frozenset(tests)
    clear = _renamed([row for row in rows if row.key[place] not in doubtful], names, by)
    return sorted([*clear, *_told_apart(store, chosen, by, tests, dead)], key=_order)


def chunks(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield names in pieces that fit into one question."""
    rest = tuple(names)
    for start in range(0, len(rest), _CHUNK):
        yield rest[start : start + _CHUNK]


def _killed(store: EventReader, query: EventQuery) -> Killed:
    """What was running when its process was killed, and how many attempts at it."""
    return Counter((event.session, event.test, event.params) for event in killed(store, query))


def killed(store: EventReader, query: EventQuery) -> Iterator[TestResult]:
    """Yield the attempts that were running when their process was killed.

    The store counts them as errors. Those that were stopped, by Ctrl-C, are none of them: their
    outcome is ``cancellation``.

    Args:
        store: The events.
        query: Which of them; the kind is always that of test results.
    """
    query = msgspec.structs.replace(query, kinds=("test-result",))
    ends = msgspec.structs.replace(query, kinds=("session-end",), tests=(), skills=())
    ended = store.rollup(ends, by=["session", "outcome"])
    for sessions in chunks(str(row.key[0]) for row in ended if row.key[1] == Outcome.ERROR):
        inside = msgspec.structs.replace(query, sessions=sessions)
        for tests in chunks(_suspects(store, inside)):
            for event in store.events(msgspec.structs.replace(inside, tests=tests)):
                if isinstance(event, TestResult) and is_cut_off(event) and not _is_named(event):
                    yield event


def _is_named(event: TestResult) -> bool:
    """Whether its outcome says already that the attempt was cut off."""
    return event.outcome == Outcome.CANCELLATION


def _suspects(store: EventReader, query: EventQuery) -> list[str]:
    """Tests with errors without a timed phase; what was killed has none."""
    rows = store.rollup(query, by=["test", "detail"])
    errors = [row for row in rows if row.key[1] == Detail.ERROR]
    return [str(row.key[0]) for row in errors if row.duration_n < row.n]


def _told_apart(
    store: EventReader,
    query: EventQuery,
    by: Sequence[Dimension],
    tests: Sequence[str],
    killed: Killed,
) -> list[Rollup]:
    """The sums of tests that were killed somewhere, from those of each run."""
    names: list[Dimension] = [*by, *(name for name in _NEEDED if name not in by), "outcome"]
    places = [names.index(name) for name in ("session", "test", "params")]
    found: list[Rollup] = []
    for some in chunks(tests):
        for row in store.rollup(msgspec.structs.replace(query, tests=some), by=names):
            dead = killed[tuple(row.key[place] for place in places)]
            is_error = row.key[names.index("detail")] == Detail.ERROR
            is_whole = row.key[names.index("subtest")] is None
            fits = is_error and is_whole and row.key[-1] == Outcome.ERROR
            found += _split(row, dead) if dead and fits else [row]
    return _renamed(found, names, by)


def _split(row: Rollup, dead: int) -> list[Rollup]:
    """Errors of one run: those of the tests themselves, and those that were killed."""
    killed = msgspec.structs.replace(
        row, key=(*row.key[:-1], Outcome.CANCELLATION), n=dead, outcomes={"cancellation": dead},
        duration_n=0, duration_sum=0.0, duration_sum_squares=0.0, buckets={},
        first_at=row.last_at,
    )  # fmt: skip
    left = row.n - dead
    if left <= 0:
        return [killed]
    return [msgspec.structs.replace(row, n=left, outcomes={"error": left}), killed]


def _renamed(
    rows: Iterable[Rollup], names: Sequence[Dimension], by: Sequence[Dimension]
) -> list[Rollup]:
    """The rows without their last dimension, the outcome, which may rename their detail."""
    place = names.index("detail")

    def renamed(row: Rollup) -> Rollup:
        if row.key[-1] != Outcome.CANCELLATION:
            return row
        key = (*row.key[:place], INTERRUPTED, *row.key[place + 1 :])
        return msgspec.structs.replace(row, key=key)

    return merge(map(renamed, rows), keep=range(len(by)))


def _order(row: Rollup) -> list[tuple[bool, str]]:
    return [(part is not None, part or "") for part in row.key]
