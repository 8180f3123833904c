"""Old months in files: every event in exactly one place, whatever happens."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sbhooks.cli import main
from sbhooks.errors import StoreError
from sbhooks.events import Event, Outcome, SessionStart
from sbhooks.progress import Progress
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_storage import archive
from sbhooks_storage.archive_catalog import folder_beside, locked
from sbhooks_storage.maintenance import rebuild_tables, verify
from sbhooks_storage.rebuild import COMPARED
from sbhooks_storage.reports import Archived
from sbhooks_storage.sql import query
from sbhooks_storage.sqlite import SqliteEventStore

CUT = datetime(2026, 3, 15, tzinfo=UTC)
EVERYTHING = EventQuery()
MOVING = ("invocation", "test-result", "phase-change", "pipeline-stage")


def year(session: str = "s", user: str = "ann") -> list[Event]:
    """A run on the 10th of each month of 2026, of every kind."""
    events: list[Event] = []
    for month in range(1, 7):
        time = Timeline(
            f"{session}-{month}", start=datetime(2026, month, 10, 23, 59, 57, tzinfo=UTC)
        )
        events += [
            time.start(user=user, project="shop"),
            time.invocation("ruff", duration_s=0.25, phase="setup", query="why [0] dot."),
            time.invocation("mypy", Outcome.FAILURE, error_type="E", workflow="w"),
            time.invocation("ruff", follow_up_actions=["a", "b"], attributes={"x": "\0é"}),
            *time.one_of_each()[1:],
        ]  # fmt: skip
    return events


def run(path: Path, before: datetime = CUT, **options: Any) -> Archived:
    return archive.run(path, before, **{"dry_run": False, "progress": Progress("", quiet=True),
                                        **options})  # fmt: skip


def ask(path: Path, sql: str, **options: Any) -> list[Any]:
    found = query(path, sql, **{"limit": 10_000, "with_archive": True, **options})
    return [tuple(row) for row in found.rows]


@pytest.fixture
def events() -> list[Event]:
    return year()


@pytest.fixture
def filled(store: SqliteEventStore, events: list[Event]) -> SqliteEventStore:
    store.append(events)
    return store


COUNTS = """
    SELECT 'invocation', count(*) FROM skill_invocation
    UNION ALL SELECT 'test-result', count(*) FROM v_test_attempts
    UNION ALL SELECT 'phase-change', count(*) FROM phase_change
    UNION ALL SELECT 'pipeline-stage', count(*) FROM pipeline_stage
"""


def derived(path: Path) -> dict[str, Any]:
    """What is made of the log."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: Counter(connection.execute(rows).fetchall()) for table, rows in COMPARED.items()
        }


def test_old_months_move_and_new_ones_stay(filled: SqliteEventStore, path: Path) -> None:
    before = Counter(dict(ask(path, COUNTS)))
    found = run(path)
    assert [(month.month, month.events) for month in found.months] == [
        ("2026-01", found.months[0].moved), ("2026-02", found.months[0].moved)]  # fmt: skip
    live = [e for e in filled.events(EVERYTHING) if not isinstance(e, SessionStart)]
    assert {event.at.month for event in live if event.source == "pytest"} >= {3, 4, 5, 6}
    assert Counter(dict(ask(path, COUNTS))) == before
    assert Counter(dict(ask(path, COUNTS, with_archive=False))) != before
    assert sorted(file.name for file in folder_beside(path).glob("*.parquet")) == [
        "2026-01.1.parquet", "2026-02.1.parquet"]  # fmt: skip
    assert run(path).months == []


