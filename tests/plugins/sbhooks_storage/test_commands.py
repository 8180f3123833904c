"""``sbhooks db``: state, schema, copies and size of a database, from the command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from sbhooks.cli import main
from sbhooks.errors import StoreError
from sbhooks.events import Event
from sbhooks.ids import new_id
from sbhooks.store import Tail
from sbhooks.testing.contracts import EventStoreContract, stored
from sbhooks.testing.factories import NOON, Timeline
from sbhooks_migrations import HEAD
from sbhooks_storage.backups import restore
from sbhooks_storage.commands import add_to
from sbhooks_storage.compacting import compact
from sbhooks_storage.database import connect
from sbhooks_storage.maintenance import _EMPTY_BYTES, status
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import open_sqlite

Run = Callable[..., tuple[int, str, str]]
CODEC = EventStoreContract.codec


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``sbhooks db …``; returns status, output and complaints."""

    def once(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["db", *map(str, arguments)])
        done = capsys.readouterr()
        return code, done.out, done.err

    return once


@pytest.fixture
def ask(run: Run) -> Callable[..., Any]:
    """The same with ``--json``; returns the document."""

    def once(*arguments: object, status: int = 0) -> Any:
        code, out, err = run(*arguments, "--json")
        assert code == status, err
        return json.loads(out)

    return once


@pytest.fixture
def filled(path: Path) -> Path:
    """A database with a run of each kind of event."""
    with closing(open_sqlite(path, CODEC)) as store:
        store.append(Timeline().one_of_each())
    return path


def test_status_tells_what_is_there(filled: Path, ask: Any, run: Run) -> None:
    found = ask("status", "--db", filled)
    assert (found["version"], found["head"]) == (HEAD, HEAD)
    assert found["size_bytes"] == filled.stat().st_size
    assert found["oldest"] == "2026-11-20T12:00:00Z"
    assert (found["events_per_day"], found["size_in_a_year_bytes"]) == (None, None)
    assert {"name": "skill_invocation", "rows": 1} in found["tables"]
    code, out, _ = run("status", "--db", f"sqlite:///{filled}")
    assert code == 0
    assert f"version {HEAD}" in out
    assert "not enough data: events span less than 7 days" in out


def every_hour(first: int, end: int) -> list[Event]:
    """An invocation an hour, a session a day; the same ones for the same hours."""
    return [
        Timeline(f"day-{n // 24}", start=NOON + timedelta(hours=n)).invocation(
            f"skill-{n % 5}", id=f"00000000-0000-7000-8000-{n:012}"
        )
        for n in range(first, end)
    ]


def test_growth_is_told_when_there_is_enough_to_tell_it_from(
    path: Path, ask: Any, run: Run
) -> None:
    with closing(open_sqlite(path, CODEC)) as store:
        store.append(every_hour(0, 7 * 24))  # the last one is an hour short of a week
        assert status(path).events_per_day is None
        store.append(every_hour(7 * 24, 7 * 24 + 1))
        found = status(path)
        assert found.events_per_day == pytest.approx(24, rel=0.01)
        assert found.size_in_a_year_bytes is None
        assert (
            "24 events a day; not enough data for more: fewer than 1,000"
            in run("status", "--db", path)[1]
        )
        store.append(every_hour(7 * 24 + 1, 1_000))
    found = status(path)
    assert found.events_per_day == pytest.approx(24, rel=0.05)
    with closing(open_sqlite(path, CODEC)) as store:
        store.append(every_hour(1_000, 1_000 + 24 * 365))
    assert found.size_in_a_year_bytes == pytest.approx(status(path).size_bytes, rel=0.35)


def test_a_new_database_is_as_large_as_the_projection_takes_off(path: Path) -> None:
    open_sqlite(path, CODEC).close()
    assert path.stat().st_size == pytest.approx(_EMPTY_BYTES, rel=0.1)


