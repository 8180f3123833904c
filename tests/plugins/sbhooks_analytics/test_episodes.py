"""From alarms to findings: where one begins, how long it lasts, what is news; the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from sbhooks_analytics.anomalies import FIGURES, PER_MONTH, _episodes, _without, detect
from sbhooks_analytics.budget import adjusted, alarms
from sbhooks_analytics.daily import (
    DAY,
    DAYS_A_MONTH,
    HOUR,
    Days,
    Floats,
    chosen,
    first_baseline,
    windowed,
)
from sbhooks_analytics.surprise import Surprise

START = datetime(2026, 1, 5, tzinfo=UTC)


def told(days: str, raised: str, signs: str = "") -> list[tuple[object, ...]]:
    """Findings of one skill, a character a day.

    ``u`` is an unusual day, ``.`` a usual one, ``?`` one that nothing is known of; ``!`` raises
    an alarm; the sign is ``-`` unless it says ``+``.
    """
    single = np.array([[{"u": 0.01, ".": 0.5, "?": np.nan, "e": 0.05}[day] for day in days]])
    sign = np.array([[1.0 if s == "+" else -1.0 for s in signs.ljust(len(days), "-")]])
    alarm = np.array([[day == "!" for day in raised.ljust(len(days))]])
    nothing = np.zeros_like(single)
    surprise = Surprise(nothing, single, sign, nothing, nothing)
    return [tuple(one)[1:] for one in _episodes(alarm, surprise, 14)]


@pytest.mark.parametrize(
    ("days", "raised", "found"),
    [
        ("....u.....", "    !", (4, 4, 4, 5, -1, False)),
        ("....uuu...", "    !", (4, 4, 6, 7, -1, False)),  # it lasts while days are unusual
        ("...uuuu...", "    !", (3, 4, 6, 7, -1, False)),  # it may begin a day before its alarm
        ("..uuuuu...", "    !", (3, 4, 6, 7, -1, False)),  # not two
        ("uu.......", "!", (0, 0, 1, 2, -1, False)),
        ("....u.u.u..", "    !", (4, 4, 8, 9, -1, False)),  # one usual day does not end it
        ("....u..u.", "    !", (4, 4, 4, 5, -1, False)),  # two do
        ("....u.?.", "    !", (4, 4, 4, 5, -1, False)),  # a gap is no usual day, and no unusual
        ("....u.?u.", "    !", (4, 4, 7, None, -1, False)),
        ("....uuu", "    !", (4, 4, 6, None, -1, False)),  # it lasts
        ("....uuu.", "    !", (4, 4, 6, None, -1, False)),
        ("....u??", "    !", (4, 4, 4, None, -1, False)),
        ("....e.....", "    !", (4, 4, 4, 5, -1, False)),
        ("e....", "!", (0, 0, 0, 1, -1, False)),
        ("...eu.....", "    !", (4, 4, 4, 5, -1, False)),  # 5 % is not below 5 %
        ("....ue....", "    !", (4, 4, 4, 5, -1, False)),
        ("uuuuuuuuuuuuuuuu", "!", (0, 0, 13, 14, -1, True)),  # the new normal, after 14 days
        ("uuuuuuuuuuuuuu", "!", (0, 0, 13, None, -1, False)),
        ("uuuuuuuuuuuuuuuu", " !", (0, 1, 13, 14, -1, True)),  # counted from where it began
    ],
)
def test_a_finding_lasts_as_long_as_its_days(
    days: str, raised: str, found: tuple[object, ...]
) -> None:
    assert told(days, raised) == [found]


def test_days_in_the_other_direction_belong_to_something_else() -> None:
    assert told("...uuuu....", "     !", "-----++") == [(5, 5, 6, 7, 1, False)]
    assert told("...uuuu....", "    !", "-----++") == [(3, 4, 4, 5, -1, False)]


def test_what_lasts_is_told_once() -> None:
    assert len(told("..uuuuuu....", "  !!!!!!")) == 1
    assert told("..uu..uu...", "  !   !") == [
        (2, 2, 3, 4, -1, False), (6, 6, 7, 8, -1, False),
    ]  # fmt: skip
    # Two days together alarm because of the first, which has been told.
    assert len(told("..u...", "  !!")) == 1
    assert len(told("..uu..", "  !!")) == 1
    assert told("..u..u...", "  !  !") == [(2, 2, 2, 3, -1, False), (5, 5, 5, 6, -1, False)]


def test_a_shift_is_followed_by_news_of_its_own() -> None:
    found = told("uuuuuuuuuuuuuuuu", "!             !")
    assert found == [(0, 0, 13, 14, -1, True), (14, 14, 15, None, -1, False)]


def test_each_skill_has_findings_of_its_own() -> None:
    single = np.full((3, 9), 0.5)
    single[0, 3] = single[2, 5] = 0.01
    raised, signs = single < 0.05, np.ones((3, 9))
    found = list(_episodes(raised, Surprise(single, single, signs, single, single), 14))
    assert [(one.row, one.start) for one in found] == [(0, 3), (2, 5)]


def test_findings_are_no_part_of_what_later_days_are_compared_with() -> None:
    single = np.full((2, 40), 0.5)
    single[0, 10:13], single[1, 5:] = 0.01, 0.01
    raised = np.zeros((2, 40), dtype=bool)
    raised[0, 10] = raised[1, 5] = True
    found = list(_episodes(raised, Surprise(single, single, single, single, single), 14))
    cleaned = _without(first_baseline((2, 40)), found)
    # Within the finding, the window ends where it began; behind it, its days are missing.
    assert cleaned.end[0].tolist() == [*range(10), 10, 10, 10, *range(13, 40)]
    assert np.flatnonzero(~cleaned.usual[0]).tolist() == [10, 11, 12]
    assert (cleaned.first[0] == 0).all()
    # Behind a shift, the window begins with it.
    assert cleaned.end[1].tolist() == [*range(5), *[5] * 14, *range(19, 40)]
    assert cleaned.first[1].tolist() == [0] * 19 + [5] * 21
    assert cleaned.usual[1].all()


def test_a_baseline_is_the_fifty_six_days_before() -> None:
    values = np.arange(70.0)[None, :]
    past, used = windowed(values, DAY), chosen(first_baseline((1, 70)), DAY)
    for day in range(70):
        assert past[0, day][used[0, day]].tolist() == list(range(max(day - 56, 0), day))
    skipping = chosen(first_baseline((1, 70)), DAY, skip=1)
    for day in range(70):
        assert past[0, day][skipping[0, day]].tolist() == list(range(max(day - 56, 0), day - 1))


def test_days_and_hours_are_as_the_pages_say() -> None:
    assert (DAY.look_back, DAY.least, DAY.shift, DAY.slots) == (56, 14, 14, 7)
    assert (HOUR.look_back, HOUR.least, HOUR.shift, HOUR.slots) == (168, 48, 48, 24)
    assert (DAY.window, HOUR.window) == (timedelta(days=60), timedelta(days=7))
    assert (DAY.volumes, HOUR.volumes) == (True, False)
    assert DAY.a_month == pytest.approx(365.25 / 12) and HOUR.a_month == 24 * DAY.a_month
    assert [DAY.slot(START + timedelta(days=day)) for day in range(7)] == list(range(7))
    assert [HOUR.slot(START + timedelta(hours=hour)) for hour in (0, 13, 25)] == [0, 13, 1]


# --- the budget ------------------------------------------------------------------------------


@given(
    p_values=st.lists(st.floats(1e-6, 1), min_size=3, max_size=12),
    weights=st.lists(st.sampled_from([1.0, 10.0]), min_size=12, max_size=12),
)
def test_weights_divide_p_values_and_have_a_mean_of_one(
    p_values: list[float], weights: list[float]
) -> None:
    raw, mass = np.array(p_values), np.array(weights[: len(p_values)])
    expected = false_discovery_control(np.minimum(raw / (mass / mass.mean()), 1))
    found = adjusted(raw[:, None], mass)[:, 0]
    # scipy wants no p-value above 1; that makes no difference below 1.
    below = expected < 1
    assert found[below] == pytest.approx(expected[below], rel=1e-9)


def test_weights_of_gaps_do_not_count() -> None:
    raw = np.array([[0.01, 0.01], [np.nan, 0.5], [0.2, 0.2]])
    mass = np.array([1.0, 10.0, 1.0])
    found = adjusted(raw, mass)
    assert found[:, 0] == pytest.approx([0.02, np.nan, 0.2], nan_ok=True)
    assert found[:, 1] == pytest.approx(
        false_discovery_control(np.minimum(raw[:, 1] / (mass / 4), 1)), rel=1e-9
    )


@pytest.mark.parametrize(("per_month", "level"), [(0.05, 0.05 / DAYS_A_MONTH), (100.0, 1.0)])
def test_the_budget_of_a_day_is_its_part_of_the_month(per_month: float, level: float) -> None:
    p_values = np.array([[level * 0.999, level * 1.001, np.nan]])
    raised = alarms(p_values, np.ones(1), per_month=per_month)
    assert raised.tolist() == [[True, level == 1.0, False]]
    assert PER_MONTH == 0.05


# --- all of it -------------------------------------------------------------------------------


def used(n: Floats, completed: Floats, duration: Floats) -> Days:
    return Days(
        [f"s{row}" for row in range(len(n))],
        [START + timedelta(days=day) for day in range(n.shape[1])],
        n, completed, duration, n, np.full(len(n), 0.3), np.ones(n.shape, dtype=bool),
    )  # fmt: skip


def test_each_figure_has_findings_of_its_own() -> None:
    rng = np.random.default_rng(7)
    n = rng.poisson(40, (4, 70)).astype(float)
    completed = rng.binomial(n.astype(int), 0.9).astype(float)
    duration = rng.normal(0, 0.1, (4, 70))
    completed[0, 60] = 0
    n[1, 61], completed[1, 61] = 400, 360
    duration[2, 62] = 3.0
    found = detect(used(n, completed, duration))
    told = {
        figure: [(one.row, one.start, one.sign) for one in found[figure].episodes]
        for figure in FIGURES
    }
    assert told == {
        "completion_rate": [(0, 60, -1)], "invocations": [(1, 61, 1)], "duration": [(2, 62, 1)],
    }  # fmt: skip
    # The days of a finding are not what the next ones are compared with.
    assert found["invocations"].surprise.expected[1, 62:] == pytest.approx(40, rel=0.1)
    assert detect(used(n[:0], completed[:0], duration[:0])) == {}
    assert detect(used(n[:, :0], completed[:, :0], duration[:, :0])) == {}


def test_volumes_of_hours_are_not_judged() -> None:
    n = np.full((1, 200), 20.0)
    n[0, -1] = 500
    days = used(n, n, np.zeros((1, 200)))
    days = days._replace(grain=HOUR, starts=[START + timedelta(hours=hour) for hour in range(200)])
    assert detect(days)["invocations"].episodes == []
    assert len(detect(days._replace(grain=DAY))["invocations"].episodes) == 1
