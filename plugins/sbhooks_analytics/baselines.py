"""How each skill does across all users: what a single user can compare with.

The percentile ranks skills by their completion rate after smoothing: every skill starts with ten
invocations at the rate of all, so 2 of 2 does not beat 990 of 1,000. Nothing leaves this machine;
what could ever be shared are the rows with at least ten users.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.couse import Book
from sbhooks_analytics.intervals import wilson
from sbhooks_analytics.ranked import by_log, sums

K_USERS = 10  #: Users behind a row that could be shared.
_PRIOR = 10.0


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """One skill over all users.

    Attributes:
        skill_name: What was called.
        total_users: Different people in whose sessions it was used.
        total_invocations: How often.
        global_completion_rate: Share of them that completed, 0 to 1.
        rate_low: Lower end of its 95 % interval (Wilson).
        rate_high: Upper end.
        global_avg_duration_seconds: Mean over completed invocations, as in the tables for SQL;
            ``None`` without durations.
        most_common_workflow_phase: ``None`` when no phase is known.
        effectiveness_percentile: 0 to 100: share of the other skills whose smoothed completion
            rate is lower, equal ones counted half; 50 where there is no other.
        shareable: Whether at least ten users stand behind it.
        user_invocations: How often the user who compares used it; ``None`` when nobody does, as
            are the next ones, and where that user never did.
        user_completion_rate: Share of them that completed.
        user_rate_low: Lower end of its 95 % interval.
        user_rate_high: Upper end.
        delta_from_baseline: ``user_completion_rate - global_completion_rate``.
    """

    skill_name: str
    total_users: int
    total_invocations: int
    global_completion_rate: float
    rate_low: float
    rate_high: float
    global_avg_duration_seconds: float | None
    most_common_workflow_phase: str | None
    effectiveness_percentile: float
    shareable: bool
    user_invocations: int | None = None
    user_completion_rate: float | None = None
    user_rate_low: float | None = None
    user_rate_high: float | None = None
    delta_from_baseline: float | None = None


class Baselines(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks baselines --json`` prints; the most used skill first.

    Attributes:
        baselines: At most as many as were asked for.
        skills: Skills that are compared with each other, the most used.
        skills_in_all: How many there are.
        user: Pseudonym of the user who compares.
    """

    baselines: list[Baseline]
    skills: int
    skills_in_all: int
    user: str | None = None


def baselines(store: EventReader, query: EventQuery, book: Book) -> list[Baseline]:
    """Each skill over all users, the most used first.

    Args:
        store: The events.
        query: Projects, skills and times to look at.
        book: Of the same part of the log; says who used what.
    """
    groups: dict[str, list[Rollup]] = {}
    by = by_log(["skill", "phase", "outcome"], book.skills_in_all)
    for rollup in sums(store, query, book.only, by):
        groups.setdefault(str(rollup.key[0]), []).append(rollup)
    totals = {name: _together(rollups) for name, rollups in groups.items()}
    every = sum(n for n, *_ in totals.values())
    rate = sum(good for _, good, _ in totals.values()) / every if every else 0.0
    smooth = {n: (good + _PRIOR * rate) / (k + _PRIOR) for n, (k, good, _) in totals.items()}
    ranks = percentiles(smooth)
    found = [
        _baseline(name, groups[name], totals[name], len(book.users.get(name, {})), ranks[name])
        for name in groups
    ]
    return sorted(found, key=lambda one: (-one.total_invocations, one.skill_name))


def compared(
    store: EventReader, query: EventQuery, found: list[Baseline], user: str
) -> list[Baseline]:
    """The same baselines with what one user did beside them.

    Args:
        store: The events.
        query: As of :func:`baselines`.
        found: Its answer.
        user: Pseudonym; sessions of this user are counted.
    """
    own = msgspec.structs.replace(query, users=(user,))
    names = [one.skill_name for one in found]
    rows = {str(row.key[0]): row for row in sums(store, own, names, ["skill"])}
    return [_beside(one, rows.get(one.skill_name)) for one in found]


def _beside(one: Baseline, own: Rollup | None) -> Baseline:
    share = wilson(own.outcomes.get("success", 0), own.n) if own else None
    if own is None or share is None:
        return one
    return msgspec.structs.replace(
        one, user_invocations=own.n, user_completion_rate=share.rate, user_rate_low=share.low,
        user_rate_high=share.high, delta_from_baseline=share.rate - one.global_completion_rate,
    )  # fmt: skip


def percentiles(values: dict[str, float]) -> dict[str, float]:
    """Share (0 to 100) of the other values that are lower, equal ones counted half; alone: 50."""
    from bisect import bisect_left, bisect_right

    ordered, others = sorted(values.values()), len(values) - 1
    if not others:
        return dict.fromkeys(values, 50.0)
    return {
        name: 50.0 * (bisect_left(ordered, value) + bisect_right(ordered, value) - 1) / others
        for name, value in values.items()
    }


def _together(rollups: list[Rollup]) -> tuple[int, int, float | None]:
    """Invocations, completed ones, mean duration of these."""
    completed = [rollup for rollup in rollups if rollup.key[2] == "success"]
    timed = sum(rollup.duration_n for rollup in completed)
    mean = sum(rollup.duration_sum for rollup in completed) / timed if timed else None
    good = sum(rollup.n for rollup in completed)
    return sum(rollup.n for rollup in rollups), good, mean


def _baseline(
    name: str, rollups: list[Rollup], total: tuple[int, int, float | None], users: int, rank: float
) -> Baseline:
    n, good, mean = total
    share = wilson(good, n)
    phases = Counter[str]()
    for rollup in rollups:
        if rollup.key[1] is not None:
            phases[rollup.key[1]] += rollup.n
    return Baseline(
        skill_name=name, total_users=users, total_invocations=n,
        global_completion_rate=good / n, rate_low=share.low if share else 0.0,
        rate_high=share.high if share else 1.0, global_avg_duration_seconds=mean,
        most_common_workflow_phase=min(phases, key=lambda p: (-phases[p], p)) if phases else None,
        effectiveness_percentile=rank, shareable=users >= K_USERS,
    )  # fmt: skip
