"""Since which commit a stage fails, or takes longer.

*Failing* is plain: the run after which there was no success any more.

*Slower or faster* is a change point in the logarithms of the durations of successful runs: the
split with the largest absolute Welch t. Whether it is more than chance is asked by permutation:
among 999 reorderings of the same durations (seeded, so that the same store gives the same
answer) fewer than 1 % may have a split as large. A change of less than 20 % is not worth a word.
Assumes that runs do not depend on each other; where they drift, changes are found too often.

References:
    Hinkley, *Inference about the change-point in a sequence of random variables*, Biometrika 57
    (1970). Welch, *The generalization of Student's problem*, Biometrika 34 (1947). Phipson &
    Smyth, *Permutation p-values should never be zero*, SAGMB 9 (2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Literal

import msgspec

from sbhooks.events import Outcome, PipelineStage

FEWEST = 5  #: Runs on either side of a change.
PERMUTATIONS = 999
ALPHA = 0.01
LEAST_RATIO = 1.2
_NEWEST = 200  #: Runs that are looked at.
_SMALLEST_VARIANCE = 1e-6  # of logarithms: about 0.1 % of a duration


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a stage that still holds.

    Attributes:
        what: ``"failing"``, ``"slower"`` or ``"faster"``.
        commit: The first run after the change had this one; ``None`` when nobody knows.
        before_commit: The last run before it.
        at: When the first run after it ended.
        runs: Runs since, that one included.
        before_s: Geometric mean of the durations before; ``None`` of a failing stage.
        after_s: Since.
        p: How likely so large a split is by chance; ``None`` of a failing stage.
    """

    what: Literal["failing", "slower", "faster"]
    commit: str | None
    before_commit: str | None
    at: datetime
    runs: int
    before_s: float | None = None
    after_s: float | None = None
    p: float | None = None


def failing_since(
    events: Sequence[PipelineStage], commits: Mapping[str, str | None]
) -> Change | None:
    """When a stage that fails now succeeded for the last time.

    Args:
        events: Ends of its own of one stage, oldest first.
        commits: Session → commit.

    Returns:
        ``None`` when it does not fail, or has never succeeded.
    """
    last = max(
        (place for place, e in enumerate(events) if e.outcome is Outcome.SUCCESS), default=None
    )
    if last is None or last == len(events) - 1:
        return None
    first = events[last + 1]
    return Change(
        what="failing",
        commit=commits.get(first.session),
        before_commit=commits.get(events[last].session),
        at=first.at,
        runs=len(events) - last - 1,
    )


def slower_since(
    events: Sequence[PipelineStage], commits: Mapping[str, str | None]
) -> Change | None:
    """The split of a stage's durations that is more than chance; ``None`` without one.

    Args:
        events: Ends of its own of one stage, oldest first.
        commits: Session → commit.
    """
    timed = [e for e in events if e.outcome is Outcome.SUCCESS and e.duration_s][-_NEWEST:]
    logs = [math.log(event.duration_s or 1.0) for event in timed]
    found = split(logs)
    if found is None:
        return None
    place, p = found
    before = math.exp(sum(logs[:place]) / place)
    after = math.exp(sum(logs[place:]) / (len(logs) - place))
    if max(before, after) / min(before, after) < LEAST_RATIO:
        return None
    return Change(
        what="slower" if after > before else "faster",
        commit=commits.get(timed[place].session),
        before_commit=commits.get(timed[place - 1].session),
        at=timed[place].at,
        runs=len(timed) - place,
        before_s=before,
        after_s=after,
        p=p,
    )


def split(values: Sequence[float]) -> tuple[int, float] | None:
    """Where a series changes its level, and how likely that is by chance.

    Args:
        values: Oldest first.

    Returns:
        The place of the first value after the change and its p, at most :data:`ALPHA`;
        ``None`` when there is no change, or too little to tell.
    """
    if len(values) < 2 * FEWEST:
        return None
    place, largest = _largest(values)
    random = Random(len(values))  # noqa: S311 - reorderings, no secrets
    shuffled = list(values)
    as_large = 0
    for _ in range(PERMUTATIONS):
        random.shuffle(shuffled)
        as_large += _largest(shuffled)[1] >= largest
        if as_large + 1 > ALPHA * (PERMUTATIONS + 1):
            return None  # what follows cannot change the answer
    return place, (as_large + 1) / (PERMUTATIONS + 1)


def _largest(values: Sequence[float]) -> tuple[int, float]:
    """The split with the largest absolute Welch t, and that t."""
    n = len(values)
    total, squares = sum(values), sum(value * value for value in values)
    left = left_squares = 0.0
    best = (FEWEST, -1.0)
    for place in range(1, n - FEWEST + 1):
        value = values[place - 1]
        left += value
        left_squares += value * value
        if place < FEWEST:
            continue
        rest, right = n - place, total - left
        error = _variance(left, left_squares, place) / place
        error += _variance(right, squares - left_squares, rest) / rest
        t = abs(right / rest - left / place) / math.sqrt(error)
        if t > best[1]:
            best = (place, t)
    return best


def _variance(total: float, squares: float, n: int) -> float:
    return max((squares - total * total / n) / (n - 1), _SMALLEST_VARIANCE)
