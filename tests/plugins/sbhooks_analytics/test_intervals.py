"""Wilson's interval against published figures and its own definition."""

from __future__ import annotations

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_analytics.intervals import wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R: prop.test(hits, n, correct = FALSE)$conf.int
        (81, 263, 0.2552946, 0.3662144),
        (15, 148, 0.0623864, 0.1604935),
        (0, 20, 0.0, 0.1611250),
        (29, 29, 0.8830257, 1.0),
    ],
)
def test_the_interval_is_that_of_r(hits: int, n: int, low: float, high: float) -> None:
    share = wilson(hits, n)
    assert share is not None
    assert share.rate == hits / n
    assert isclose(share.low, low, abs_tol=5e-5)
    assert isclose(share.high, high, abs_tol=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_its_ends_are_where_the_score_test_just_rejects(case: tuple[int, int]) -> None:
    hits, n = case
    share = wilson(hits, n)
    assert share is not None
    assert 0 <= share.low <= share.rate <= share.high <= 1
    for end in (share.low, share.high):
        if 1e-9 < end < 1 - 1e-9:
            assert isclose(abs(hits / n - end) / sqrt(end * (1 - end) / n), 1.959964, rel_tol=1e-4)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_successes_and_failures_mirror_each_other(case: tuple[int, int]) -> None:
    hits, n = case
    one, other = wilson(hits, n), wilson(n - hits, n)
    assert one is not None and other is not None
    assert isclose(one.low, 1 - other.high, abs_tol=1e-12)


def test_without_trials_nothing_is_known() -> None:
    assert wilson(0, 0) is None
