"""Where does a series reach a new level?

Every place is tried as the split between an old and a new level; the one with the largest
likelihood ratio (two means, one spread) is the candidate, so the first point of the new level is
found where the data put it. Its p-value is the larger of two. A circular block bootstrap of the
residuals asks: how large is the largest ratio of series that have the same spread and the same
memory, but one level? A permutation test of the ranks asks: how large is it when the same points
come in any other order? That one is exact whatever the distribution, such as durations that are
short or long and nothing between. Where none of the draws is as large, the tail of a Gumbel
distribution, which maxima follow, is fitted to them. Both sides are searched again (binary
segmentation) with a part of the error rate that is proportional to their length, and every split
is placed anew between its neighbours.

Outliers are pulled in to four robust standard deviations about their own level first.

References:
    Hawkins, *Testing a sequence of observations for a shift in location*, JASA 72 (1977).
    Scott & Knott, *A cluster analysis method for grouping means*, Biometrics 30 (1974).
    Politis & Romano, *A circular block-resampling procedure for stationary data* (1992).
    Phipson & Smyth, *Permutation p-values should never be zero*, SAGMB 9 (2010).
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from sbhooks_analytics.trend import block_length

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ALPHA = 0.01  #: Share of series without a change in which one is reported.
LEAST_SIDE = 5  #: Points on each side of a change.
MOST_POINTS = 1_000  #: Newest points that are looked at.
_DRAWS = 499
_LEAST_CHANCE = 1e-12  # less is not known
_WORTH_A_SECOND_LOOK = 0.05  # a larger p-value is no change anyway
_SEED = 20_260_202


class Change(NamedTuple):
    """A new level.

    Attributes:
        place: The first point of the new level.
        before: Mean of the points up to there, since the change before.
        after: Mean of the points from there, up to the next change.
        half_width: Of the 95 % interval of ``after - before``.
        p_value: Of "there is no change".
    """

    place: int
    before: float
    after: float
    half_width: float
    p_value: float


def changes_of(
    values: Floats, weights: Floats | None = None, *, alpha: float = ALPHA
) -> list[Change]:
    """Find the changes of a series, oldest first.

    Args:
        values: Shape ``(n,)``, without NaN; only the newest 1,000 are looked at.
        weights: Shape ``(n,)``; inverse variances up to a factor, equal by default.
        alpha: Share of series without a change in which one may be found.

    Returns:
        Nothing with fewer than ten points, or when nothing changed.
    """
    skipped = max(len(values) - MOST_POINTS, 0)
    kept = values[skipped:]
    mass = np.ones(len(kept)) if weights is None else weights[skipped:] / weights[skipped:].mean()
    found = _search(kept, mass, slice(0, len(kept)), alpha)
    places = _placed(kept, mass, sorted(found))
    found_in_order = [found[place] for place in sorted(found)]
    edges = [0, *places, len(kept)]
    return [
        _change(kept, mass, edges[number : number + 3], p_value)._replace(
            place=skipped + places[number]
        )
        for number, p_value in enumerate(found_in_order)
    ]


def _search(values: Floats, mass: Floats, part: slice, alpha: float) -> dict[int, float]:
    """Split a part, and its parts in turn; first point of each new level → p-value."""
    split = best_split(values[part], mass[part])
    if split is None or split[1] > alpha:
        return {}
    place, length = part.start + split[0], part.stop - part.start
    left, right = slice(part.start, place), slice(place, part.stop)
    return {
        place: split[1],
        **_search(values, mass, left, alpha * split[0] / length),
        **_search(values, mass, right, alpha * (length - split[0]) / length),
    }


def best_split(values: Floats, mass: Floats) -> tuple[int, float] | None:
    """The likeliest place of a change, and the p-value of "there is none".

    Returns:
        ``None`` with too few points, or without any variation.
    """
    n = len(values)
    if n < 2 * LEAST_SIDE or np.ptp(values) == 0:
        return None
    calm = _winsorized(values, _place_of(values, mass))
    ratios = _ratios(calm[None, :], mass)[0]
    place = int(np.argmax(ratios)) + LEAST_SIDE
    observed = float(np.sqrt(ratios.max()))
    chance = _by_blocks(calm, mass, place, observed)
    if chance <= _WORTH_A_SECOND_LOOK:
        chance = max(chance, _by_order(values, mass, place))
    return place, chance


def _by_blocks(calm: Floats, mass: Floats, place: int, observed: float) -> float:
    """P-value among series of one level with the same memory."""
    n = len(calm)
    block = min(block_length(n), n // 3)
    root = np.sqrt(mass)
    rest = (calm - _levels(calm, mass, place)) * root
    if np.abs(rest).max() <= 1e-9 * np.ptp(calm):  # two levels and nothing else
        return _LEAST_CHANCE
    drawn = rest[_places(n, block)] / root
    maxima = np.sqrt(_ratios(drawn, mass).max(axis=1)) * (n / (n - block)) ** _widening(n)
    return _chance(observed, maxima)


def _by_order(values: Floats, mass: Floats, place: int) -> float:
    """P-value among the other orders of the same points, by their ranks.

    One order in ``comb(n, place)`` has the same points on either side: it is never smaller.
    """
    ranks, orders = rankdata(values), _orders(len(values))
    observed = float(_ratios(ranks[None, :], mass).max())
    maxima = _ratios(ranks[orders], mass[orders]).max(axis=1)
    return max(_chance(observed**0.5, np.sqrt(maxima)), 1 / comb(len(values), place))


def _widening(n: int) -> float:
    """How much to widen the draws, by simulation; residuals about the best split vary less.

    From 1.75 at 20 points to 2.5 at 100: the error rate of short and long series is the same.
    """
    return 1.75 + 0.75 * float(np.clip(np.log(n / 20) / np.log(5), 0.0, 1.0))


def _ratios(rows: Floats, mass: Floats) -> Floats:
    """Squared t of every split of every row, shape ``(rows, n - 2 * 5 + 1)``.

    Args:
        rows: Shape ``(rows, n)``.
        mass: Shape ``(n,)`` or as of ``rows``.
    """
    n = rows.shape[1]
    inner = slice(LEAST_SIDE - 1, n - LEAST_SIDE)
    left = np.cumsum(mass, axis=-1)[..., inner]
    total = mass.sum(axis=-1, keepdims=True)
    centred = rows - (rows * mass).sum(axis=1, keepdims=True) / total
    sums = np.cumsum(centred * mass, axis=1)[:, inner]
    between = sums**2 * total / (left * (total - left))
    whole = (centred**2 * mass).sum(axis=1, keepdims=True)
    within = np.maximum(whole - between, 1e-12 * whole + 1e-300)
    ratios: Floats = between * (n - 2) / within
    return ratios


def _place_of(values: Floats, mass: Floats) -> int:
    return int(np.argmax(_ratios(values[None, :], mass)[0])) + LEAST_SIDE


def _levels(values: Floats, mass: Floats, place: int) -> Floats:
    left = np.average(values[:place], weights=mass[:place])
    right = np.average(values[place:], weights=mass[place:])
    return np.where(np.arange(len(values)) < place, left, right)


def _winsorized(values: Floats, place: int) -> Floats:
    """Outliers pulled in towards the median of their side."""
    side = np.where(
        np.arange(len(values)) < place, np.median(values[:place]), np.median(values[place:])
    )
    rest = values - side
    spread = float(np.median(np.abs(rest)) * 1.4826)
    if spread == 0:
        return values
    return side + np.clip(rest, -4 * spread, 4 * spread)


@lru_cache(maxsize=256)
def _places(n: int, block: int) -> Ints:
    """Which points each draw consists of, shape ``(draws, n)``."""
    rng = np.random.default_rng(_SEED + n)
    starts = rng.integers(0, n, size=(_DRAWS, -(-n // block)))
    places: Ints = (starts[:, :, None] + np.arange(block)).reshape(_DRAWS, -1)[:, :n] % n
    return places


@lru_cache(maxsize=64)
def _orders(n: int) -> Ints:
    """Other orders of the points, shape ``(draws, n)``."""
    rng = np.random.default_rng(_SEED + n)
    orders: Ints = np.argsort(rng.random((_DRAWS, n)), axis=1)
    return orders


def _chance(observed: float, maxima: Floats) -> float:
    """Share of draws as large; where there are few, by the Gumbel tail of the draws."""
    above = int(np.count_nonzero(maxima >= observed))
    empirical = (1 + above) / (1 + _DRAWS)
    if above >= 10:
        return empirical
    scale = float(maxima.std()) * 6**0.5 / np.pi
    if not scale > 0:
        return empirical
    middle = float(maxima.mean()) - 0.5772156649015329 * scale
    tail = -np.expm1(-np.exp(-min((observed - middle) / scale, 700.0)))
    return float(min(max(tail, _LEAST_CHANCE), empirical)) if above == 0 else empirical


def _placed(values: Floats, mass: Floats, places: list[int]) -> list[int]:
    """Every split anew, between its neighbours."""
    placed = list(places)
    for number in range(len(placed)):
        start = placed[number - 1] if number else 0
        end = places[number + 1] if number + 1 < len(places) else len(values)
        if end - start >= 2 * LEAST_SIDE:
            part = slice(start, end)
            calm = _winsorized(values[part], placed[number] - start)
            placed[number] = start + _place_of(calm, mass[part])
    return placed


def _change(values: Floats, mass: Floats, edges: list[int], p_value: float) -> Change:
    """The change between two levels: where the first begins, the second begins, and ends."""
    start, place, end = edges
    left, right = slice(start, place), slice(place, end)
    before = float(np.average(values[left], weights=mass[left]))
    after = float(np.average(values[right], weights=mass[right]))
    rest = np.concatenate([values[left] - before, values[right] - after])
    pooled = float(np.sum(rest**2 * mass[start:end])) / max(end - start - 2, 1)
    half = 1.96 * (pooled * (1 / mass[left].sum() + 1 / mass[right].sum())) ** 0.5
    return Change(place, before, after, float(half), p_value)
