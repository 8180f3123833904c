"""What the system that sbhooks took over got wrong about activity, users, units and answers.

Each test is named after the number of the defect in its list; those of trends, anomalies,
dependencies and baselines stand beside the other tests of these.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import Codec, Outcome
from sbhooks.identity import who
from sbhooks.runtime import Runtime
from sbhooks.store import Dimension, EventQuery, Rollup
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.activity import top
from sbhooks_analytics.couse import follow
from sbhooks_analytics.refresh import refresh, stamp
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteEventStore]:
    store = open_sqlite(tmp_path / "events.db", Codec())
    yield store
    store.close()


def put(store: SqliteEventStore, *ages: timedelta) -> None:
    """Invocations that are so old at noon, in that order."""
    for age in ages:
        line = Timeline(f"s-{age}", start=NOON - age - timedelta(seconds=10))
        store.append([line.invocation("lint", duration_s=1.0)])


def used(store: SqliteEventStore, back: timedelta, now: datetime = NOON) -> int:
    """How often the skill was used in the time before ``now``."""
    skills = top(store, EventQuery(since=now - back), now=now, limit=5).skills
    return sum(skill.invocation_count for skill in skills)


def test_b01_old_invocations_are_not_those_of_the_last_hour(database: SqliteEventStore) -> None:
    """Three invocations that were 5 to 20 days old read as 3 in the last hour."""
    put(database, 20 * DAY, 11 * DAY, 5 * DAY)
    assert (used(database, HOUR), used(database, DAY), used(database, 7 * DAY)) == (0, 0, 1)


def test_b01_counts_go_down_while_nothing_is_stored(database: SqliteEventStore) -> None:
    put(database, timedelta(minutes=50), timedelta(minutes=10), 5 * HOUR)
    assert used(database, HOUR) == 2
    assert used(database, HOUR, NOON + timedelta(minutes=30)) == 1
    assert used(database, DAY, NOON + 2 * DAY) == 0


def test_b01_the_last_use_is_the_latest_not_the_one_stored_last(
    database: SqliteEventStore,
) -> None:
    put(database, HOUR, 3 * DAY, 2 * DAY)
    (skill,) = top(database, EventQuery(), now=NOON, limit=5).skills
    assert NOON - HOUR - timedelta(minutes=1) < skill.last_invocation_at < NOON - HOUR


@pytest.fixture
def two_users(home: Path) -> None:
    """I used the linter in one session, four times; somebody else in another, twice, in vain."""
    with Runtime.start(load_config()) as runtime:
        me, _ = who(str(home))
        mine, other = Timeline("mine"), Timeline("other")
        runtime.store.append([
            mine.start(user=me),
            *(mine.invocation("lint", duration_s=2.0) for _ in range(3)),
            mine.invocation("lint", Outcome.FAILURE, duration_s=100.0),
            other.start(user="user-0-0"),
            *(other.invocation("lint", Outcome.FAILURE) for _ in range(2)),
        ])  # fmt: skip


@pytest.mark.usefixtures("two_users")
def test_b04_a_user_is_compared_with_all_by_invocations(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sessions were counted for invocations, nobody was told apart, and all differences were 0."""
    assert main(["baselines", "--user", "me", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (lint,) = told["baselines"]
    assert told["user"] == who(str(home))[0]
    assert (lint["total_users"], lint["total_invocations"]) == (2, 6)
    assert (lint["global_completion_rate"], lint["user_completion_rate"]) == (0.5, 0.75)
    assert (lint["user_invocations"], lint["delta_from_baseline"]) == (4, 0.25)
    assert main(["baselines", "--user", "user-0-0"]) == 0
    assert "-50.0 points" in capsys.readouterr().out
    assert main(["baselines", "--user", "nobody"]) == 0
    assert "used none of these skills" in capsys.readouterr().out


@pytest.mark.usefixtures("two_users")
def test_b08_a_name_has_one_unit_and_one_meaning(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rates were percents here and fractions there; so were means over completed and over all."""
    assert main(["analytics", "refresh"]) == 0
    capsys.readouterr()
    assert main(["baselines", "--json"]) == 0
    (lint,) = json.loads(capsys.readouterr().out)["baselines"]
    with sqlite3.connect(home / "sbhooks.db") as connection:
        rows = [
            connection.execute(f"SELECT {columns} FROM {table}").fetchone()
            for table, columns in (
                ("skill_community_baselines",
                 "global_completion_rate, global_avg_duration_seconds"),
                ("skill_metrics", "completion_rate, avg_duration_seconds"),
            )
        ]  # fmt: skip
    shown = (lint["global_completion_rate"], lint["global_avg_duration_seconds"])
    assert rows == [shown, shown] == [(0.5, 2.0)] * 2


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=8))
def test_b15_times_in_tables_compare_as_texts_as_they_do_as_times(times: list[datetime]) -> None:
    """Two formats side by side made anomalies of 17 hours ago the last hour's."""
    assert sorted(times, key=stamp) == sorted(times)


@pytest.mark.parametrize(
    "words",
    ["trend", "anomalies list", "changes", "deps", "clusters", "baselines", "top",
     "analytics calibrate", "tests health", "tests flaky", "search lint"],
)  # fmt: skip
@pytest.mark.usefixtures("home")
def test_b16_nothing_to_say_is_said(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data the answer was a success with nothing in it."""
    assert main(words.split()) == 0
    told = capsys.readouterr()
    assert any(word in told.out for word in ("no", "not enough", "No", "nothing", "none"))
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    "words",
    ["trend --limit -1", "deps --limit 0", "baselines --limit -5", "top --since -3d",
     "changes --since 0.5x", "tests select --budget -1", "analytics calibrate --copies 0",
     "anomalies list --false-alarms -1", "search lint --phase-weight 2"],
)  # fmt: skip
@pytest.mark.usefixtures("home")
def test_b16_what_makes_no_sense_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Negative days and limits were accepted."""
    assert main(words.split()) == 2
    assert capsys.readouterr().err.count("\n") == 1


class Asked(MemoryEventStore):
    """A store that remembers which sums it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions = 0

    def rollup(self, query: EventQuery, by: Sequence[Dimension] = ()) -> list[Rollup]:
        found = super().rollup(query, by)
        self.sessions += len({row.key[0] for row in found}) if "session" in by else 0
        return found


def test_b16_only_sessions_with_news_are_read_again(tmp_path: Path) -> None:
    """Each call made all dependencies anew, in 9.5 s at 100,000 rows."""
    store = Asked()
    for number in range(40):
        line = Timeline(f"s{number:02}", start=NOON + HOUR * number)
        store.append([line.invocation("lint"), line.invocation("test")])
    follow(store, tmp_path, name="x")
    assert store.sessions == 40
    store.append([Timeline("s07", start=NOON + 9 * DAY).invocation("ship")])
    assert follow(store, tmp_path, name="x").pairs["ship"] == {"test": 1}
    assert follow(store, tmp_path, name="x").pairs["lint"] == {"test": 40, "ship": 1}
    assert store.sessions == 41


@pytest.mark.parametrize("method", ["counts", "zscore", "isolation_forest"])
def test_b10_an_error_is_an_error_and_not_no_anomalies(
    method: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The statement failed, the error was swallowed, and the answer was "no anomalies"."""
    with Runtime.start(load_config()) as runtime:
        line = Timeline(start=NOON)
        runtime.store.append([line.invocation("lint") for _ in range(9)])
    with closing(sqlite3.connect(home / "sbhooks.db")) as database:
        database.execute("ALTER TABLE rollup_skill_day RENAME TO lost")
        database.commit()
    assert main(["anomalies", "list", "--method", method, "--since", "2026-11-01"]) != 0
    told = capsys.readouterr()
    assert "rollup_skill_day" in told.err and "Nothing unusual" not in told.out


def test_b11_what_is_expected_stays_until_it_is_observed(
    database: SqliteEventStore, tmp_path: Path
) -> None:
    """A refresh deleted the dependencies that the taxonomy knew."""
    expected = [
        {"skill_a": a, "skill_b": b, "co_occurrence_count": 0, "lift_score": 2.0,
         "last_updated": stamp(NOON)}
        for a, b in (("build", "deploy"), ("lint", "test"))
    ]  # fmt: skip
    database.keep_results({"skill_dependencies": expected})
    for number in range(9):
        line = Timeline(f"s{number}", start=NOON - DAY)
        database.append([line.invocation("lint"), line.invocation("test")])
    refresh(database, tmp_path, name="x", now=NOON)
    kept = database.kept_results("skill_dependencies")
    assert {(row["skill_a"], row["skill_b"]): row["co_occurrence_count"] for row in kept} == {
        ("build", "deploy"): 0, ("lint", "test"): 9,
    }  # fmt: skip
