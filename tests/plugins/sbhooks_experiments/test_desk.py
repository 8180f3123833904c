"""Experiments from the plan to the result, with the real store."""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks import identity, variants
from sbhooks.errors import ExperimentError, SbhooksError
from sbhooks.events import utc_now
from sbhooks.insights import InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.plan import (
    Metric,
    Mode,
    Plan,
    Unit,
    check,
    parse_guardrail,
)


def plan(name: str = "fast", **fields: Any) -> Plan:
    """A plan of two strategies."""
    return Plan(**{"name": name, "control": "short", "treatment": "long", **fields})


def user(number: int) -> str:
    """A pseudonym: plain names get one under a random key, and then another variant each time."""
    return f"user-ab-{number:016x}"


def stored(desk: Desk) -> int:
    return sum(row.n for row in desk.store().rollup(EventQuery()))


def fill(desk: Desk, name: str, units: int, first: int = 0, **seconds: float) -> None:
    """Units that take so long under each variant, each a little different."""
    for number in range(first, units):
        variant = desk.assign(name, user(number)).variant
        if variant is not None:
            desk.record(
                name, user(number), duration_s=seconds[variant] * (1 + number % 7 / 20), rating=4
            )


# --- errors: one clear message, nothing stored --------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio": 0.0}, "the ratio 0 is not between 0 and 1"),
        ({"ratio": 1.0}, "the ratio 1 is not between 0 and 1"),
        ({"ratio": -0.5}, "the ratio -0.5 is not between 0 and 1"),
        ({"ratio": math.nan}, "the ratio nan is not between 0 and 1"),
        ({"alpha": 1.5}, "the alpha 1.5 is not between 0 and 1"),
        ({"power": 0.0}, "the power 0 is not between 0 and 1"),
        ({"mde": 0.0}, "the smallest difference worth finding, 0, is not above 0"),
        ({"holdout": 1.0}, "the holdout 1 is not a share"),
        ({"low": 0.6, "high": 0.5}, "the span 0.6 to 0.5 does not lie in 0 to 1"),
        ({"high": 0.5}, "a span needs a namespace"),
        ({"name": "two words"}, "its name is not of 1 to 64 letters"),
        ({"name": ""}, "its name is not of 1 to 64 letters"),
        ({"treatment": "short"}, "control and treatment are the same"),
        ({"control": "x" * 3_000}, "control is longer than 2,000 characters"),
        ({"min_units": 1}, "the least number of units, 1, is not 2 or more"),
        ({"max_units": 19}, "the most units, 19, are fewer than 10 per variant"),
        ({"hash": 3}, "there is no hash 3"),
        ({"method": "anova"}, "there is no method 'anova'"),
        ({"primary": ()}, "it has no primary metric"),
        ({"min_share": 0.5}, "the least share 0.5 is not between 0 and 0.5"),
        ({"batch": 0}, "a batch of 0 outcomes"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_and_nothing_is_stored(
    desk: Desk, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExperimentError, match=message):
        desk.create(plan(**fields))
    assert stored(desk) == 0


def test_a_name_that_is_taken_is_refused(desk: Desk) -> None:
    desk.create(plan())
    before = stored(desk)
    with pytest.raises(ExperimentError, match="there is one of that name, created 20"):
        desk.create(plan(treatment="another"))
    assert stored(desk) == before


@pytest.mark.parametrize("act", ["assign", "record", "stop", "analyse", "edit", "state"])
def test_an_unknown_experiment_is_refused(desk: Desk, act: str) -> None:
    desk.create(plan("known"))
    before = stored(desk)
    with pytest.raises(ExperimentError, match=r"no experiment 'fast'. Known: known. Make one"):
        getattr(desk, act)("fast")
    assert stored(desk) == before


@pytest.mark.parametrize("act", ["assign", "record", "stop", "edit"])
def test_a_stopped_experiment_takes_nothing_more(desk: Desk, act: str) -> None:
    desk.create(plan())
    desk.assign("fast", "alice")
    desk.stop("fast", reason="enough seen")
    before = stored(desk)
    arguments = {"assign": ("fast", "bob"), "record": ("fast", "alice")}.get(act, ("fast",))
    with pytest.raises(ExperimentError, match=r"it was stopped on 20\S+ \(enough seen\)"):
        getattr(desk, act)(*arguments)
    assert stored(desk) == before


def test_an_outcome_of_a_unit_that_was_not_assigned_is_refused(desk: Desk) -> None:
    desk.create(plan())
    desk.assign("fast", "bob", expose=False)
    before = stored(desk)
    with pytest.raises(ExperimentError, match="the user 'alice' has not been assigned"):
        desk.record("fast", "alice")
    with pytest.raises(ExperimentError, match="the user 'bob' has not been assigned"):
        desk.record("fast", "bob")
    assert stored(desk) == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rating": 0}, "the rating 0 is not between 1 and 5"),
        ({"rating": 5.5}, "the rating 5.5 is not between 1 and 5"),
        ({"rating": math.nan}, "the rating nan is not between 1 and 5"),
        ({"duration_s": -1}, "a duration of -1 s is not 0 or more"),
        ({"duration_s": math.inf}, "a duration of inf s is not 0 or more"),
        ({"outcome": "perfect"}, "'perfect' is none of success, failure"),
    ],
)
def test_an_impossible_outcome_is_refused(desk: Desk, fields: dict[str, Any], message: str) -> None:
    desk.create(plan())
    desk.assign("fast", "alice")
    before = stored(desk)
    with pytest.raises(ExperimentError, match=message):
        desk.record("fast", "alice", **fields)
    assert stored(desk) == before


