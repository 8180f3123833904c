"""Processes that end badly, people without rights, and disks that are full."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sbhooks.testing.contracts import EventStoreContract
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

CODEC = EventStoreContract.codec
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new database: many tests need many of them."""
    path = tmp_path_factory.mktemp("empty") / "events.db"
    open_sqlite(path, CODEC).close()
    return path.read_bytes()


@pytest.fixture
def store(path: Path) -> Iterator[SqliteEventStore]:
    store = open_sqlite(path, CODEC)
    yield store
    store.close()


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[..., SqliteEventStore]]:
    """Opens the database at ``path``, as often as wanted."""
    stores = []

    def opened(**options: float) -> SqliteEventStore:
        stores.append(open_sqlite(path, CODEC, **options))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


def _forked(function: Callable[[], object]) -> tuple[int, str]:
    """Run a function in a child; returns its wait status and what it said."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of pytest's plugins
        child = os.fork()
    if child == 0:
        said, status = "", 0
        try:
            said = str(function())
        except BaseException:
            said, status = traceback.format_exc(), 1
        os.write(writer, said.encode()[-60_000:])
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    return os.waitpid(child, 0)[1], said


@pytest.fixture
def killed_at() -> Callable[[Callable[[], object], int], bool]:
    """Runs a function in a child that is killed at its n-th statement.

    Returns whether it was: ``False`` means that it ended before.
    """

    def run(function: Callable[[], object], number: int) -> bool:
        def doomed() -> object:
            left = iter(range(number))

            def trace(_: str) -> None:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            class Doomed(sqlite3.Connection):
                def __init__(self, *args: object, **kwargs: object) -> None:
                    super().__init__(*args, **kwargs)  # type: ignore[arg-type]
                    self.set_trace_callback(trace)

            sqlite3.connect = partial(sqlite3.connect, factory=Doomed)  # in the child only
            return function()

        status, said = _forked(doomed)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert status == 0, said
        return False

    return run


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[Callable[[], object]], str]:
    """Runs a function as somebody who owns nothing; returns what it said."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)

    def run(function: Callable[[], object]) -> str:
        def powerless() -> object:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            return function()

        status, said = _forked(powerless)
        assert status == 0, said
        return said

    return run


@pytest.fixture
def in_child() -> Callable[[Callable[[], object]], str]:
    """Runs a function in a child; returns what it said."""

    def run(function: Callable[[], object]) -> str:
        status, said = _forked(function)
        assert status == 0, said
        return said

    return run