def test_every_column_comes_back_as_it_was(filled: SqliteEventStore, path: Path) -> None:
    questions = [
        "SELECT * FROM skill_invocation ORDER BY id",
        "SELECT * FROM v_test_attempts ORDER BY seq",
        "SELECT seq, session_no, at_us, source, workflow, phase_from, phase_to, step, attributes "
        "FROM phase_change ORDER BY seq",
        "SELECT seq, session_no, at_us, source, pipeline, run, stage, outcome, phase, "
        "duration_us, queued_us, artifacts, error_type, attributes FROM pipeline_stage ORDER BY 1",
        "SELECT * FROM v_session_skill_summary ORDER BY 1",
        "SELECT * FROM v_workflow_phase_patterns",
        "SELECT * FROM v_skills_by_phase_usage",
        "SELECT * FROM v_daily_skill_source ORDER BY 1, 2",
    ]
    before = [ask(path, question) for question in questions]
    assert len(run(path).months) == 2
    assert [ask(path, question) for question in questions] == before


def test_sums_over_archived_time_stay_right(filled: SqliteEventStore, path: Path) -> None:
    def sums() -> list[Any]:
        chosen = EventQuery(kinds=("invocation",))
        answers = [filled.rollup(chosen, by) for by in (["skill"], ["day", "skill"], ["phase"])]
        return [
            (r.key, r.n, r.outcomes, r.duration_n, r.duration_sum, dict(r.buckets), r.first_at)
            for answer in answers for r in answer
        ]  # fmt: skip

    before = sums()
    run(path)
    assert sums() == before


def test_derived_tables_are_made_of_both(filled: SqliteEventStore, path: Path) -> None:
    before = derived(path)
    run(path)
    assert derived(path) == before
    assert verify(path) == []
    rebuild_tables(path)
    assert derived(path) == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE mv_daily_skills SET invocations = 9 WHERE date < '2026-02-01'")
        connection.commit()
    assert len(verify(path)) == 1
    rebuild_tables(path)
    assert derived(path) == before


def test_what_is_archived_is_not_stored_again(
    filled: SqliteEventStore, path: Path, events: list[Event]
) -> None:
    run(path)
    assert filled.append(events) == 0


def test_events_that_come_late_join_their_month(filled: SqliteEventStore, path: Path) -> None:
    run(path)
    late = Timeline("late", start=datetime(2026, 1, 5, tzinfo=UTC))
    filled.append([late.start(), late.invocation("ruff")])
    before = ask(path, COUNTS)
    (month,) = run(path).months
    assert (month.moved, month.file) == (
        1,
        str(folder_beside(path) / "2026-01.2.parquet"),
    )
    assert ask(path, COUNTS) == before
    assert not (folder_beside(path) / "2026-01.1.parquet").exists()
    assert verify(path) == []


def test_answers_that_were_kept_by_their_mark_are_not_used_any_more(
    filled: SqliteEventStore, path: Path
) -> None:
    mark = filled.high_water()
    run(path)
    assert filled.high_water() > mark
    assert filled.tail(mark).events == []


def test_a_dry_run_changes_nothing(filled: SqliteEventStore, path: Path) -> None:
    before = path.read_bytes()
    found = run(path, dry_run=True)
    assert [month.month for month in found.months] == ["2026-01", "2026-02"]
    assert path.read_bytes() == before
    assert [month.moved for month in run(path).months] == [m.moved for m in found.months]


def test_erasing_somebody_takes_what_is_archived(
    filled: SqliteEventStore, path: Path, events: list[Event]
) -> None:
    theirs = year("t", "bob")
    filled.append(theirs)
    run(path)
    assert filled.erase_user("ann") == len(events)
    assert {s for (s,) in ask(path, "SELECT session_id FROM skill_invocation")} == {
        f"t-{month}" for month in range(1, 7)}  # fmt: skip
    for file in folder_beside(path).glob("*.parquet"):
        assert all(name.startswith("t-") for name in pq.read_table(file)["session"].to_pylist())
        assert b"s-1" not in file.read_bytes()
    assert len(list(folder_beside(path).glob("*.parquet"))) == 2
    assert verify(path) == []
    assert filled.append(events) == len(events)