def test_what_cannot_be_changed_is_refused(desk: Desk) -> None:
    desk.create(plan())
    with pytest.raises(ExperimentError, match="cannot change control of the experiment 'fast'"):
        desk.edit("fast", control="other")
    with pytest.raises(ExperimentError, match="the ratio 2 is not between 0 and 1"):
        desk.edit("fast", ratio=2.0)
    assert desk.state("fast").edits == []


@pytest.mark.parametrize("text", ["", "rating:1", "user_rating", "user_rating:-1", "user_rating:x",
                                  "completion_rate:nan"])  # fmt: skip
def test_a_guardrail_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match="write a metric"):
        parse_guardrail(text)


def test_nothing_can_be_done_while_recording_is_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBHOOKS_DISABLE", "all")
    with pytest.raises(SbhooksError, match="recording is switched off"):
        desk.create(plan())


def test_overlapping_spans_of_a_namespace_are_refused(desk: Desk) -> None:
    desk.create(plan("first", namespace="ci", low=0, high=0.6))
    with pytest.raises(ExperimentError, match=r"overlaps that of 'first', 0 to 0.6"):
        desk.create(plan("second", namespace="ci", low=0.5, high=1))
    desk.create(plan("third", namespace="ci", low=0.6, high=1))
    desk.create(plan("elsewhere", namespace="docs", low=0, high=1))


# --- assignment ---------------------------------------------------------------


def test_the_first_exposure_is_kept_with_its_time(desk: Desk) -> None:
    desk.create(plan())
    first = desk.assign("fast", "alice")
    again = desk.assign("fast", "alice")
    assert first.is_new and not again.is_new
    assert (again.variant, again.assigned_at) == (first.variant, first.assigned_at)
    assert again.reason == "sticky"
    assert sum(r.n for r in desk.store().rollup(EventQuery(kinds=("exposure",)))) == 1


def test_units_keep_their_variant_when_the_ratio_changes(desk: Desk, home: Path) -> None:
    desk.create(plan(ratio=0.2))
    before = {user(n): desk.assign("fast", user(n)).variant for n in range(30)}
    desk.edit("fast", ratio=0.8)
    assert {unit: desk.assign("fast", unit).variant for unit in before} == before
    later = [desk.assign("fast", user(n)).variant for n in range(100, 140)]
    assert later.count("treatment") > 20
    # And recorders without a store know it, too.
    known = variants.load(str(home))["fast"]
    assigner = variants.Assigner(known.split, known.pins)
    assert {unit: assigner.assign(unit).variant for unit in before} == before
    assert 0 < len(known.pins) < 30


def test_a_plain_name_and_its_pseudonym_are_one_unit(desk: Desk, home: Path) -> None:
    desk.create(plan())
    given = desk.assign("fast", "alice")
    assert given.unit == identity.pseudonym(identity.load_key(str(home)), "user", "alice")
    assert desk.assign("fast", given.unit).reason == "sticky"


def test_units_of_the_old_system_keep_their_variant(desk: Desk) -> None:
    desk.create(plan(hash=1))
    for name in ("alice", "bob", "carol", "dave"):
        old = variants.bucket_v1("fast", name) < 50
        assert (desk.assign("fast", name).variant == "treatment") == old


