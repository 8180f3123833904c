"""When there are too many skills, the most used are looked at, and people are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import Codec, Event, Outcome, utc_now
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery, EventStore
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.ranked import Ranked, ranked, sums, told
from sbhooks_analytics.series import PERIODS, Period, tallies
from sbhooks_storage.sqlite import open_sqlite

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
DAY = timedelta(days=1)
OUTCOMES = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT)

uses = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 400), st.sampled_from(OUTCOMES)),
    max_size=40,
)


def put(store: EventStore, made: list[tuple[str, int, Outcome]]) -> None:
    line = Timeline(start=MONDAY)
    store.append([line.start(project="acme"), *(
        line.invocation(skill, outcome, at=MONDAY + timedelta(hours=hour), duration_s=1.0 + hour)
        for skill, hour, outcome in made
    )])  # fmt: skip


@pytest.mark.parametrize(
    ("project", "very_many"), [(False, 20_000), (True, 20_000), (True, 0)],
    ids=["all", "project", "project of very many"],
)  # fmt: skip
@settings(max_examples=10)
@given(
    made=uses, most=st.integers(1, 7), period=st.sampled_from(PERIODS), named=st.booleans()
)  # fmt: skip
def test_what_is_said_of_some_skills_is_what_is_said_among_all(
    made: list[tuple[str, int, Outcome]], most: int, period: Period, named: bool,
    project: bool, very_many: int, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    now = MONDAY + DAY * 15
    patched = pytest.MonkeyPatch()
    patched.setattr("sbhooks_analytics.series.VERY_MANY", very_many)
    query = EventQuery(since=MONDAY + DAY, projects=("acme",) if project else ())
    memory, sqlite = MemoryEventStore(), None
    try:
        sqlite = open_sqlite(tmp_path_factory.mktemp("ranked") / "x.db", Codec())
        for store in (memory, sqlite):
            put(store, made)
            every = tallies(store, query, period=period, now=now)
            used = {name: sum(t.n for t in found.values()) for name, found in every.skills.items()}
            first = tuple(sorted(used, key=lambda name: (-used[name], name))[:most])
            chosen = EventQuery(since=query.since, projects=query.projects, skills=first * named)
            some = tallies(store, chosen, period=period, now=now, most=most)
            assert set(some.skills) == set(first if first else used)
            for name, found in some.skills.items():
                assert {s: (t.n, t.completed) for s, t in found.items()} == {
                    s: (t.n, t.completed) for s, t in every.skills[name].items()
                }
                assert some.series(name, "duration") == every.series(name, "duration")
            assert (some.active, some.starts) == (every.active, every.starts)
            assert some.of == (len(first) if named and first else len(used))
    finally:
        patched.undo()
        if sqlite is not None:
            sqlite.close()


@given(made=uses, most=st.integers(0, 7))
def test_the_most_used_come_first_and_all_are_counted(
    made: list[tuple[str, int, Outcome]], most: int
) -> None:
    store = MemoryEventStore()
    put(store, made)
    names = [skill for skill, *_ in made]
    found = ranked(store, EventQuery(), most)
    order = sorted(set(names), key=lambda name: (-names.count(name), name))
    assert found == Ranked(tuple(order[:most]), len(order))
    if most:
        rows = sums(store, EventQuery(), found.skills, ["skill"])
        assert {row.key[0]: row.n for row in rows} == {n: names.count(n) for n in order[:most]}
    assert ranked(store, EventQuery(skills=("z",)), most) == Ranked(("z",), 1)


def test_how_many_were_looked_at_is_said_in_words() -> None:
    assert told(12, 12) == "12 skills"
    assert told(500, 9_000) == "the 500 most used of 9,000 skills"


def test_people_are_told_that_not_all_were_looked_at(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("anomaly_findings", "drifts", "tracks", "couse", "search", "skill_findings"):
        monkeypatch.setattr(f"sbhooks_analytics.{module}.MOST_SKILLS", 2)
    for module in ("second_opinions", "calibrate"):
        monkeypatch.setattr(f"sbhooks_analytics.{module}._MOST_SKILLS", 2)
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    with Runtime.start(load_config()) as runtime:
        for number, name in enumerate(("ruff", "mypy", "pytest")):
            days = [(today - DAY * d, 4 + number, 1) for d in range(1, 40)]
            runtime.store.append(history_of(days, skill=name))
    for command in (
        "trend --limit 2", "anomalies list", "anomalies list --method isolation_forest", "changes",
        "drift", "baselines", "search ruff", "analytics calibrate --copies 1",
    ):  # fmt: skip
        assert main(command.split()) == 0
        assert "the 2 most used of 3 skills" in " ".join(capsys.readouterr().out.split()), command
    assert main(["drift", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["skills"], document["skills_in_all"]) == (2, 3)


_MANY = 50_000
_COMMANDS = (
    "trend", "trend common", "anomalies list", "anomalies list --period hour", "changes", "drift",
    "baselines", "deps", "clusters", "search number", "insights", "top", "analytics refresh",
    "analytics calibrate --copies 2",
)  # fmt: skip
_MOST_KB = 700_000


def rarely_used(number: int) -> list[Event]:
    """A session of 40 skills, each of which is used once or twice in all, and a common one."""
    line = Timeline(f"s{number:05d}", start=NOON - DAY * 80 + timedelta(minutes=45 * number))
    names = [f"skill number {(number * 40 + k) * 7919 % _MANY}" for k in range(40)]
    return [line.start(user=f"u{number % 50}"), *map(line.invocation, [*names, "common"])]


@pytest.mark.slow
def test_many_skills_are_answered_in_bounded_memory(home: Path) -> None:
    """Fifty thousand skills; all pairs of them alone would take more than a gigabyte."""
    with Runtime.start(load_config()) as runtime:
        for start in range(0, 2_500, 500):
            runtime.store.append([
                event for number in range(start, start + 500) for event in rarely_used(number)
            ])  # fmt: skip
    for command in _COMMANDS:
        peak = _peak_kb(command)
        assert peak < _MOST_KB, f"{command}: {peak:,} kB"


def _peak_kb(command: str) -> int:
    """Peak memory of a command that is started on its own."""
    code = (
        "import resource, sys; from sbhooks.cli import main; status = main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); "
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=False,
        env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])
