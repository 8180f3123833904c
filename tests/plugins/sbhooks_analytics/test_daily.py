"""Days and hours as arrays: every entry counted again from the log."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sbhooks.events import Outcome
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.daily import DAY, HOUR, days_of
from sbhooks_analytics.series import LENGTH, Period, tallies

START = datetime(2026, 3, 2, tzinfo=UTC)
ENDS = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT, Outcome.SKIP)
_BUCKET = 0.011  # a median from buckets is at most 1 % off


@pytest.mark.parametrize("period", ["day", "hour"])
@pytest.mark.parametrize("usual_s", [0.002, 0.4, 30.0])
def test_every_entry_is_that_of_the_log(period: Period, usual_s: float) -> None:
    rng = np.random.default_rng(2)
    step, periods = LENGTH[period], 20
    runs = [
        (skill, int(rng.integers(3 if skill == "late" else 0, periods)), ENDS[rng.integers(4)],
         float(usual_s * rng.lognormal(0, 0.5)))
        for skill, number in (("early", 90), ("late", 50)) for _ in range(number)
    ]  # fmt: skip
    runs = [run for run in runs if run[1] != 7]  # nothing at all was recorded then
    store, line = MemoryEventStore(), Timeline(start=START)
    store.append([
        line.invocation(skill, end, at=START + step * place + step / 2, duration_s=seconds)
        for skill, place, end, seconds in runs
    ])  # fmt: skip
    found = days_of(
        tallies(store, EventQuery(), period=period, now=START + step * periods), ["late", "early"]
    )
    assert found.grain == (DAY if period == "day" else HOUR)
    first = min(place for _, place, *_ in runs)
    assert found.starts == [START + step * place for place in range(first, periods)]
    for row, skill in enumerate(found.skills):
        mine = [run for run in runs if run[0] == skill]
        began = min(place for _, place, *_ in mine)
        for column, place in enumerate(range(first, periods)):
            here = [run for run in mine if run[1] == place]
            own = [seconds for *_, end, seconds in here if end in ENDS[:2]]
            entry = (found.n[row, column], found.completed[row, column], found.timed[row, column])
            good = sum(end == Outcome.SUCCESS for *_, end, _ in here)
            assert entry == (len(here), good, len(own))
            assert found.known[row, column] == (place >= began and place != 7)
            if own:
                lower = sorted(own)[math.ceil(len(own) / 2) - 1]
                assert found.duration[row, column] == pytest.approx(math.log(lower), abs=_BUCKET)
            else:
                assert math.isnan(found.duration[row, column])
        times = sorted(seconds for *_, end, seconds in mine if end in ENDS[:2])
        low, high = (times[math.ceil(share * len(times)) - 1] for share in (0.25, 0.75))
        spread = math.log(high / low) / 1.349
        assert found.spread[row] == pytest.approx(spread, abs=2 * _BUCKET / 1.349)


def test_a_skill_without_runs_and_runs_without_times_have_no_durations() -> None:
    store, line = MemoryEventStore(), Timeline(start=START)
    store.append([
        line.invocation("untimed", at=START + timedelta(hours=1), duration_s=None),
        line.invocation("at once", at=START + timedelta(hours=1), duration_s=0.0),
    ])  # fmt: skip
    known = tallies(store, EventQuery(), period="day", now=START + timedelta(days=1))
    found = days_of(known, ["untimed", "never", "at once"])
    assert found.n.tolist() == [[1], [0], [1]]
    assert found.timed.tolist() == [[0], [0], [1]]
    assert np.isnan(found.duration[:2]).all() and found.duration[2, 0] <= math.log(1e-3)
    assert found.spread.tolist() == [0, 0, 0]
    assert found.known.tolist() == [[True], [False], [True]]
