"""Drifts worked out again: scores by weighted least squares, the average step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t
from statsmodels.regression.linear_model import WLS

from sbhooks_analytics.drift import (
    LEAST_POINTS,
    WEIGHT,
    Floats,
    Shift,
    drifts_of,
    limit_of,
    memory_of,
    scores_of,
)


def scores_by_hand(values: Floats, weights: Floats) -> Floats:
    """How far each point is from a prediction by those before it, as a normal deviate."""
    scores = np.full(len(values), np.nan)
    for place in range(LEAST_POINTS, len(values)):
        fit = WLS(values[:place], np.ones(place), weights=weights[:place]).fit()
        error = math.sqrt(fit.mse_resid / weights[place] + fit.bse[0] ** 2)
        if fit.mse_resid > 1e-12 * max(fit.params[0] ** 2, 1e-12):
            chance = t.sf((values[place] - fit.params[0]) / error, place - 1)
            scores[place] = np.clip(norm.isf(chance), -3, 3)
    return scores


def memory_by_hand(scores: Floats) -> float:
    """By how much an average of scores with memory varies more, summed over all pairs."""
    known = scores[np.isfinite(scores)]
    if len(known) < 28:
        return 1.0
    rest = known - np.median(known)
    phi = min(max((rest[1:] * rest[:-1]).sum() / (rest**2).sum(), 0), 0.6)
    weights = WEIGHT * (1 - WEIGHT) ** np.arange(400)
    apart = abs(np.subtract.outer(np.arange(400), np.arange(400)))
    return math.sqrt((np.outer(weights, weights) * phi**apart).sum() / (weights**2).sum())


def shifts_by_hand(values: Floats, weights: Floats, run_length: float) -> list[Shift]:
    found: list[Shift] = []
    first = 0
    while True:
        scores = scores_by_hand(values[first:], weights[first:])
        edge = limit_of(run_length) * memory_by_hand(scores) * math.sqrt(WEIGHT / (2 - WEIGHT))
        average, onset, alarm = 0.0, 0, None
        for place, score in enumerate(scores):
            if math.isnan(score):
                continue
            before, average = average, 0.9 * average + 0.1 * score
            if before == 0 or before * average < 0:
                onset = place
            if abs(average) > edge:
                alarm = place
                break
        if alarm is None:
            return found
        start, last = first + max(onset, 14), first + alarm
        found.append(Shift(
            start, last, float(np.average(values[first:start], weights=weights[first:start])),
            float(np.average(values[start : last + 1], weights=weights[start : last + 1])),
            average / edge,
        ))  # fmt: skip
        first = start


def history(seed: int, n: int = 140) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.3, 1.5, n)
    return rng.standard_normal(n) / np.sqrt(weights), weights


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_a_prediction(seed: int, *, weighted: bool) -> None:
    values, weights = history(seed, 60)
    weights = weights if weighted else np.ones(60)
    values[40] += 50  # clipped
    found = scores_of(values, weights)
    assert found == pytest.approx(scores_by_hand(values, weights), rel=1e-6, nan_ok=True)
    assert found[40] == 3


def test_without_any_spread_before_it_no_point_has_a_score() -> None:
    values = np.concatenate([np.full(20, 5.0), [6.0, 5.0, 7.0]])
    found = scores_of(values, np.ones(23))
    assert np.isnan(found[:21]).all()
    assert np.isfinite(found[21:]).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), phi=st.floats(-0.5, 0.95))
def test_memory_widens_as_the_pairs_of_an_average_say(seed: int, phi: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(90)
    for place in range(1, 90):
        scores[place] += phi * scores[place - 1]
    scores[::11] = np.nan
    assert memory_of(scores) == pytest.approx(memory_by_hand(scores), rel=1e-6)


def test_few_scores_have_no_memory() -> None:
    scores = np.repeat([1.0, -1.0], 14)
    assert memory_of(scores) > 1.5
    assert memory_of(scores[1:]) == 1.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", ["flat", "rising", "falling", "there and back", "two steps"])
@pytest.mark.parametrize("weighted", [False, True])
def test_drifts_are_those_by_hand(seed: int, shape: str, *, weighted: bool) -> None:
    values, weights = history(seed)
    weights = weights if weighted else np.ones(140)
    day = np.arange(140)
    values = values + {
        "flat": 0 * day, "rising": 0.04 * np.maximum(day - 60, 0),
        "falling": -0.04 * np.maximum(day - 60, 0),
        "there and back": 1.5 * ((day > 50) & (day < 90)),
        "two steps": 1.2 * (day > 40) + 1.5 * (day > 90),
    }[shape]  # fmt: skip
    found = drifts_of(values, weights if weighted else None, run_length=600.0)
    expected = shifts_by_hand(values, weights, 600.0)
    assert [(one.start, one.alarm) for one in found] == [(o.start, o.alarm) for o in expected]
    for one, told in zip(found, expected, strict=True):
        assert one == pytest.approx(told, rel=1e-6)
    if shape not in {"flat"}:
        assert found
