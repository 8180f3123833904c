"""What must hold for any data: symmetry, pooling, and independence of metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbhooks.events import Event, Outcome
from sbhooks.testing.factories import NOON
from sbhooks_experiments.analysis import analyse
from sbhooks_experiments.bandit import share
from sbhooks_experiments.comparison import Rules, compare
from sbhooks_experiments.kinds import ExperimentOutcome, ExperimentPlan, Exposure
from sbhooks_experiments.log import Columns, State, columns_of
from sbhooks_experiments.plan import Metric, Mode, Plan, parse_guardrail
from sbhooks_experiments.results import Analysis
from sbhooks_experiments.units import Past, Sample, unit_table

Row = tuple[int, bool, float, int]  # unit, success, seconds, stars
rows = st.lists(
    st.tuples(
        st.integers(0, 30), st.booleans(), st.floats(0.001, 1e4), st.integers(1, 5)
    ),
    max_size=150,
)  # fmt: skip


def plan(**fields: Any) -> Plan:
    return Plan(**{"name": "e", "control": "a", "treatment": "b", "min_units": 2,
                   "max_units": 40, **fields})  # fmt: skip


def log(found: list[Row], *, swapped: bool = False) -> list[Event]:
    """Units 0 to 30, every second one treated, and their outcomes."""
    events: list[Event] = [
        Exposure(source="t", session="s", experiment="e", unit=f"u{n}", at=NOON,
                 variant=("control", "treatment")[(n % 2 == 0) != swapped],
                 attributes={"share": 0.5})
        for n in range(31)
    ]  # fmt: skip
    events += [
        ExperimentOutcome(
            source="t", session="s", experiment="e", unit=f"u{unit}", skill="x",
            outcome=Outcome.SUCCESS if good else Outcome.FAILURE, duration_s=seconds,
            rating=float(stars), at=NOON + timedelta(seconds=place),
        )
        for place, (unit, good, seconds, stars) in enumerate(found)
    ]  # fmt: skip
    return events


def result(events: list[Event], **fields: Any) -> Analysis:
    made = plan(**fields)
    created = ExperimentPlan(
        source="t", session="s", experiment="e", plan=made, hash=made.digest, at=NOON
    )
    return analyse(State(created), columns_of(events, "e"), now=NOON + timedelta(days=2))


EVERY: dict[str, Any] = {
    "primary": (Metric.DURATION, Metric.COMPLETION_RATE), "secondary": (Metric.RATING,),
}  # fmt: skip


@settings(max_examples=60)
@given(rows, st.sampled_from([Mode.ALWAYS_VALID, Mode.FIXED]))
def test_swapping_the_arms_turns_every_sign_and_nothing_else(found: list[Row], mode: Mode) -> None:
    # At most 31 units are there: a fixed horizon of 30 is over.
    fields = EVERY | {"mode": mode, "max_units": 31 if mode is Mode.FIXED else 40}
    one, other = result(log(found), **fields), result(log(found, swapped=True), **fields)
    for a, b in zip(one.metrics, other.metrics, strict=True):
        assert a.test == b.test
        assert (a.control, a.treatment) == (b.treatment, b.control)
        if a.effect is None or b.effect is None:
            assert a.effect is b.effect
            continue
        assert b.effect == pytest.approx(-a.effect, rel=1e-9, abs=1e-12)
        assert b.p_value == pytest.approx(a.p_value, rel=1e-6, abs=1e-12)
        if a.low is not None and a.high is not None:
            assert b.high == pytest.approx(-a.low, rel=1e-6, abs=1e-9)
            assert b.low == pytest.approx(-a.high, rel=1e-6, abs=1e-9)
    swap = {"treatment": "control", "control": "treatment"}
    assert other.decision == swap.get(one.decision, one.decision)


@settings(max_examples=40)
@given(rows, rows)
def test_batches_that_come_one_after_the_other_are_one_log(one: list[Row], two: list[Row]) -> None:
    pooled = result(log(one + two), **EVERY)
    columns, later = Columns(), log(one + two)
    for batch in (later[: 31 + len(one)], later[31 + len(one) :]):
        for event in batch:
            if isinstance(event, Exposure):
                columns.expose(event)
            elif isinstance(event, ExperimentOutcome):
                columns.act(event)
    made = plan(**EVERY)
    created = ExperimentPlan(
        source="t", session="s", experiment="e", plan=made, hash=made.digest, at=NOON
    )
    assert analyse(State(created), columns, now=NOON + timedelta(days=2)) == pooled


@settings(max_examples=40)
@given(rows, st.booleans())
def test_the_sums_of_halves_add_up_to_the_sums_of_all(found: list[Row], treated: bool) -> None:
    half = len(found) // 2
    whole, first, second = (
        unit_table(columns_of(log(part), "e"), tuple(Metric)).sample
        for part in (found, found[:half], found[half:])
    )
    for metric in Metric:
        total = whole(metric, treated=treated)
        parts = [one(metric, treated=treated) for one in (first, second)]
        assert total.top.sum() == pytest.approx(sum(p.top.sum() for p in parts))
        assert total.bottom.sum() == sum(p.bottom.sum() for p in parts)


@settings(max_examples=40)
@given(rows)
def test_a_metric_without_effect_changes_no_other_verdict(found: list[Row]) -> None:
    alone = result(log(found), primary=(Metric.DURATION,))
    more = result(log(found), primary=(Metric.DURATION,), secondary=(Metric.RATING,))
    assert more.metrics[0] == alone.metrics[0]
    assert (more.decision, more.reason) == (alone.decision, alone.reason)


@settings(max_examples=20)
@given(rows)
def test_a_metric_without_data_changes_nothing_at_all(found: list[Row]) -> None:
    silent = [
        event if isinstance(event, Exposure)
        else ExperimentOutcome(**{f: getattr(event, f) for f in event.__struct_fields__
                                  if f != "rating"})
        for event in log(found)
    ]  # fmt: skip
    alone = result(silent, primary=(Metric.DURATION,), secondary=(Metric.COMPLETION_RATE,))
    more = result(silent, primary=(Metric.DURATION,),
                  secondary=(Metric.COMPLETION_RATE, Metric.RATING))  # fmt: skip
    assert more.metrics[:2] == alone.metrics
    assert more.decision == alone.decision


@settings(max_examples=60)
@given(rows, st.sampled_from(list(Mode)), st.integers(4, 60))
def test_any_log_has_an_answer_without_nan(found: list[Row], mode: Mode, most: int) -> None:
    answer = result(
        log(found), **EVERY, mode=mode, max_units=most,
        guardrails=(parse_guardrail("user_rating:5%"), parse_guardrail("completion_rate:0.1")),
    )  # fmt: skip
    for metric in answer.metrics:
        numbers = (metric.effect, metric.low, metric.high, metric.p_value, metric.p_adjusted)
        assert not any(number != number for number in numbers if number is not None)
        if metric.p_value is not None:
            assert 0 <= metric.p_value <= 1
        if metric.low is not None and metric.high is not None:
            assert metric.low <= metric.high
    assert answer.decision in {
        "treatment", "control", "inconclusive", "unhealthy", "needs-more-units",
    }  # fmt: skip


# --- units --------------------------------------------------------------------


def test_outcomes_before_the_exposure_are_the_past() -> None:
    early = ExperimentOutcome(source="t", session="s", experiment="e", unit="u0", skill="x",
                              outcome=Outcome.FAILURE, duration_s=9.0,
                              at=NOON - timedelta(seconds=1))  # fmt: skip
    found = columns_of([early, *log([(0, True, 2.0, 3)])], "e")
    history = {"u0": Past({Metric.DURATION: 3.0}, {Metric.DURATION: 1.0})}
    table = unit_table(found, tuple(Metric), history=history)
    assert (table.early, table.outcomes) == (1, 1)
    sample = table.sample(Metric.DURATION, treated=True)
    assert (sample.top.tolist(), sample.bottom.tolist(), sample.past.tolist()) == ([2], [1], [6])


def test_a_unit_seen_under_both_variants_is_left_out_and_counted() -> None:
    again = [
        Exposure(source="t", session="s", experiment="e", unit=f"u{n}", variant="treatment",
                 at=NOON + timedelta(minutes=1))
        for n in range(31)
    ]  # fmt: skip
    found = result([*log([(n, True, 1.0 + n, 3) for n in range(31)]), *again])
    assert (found.units.crossed, found.units.control, found.units.treatment) == (15, 0, 16)
    assert found.decision == "unhealthy"
    assert "crossovers: 15 units (48 %) seen under both variants" in found.reason


def test_units_that_differed_before_are_no_fair_comparison() -> None:
    early = [
        ExperimentOutcome(source="t", session="s", experiment="e", unit=f"u{n}", skill="x",
                          outcome=Outcome.SUCCESS, duration_s=(10.0 if n % 2 else 1.0) + n / 99,
                          at=NOON - timedelta(seconds=1))
        for n in range(31)
    ]  # fmt: skip
    found = result([*early, *log([(n, True, 1.0, 3) for n in range(31)])],
                   primary=(Metric.DURATION,))  # fmt: skip
    assert found.decision == "unhealthy"
    assert "before exposure: the variants' units differed already" in found.reason


def test_units_lost_in_one_variant_are_no_fair_comparison() -> None:
    found = result(log([(n, True, 1.0 + n % 5, 3) for n in range(0, 31, 2)]))
    assert found.decision == "unhealthy"
    assert "missing outcomes: 15 control and 0 treatment units have no outcome" in found.reason


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("needed", "level"), [(15, "ok"), (16, "blocking")])
def test_the_smaller_variant_decides_whether_there_are_enough_units(
    needed: int, level: str, *, swapped: bool
) -> None:
    found = result(log([(n, True, 1.0, 3) for n in range(31)], swapped=swapped), min_units=needed)
    (check,) = [check for check in found.health if check.name == "enough units"]
    assert check.level == level
    assert "the smaller variant has 15 units" in check.detail


def test_several_primary_metrics_share_the_level() -> None:
    found = result(log([(n, True, 1.0 + n % 5, 1 + n % 5) for n in range(31)]), **EVERY)
    assert [metric.level for metric in found.metrics] == [0.975, 0.975, 0.95]
    assert any("Holm" in note for note in found.notes)


def test_what_helps_one_and_harms_another_has_no_winner() -> None:
    chance = np.random.default_rng(5)
    found = result(
        log([(n, True, (1 if n % 2 else 9) + chance.random(), 1 if n % 2 else 5)
             for n in range(31)]),
        primary=(Metric.DURATION, Metric.RATING),
    )  # fmt: skip
    assert found.decision == "inconclusive"
    assert "better in user_rating and worse in avg_duration_seconds" in found.reason


# --- bandit -------------------------------------------------------------------


def test_a_bandit_moves_with_full_batches_only_and_never_all_the_way() -> None:
    made = plan(mode=Mode.BANDIT, primary=(Metric.DURATION,), batch=20, min_share=0.05)
    found = [(n % 31, True, (1.0 if n % 2 == 0 else 9.0) + n % 3 / 10, 3) for n in range(31)]
    shares = [share(columns_of(log(found[:n]), "e"), made) for n in (0, 19, 20, 25, 31)]
    assert shares == [0.5, 0.5, 0.95, 0.95, 0.95]


def test_equal_variants_of_a_bandit_share_about_equally() -> None:
    made = plan(mode=Mode.BANDIT, primary=(Metric.DURATION,), batch=10)
    shares = []
    for seed in range(100):
        chance = np.random.default_rng(seed)
        found = [(n, True, float(chance.lognormal()), 3) for n in range(31)]
        shares.append(share(columns_of(log(found), "e"), made))
    assert 0.4 < np.mean(shares) < 0.6
    assert min(shares) >= 0.1 and max(shares) <= 0.9


def test_two_units_are_the_least_that_can_be_compared() -> None:
    one = Sample(np.ones(1), np.ones(1), np.full(1, np.nan))
    two = Sample(np.ones(2), np.ones(2), np.full(2, np.nan))
    assert compare(Metric.DURATION, one, two, Rules()) is None
    assert compare(Metric.DURATION, two, two, Rules()) is not None
