"""The analysis of an experiment against plain sums by group, and an assignment against a hash."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np
from bars import Bar, median_ratio

from sbhooks.variants import Assigner, Split
from sbhooks_experiments.analysis import analyse
from sbhooks_experiments.kinds import ExperimentPlan
from sbhooks_experiments.log import Columns, State
from sbhooks_experiments.plan import Metric, Plan

OUTCOMES, UNITS = 100_000, 2_000
PAIRS = 21
ASSIGNMENTS = 20_000
NOW = datetime(2026, 11, 20, tzinfo=UTC)
PLAN = Plan(
    name="bench", control="a", treatment="b", primary=(Metric.DURATION,),
    secondary=(Metric.COMPLETION_RATE, Metric.RATING), max_units=UNITS,
)  # fmt: skip


def log() -> Columns:
    """Outcomes of many units, as they come out of the store."""
    chance = np.random.default_rng(1)
    columns = Columns()
    columns.units = [f"user-ab-{n:016x}" for n in range(UNITS)]
    columns.exposed = list(range(UNITS))
    columns.treated = (chance.random(UNITS) < 0.5).tolist()
    columns.exposed_us = list(range(UNITS))
    columns.shares = [0.5] * UNITS
    columns.acted = chance.integers(0, UNITS, OUTCOMES).tolist()
    columns.skills = ["pytest-run"] * OUTCOMES
    columns.completed = (chance.random(OUTCOMES) < 0.8).tolist()
    columns.seconds = chance.lognormal(0, 1, OUTCOMES).tolist()
    columns.stars = chance.integers(1, 6, OUTCOMES).astype(float).tolist()
    columns.acted_us = (UNITS + np.arange(OUTCOMES)).tolist()
    return columns


def group_sums(columns: Columns) -> np.ndarray:
    """What numpy alone needs for the sums of the same rows: count, successes, seconds, stars."""
    units = np.asarray(columns.acted, dtype=np.int64)
    weights = (columns.completed, columns.seconds, columns.stars)
    sums = [np.bincount(units, minlength=UNITS).astype(float)]
    sums += [
        np.bincount(units, weights=np.asarray(values, dtype=np.float64), minlength=UNITS)
        for values in weights
    ]
    return np.stack(sums)


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    return [_analysis(), _assignment()]


def _analysis() -> Bar:
    columns = log()
    created = ExperimentPlan(
        source="bench", session="s", experiment="bench", plan=PLAN, hash=PLAN.digest,
        at=NOW - timedelta(days=9),
    )  # fmt: skip
    state = State(created)
    took: list[float] = []

    def ours() -> float:
        took.append(_seconds(lambda: analyse(state, columns, now=NOW)))
        return took[-1]

    ours()  # libraries are loaded
    ratio = median_ratio(ours, lambda: _seconds(lambda: group_sums(columns)), pairs=PAIRS)
    return Bar(
        id="P12-analysis",
        work=f"analysis of {OUTCOMES:,} outcomes of {UNITS:,} units, three metrics, against "
        "numpy's sums per unit of the same rows",
        bar=4,
        reached=ratio,
        note=f"{sorted(took)[len(took) // 2] * 1e3:.0f} ms of CPU",
    )


def _assignment() -> Bar:
    assigner = Assigner(Split("bench"))
    names = [f"user-ab-{n:016x}" for n in range(ASSIGNMENTS)]
    texts = [f"|bench|{name}" for name in names]

    def ours() -> None:
        assign = assigner.assign
        for name in names:
            assign(name)

    def theirs() -> None:
        for text in texts:
            sha256(text.encode()).digest()

    took = min(_seconds(ours) for _ in range(3)) / ASSIGNMENTS
    ratio = median_ratio(lambda: _seconds(ours), lambda: _seconds(theirs), pairs=PAIRS)
    return Bar(
        id="P12-assignment",
        work="one assignment against one sha256 of the same text",
        bar=5,
        reached=ratio,
        note=f"{took * 1e6:.2f} µs of CPU",
    )


def _seconds(work: Callable[[], object]) -> float:
    """CPU time of some work, without the garbage of others."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    for bar in measure():
        print(bar)