def test_people_are_renamed_in_answers_over_the_archive(
    filled: SqliteEventStore, path: Path
) -> None:
    run(path)
    filled.rename_people({"ann": "zoe"})
    assert set(ask(path, "SELECT DISTINCT user_id FROM skill_invocation "
                         "JOIN session USING (session_no)")) == {("zoe",)}  # fmt: skip


def test_files_explain_themselves(filled: SqliteEventStore, path: Path) -> None:
    run(path)
    table = pq.read_table(folder_beside(path) / "2026-01.1.parquet")
    row = next(row for row in table.to_pylist() if row["kind"] == "test-result")
    assert row["at"].tzinfo is not None
    assert row["session"] == "s-1"
    assert row["project"] == "shop"
    meta = pq.read_metadata(folder_beside(path) / "2026-01.1.parquet")
    assert meta.row_group(0).column(0).compression == "ZSTD"
    mode = (folder_beside(path) / "2026-01.1.parquet").stat().st_mode
    assert mode & 0o077 == 0


def test_a_damaged_file_is_named(filled: SqliteEventStore, path: Path) -> None:
    run(path)
    file = folder_beside(path) / "2026-01.1.parquet"
    content = bytearray(file.read_bytes())
    content[200] ^= 0xFF
    file.write_bytes(content)
    (fault,) = verify(path)
    assert str(file) in fault
    file.unlink()
    (fault,) = verify(path)
    assert "backup" in fault
    with pytest.raises(StoreError, match=r"2026-01\.1"):
        ask(path, "SELECT count(*) FROM skill_invocation")


def test_a_row_that_fits_no_column_stops_its_month_only(
    filled: SqliteEventStore, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE skill_invocation SET selection_rank = 'first' "
                           "WHERE invoked_at LIKE '2026-02%'")  # fmt: skip
        connection.commit()
    before = ask(path, COUNTS)
    with pytest.raises(StoreError, match=r"2026-02\.1.*holds what its column cannot"):
        run(path)
    assert ask(path, COUNTS) == before
    assert [f.name for f in folder_beside(path).glob("*.parquet*")] == ["2026-01.1.parquet"]