def recorded(home: Path) -> None:
    """A run that has ended waits in the spool."""
    lines = [CODEC.encode(event) + b"\n" for event in Timeline().one_of_each()]
    (home / "spool").mkdir(parents=True, exist_ok=True)
    (home / "spool" / f"{new_id()}.0.seg").write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "command",
    [["status"], ["archive", "--older-than", "365d"], ["prune"], ["verify"], ["rebuild"],
     ["compact"], ["backup"], ["query", "SELECT count(*) FROM skill_invocation"]],
    ids=lambda command: command[0],
)  # fmt: skip
@pytest.mark.parametrize("is_recorded", [False, True])
def test_what_is_recorded_is_collected_first(
    command: list[str], is_recorded: bool, home: Path, run: Run
) -> None:
    if is_recorded:
        recorded(home)
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    if command[0] == "query":
        assert out.split()[1] == str(int(is_recorded))
    rows = {table.name: table.rows for table in status(home / "sbhooks.db").tables}
    assert rows["skill_invocation"] == int(is_recorded)
    assert list((home / "spool").glob("*.seg")) == []


def test_a_database_that_waits_for_its_migration_is_not_migrated_by_looking(
    home: Path, run: Run, ask: Any
) -> None:
    recorded(home)
    run("status")
    with closing(connect(home / "sbhooks.db")) as connection:
        migrate(connection, home / "sbhooks.db", 4, allow_data_loss=True)
    recorded(home)
    assert ask("status")["version"] == 4
    assert len(list((home / "spool").glob("*.seg"))) == 1
    assert run("query", "SELECT 1")[0] == 2


def test_a_damaged_database_is_examined_although_nothing_can_be_collected(
    home: Path, run: Run
) -> None:
    recorded(home)
    run("status")
    path = home / "sbhooks.db"
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 3 WHERE name = 'idx_invocation_at'")
    recorded(home)
    code, out, err = run("verify")
    assert code in {1, 2}
    assert "damaged" in out + err
    assert len(list((home / "spool").glob("*.seg"))) == 1


def test_status_of_an_old_database_changes_nothing(filled: Path, ask: Any, run: Run) -> None:
    with closing(connect(filled)) as connection:
        migrate(connection, filled, 4, allow_data_loss=True)
    before = filled.read_bytes()
    assert ask("status", "--db", filled)["version"] == 4
    assert "run sbhooks db migrate" in run("status", "--db", filled)[1]
    assert filled.read_bytes() == before


def test_status_of_an_empty_database(path: Path) -> None:
    open_sqlite(path, CODEC).close()
    found = status(path)
    assert (found.oldest, found.events_per_day) == (None, None)


def test_the_configured_store_is_meant_by_default(home: Path, ask: Any) -> None:
    assert main(["init"]) == 0
    assert ask("status")["path"] == str(home / "sbhooks.db")


