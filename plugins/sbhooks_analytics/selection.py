"""Which tests to run first when there is not time for all, and how much would be missed.

Tests are ranked by how likely they are to fail, in relation to the time they take: failures of
earlier runs count with a half-life of 10 runs, flaky tests do not gain by their flakiness alone.
What failed last time is always selected. Tests that were never recorded cannot be named; run them
too, as the replay does. The advice is worth what it
would have found: it is replayed over the user's own failing runs, each with only what was known
before it.

References:
    Machalica, Samylkin, Porth & Chandra, *Predictive test selection*, ICSE-SEIP 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from sbhooks.cutoff import chunks, rollup
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.intervals import wilson

MOST_RUNS = 200
_LEAST_FAILING = 5
_DECAY = 0.5 ** (1 / 10)
_BAD = frozenset({"failed", "error"})
_PRIOR = 0.002  # chance of a test to fail that never did


class SelectedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that is selected.

    Attributes:
        name: Its id with its parameters.
        why: ``failed last time`` or ``likely to fail for its time``.
        chance: Weighed share of runs in which it failed.
        mean_s: Mean time of an attempt.
    """

    name: str
    why: str
    chance: float
    mean_s: float


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests select --json`` prints.

    Attributes:
        tests: In the order in which to run them.
        time_s: Time they take together.
        time_share: Of the time of all tests.
        recall: Share of earlier failing runs in which such a selection held a test that failed;
            ``None`` with fewer than five failing runs.
        recall_low: Lower end of its 95 % interval.
        recall_high: Upper end.
        failing_runs: Number of these runs.
        reason: Why nothing is selected.
    """

    tests: list[SelectedTest]
    time_s: float
    time_share: float
    recall: float | None = None
    recall_low: float | None = None
    recall_high: float | None = None
    failing_runs: int = 0
    reason: str = ""


class _Record(msgspec.Struct):
    """What is known of one test up to some run."""

    weight: float = 0.0
    failed: float = 0.0
    last_failed: bool = False
    time_s: float = 0.0
    n: int = 0

    @property
    def chance(self) -> float:
        return (self.failed + _PRIOR * 5) / (self.weight + 5)

    @property
    def mean_s(self) -> float:
        return self.time_s / self.n if self.n else 0.0


#: A run: test → (whether it failed, time in seconds).
Run = dict[Case, tuple[bool, float]]


def select(store: EventReader, query: EventQuery, *, budget: float) -> Selection:
    """Choose tests for a share of the time.

    Args:
        store: The events.
        query: Projects and times to look at.
        budget: Share of the time of all tests, 0 to 1.
    """
    runs = _runs(store, query)
    records: dict[Case, _Record] = {}
    caught = failing = 0
    for run in runs:
        bad = {case for case, (failed, _) in run.items() if failed}
        if bad and records:
            failing += 1
            fresh = [case for case in run if case not in records]
            known = {case: records[case] for case in run if case in records}
            caught += bool(bad & {*fresh, *_chosen(known, budget)})
        _learn(records, run)
    if not records:
        return Selection(tests=[], time_s=0.0, time_share=0.0, reason="no test is recorded")
    current = {case: records[case] for case in runs[-1] if case in records} or records
    chosen = _chosen(current, budget)
    total = sum(record.mean_s for record in current.values())
    time = sum(current[case].mean_s for case in chosen)
    share = wilson(caught, failing) if failing >= _LEAST_FAILING else None
    return Selection(
        tests=[_selected(case, current[case]) for case in chosen],
        time_s=time,
        time_share=time / total if total else 1.0,
        recall=share.rate if share else None,
        recall_low=share.low if share else None,
        recall_high=share.high if share else None,
        failing_runs=failing,
    )


def _chosen(records: dict[Case, _Record], budget: float) -> list[Case]:
    """What fits into the budget, the most promising first; the safety set always does."""
    total = sum(record.mean_s for record in records.values())
    order = sorted(
        records,
        key=lambda case: (
            not records[case].last_failed,
            -records[case].chance / max(records[case].mean_s, 1e-3),
            str(case),
        ),
    )
    chosen, spent = [], 0.0
    for case in order:
        record = records[case]
        if record.last_failed or spent + record.mean_s <= budget * total:
            chosen.append(case)
            spent += record.mean_s
    return chosen


def _learn(records: dict[Case, _Record], run: Run) -> None:
    for case, (failed, seconds) in run.items():
        record = records.setdefault(case, _Record())
        record.weight = record.weight * _DECAY + 1
        record.failed = record.failed * _DECAY + failed
        record.last_failed = failed
        record.time_s += seconds
        record.n += 1


def _selected(case: Case, record: _Record) -> SelectedTest:
    why = "failed last time" if record.last_failed else "likely to fail for its time"
    return SelectedTest(name=case.name, why=why, chance=record.chance, mean_s=record.mean_s)


def _runs(store: EventReader, query: EventQuery) -> Sequence[Run]:
    """The newest runs with tests, oldest first."""
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    ended = {str(r.key[0]): r.last_at for r in store.rollup(chosen, by=["session"])}
    newest = sorted(ended, key=lambda session: ended[session])[-MOST_RUNS:]
    runs: dict[str, dict[Case, tuple[datetime, bool, float]]] = {name: {} for name in newest}
    for some in chunks(newest):
        inside = msgspec.structs.replace(chosen, sessions=some)
        rows = rollup(store, inside, ["session", "project", "test", "params", "subtest", "detail"])
        for row in rows:
            session, project, test, params, subtest, detail = row.key
            if subtest is not None or (detail != "passed" and detail not in _BAD):
                continue
            run, case = runs[str(session)], Case(project, str(test), params)
            at, failed, seconds = run.get(case, (row.first_at, False, 0.0))
            if row.last_at >= at:
                at, failed = row.last_at, detail in _BAD
            run[case] = (at, failed, seconds + row.duration_sum)
    return [{c: (failed, s) for c, (_, failed, s) in runs[name].items()} for name in newest]
