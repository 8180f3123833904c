"""Since which commit a stage fails, or takes longer.

*Failing* is plain: the run after which there was no success any more.

*Slower or faster* is a change point in the logarithms of the durations of successful runs, found
as those of tests and skills are (:mod:`sbhooks_analytics.change`): in 1 % of stages without any
change one is found, also where a slow run is often followed by another. The newest change of 20 %
or more counts. It needs the numeric libraries; without them nothing is said of durations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from sbhooks.events import Outcome, PipelineStage
from sbhooks_analytics.numbers import EXTRA, have_numbers

FEWEST = 10  #: Timed runs below which nothing is said.
LEAST_RATIO = 1.2
WITHOUT_NUMBERS = (
    f"To see since which commit a stage takes longer or shorter, run: pip install '{EXTRA}'"
)


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
        p: Of "there is no change"; ``None`` of a failing stage.
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
    """The newest change of a stage's durations; ``None`` without one.

    Args:
        events: Ends of its own of one stage, oldest first.
        commits: Session → commit.
    """
    timed = [event for event in events if event.outcome is Outcome.SUCCESS and event.duration_s]
    if len(timed) < FEWEST or not have_numbers():
        return None
    import numpy as np

    from sbhooks_analytics.change import changes_of

    logs = np.log([event.duration_s or 1.0 for event in timed])
    for found in reversed(changes_of(logs)):
        if abs(found.after - found.before) >= math.log(LEAST_RATIO):
            return Change(
                what="slower" if found.after > found.before else "faster",
                commit=commits.get(timed[found.place].session),
                before_commit=commits.get(timed[found.place - 1].session),
                at=timed[found.place].at,
                runs=len(timed) - found.place,
                before_s=math.exp(found.before),
                after_s=math.exp(found.after),
                p=found.p_value,
            )
    return None
