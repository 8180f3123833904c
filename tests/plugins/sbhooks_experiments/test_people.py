"""People in experiments: handed out, renamed and erased as everywhere else."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sbhooks import variants
from sbhooks.cli import main
from sbhooks.identity import load_key, pseudonym
from sbhooks.variants import Assigner
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.log import columns, first_exposures
from sbhooks_experiments.plan import Plan

PEOPLE = [f"person {number}" for number in range(12)]


@pytest.fixture
def desk_with_people(desk: Desk) -> Desk:
    """Everybody was given a variant and did something."""
    desk.create(Plan(name="fast", control="short", treatment="long"))
    for name in PEOPLE:
        desk.assign("fast", name)
        desk.record("fast", name, duration_s=1.0, rating=4)
    return desk


def test_erasing_reaches_what_was_recorded_of_a_unit(
    desk_with_people: Desk, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = desk_with_people
    desk.edit("fast", ratio=0.9)  # pins those who would move
    gone = pseudonym(load_key(str(home)), "user", PEOPLE[0])
    assert main(["privacy", "export", "--user", PEOPLE[0]]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["kind"], event["unit"]) for event in told] == [
        ("exposure", gone), ("outcome", gone),
    ]  # fmt: skip
    assert main(["privacy", "erase", "--user", PEOPLE[0], "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"user": gone, "events": 2}
    with sqlite3.connect(home / "sbhooks.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for path in home.rglob("*"):
        assert not path.is_file() or gone.encode() not in path.read_bytes(), path
    assert len(first_exposures(desk.store(), "fast")) == len(PEOPLE) - 1
    assert desk.assign("fast", PEOPLE[0]).is_new
    assert main(["db", "verify"]) == 0


def test_the_question_counts_what_stands_in_sessions_of_others(desk_with_people: Desk) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"n\n")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "sbhooks", "privacy", "erase", "--user", PEOPLE[0]],
            stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Erase 0 runs and 2 other events of user-" in done.stderr
    assert len(first_exposures(desk_with_people.store(), "fast")) == len(PEOPLE)


def test_a_new_key_leaves_nobody_their_old_name_and_everybody_their_variant(
    desk_with_people: Desk, home: Path
) -> None:
    desk = desk_with_people
    before = first_exposures(desk.store(), "fast")
    assert main(["privacy", "rotate"]) == 0
    after = first_exposures(desk.store(), "fast")
    assert not set(before) & set(after)
    assert Counter(after.values()) == Counter(before.values())
    log = columns(desk.store(), "fast")
    assert {log.units[unit] for unit in log.acted} == set(after)

    def given_by_recorders() -> dict[str, bool]:
        one = variants.load(str(home))["fast"]
        assigner = Assigner(one.split, one.pins)
        return {unit: assigner.assign(unit).variant == "treatment" for unit in after}

    kept = {unit: treated for unit, (treated, _) in after.items()}
    assert given_by_recorders() == kept
    desk.edit("fast", alpha=0.1)  # the file is written anew from the log
    assert given_by_recorders() == kept


def test_the_person_here_goes_on_as_before_under_a_new_key(desk: Desk) -> None:
    desk.create(Plan(name="fast", control="short", treatment="long"))
    first = desk.assign("fast")
    assert main(["privacy", "rotate"]) == 0
    again = desk.assign("fast")
    assert (again.variant, again.assigned_at, again.is_new) == (
        first.variant, first.assigned_at, False,
    )  # fmt: skip
    assert again.unit != first.unit
