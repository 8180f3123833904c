"""The way from a setting to an open store, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sbhooks.config import Config
from sbhooks.errors import StoreError
from sbhooks.events import Codec
from sbhooks.testing.factories import Timeline
from sbhooks_storage import plugin
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite


def config(store: str, home: Path) -> Config:
    return Config(home=home, store=store)


@pytest.mark.parametrize("url", ["postgresql://host/db", "https://team", "memory:", ""])
def test_other_schemes_are_left_to_other_plugins(url: str, tmp_path: Path) -> None:
    assert plugin.sbhooks_open_store(config(url, tmp_path), Codec()) is None


def test_an_absolute_path_is_taken_literally(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?#é" / "my events.db"
    store = plugin.sbhooks_open_store(config(f"sqlite:///{path}", Path("/nowhere")), Codec())
    assert isinstance(store, SqliteEventStore)
    assert store.path == path
    assert path.exists()
    store.close()


def test_a_relative_path_starts_at_home(tmp_path: Path) -> None:
    store = plugin.sbhooks_open_store(config("sqlite:///events.db", tmp_path), Codec())
    assert isinstance(store, SqliteEventStore)
    assert store.path == tmp_path / "events.db"
    store.close()


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:",
                                 "sqlite:events.db", "sqlite://events.db"])  # fmt: skip
def test_a_url_that_names_no_file_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"it names no file\. Write sqlite:///"):
        plugin.sbhooks_open_store(config(url, tmp_path), Codec())


def test_a_new_database_belongs_to_its_owner_only(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "new" / "events.db", Codec())
    store.append(Timeline().one_of_each())
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "new").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    store.close()


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "events.db", Codec())
    store.append(Timeline().one_of_each())
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["events.db"]


def test_a_database_at_the_head_opens_without_sqlite_utils(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "events.db", Codec()).close()
    script = (
        "import sys; from pathlib import Path; import sbhooks_storage.plugin\n"
        "assert 'sqlite3' not in sys.modules\n"
        "from sbhooks.events import Codec; from sbhooks.store import EventQuery\n"
        "from sbhooks_storage.sqlite import open_sqlite\n"
        "from sbhooks.testing.factories import Timeline\n"
        "store = open_sqlite(Path(sys.argv[1]), Codec())\n"
        "assert store.append(Timeline().one_of_each()) == 6\n"
        "assert len(list(store.events(EventQuery()))) == 6 and store.rollup(EventQuery())\n"
        "store.close()\n"
        "print([name for name in ('sqlite_utils', 'importlib.resources') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "events.db")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
