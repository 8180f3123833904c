"""What a store promises of its sums: they are those of its events."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from sbhooks.events import Outcome, Vcs
from sbhooks.store import EventQuery, EventStore, Rollup, bucket, merge
from sbhooks.testing.asking import EVERYTHING, only
from sbhooks.testing.factories import Timeline


class RollupContract:
    """Promises of ``rollup``."""

    def test_a_rollup_counts_and_adds_up(self, store: EventStore) -> None:
        time = Timeline()
        events = [time.invocation(duration_s=1.0), time.invocation(duration_s=3.0),
                  time.invocation(outcome=Outcome.FAILURE)]  # fmt: skip
        store.append(events)
        assert only(store.rollup(EVERYTHING, ["skill"])) == Rollup(
            key=("pytest-run",), n=3, outcomes={"success": 2, "failure": 1},
            duration_n=2, duration_sum=4.0, duration_sum_squares=10.0,
            first_at=events[0].at, last_at=events[2].at,
            buckets={bucket(1.0): 1, bucket(3.0): 1},
        )  # fmt: skip

    def test_the_duration_of_a_test_is_the_sum_of_its_phases(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.passed(), time.passed(setup_s=None, call_s=None, teardown_s=None)])
        rollup = only(store.rollup(EVERYTHING))
        assert (rollup.n, rollup.duration_n) == (2, 1)
        assert rollup.duration_sum == pytest.approx(0.01)
        assert rollup.buckets == {bucket(0.01): 1}

    def test_no_events_give_no_rows(self, store: EventStore) -> None:
        assert store.rollup(EVERYTHING) == []
        assert store.rollup(EVERYTHING, ["skill"]) == []

    def test_rows_are_ordered_by_key_with_nothing_first(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.invocation(s) for s in ("b", "a", "é", "Z")] + [time.passed()])
        keys = [row.key for row in store.rollup(EVERYTHING, ["skill"])]
        assert keys == [(None,), ("Z",), ("a",), ("b",), ("é",)]

    def test_limit_and_order_do_not_apply_to_rollups(self, store: EventStore) -> None:
        time = Timeline()
        store.append([time.invocation("b"), time.invocation("a")])
        rows = store.rollup(EventQuery(limit=1, newest_first=True), ["skill"])
        assert [row.key for row in rows] == [("a",), ("b",)]

    def test_every_dimension_groups(self, store: EventStore) -> None:
        time = Timeline("s")
        start = time.start(project="p", user="u", vcs=Vcs(branch="b", commit="c"))
        test = time.failed("t", params="1", worker="gw0")
        call = time.invocation("k", phase="setup", workflow="w", error_type="E")
        store.append([start, test, call])
        for query, by, key in (
            (("test-result",), ("kind", "source", "session", "project", "user", "branch",
                                "commit", "test", "params", "detail", "worker", "outcome"),
             ("test-result", "pytest", "s", "p", "u", "b", "c", "t", "1", "failed", "gw0",
              "failure")),
            (("invocation",), ("skill", "phase", "workflow", "error_type", "hour", "day", "test"),
             ("k", "setup", "w", "E", "2026-11-20T12", "2026-11-20", None)),
        ):  # fmt: skip
            assert only(store.rollup(EventQuery(kinds=query), by)).key == key  # type: ignore[arg-type]

    def test_rollups_of_parts_add_up_to_the_whole(self, store: EventStore) -> None:
        time = Timeline()
        for skill in ("a", "b"):
            store.append([time.invocation(skill, duration_s=n / 7) for n in range(20)])
        (total,) = merge(store.rollup(EVERYTHING, ["skill", "hour"]), keep=())
        whole = only(store.rollup(EVERYTHING))
        assert (total.n, total.outcomes, total.buckets) == (whole.n, whole.outcomes, whole.buckets)
        assert total.duration_sum == pytest.approx(whole.duration_sum)

    def test_a_quantile_is_within_one_per_cent(self, store: EventStore) -> None:
        time = Timeline()
        durations = [1.1**n / 1000 for n in range(100)]
        store.append([time.invocation(duration_s=seconds) for seconds in durations])
        rollup = only(store.rollup(EVERYTHING))
        for share in (0.01, 0.5, 0.95, 1.0):
            exact = durations[math.ceil(share * 100) - 1]
            assert rollup.quantile(share) == pytest.approx(exact, rel=0.0101, abs=1e-6)

    def test_hours_and_days_before_1970_are_right(self, store: EventStore) -> None:
        at = datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        store.append([Timeline().passed(at=at)])
        assert only(store.rollup(EVERYTHING, ["hour", "day"])).key == (
            "0999-12-31T23", "0999-12-31",
        )  # fmt: skip
