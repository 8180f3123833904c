"""Which skills are used together more often than chance, and which comes first.

Lift is P(A and B) / P(A) P(B) over sessions: ten retries in one session are one session. It is
shown with its support (sessions with both), a p-value from Fisher's exact test under one
Benjamini–Hochberg budget over all pairs, and shrunk towards 1: a lift of 2 on two sessions is no
finding. Association is not cause.

References:
    Brin, Motwani & Silverstein, *Beyond market baskets*, SIGMOD 1997.
"""

from __future__ import annotations

import msgspec
import numpy as np
from scipy.special import gammaln

from sbhooks.store import bucket_middle
from sbhooks_analytics.budget import adjusted
from sbhooks_analytics.couse import Book
from sbhooks_analytics.daily import Floats

_SHRINKAGE = 5.0  # expected sessions that speak for "independent"
_LEVEL = 0.05


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """Two skills in the same sessions; ``skill_a`` comes first in the alphabet.

    Attributes:
        co_occurrence_count: Sessions with both.
        sessions_a: Sessions with the first.
        sessions_b: Sessions with the second.
        lift_score: How much more often together than by chance.
        shrunk_lift: The same, pulled towards 1 where there are few sessions.
        p_value: Of "independent" (two-sided), adjusted for all pairs.
        relationship: ``strong_positive``, ``moderate_positive``, ``weak_positive``,
            ``independent``, ``weak_negative`` or ``moderate_negative``.
        first: The skill that is used first in more of the sessions; ``None`` without a difference.
        first_share: Share of the sessions in which it is first.
        median_gap_s: Median time from its first use to the other's, in these sessions.
    """

    skill_a: str
    skill_b: str
    co_occurrence_count: int
    sessions_a: int
    sessions_b: int
    lift_score: float
    shrunk_lift: float
    p_value: float
    relationship: str
    first: str | None
    first_share: float
    median_gap_s: float | None


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks deps --json`` prints.

    Attributes:
        dependencies: The surest first, at most as many as were asked for.
        sessions: Sessions in all.
        pairs: Pairs that were compared.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        reason: Why there is nothing to say; empty otherwise.
    """

    dependencies: list[Dependency]
    sessions: int
    pairs: int
    skills: int
    skills_in_all: int
    reason: str = ""


def dependencies(book: Book) -> list[Dependency]:
    """All pairs that occur together, the surest association first."""
    pairs = [(a, b, n) for a, several in book.pairs.items() for b, n in several.items()]
    if not pairs:
        return []
    total = len(book.visits)
    both = np.array([n for *_, n in pairs], dtype=np.float64)
    first = np.array([book.skills[a] for a, *_ in pairs], dtype=np.float64)
    second = np.array([book.skills[b] for _, b, _ in pairs], dtype=np.float64)
    expected = first * second / total
    level = adjusted(fisher(both, first, second, float(total))[:, None])[:, 0]
    shrunk = (both + _SHRINKAGE) / (expected + _SHRINKAGE)
    found = []
    for (a, b, n), lift, calm, p_value in zip(pairs, both / expected, shrunk, level, strict=True):
        leader, share, gap = _order(book, a, b, n)
        found.append(Dependency(
            skill_a=a, skill_b=b, co_occurrence_count=n, sessions_a=book.skills[a],
            sessions_b=book.skills[b], lift_score=float(lift), shrunk_lift=float(calm),
            p_value=float(p_value), relationship=relationship(float(lift)), first=leader,
            first_share=share, median_gap_s=gap,
        ))  # fmt: skip
    found.sort(key=lambda one: (one.p_value > _LEVEL, -abs(np.log(one.shrunk_lift)), one.skill_a))
    return found


def fisher(both: Floats, first: Floats, second: Floats, total: float) -> Floats:
    """P-values of "independent": twice the smaller tail of the hypergeometric distribution.

    Terms are added from the observed one outwards until they do not matter, for all pairs at once:
    thousands of pairs take as long as a few.

    Args:
        both: Sessions with both, shape ``(n,)``.
        first: Sessions with the first.
        second: Sessions with the second.
        total: Sessions in all.
    """

    def chose(n: Floats | float, k: Floats) -> Floats:
        found: Floats = gammaln(np.add(n, 1)) - gammaln(k + 1) - gammaln(n - k + 1)
        return found

    rest = total - first
    start = np.exp(chose(first, both) + chose(rest, second - both) - chose(total, second))
    upwards = both >= first * second / total
    k, term, tail = both.copy(), start.copy(), start.copy()
    while term.max(initial=0.0) > 1e-18:
        with np.errstate(invalid="ignore", divide="ignore"):
            up = (first - k) * (second - k) / ((k + 1) * (rest - second + k + 1))
            down = k * (rest - second + k) / ((first - k + 1) * (second - k + 1))
            term = np.nan_to_num(term * np.where(upwards, up, down), nan=0.0, posinf=0.0)
        tail += term
        k += np.where(upwards, 1, -1)
    smaller = np.minimum(tail, 1 - tail + start)
    found: Floats = np.clip(2 * smaller, 0.0, 1.0)
    return found


def relationship(lift: float) -> str:
    """The word that the view ``v_skill_dependency_network`` has for a lift."""
    for limit, word in (
        (2.0, "strong_positive"),
        (1.5, "moderate_positive"),
        (1.0, "weak_positive"),
    ):
        if lift > limit:
            return word
    if lift == 1.0:
        return "independent"
    return "weak_negative" if lift > 0.5 else "moderate_negative"


def _order(book: Book, a: str, b: str, both: int) -> tuple[str | None, float, float | None]:
    """Which of two comes first, in which share of sessions, and the median gap."""
    forward = book.gaps.get(a, {}).get(b, {})
    backward = book.gaps.get(b, {}).get(a, {})
    ahead, behind = sum(forward.values()), sum(backward.values())
    if ahead == behind:
        return None, 0.5, None
    counts, n = (forward, ahead) if ahead > behind else (backward, behind)
    return (a if ahead > behind else b), n / both, _median(counts, n)


def _median(counts: dict[int, int], n: int) -> float:
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if 2 * seen >= n:
            return bucket_middle(index)
    return 0.0