def test_a_store_that_is_no_file_cannot_be_looked_after(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBHOOKS_STORE", "postgresql://host/db")
    code, _, err = run("status")
    assert code == 2
    assert "no SQLite file" in err


@pytest.mark.parametrize("command", ["status", "plan", "dry-run", "migrate", "verify", "rebuild",
                                     "compact", "backup"])  # fmt: skip
def test_a_file_that_is_not_there_is_one_line(command: str, tmp_path: Path, run: Run) -> None:
    code, out, err = run(command, "--db", tmp_path / "none.db")
    assert (code, out) == (2, "")
    assert "there is no such file" in err
    assert list(tmp_path.iterdir()) == []


def test_plan_dry_run_and_migrate_agree(filled: Path, ask: Any) -> None:
    way = ask("plan", "--db", filled, "--to", 4)
    assert way["version"] == HEAD
    before = filled.read_bytes()
    loss = ("--allow-data-loss", "--db", filled, "--to", 4)
    assert ask("dry-run", *loss)["steps"] == way["steps"]
    assert filled.read_bytes() == before
    done = ask("migrate", *loss)
    assert done["steps"] == way["steps"]
    assert Path(done["backup"]).is_file()
    assert ask("plan", "--db", filled)["steps"] == list(reversed(way["steps"]))
    ask("migrate", "--db", filled)
    assert ask("migrate", "--db", filled) == {"steps": [], "backup": None}
    assert ask("verify", "--db", filled) == {"faults": []}


@pytest.mark.parametrize("command", ["migrate", "dry-run"])
def test_the_way_down_is_refused_where_it_would_delete(
    command: str, filled: Path, run: Run
) -> None:
    before = filled.read_bytes()
    code, _, err = run(command, "--db", filled, "--to", 4)
    assert code == 2
    assert "pipeline_stage (1 rows)" in err
    assert "--allow-data-loss" in err
    assert filled.read_bytes() == before


def test_an_unknown_version_is_refused(filled: Path, run: Run) -> None:
    for command in ("plan", "dry-run", "migrate"):
        code, _, err = run(command, "--db", filled, "--to", 99)
        assert code == 2
        assert f"from 0 to {HEAD}" in err


def test_verify_finds_and_rebuild_mends(filled: Path, ask: Any, run: Run) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE skill_metrics SET completion_rate = 100")
        connection.execute("INSERT INTO skill_cluster_membership VALUES ('nobody', 7, 1.0)")
        connection.execute("DELETE FROM skill_metrics WHERE skill_name = 'nobody'")
    found = ask("verify", "--db", filled, status=1)["faults"]
    assert [fault.partition(":")[0] for fault in found] == [
        "skill_cluster_membership", "skill_metrics"]  # fmt: skip
    assert "skill_metrics" in ask("rebuild", "--db", filled)["tables"]
    assert [f.partition(":")[0] for f in ask("verify", "--db", filled, status=1)["faults"]] == [
        "skill_cluster_membership"]  # fmt: skip
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DELETE FROM skill_cluster_membership")
    ask("rebuild", "--db", filled)
    assert run("verify", "--db", filled) == (0, "Nothing is wrong.\n", "")


def test_verify_and_rebuild_of_an_old_schema_say_what_to_do(
    filled: Path, ask: Any, run: Run
) -> None:
    with closing(connect(filled)) as connection:
        migrate(connection, filled, 4, allow_data_loss=True)
    (fault,) = ask("verify", "--db", filled, status=1)["faults"]
    assert "Run: sbhooks db migrate" in fault
    assert "Run: sbhooks db migrate" in run("rebuild", "--db", filled)[2]


def test_verify_finds_a_damaged_file(filled: Path, run: Run) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 3 WHERE name = 'idx_invocation_at'")
    code, out, err = run("verify", "--db", filled)
    assert code in {1, 2}
    assert "damaged" in out + err


def test_a_backup_can_be_put_back(filled: Path, ask: Any, tmp_path: Path) -> None:
    made = ask("backup", "--db", filled)
    copy = Path(made["backup"])
    assert copy.parent == filled.parent
    assert made["size_bytes"] == copy.stat().st_size
    with closing(open_sqlite(filled, CODEC)) as store:
        original = stored(store)
        store.append(Timeline("more").one_of_each())
        done = ask("restore", copy, "--db", filled, "--yes")
        assert stored(store) == original  # while it is in use
    with closing(open_sqlite(Path(done["replaced"]), CODEC)) as replaced:
        assert len(stored(replaced)) == 12
    assert ask("restore", copy, "--db", tmp_path / "new.db", "--yes")["replaced"] is None
    with closing(open_sqlite(tmp_path / "new.db", CODEC)) as store:
        assert stored(store) == original
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize("version", [1, 4, HEAD])
def test_positions_go_on_behind_what_was_replaced(
    filled: Path, ask: Any, tmp_path: Path, version: int, is_empty: bool
) -> None:
    copy = tmp_path / "copy.backup"
    if is_empty:
        copy.touch()  # an old database in which nothing was ever counted
    else:
        ask("backup", copy, "--db", filled)
    if is_empty or version < HEAD:
        with closing(connect(copy)) as connection:
            migrate(connection, copy, version, allow_data_loss=True)
    with closing(open_sqlite(filled, CODEC)) as store:
        store.append(Timeline("lost").one_of_each())
        last = store.high_water()
    for hours in (0, 1):  # the second replaces the first
        restore(filled, copy, now=NOON + timedelta(hours=hours))
    if version < HEAD:
        assert ask("status", "--db", filled)["version"] == version
        ask("migrate", "--db", filled)
    with closing(open_sqlite(filled, CODEC)) as store:
        position = store.high_water()
        assert position >= last + 2
        assert store.tail(last) == Tail(events=[], position=position)
        event = Timeline("new").invocation("lint")
        store.append([event])
        assert store.tail(last) == Tail(events=[event], position=position + 1)
        assert store.tail(position) == Tail(events=[event], position=position + 1)
    assert ask("verify", "--db", filled) == {"faults": []}


def test_the_position_moves_on_with_making_anew(filled: Path, ask: Any) -> None:
    """Whoever keeps answers by position has to ask again."""
    with closing(open_sqlite(filled, CODEC)) as store:
        last, events = store.high_water(), stored(store)
        assert ask("verify", "--db", filled) == {"faults": []}
        assert store.high_water() == last
        ask("rebuild", "--db", filled)
        assert store.tail(last) == Tail(events=[], position=last + 1)
        assert stored(store) == events
        event = Timeline("new").invocation("lint")
        store.append([event])
        assert store.tail(last) == Tail(events=[event], position=last + 2)
    assert ask("verify", "--db", filled) == {"faults": []}


def test_a_backup_overwrites_nothing(filled: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    code, _, err = run("backup", tmp_path / "there", "--db", filled)
    assert code == 2
    assert "exists already" in err
    assert (tmp_path / "there").read_text() == "precious"


def test_restoring_asks_first(filled: Path, run: Run) -> None:
    code, _, err = run("restore", filled, "--db", filled)
    assert code == 2
    assert "--yes" in err


def test_what_is_no_backup_is_not_restored(filled: Path, tmp_path: Path) -> None:
    before = filled.read_bytes()
    empty = tmp_path / "empty.db"
    with closing(sqlite3.connect(empty)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="no database of sbhooks"):
        restore(filled, empty, now=Timeline().start().at)
    torn = tmp_path / "torn.db"
    torn.write_bytes(before[: len(before) // 2])
    with pytest.raises(StoreError, match="damaged"):
        restore(filled, torn, now=Timeline().start().at)
    assert filled.read_bytes() == before


def test_compacting_gives_room_back_and_keeps_everything(filled: Path, run: Run) -> None:
    with closing(open_sqlite(filled, CODEC)) as store:
        gone = Timeline("gone")
        store.append([gone.start(user="ann"), *(gone.passed(f"t{n}") for n in range(5_000))])
        store.erase_user("ann")
        kept = stored(store)
    done = compact(filled)
    assert done.after_bytes < done.before_bytes / 2
    assert filled.stat().st_size == done.after_bytes
    with closing(open_sqlite(filled, CODEC)) as store:
        assert stored(store) == kept
    assert " before, " in run("compact", "--db", filled)[1]
    assert run("verify", "--db", filled)[0] == 0


def test_compacting_counts_what_is_in_the_journal_of_a_store_in_use(filled: Path) -> None:
    with closing(open_sqlite(filled, CODEC)) as store:
        line = Timeline("newest")
        store.append([line.start(), *(line.passed(f"t{n}") for n in range(5_000))])
        parts = filled.stat().st_size, filled.with_name(f"{filled.name}-wal").stat().st_size
        done = compact(filled)
    assert min(parts) > 0
    assert done.before_bytes == sum(parts)
    assert done.after_bytes <= done.before_bytes


def test_import_old_stands_beside_imports_of_other_plugins() -> None:
    for cli in (click.Group(), click.Group(commands={"import": click.Group("import")})):
        add_to(cli)
        group = cli.commands["import"]
        assert isinstance(group, click.Group)
        assert list(group.commands) == ["old"]


def test_import_old_from_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_sqlite(path, CODEC)) as store:
        store.append(Timeline().one_of_each())
    with closing(connect(path)) as connection:
        migrate(connection, path, 4, allow_data_loss=True)
    assert main(["import", "old", str(path)]) == 0
    assert capsys.readouterr().out == "1 new invocation of 1.\n"
