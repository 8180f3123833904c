"""What people do not want to keep goes; sums stay, and are still a function of what is there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.errors import ConfigError
from sbhooks.events import Event
from sbhooks.progress import Progress
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NoteEvent, Timeline
from sbhooks_storage import archive, prune
from sbhooks_storage.archive_catalog import folder_beside
from sbhooks_storage.compacting import compact_if_worthwhile
from sbhooks_storage.maintenance import rebuild_tables, verify
from sbhooks_storage.rebuild import COMPARED
from sbhooks_storage.retention import retention
from sbhooks_storage.sql import query
from sbhooks_storage.sqlite import SqliteEventStore

CUT = datetime(2026, 3, 15, tzinfo=UTC)
QUIET = Progress("", quiet=True)
ALL = dict.fromkeys(("invocation", "test-result", "phase-change", "pipeline-stage"), CUT)


@pytest.fixture
def events() -> list[Event]:
    """A run in the middle of each month, with a decision in it."""
    found: list[Event] = []
    for month in range(1, 7):
        time = Timeline(f"s-{month}", start=datetime(2026, month, 14, 23, 59, 58, tzinfo=UTC))
        found += [
            *time.one_of_each(), time.invocation("ruff", duration_s=0.5, query="secret words"),
            time.invocation("mypy", error_type="a.b['", follow_up_actions=["x"], workflow="w"),
            NoteEvent(source="x", session=f"s-{month}", at=datetime(2026, month, 14, tzinfo=UTC)),
        ]  # fmt: skip
    return found


@pytest.fixture
def filled(store: SqliteEventStore, events: list[Event]) -> SqliteEventStore:
    store.append(events)
    return store


def run(path: Path, keep: dict[str, datetime] = ALL, **options: Any) -> prune.Pruned:
    return prune.run(path, keep, **{"dry_run": False, "progress": QUIET, **options})


def derived(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: sorted(map(repr, connection.execute(rows))) for table, rows in COMPARED.items()
        }


def sums(store: SqliteEventStore) -> list[Any]:
    return [
        (r.key, r.n, r.outcomes, r.duration_sum, dict(r.buckets))
        for by in (["skill"], ["day", "skill"], ["phase", "outcome"])
        for r in store.rollup(EventQuery(kinds=("invocation",)), by)
    ]


@pytest.mark.parametrize("archived", [False, True])
def test_old_events_go_and_sums_stay(filled: SqliteEventStore, path: Path, archived: bool) -> None:
    if archived:
        archive.run(path, CUT, dry_run=False, progress=QUIET)
    before, answers = derived(path), sums(filled)
    found = run(path)
    assert {k.kind: k.stored + k.archived for k in found.kinds}["test-result"] == 2
    assert derived(path) == before
    assert sums(filled) == answers
    assert verify(path) == []
    rebuild_tables(path)
    assert derived(path) == before
    oldest = "SELECT min(invoked_at), (SELECT min(ended_at) FROM v_test_attempts), " \
             "(SELECT min(at_us) FROM phase_change) FROM skill_invocation"  # fmt: skip
    (row,) = query(path, oldest, limit=1, with_archive=True).rows
    assert min(str(row[0]), str(row[1])) >= "2026-03-15"
    assert int(str(row[2])) >= CUT.timestamp() * 1e6
    assert [k.stored + k.archived for k in run(path).kinds] == [0, 0, 0, 0]


def test_texts_of_pruned_invocations_are_nowhere(filled: SqliteEventStore, path: Path) -> None:
    run(path, {"invocation": datetime(2027, 1, 1, tzinfo=UTC)})
    filled.close()
    main(["db", "compact", "--db", str(path)])
    for file in (path, *folder_beside(path).glob("*")):
        assert b"secret words" not in file.read_bytes()


def test_decisions_and_sessions_are_never_pruned(filled: SqliteEventStore, path: Path) -> None:
    run(path, dict.fromkeys(ALL, datetime(2027, 1, 1, tzinfo=UTC)))
    kinds = {r.key[0]: r.n for r in filled.rollup(EventQuery(), ["kind"])}
    assert kinds["session-start"] == kinds["testing-note"] == 6
    assert "test-result" not in kinds


def test_pruned_invocations_are_not_counted_twice(
    filled: SqliteEventStore, path: Path, events: list[Event]
) -> None:
    run(path, {"invocation": CUT})
    answers = sums(filled)
    assert filled.append(events) == 0
    assert sums(filled) == answers


def test_erasing_somebody_takes_what_is_left_of_pruned_events(
    filled: SqliteEventStore, path: Path
) -> None:
    run(path)
    filled.erase_user("user-1")
    assert filled.rollup(EventQuery(kinds=("invocation",)), ["skill"]) == []
    assert verify(path) == []
    assert list(folder_beside(path).glob("*.parquet")) == []


def test_a_dry_run_only_counts(filled: SqliteEventStore, path: Path) -> None:
    before = path.read_bytes()
    found = run(path, dry_run=True)
    assert path.read_bytes() == before
    assert [k.stored for k in run(path).kinds] == [k.stored for k in found.kinds]


def test_a_process_killed_at_any_statement_keeps_the_sums(
    filled: SqliteEventStore,
    path: Path,
    killed_at: Callable[[Callable[[], object], int], bool],
) -> None:
    filled.close()
    keep = {kind: datetime(2026, 2, 1, tzinfo=UTC) for kind in ("invocation", "test-result")}
    before = derived(path)
    number = 0
    while killed_at(lambda: run(path, keep), number):
        number += 1
        if number % 7 == 0:
            assert derived(path) == before
            assert verify(path) == []
    assert number > 30
    assert derived(path) == before
    assert verify(path) == []
    assert [k.stored + k.archived for k in run(path, keep).kinds] == [0, 0]


# --- how long


def test_options_win_over_settings(home: Path, tmp_path: Path) -> None:
    user = Path(Path.home(), ".config", "sbhooks")
    user.mkdir(parents=True)
    (user / "config.toml").write_text(
        '[storage]\nretention = {invocation = "2y", test-result = "9d"}'
    )
    assert retention(load_config(), ["test-result=4w"]) == {
        "invocation": timedelta(days=730), "test-result": timedelta(days=28)}  # fmt: skip


def test_a_project_cannot_say_what_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbhooks.toml").write_text('[storage]\nretention = {invocation = "1d"}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="cannot be set by a project"):
        retention(load_config(), [])


@pytest.mark.parametrize("option", ["invocation", "invocation=", "invocation=0d", "invocation=1s",
                                    "session-start=9d", "taxonomy-assignment=9d"])  # fmt: skip
def test_what_cannot_be_pruned_is_refused(
    filled: SqliteEventStore, path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "prune", "--keep", option, "--yes", "--db", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_command_deletes_only_when_told(
    filled: SqliteEventStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["db", "prune", "--db", str(path)]
    assert main(command) == 0
    assert "everything is kept for ever" in capsys.readouterr().out
    old = Timeline("old", start=datetime(2020, 1, 1, tzinfo=UTC))
    filled.append([old.start(), old.passed(), old.invocation("ruff")])
    command += ["--keep", "test-result=5y", "--keep", "invocation=5y"]
    assert main(command) == 0
    assert "Would delete 2 events" in capsys.readouterr().out
    assert main([*command, "--yes"]) == 0
    assert "Deleted 2 events." in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert [k["stored"] for k in json.loads(capsys.readouterr().out)["kinds"]] == [0, 0]


# --- giving space back


def test_space_is_given_back_when_much_is_free_and_nobody_writes(
    store: SqliteEventStore, path: Path
) -> None:
    time = Timeline()
    store.append([time.invocation("a", query="x" * 2_000) for _ in range(2_000)])
    assert compact_if_worthwhile(path) is None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM skill_invocation WHERE id > 10")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        assert compact_if_worthwhile(path) is None  # somebody writes
        connection.execute("ROLLBACK")
    found = compact_if_worthwhile(path)
    assert found is not None
    assert found.after_bytes < found.before_bytes / 2
    assert compact_if_worthwhile(path) is None
