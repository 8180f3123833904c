"""Real series with artificial slow-downs: how many changes are found, how many are real.

``data/durations.json`` holds 12 series of 200 durations each, measured one after the other on a
busy machine: sorting, JSON, files, processes and the like, in CPU seconds. A slow-down is put
into a window of 100 of them at a random point. A change counts as found within 2 points of it;
any other is false. Real series are not quiet, and some of these may have changed by themselves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bars import Bar

from sbhooks_analytics.change import changes_of

DATA = Path(__file__).parent / "data" / "durations.json"
WINDOW = 100
NEAR = 2


class Score(NamedTuple):
    """What became of slow-downs of one size."""

    ratio: float
    recall: float
    precision: float


def score(ratio: float, *, trials: int, seed: int = 1) -> Score:
    """Put slow-downs into the series and look for them."""
    rng = np.random.default_rng(seed)
    series = [np.log(values) for values in json.loads(DATA.read_text()).values()]
    hits = false = 0
    for _ in range(trials):
        values = series[rng.integers(len(series))]
        start = int(rng.integers(len(values) - WINDOW))
        place = int(rng.integers(20, WINDOW - 20))
        slowed = values[start : start + WINDOW] + np.log(ratio) * (np.arange(WINDOW) >= place)
        found = [change.place for change in changes_of(slowed)]
        near = [abs(one - place) <= NEAR for one in found]
        hits += any(near)
        false += len(near) - any(near)
    return Score(ratio, hits / trials, hits / max(hits + false, 1))


def measure() -> list[Bar]:
    """Shares of slow-downs that are missed, and of reports that are false."""
    found = [score(ratio, trials=400) for ratio in (1.1, 1.25, 1.5, 2.0)]
    told = "; ".join(
        f"{one.ratio:g}×: recall {one.recall:.2f}, precision {one.precision:.2f}" for one in found
    )
    return [
        Bar(
            id="C1", work="slow-downs by half in real series that are missed", bar=0.1,
            reached=round(1 - found[2].recall, 4), unit="of 1", note=told,
        ),
        Bar(
            id="C2", work="changes reported beside a slow-down by half", bar=0.25,
            reached=round(1 - found[2].precision, 4), unit="of 1",
            note="the series are of a busy machine, and may have changed themselves",
        ),
    ]  # fmt: skip
