"""Whatever goes wrong with a database: the old or the new state, whole, and a clear error."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import Event
from sbhooks.store import EventQuery
from sbhooks.testing.contracts import EventStoreContract, stored
from sbhooks.testing.factories import Timeline
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

CODEC = EventStoreContract.codec
Open = Callable[..., SqliteEventStore]


def batch(session: str, size: int = 6) -> list[Event]:
    time = Timeline(session)
    return [*time.one_of_each(), time.note("x"), time.failed(attempt=2, attributes={"a": 1}),
            *[time.passed(f"test-{number}") for number in range(size)]]  # fmt: skip


def is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.close()
    return verdict == "ok" and not broken


# --- killed


def test_an_append_killed_at_any_statement_is_whole_or_absent(
    path: Path, open_store: Open, killed_at: Callable[[Callable[[], object], int], bool]
) -> None:
    before, new = batch("before"), batch("new")
    store = open_store()
    store.append(before)
    store.close()
    number = 0
    while killed_at(lambda: open_sqlite(path, CODEC).append(new), number):
        store = open_store()
        assert stored(store, EventQuery(sessions=("new",))) in ([], new)
        assert stored(store, EventQuery(sessions=("before",))) == before
        store.close()
        assert is_sound(path)
        number += 1
    assert number > 30  # it was killed in the middle, not only at the ends
    store = open_store()
    assert store.append(new) == 0
    assert stored(store) == sorted(before + new, key=lambda event: (event.at, event.id))


def test_an_erasure_killed_at_any_statement_is_whole_or_absent(
    path: Path, open_store: Open, killed_at: Callable[[Callable[[], object], int], bool]
) -> None:
    gone, kept = batch("gone"), Timeline("kept").one_of_each()[1:]
    store = open_store()
    store.append([*gone, *kept])
    store.close()
    number = 0
    while killed_at(lambda: open_sqlite(path, CODEC).erase_user("user-1"), number):
        store = open_store()
        left = stored(store, EventQuery(sessions=("gone",)))
        store.close()
        assert left in ([], gone)
        number += 1
    assert stored(open_store()) == kept
    assert is_sound(path)


@pytest.mark.slow
def test_killed_at_random_moments_nothing_acknowledged_is_lost(
    path: Path, open_store: Open
) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from sbhooks_storage.sqlite import open_sqlite; from sbhooks.events import Codec\n"
        "from sbhooks.testing.factories import Timeline\n"
        "store = open_sqlite(Path(sys.argv[1]), Codec())\n"
        "for n in range(10**6):\n"
        "    time = Timeline(f'{sys.argv[2]}-{n}')\n"
        "    store.append([time.passed() for _ in range(50)])\n"
        "    print(n, flush=True)\n"
    )
    open_store().close()
    acknowledged = 0
    for trial in range(60):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(trial)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(1 + trial % 7):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        acknowledged += (1 + trial % 7) + rest.count(b"\n")
    rows = open_store().rollup(EventQuery(), ["session"])
    assert all(row.n == 50 for row in rows)
    assert acknowledged <= len(rows) <= acknowledged + 60
    assert is_sound(path)


# --- no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2048k", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small disk takes root's rights")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_named_and_nothing_is_torn(small_disk: Path) -> None:
    path = small_disk / "events.db"
    store = open_sqlite(path, CODEC)
    number = 0
    with pytest.raises(StoreError, match=r"cannot write to .*the disk is full"):
        for number in range(10_000):
            store.append(batch(str(number), size=100))
    assert number > 2
    rows = store.rollup(EventQuery(), ["session"])
    assert [row.n for row in rows] == [108] * number
    store.close()
    assert is_sound(path)


def test_a_database_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(2048 * 1024))
    with pytest.raises(StoreError, match="the disk is full"):
        open_sqlite(small_disk / "events.db", CODEC)


def test_a_limit_on_file_sizes_is_like_a_full_disk(
    path: Path, open_store: Open, in_child: Callable[[Callable[[], object]], str]
) -> None:
    store = open_store()
    store.append(batch("before"))
    store.close()

    def append_with_limit() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = path.stat().st_size + 50_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        store = open_sqlite(path, CODEC)
        try:
            store.append(batch("new", size=20_000))
        except StoreError as error:
            return str(error)
        return "stored"

    said = in_child(append_with_limit)
    assert "cannot write to" in said
    assert "Check the disk" in said
    assert len(stored(open_store())) == 14
    assert is_sound(path)


# --- no right


def test_a_read_only_database_can_be_read_but_not_written(
    path: Path, open_store: Open, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    events = batch("before")
    store = open_store()
    store.append(events)
    store.close()
    path.chmod(0o444)
    path.parent.chmod(0o755)

    def use() -> str:
        store = open_sqlite(path, CODEC)
        assert stored(store) == events
        assert len(store.tail(0).events) == len(events)
        try:
            store.append(batch("new"))
        except StoreError as error:
            return str(error)
        return "stored"

    said = as_nobody(use)
    assert f"cannot write to {path}: it is read-only here" in said or "cannot be opened" in said
    assert sorted(file.name for file in path.parent.iterdir()) == ["events.db"]


def test_an_old_schema_that_cannot_be_migrated_here_says_so(
    path: Path, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    create_private(path)
    connection = connect(path)
    migrate(connection, path, 4)
    connection.close()
    path.chmod(0o444)
    path.parent.chmod(0o755)

    def use() -> str:
        with pytest.raises(StoreError) as caught:
            open_sqlite(path, CODEC)
        return str(caught.value)

    said = as_nobody(use)
    assert "it is read-only here" in said or "must be migrated" in said


def test_a_read_only_folder_does_not_hide_what_is_in_the_journal(
    path: Path, open_store: Open, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    store = open_store()
    store.append(batch("before"))  # still in the write-ahead log, for the store stays open
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o755)

    def use() -> str:
        try:
            return str(len(stored(open_sqlite(path, CODEC))))
        except StoreError as error:
            return str(error)

    said = as_nobody(use)
    assert said == "14" or "cannot" in said


def test_a_folder_without_the_right_to_write_is_named(
    tmp_path: Path, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)

    def use() -> str:
        with pytest.raises(StoreError) as caught:
            open_sqlite(tmp_path / "closed" / "events.db", CODEC)
        return str(caught.value)

    said = as_nobody(use)
    assert said.startswith(f"cannot open {tmp_path}/closed/events.db: Permission denied")


def test_an_unreadable_database_is_named(
    path: Path, open_store: Open, as_nobody: Callable[[Callable[[], object]], str]
) -> None:
    open_store().close()

    def use() -> str:
        with pytest.raises(StoreError) as caught:
            open_sqlite(path, CODEC)
        return str(caught.value)

    assert "it cannot be opened" in as_nobody(use)


# --- in use


def test_a_writer_waits_for_another(path: Path, open_store: Open) -> None:
    store = open_store()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    script = (
        "import sys; from pathlib import Path\n"
        "from sbhooks_storage.sqlite import open_sqlite; from sbhooks.events import Codec\n"
        "from sbhooks.testing.factories import Timeline\n"
        "store = open_sqlite(Path(sys.argv[1]), Codec())\n"
        "print('opened', flush=True)\n"
        "print(store.append([Timeline().passed()]), flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"opened\n"
    assert stored(store) == []  # readers do not wait
    other.execute("COMMIT")
    assert child.communicate()[0] == b"1\n"
    assert len(stored(store)) == 1
    other.close()


def test_a_database_locked_for_too_long_is_named(path: Path, open_store: Open) -> None:
    store = open_store(timeout_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"cannot write to .*another process has kept it locked"):
        store.append(batch("new"))
    other.close()
    assert store.append(batch("new")) == 14


# --- damaged


def test_a_file_that_is_no_database_is_named(path: Path, open_store: Open) -> None:
    path.write_text("This is a letter to my aunt.\n" * 100)
    with pytest.raises(StoreError, match="not an SQLite database"):
        open_store()
    assert path.read_text().startswith("This is a letter")


def test_a_damaged_page_is_named(path: Path, open_store: Open) -> None:
    store = open_store()
    store.append(batch("before", size=3_000))
    store.close()
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        for page in range(pages - 30, pages):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    store = open_store()
    with pytest.raises(StoreError, match=r"the file is damaged\. Put back a backup"):
        stored(store)
    assert store.faults()


def test_a_truncated_database_is_named(path: Path, open_store: Open) -> None:
    store = open_store()
    store.append(batch("before", size=3_000))
    store.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreError, match="the file is damaged"):
        stored(open_store())


def test_a_folder_in_place_of_the_file_is_named(path: Path, open_store: Open) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match="it is a folder"):
        open_store()