def test_a_unit_that_is_held_out_is_not_recorded(desk: Desk) -> None:
    desk.create(plan(holdout=0.9))
    given = [desk.assign("fast", user(n)) for n in range(20)]
    out = [one for one in given if one.variant is None]
    assert out and {one.reason for one in out} == {"holdout"}
    assert {one.strategy for one in out} == {"short"}
    with pytest.raises(ExperimentError, match="has not been assigned"):
        desk.record("fast", out[0].unit)


@pytest.mark.parametrize("unit", [Unit.COMMIT, Unit.REPOSITORY, Unit.SESSION])
def test_a_unit_that_is_not_here_must_be_named(
    desk: Desk, unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk.create(plan(unit=unit))
    with pytest.raises(ExperimentError, match="ame the unit"):
        desk.assign("fast")
    assert desk.assign("fast", "abc123").unit == "abc123"


# --- results ------------------------------------------------------------------


def test_too_few_units_need_more(desk: Desk) -> None:
    desk.create(plan(max_units=50))
    fill(desk, "fast", 4, control=1.0, treatment=1.0)
    found = desk.analyse("fast")
    assert found.decision == "needs-more-units"
    assert found.units_needed == 46
    assert found.summary == "needs up to 46 more units"  # a result may come at any time
    assert found.reason.endswith("10 are needed before anything is decided")


def test_a_stopped_experiment_does_not_ask_for_more_units(desk: Desk) -> None:
    desk.create(plan(max_units=50))
    fill(desk, "fast", 4, control=1.0, treatment=1.0)
    desk.stop("fast", reason="moved")
    found = desk.analyse("fast")
    assert (found.decision, found.summary, found.units_needed) == ("inconclusive",) * 2 + (None,)
    assert found.reason.endswith("before anything is decided, and the experiment was stopped")


def test_no_interval_of_rates_is_wider_than_rates_can_differ(desk: Desk) -> None:
    rail = parse_guardrail("completion_rate:0.05")
    desk.create(plan(max_units=1000, secondary=(Metric.RATING,), guardrails=(rail,)))
    for number in range(8):
        outcome = ("success", "failure")[desk.assign("fast", user(number)).variant == "treatment"]
        desk.record("fast", user(number), outcome=outcome, rating=1 + 4 * (number % 2))
    found = desk.analyse("fast")
    assert [(r.low, r.high) for r in found.metrics] == [(-1.0, 1.0), (-4.0, 4.0)]
    assert (found.guardrails[0].low, found.guardrails[0].high) == (-0.95, 1.05)


def test_an_experiment_without_units_answers(desk: Desk) -> None:
    desk.create(plan(secondary=(Metric.RATING,), guardrails=(parse_guardrail("user_rating:0.5"),)))
    found = desk.analyse("fast")
    assert found.decision == "needs-more-units"
    assert found.metrics[0].test.startswith("not enough data")
    assert "NaN" not in json.dumps(found.summary)


def test_a_large_difference_is_found_and_ends_the_experiment(desk: Desk) -> None:
    desk.create(plan(primary=(Metric.DURATION,), max_units=60,
                     guardrails=(parse_guardrail("user_rating:10%"),)))  # fmt: skip
    fill(desk, "fast", 44, control=10.0, treatment=1.0)
    found = desk.analyse("fast")
    assert found.decision == "treatment", found.reason
    duration = found.metrics[0]
    assert duration.high is not None and duration.high < 0
    assert found.guardrails[0].state == "held"


def test_equal_numbers_on_each_side_are_a_result_not_a_nan(desk: Desk) -> None:
    """The old system answered a ten-fold speed-up without spread with "p = nan"."""
    desk.create(plan(primary=(Metric.RATING,), max_units=60, min_units=5))
    for number in range(24):
        variant = desk.assign("fast", user(number)).variant
        desk.record("fast", user(number), rating=5 if variant == "treatment" else 2)
    found = desk.analyse("fast")
    assert found.decision == "treatment"
    assert found.metrics[0].test == "permutation (no spread within variants)"
    assert found.metrics[0].p_value is not None and 0 < found.metrics[0].p_value < 0.001


def test_a_guardrail_that_breaks_decides_for_the_control(desk: Desk) -> None:
    desk.create(plan(primary=(Metric.RATING,), max_units=60,
                     guardrails=(parse_guardrail("avg_duration_seconds:5%"),)))  # fmt: skip
    fill(desk, "fast", 44, control=1.0, treatment=10.0)
    found = desk.analyse("fast")
    assert (found.decision, found.guardrails[0].state) == ("control", "broken")


def test_a_fixed_horizon_says_nothing_before_its_end(desk: Desk) -> None:
    desk.create(plan(primary=(Metric.DURATION,), max_units=40, mode=Mode.FIXED))
    fill(desk, "fast", 38, control=10.0, treatment=1.0)
    found = desk.analyse("fast")
    assert (found.decision, found.units_needed) == ("needs-more-units", 2)
    assert found.summary == "needs 2 more units"
    assert "always valid" in found.metrics[0].test
    fill(desk, "fast", 42, first=38, control=10.0, treatment=1.0)
    found = desk.analyse("fast")
    assert (found.decision, found.metrics[0].test) == ("treatment", "means (Welch)")
    assert found.units.control + found.units.treatment == 40  # later units do not count


def test_edits_are_visible_in_the_result(desk: Desk) -> None:
    desk.create(plan())
    first = desk.state("fast").first_hash
    desk.assign("fast", "alice")
    desk.edit("fast", alpha=0.1)
    desk.edit("fast", alpha=0.1)  # no change, no event
    found = desk.analyse("fast")
    assert (found.plan.first_hash, found.plan.hash != first) == (first, True)
    assert [edit.changed for edit in found.plan.edits] == [("alpha",)]
    (warning,) = (check for check in found.health if check.name == "plan")
    assert "changed after the first exposure: alpha" in warning.detail


def test_a_bandit_gives_more_units_to_what_is_better(desk: Desk) -> None:
    desk.create(plan(primary=(Metric.DURATION,), mode=Mode.BANDIT, max_units=80))
    fill(desk, "fast", 44, control=10.0, treatment=1.0)
    found = desk.analyse("fast")
    assert found.plan.share == pytest.approx(0.9)
    assert found.probability is not None and found.probability > 0.99
    assert found.decision == "treatment"
    assert any("biased" in note for note in found.notes)
    assert [c.level for c in found.health if c.name == "sample ratio"] == ["ok"]


def test_a_bandit_keeps_to_its_guardrails(desk: Desk) -> None:
    desk.create(plan(primary=(Metric.DURATION,), mode=Mode.BANDIT, max_units=80,
                     guardrails=(parse_guardrail("completion_rate:0.01"),)))  # fmt: skip
    fill(desk, "fast", 44, control=10.0, treatment=1.0)
    found = desk.analyse("fast")
    assert found.probability is not None and found.probability > 0.99
    assert (found.guardrails[0].state, found.decision) == ("open", "needs-more-units")


# --- what others see ----------------------------------------------------------


def test_insights_tell_of_running_experiments(desk: Desk, runtime: Runtime) -> None:
    desk.create(plan())
    desk.create(plan("old"))
    desk.stop("old")
    desk.store()
    found = runtime.insights(InsightQuery(now=utc_now() + timedelta(days=1), kinds=("experiment",)))
    assert [(one.subject, one.n) for one in found] == [("fast", 0)]
    assert found[0].summary.startswith("Experiment fast: needs up to 1,000 more units")


def test_the_file_for_recorders_holds_what_is_running(desk: Desk, home: Path) -> None:
    desk.create(plan(skill="pytest-run", unit=Unit.SESSION))
    desk.create(plan("other"))
    desk.stop("other")
    known = variants.load(str(home))
    assert list(known) == ["fast"]
    assert (known["fast"].unit, known["fast"].treatment) == ("session", "long")
    assert known["fast"].plan == desk.state("fast").plan.digest


def test_no_plain_name_reaches_the_disk(desk: Desk, home: Path) -> None:
    desk.create(plan())
    desk.assign("fast", "alice.liddell")
    desk.record("fast", "alice.liddell")
    desk.analyse("fast")
    with sqlite3.connect(home / "sbhooks.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for path in home.rglob("*"):
        assert not path.is_file() or b"liddell" not in path.read_bytes(), path


def test_every_plan_that_is_accepted_survives_the_log(desk: Desk) -> None:
    made = check(plan(guardrails=(parse_guardrail("avg_duration_seconds:5%"),), mde=0.1,
                      namespace="n", low=0.25, high=0.5, salt="s", holdout=0.1))  # fmt: skip
    assert desk.create(made).plan == made