def test_a_file_that_does_not_read_back_moves_nothing(
    filled: SqliteEventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sbhooks_storage import archive_files

    before = path.read_bytes()
    real = archive_files.read
    monkeypatch.setattr(archive_files, "read", lambda p, kind=None: list(real(p, kind))[1:])
    with pytest.raises(StoreError, match="does not read back"):
        run(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(folder_beside(path).glob("*.parquet*")) == []


def test_a_process_killed_at_any_statement_leaves_every_event_in_one_place(
    filled: SqliteEventStore,
    path: Path,
    killed_at: Callable[[Callable[[], object], int], bool],
) -> None:
    filled.close()
    before = ask(path, COUNTS)
    ids = "SELECT event_id FROM skill_invocation ORDER BY 1"
    everything = ask(path, ids)
    number = 0
    january = datetime(2026, 2, 1, tzinfo=UTC)
    while killed_at(lambda: run(path, january), number):
        number += 1
        assert ask(path, COUNTS) == before, f"killed at statement {number}"
        assert ask(path, ids) == everything
    assert number > 20
    assert run(path, january).months == []
    assert verify(path) == []
    assert len(list(folder_beside(path).glob("*.parquet*"))) == 1


def test_rows_that_change_while_a_file_is_written_are_not_lost(
    filled: SqliteEventStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sbhooks_storage import archive_files

    real = archive_files.write
    left = [1, 2]

    def disturbed(*args: Any, **kwargs: Any) -> int:
        written = real(*args, **kwargs)
        if left:  # another program writes after the file is complete
            left.pop()
            with closing(sqlite3.connect(path)) as other:
                other.execute("UPDATE skill_invocation SET user_query = coalesce(user_query, '') "
                              "|| 'x' WHERE invoked_at LIKE '2026-01%'")  # fmt: skip
                other.commit()
        return written

    monkeypatch.setattr(archive_files, "write", disturbed)
    run(path)
    queries = ask(path, "SELECT user_query FROM skill_invocation WHERE invoked_at LIKE '2026-01%'")
    assert all(text.endswith("xx") for (text,) in queries)
    assert verify(path) == []


def test_two_archivers_do_not_get_in_each_others_way(filled: SqliteEventStore, path: Path) -> None:
    with (
        locked(folder_beside(path)),
        pytest.raises(StoreError, match="another"),
    ):
        run(path)
    assert len(run(path).months) == 2


def test_what_a_killed_run_left_behind_is_swept(filled: SqliteEventStore, path: Path) -> None:
    folder = folder_beside(path)
    folder.mkdir()
    for name in ("2026-01.7.parquet", "2026-01.1.parquet.part", "notes.txt"):
        (folder / name).write_text("left behind")
    run(path)
    assert sorted(f.name for f in folder.iterdir()) == [
        ".lock", "2026-01.1.parquet", "2026-02.1.parquet", "notes.txt"]  # fmt: skip


def test_a_schema_that_knows_no_archive_is_refused_while_there_is_one(
    filled: SqliteEventStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(path)
    filled.close()
    assert main(["db", "migrate", "--db", str(path), "--to", "4"]) == 2
    assert "archive" in capsys.readouterr().err


# --- the command line


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM skill_invocation", "DROP TABLE skill_metrics", "ATTACH 'x.db' AS x",
        "PRAGMA journal_mode = DELETE", "INSERT INTO store_state VALUES ('a', 1)", "VACUUM",
        "SELECT 1; SELECT 2", "CREATE TEMP TABLE a (b)", "", "SELEC 1", "SELECT nope FROM nope",
        "BEGIN", "SELECT load_extension('x')", "EXPLAIN DELETE FROM skill_metrics",
        "WITH a AS (SELECT 1) DELETE FROM skill_metrics",
    ],
)  # fmt: skip
def test_a_query_can_only_read(
    filled: SqliteEventStore, path: Path, sql: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = path.read_bytes()
    assert main(["db", "query", sql, "--db", str(path)]) == 2
    err = capsys.readouterr().err
    assert "cannot answer" in err
    assert "Traceback" not in err
    assert path.read_bytes() == before


def test_the_commands_say_what_they_did(
    filled: SqliteEventStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["db", "archive", "--older-than", "2026-03-15", "--db", str(path)]
    assert main([*command, "--dry-run"]) == 0
    assert "Would move" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["months"]) == 2
    assert main(command) == 0
    assert "Nothing to do" in capsys.readouterr().out
    sql = "SELECT skill_name, count(*) AS n, NULL, x'00ff' FROM skill_invocation GROUP BY 1"
    assert main(["db", "query", sql, "--db", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0] == ["mypy", 6, None, "00ff"]
    assert found["archived_months"] == 2
    assert main(["db", "query", sql, "--db", str(path), "--limit", "1"]) == 0
    out = capsys.readouterr().out
    assert "mypy" in out
    assert "there are more" in out


def test_a_query_over_many_months_reads_each_file_once(store: SqliteEventStore, path: Path) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    time = Timeline("long", start=start, step=timedelta(days=15))
    store.append([time.invocation("a") for _ in range(60)])
    assert len(run(path).months) == 30
    assert ask(path, "SELECT count(*), count(DISTINCT id) FROM skill_invocation") == [(60, 60)]


def test_a_backup_says_which_files_it_leaves_out(
    store: SqliteEventStore, path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store.append(year())
    assert main(["db", "backup", str(tmp_path / "before"), "--db", str(path)]) == 0
    assert "archived" not in capsys.readouterr().out
    run(path)
    assert main(["db", "backup", str(tmp_path / "after"), "--db", str(path)]) == 0
    told = "".join(capsys.readouterr().out.split())  # lines end where the terminal does
    assert f"Notinit:2archivedmonths.Copythefolder{path}.archivetoo." in told
    assert main(["db", "backup", str(tmp_path / "json"), "--db", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["archive"], document["archived_months"]) == (f"{path}.archive", 2)
