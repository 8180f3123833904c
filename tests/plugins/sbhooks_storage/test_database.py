"""What the file looks like inside, and how it is shared."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Codec, Event, Failure, TestResult, Vcs
from sbhooks.ids import new_id
from sbhooks.store import EventQuery, SelfChecking
from sbhooks.testing.contracts import stored
from sbhooks.testing.factories import NOON, NoteEvent, Timeline
from sbhooks_storage.backups import backup, restore
from sbhooks_storage.database import Database, connect, create_private
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

Open = Callable[..., SqliteEventStore]

MOST_BYTES_PER_ATTEMPT = 90


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


def test_every_connection_checks_foreign_keys_and_survives_power_cuts(path: Path) -> None:
    create_private(path)
    for mode in ("rw", "ro"):
        connection = connect(path, mode)  # type: ignore[arg-type]
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


def test_making_a_file_that_is_there_changes_nothing(path: Path) -> None:
    path.write_bytes(b"something")
    create_private(path)
    assert path.read_bytes() == b"something"
    assert list(path.parent.iterdir()) == [path]


def test_a_store_can_be_used_after_a_fork(
    store: SqliteEventStore, in_child: Callable[[Callable[[], object]], str]
) -> None:
    time = Timeline()
    store.append([time.passed()])

    def use() -> int:
        return store.append([Timeline("child").passed()]) + len(stored(store))

    assert in_child(use) == "3"
    assert store.append([time.passed()]) == 1
    assert len(stored(store)) == 3


def test_a_transaction_that_fails_leaves_no_lock(path: Path) -> None:
    create_private(path)
    database = Database(path, timeout_s=0.05)
    with database.writing() as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        1 / 0  # noqa: B018
    with pytest.raises(StoreError), database.writing() as connection:
        connection.execute("INSERT INTO nowhere VALUES (1)")
    with database.writing() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    with database.reading() as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(2,)]
    database.close()


def test_a_sound_database_has_no_faults(store: SqliteEventStore) -> None:
    store.append(Timeline().one_of_each())
    assert isinstance(store, SelfChecking)
    assert store.faults() == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999-12:00", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_times_beyond_the_calendar_are_kept_at_its_end(
    store: SqliteEventStore, given: str, kept: str
) -> None:
    event = Timeline().passed(at=datetime.fromisoformat(given))
    store.append([event, Timeline().invocation(at=event.at)])
    assert [event.at.isoformat() for event in stored(store)] == [kept, kept]


def test_equal_tests_workers_and_failures_are_kept_once(
    store: SqliteEventStore, path: Path
) -> None:
    failure = Failure(fingerprint="f", type="AssertionError", message="assert 1 == 2")
    for run in range(3):
        time = Timeline(f"run-{run}")
        store.append([time.passed("a"), time.failed("a", failure=failure),
                      time.passed("a", params="1", worker="gw0")])  # fmt: skip
    (counts,) = rows(
        path,
        "SELECT (SELECT count(*) FROM test_case), (SELECT count(*) FROM test_failure), "
        "(SELECT count(*) FROM test_context), (SELECT count(*) FROM test_attempt_note)",
    )
    assert counts == (2, 1, 6, 3)


def test_the_view_of_attempts_spells_everything_out(store: SqliteEventStore, path: Path) -> None:
    time = Timeline()
    store.append([
        time.start(project="acme", vcs=Vcs(branch="main", commit="c")),
        time.failed("t", params="1", worker="gw0", attempt=2, failure=Failure(fingerprint="f")),
    ])  # fmt: skip
    assert rows(
        path,
        "SELECT project, branch, commit_sha, test, params, attempt, ended_at, outcome, detail, "
        "call_seconds, worker, fingerprint FROM v_test_attempts",
    ) == [("acme", "main", "c", "t", "1", 2, "2026-11-20T12:00:01.000000Z", "failure", "failed",
           0.008, "gw0", "f")]  # fmt: skip


def test_numbers_of_tests_are_not_trusted_after_a_failed_batch(store: SqliteEventStore) -> None:
    time = Timeline()
    with pytest.raises(StoreError):
        store.append([time.passed("new"), time.passed("bad", call_s=-1.0)])
    events = [time.passed("other"), time.passed("new")]
    store.append(events)
    assert stored(store) == events


def test_numbers_of_tests_are_not_trusted_after_an_erasure_by_another(
    store: SqliteEventStore, open_store: Callable[..., SqliteEventStore]
) -> None:
    gone = Timeline("gone")
    store.append([gone.start(user="ann"), gone.passed("secret")])
    other = open_store()
    other.erase_user("ann")
    kept = Timeline("kept")
    other.append([kept.passed("innocent")])
    again = kept.passed("secret")
    store.append([again])
    assert stored(store, EventQuery(tests=("secret",))) == [again]


def test_erased_texts_are_gone_from_the_files(store: SqliteEventStore, path: Path) -> None:
    time = Timeline()
    failure = Failure(fingerprint="f", message="the-secret-message")
    store.append([
        time.start(user="ann", attributes={"note": "the-secret-note"}),
        time.failed("the-secret-test", failure=failure),
        time.invocation(query="the-secret-query"),
    ])  # fmt: skip
    store.erase_user("ann")
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"the-secret" not in everything
    store.close()
    assert b"the-secret" not in path.read_bytes()


def test_kinds_that_nobody_declares_any_more_are_counted_but_left_out(
    store: SqliteEventStore, path: Path
) -> None:
    time = Timeline()
    passed = time.passed()
    store.append([time.note("a"), passed, time.note("b")])
    poorer = open_sqlite(path, Codec())
    assert stored(poorer) == [passed]
    assert stored(poorer, EventQuery(limit=1)) == [passed]
    assert poorer.tail(0).events == [passed]
    assert [row.n for row in poorer.rollup(EventQuery(), ["kind"])] == [1, 2]
    poorer.close()
    assert len(stored(store)) == 3


def test_kinds_that_nobody_declares_are_refused(path: Path) -> None:
    store = open_sqlite(path, Codec())
    with pytest.raises(StoreError, match="no installed plugin declares"):
        store.append([NoteEvent(source="s", session="s")])
    store.close()


def test_text_that_is_not_unicode_is_refused(store: SqliteEventStore) -> None:
    with pytest.raises(StoreError, match="surrogates not allowed"):
        store.append([Timeline().passed("\udcff")])
    assert stored(store) == []


def test_a_tail_of_pages_without_known_kinds_goes_on(store: SqliteEventStore, path: Path) -> None:
    time = Timeline()
    store.append([time.note(str(number)) for number in range(30)])
    passed = time.passed()
    store.append([passed])
    poorer = open_sqlite(path, Codec())
    assert poorer.tail(0, limit=5).events == [passed]
    poorer.close()


def _run(number: int, tests: int, chance: random.Random) -> list[Event]:
    """A likely run: most tests pass, one in a hundred fails."""
    time = Timeline(new_id())
    failures = [Failure(fingerprint=f"{n:016x}", message=f"assert {n} == 1") for n in range(9)]
    invocation = new_id()
    results: list[TestResult] = []
    for n in range(tests):
        seconds = {
            "setup_s": chance.randint(40, 300) / 1e6,
            "call_s": int(chance.lognormvariate(7, 1.5)) / 1e6,
            "teardown_s": chance.randint(30, 200) / 1e6,
        }
        name = f"tests/unit/test_module_{n // 20}.py::TestThing{n // 10}::test_does_{n}"
        if chance.random() < 0.01:
            results.append(time.failed(name, failure=failures[n % 9], invocation=invocation,
                                       **seconds))  # fmt: skip
        else:
            results.append(time.passed(name, invocation=invocation, **seconds))
    return [
        time.start(project="acme", user="u" * 24, host="h" * 24, python="3.11.9",
                   platform="linux-x86_64", vcs=Vcs(commit=f"{number:040x}", branch="main")),
        time.phase("execution"),
        *results,
        time.phase("", "execution"),
        time.invocation(id=invocation, duration_s=1.0),
        time.end(exit_status=1, duration_s=1.0, counts={"passed": tests}),
    ]  # fmt: skip


def test_a_passing_test_takes_few_bytes(path: Path, open_store: Open) -> None:
    """What each further run adds; the empty tables are a few dozen pages."""
    chance = random.Random(1)
    tests, sizes = 500, []
    for runs in (range(10), range(10, 50)):
        store = open_store()
        for number in runs:
            store.append(_run(number, tests, chance))
        store.close()  # empties the write-ahead log
        sizes.append(path.stat().st_size)
    assert (sizes[1] - sizes[0]) / (40 * tests) <= MOST_BYTES_PER_ATTEMPT


def test_numbers_of_tests_are_not_trusted_after_a_backup_was_put_back(
    store: SqliteEventStore, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.backup"
    backup(path, copy, now=NOON)
    time = Timeline()
    store.append([time.passed("lost"), time.passed("known")])
    restore(path, copy, now=NOON)
    with closing(open_sqlite(path, Codec())) as other:
        first = Timeline("else").passed("another")
        other.append([first])
    again = Timeline("kept").passed("lost")
    store.append([again])
    assert stored(store) == [first, again]
