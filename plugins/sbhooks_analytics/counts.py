"""What happened how often in runs that could not count to their end themselves."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.cutoff import INTERRUPTED, chunks, rollup

#: What the results of a run tell, in the order of telling; what else it counted, it alone knows.
TOLD = (
    "passed", "failed", "error", "skipped", "xfailed", "xpassed", INTERRUPTED,
    "reruns", "flaky", "subtests_failed",
)  # fmt: skip
_BAD = frozenset({"failed", "error"})
_GOOD = frozenset({"passed", "xpassed"})


class Tally(msgspec.Struct):
    """What is known of one test in one run.

    Attributes:
        attempts: How many there were.
        details: How they ended.
        last: The newest of them.
    """

    attempts: int
    details: set[str]
    last: Rollup


def counted(store: EventReader, sessions: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count the recorded results of runs, as the runs themselves would have.

    A test counts once, by its last attempt. An attempt that was cut off is
    ``"interrupted"``, never a failure.

    Args:
        store: The events.
        sessions: The runs.

    Returns:
        Session → word → number; without words for what did not happen.
    """
    found: dict[str, dict[str, int]] = {}
    for some in chunks(sessions):
        tests: dict[tuple[str | None, ...], Tally] = {}
        query = EventQuery(sessions=some)
        by = rollup(store, query, ["session", "test", "params", "worker", "subtest", "detail"])
        for row in by:
            if row.key[4] is None:
                _note(tests, row)
            elif row.key[5] == "failed":
                _add(found, row.key[0], "subtests_failed", row.n)
        for key, tally in tests.items():
            _count(found, key[0], tally)
    return {session: _in_order(counts) for session, counts in found.items()}


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    return {word: counts[word] for word in sorted(counts, key=_place)}


def _place(word: str) -> int:
    return TOLD.index(word) if word in TOLD else len(TOLD)


def _note(tests: dict[tuple[str | None, ...], Tally], row: Rollup) -> None:
    """Take a row into the tally of its test."""
    key, detail = row.key[:4], str(row.key[5])
    tally = tests.get(key)
    if tally is None:
        tests[key] = Tally(row.n, {detail}, row)
        return
    tally.attempts += row.n
    tally.details.add(detail)
    tally.last = max(tally.last, row, key=_when)


def _count(found: dict[str, dict[str, int]], session: str | None, tally: Tally) -> None:
    last = str(tally.last.key[5])
    _add(found, session, last, 1)
    _add(found, session, "reruns", tally.attempts - 1)
    _add(found, session, "flaky", int(last in _GOOD and not _BAD.isdisjoint(tally.details)))


def _add(found: dict[str, dict[str, int]], session: str | None, word: str, number: int) -> None:
    if number:
        counts = found.setdefault(str(session), {})
        counts[word] = counts.get(word, 0) + number


def _when(row: Rollup) -> tuple[object, bool]:
    """The order of a test's attempts in one run; what was cut off is the last."""
    return (row.last_at, row.key[5] == INTERRUPTED)
