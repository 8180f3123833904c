"""Healthy days like one's own, for those who have not recorded enough of them yet.

Each skill keeps the rate, the number of invocations a day and the durations that it has had so far;
nothing else happens. Alarms on such days are false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader, Rollup, most_used
from sbhooks_analytics.daily import Days

DAYS = 90
MOST_SKILLS = 50
_LEAST_A_DAY = 1.0


def used_skills(store: EventReader, query: EventQuery) -> list[Rollup]:
    """What is known of the most used skills, today included."""
    return most_used(store, msgspec.structs.replace(query, kinds=("invocation",)), MOST_SKILLS)


def simulated(skills: Sequence[Rollup], rng: np.random.Generator, *, now: datetime) -> Days:
    """Ninety days before now of skills that go on as they are."""
    shape = len(skills), DAYS
    rate = np.array([(row.outcomes.get("success", 0) + 1) / (row.n + 2) for row in skills])
    a_day = np.array([_a_day(row) for row in skills])
    spread = np.array([_spread(row) for row in skills])
    middle = np.array([math.log(max(row.quantile(0.5) or 1.0, 1e-6)) for row in skills])
    n = rng.poisson(np.broadcast_to(a_day[:, None], shape))
    noise = rng.standard_normal(shape) * math.sqrt(math.pi / 2) * spread[:, None]
    duration = middle[:, None] + noise / np.sqrt(np.maximum(n, 1))
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Days(
        [str(row.key[0]) for row in skills],
        [today - timedelta(days=back) for back in range(DAYS, 0, -1)],
        n.astype(np.float64), rng.binomial(n, rate[:, None]).astype(np.float64),
        np.where(n > 0, duration, np.nan), n.astype(np.float64), spread,
        np.ones(shape, dtype=bool),
    )  # fmt: skip


def _a_day(row: Rollup) -> float:
    """Invocations a day, over the days from the first to the last."""
    days = (row.last_at.date() - row.first_at.date()).days + 1
    return max(row.n / days, _LEAST_A_DAY)


def _spread(row: Rollup) -> float:
    """Standard deviation of the logarithms of durations, from the quartiles."""
    low, high = (max(row.quantile(share) or 1e-6, 1e-6) for share in (0.25, 0.75))
    return (math.log(high) - math.log(low)) / 1.349
