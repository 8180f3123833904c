"""Files that were damaged, cut off or made up: refused or read, never a crash, never all memory.

Every input is a valid one with a few wounds. The generator is seeded, so a failure comes back;
what was being read is in the message of the assertion.
"""

from __future__ import annotations

import gc
import lzma
import random
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sbhooks.collector import Collector
from sbhooks.config import load_config
from sbhooks.errors import SbhooksError
from sbhooks.events import Codec
from sbhooks.plugins import Hooks
from sbhooks.settings import host_settings
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import NOON, Timeline

DATA = Path(__file__).parents[1] / "data"
LINES, SEGMENT = 1_000_000, 20_000
FILES = 1_000_000
DATABASES = 5_000
_GROWTH = 60e6  #: Bytes; what a process takes that goes on reading.
_NOISE = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"{", b"[", b"[" * 300, b'{"a":' * 300, b"}",
    b'"', b"\\", b"null", b"NaN", b"-0", b"1e999", b"9" * 400, b"-9223372036854775809", b"true",
    b"<", b">", b"&", b"]]>", b"<!--", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&lol;", b"=", b"#",
    b"'''", b"[[x]]", b"\r", b"\t", b"'; DROP TABLE x; --", b"../../x", b" " * 99,
    "\u202e".encode(),
)  # fmt: skip


def wounded(chance: random.Random, sound: bytes, others: Sequence[bytes], most: int = 2) -> bytes:
    """A valid input with one to some wounds."""
    data = bytearray(sound)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = chance.choice(_NOISE)
            case 3:
                del data[at:]
            case 4:
                data[at:at] = data[at : at + chance.randint(1, 50)]
            case 5:
                other = chance.choice(others)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case _:
                data[at : at + chance.randint(0, 8)] = chance.choice(_NOISE)
    return bytes(data)


def memory() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def survives(read: Callable[[bytes], object], number: int, make: Callable[[], bytes]) -> int:
    """Read many inputs, of which each is read or refused; returns how many were read."""
    good, warm = 0, 0
    for turn in range(number):
        data = make()
        try:
            read(data)
            good += 1
        except SbhooksError as refused:
            assert str(refused), data
        except Exception as error:
            raise AssertionError(f"{turn}: {data!r}") from error
        if turn == number // 10:
            warm = memory()
    assert memory() < warm + _GROWTH
    print(f"{number:,} read, {good:,} of them without a complaint")
    return good


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a million files are written."""
    disk = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(dir=disk if disk.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_million_wounded_lines_of_the_spool(tmp_path: Path) -> None:
    """Each is stored, set aside or there already; the database is whole."""
    from sbhooks_storage.sqlite import open_sqlite

    chance = random.Random(21)
    codec = Codec()
    sound = [codec.encode(event) for event in _events()]
    store, hooks = open_sqlite(tmp_path / "sbhooks.db", codec), Hooks.load(home=str(tmp_path))
    collector = Collector(tmp_path, store, codec, hooks)
    (tmp_path / "spool").mkdir()
    stored = aside = warm = 0
    for segment in range(LINES // SEGMENT):
        lines = (wounded(chance, chance.choice(sound), sound) for _ in range(SEGMENT))
        text = b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines)
        (tmp_path / "spool" / f"{segment:08}.0.seg").write_bytes(text)
        done = collector.collect()
        assert (done.segments, done.unreadable) == (1, 0)
        stored, aside = stored + done.events, aside + done.invalid + done.unknown
        if segment == LINES // SEGMENT // 5:
            warm = memory()
    assert memory() < warm + _GROWTH
    assert 0 < stored < LINES
    assert stored + aside <= LINES
    assert list((tmp_path / "spool").glob("*.seg")) == []
    assert store.faults() == []
    store.close()
    print(f"{LINES:,} lines: {stored:,} stored, {aside:,} set aside, the others known already")


def _events() -> list[object]:
    found: list[object] = []
    for number in range(50):
        line = Timeline(f"session-{number}", start=NOON + timedelta(hours=number))
        found += line.one_of_each()
        found.append(line.failed(params="a-b", attributes={"x": "ü", "n": number}))
    return found


@pytest.mark.slow
def test_a_million_wounded_junit_files(fast: Path) -> None:
    """Each is read to its end, or refused with its name and line."""
    from sbhooks_ci.junit import cases

    chance, path = random.Random(22), fast / "report.xml"
    sound = [file.read_bytes() for file in sorted((DATA / "ci").rglob("*.xml"))]
    sound = [data for data in sound if len(data) < 4_000] + [_REPORT]

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for _ in cases(path):
            pass

    good = survives(read, FILES, lambda: wounded(chance, chance.choice(sound), sound))
    assert 0 < good < FILES


_REPORT = b"""<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="s" tests="3"
timestamp="2026-11-20T12:00:00" hostname="h"><testcase classname="a.b" name="t[1]" time="0.5"/>
<testcase classname="a.b" name="u" time="1e-3"><failure message="m" type="E">at x.py:1</failure>
<system-out><![CDATA[out]]></system-out></testcase><testcase name="v"><skipped message="why"/>
<properties><property name="k" value="v"/></properties></testcase></testsuite></testsuites>"""


@pytest.mark.slow
def test_a_million_wounded_files_of_settings(fast: Path) -> None:
    """Commands read or refuse each; hosts take each, and leave out what cannot be used."""
    chance, folder = random.Random(23), fast
    environ = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    (folder / "sbhooks").mkdir()
    (folder / "project").mkdir()
    files = [folder / "project" / "sbhooks.toml", folder / "sbhooks" / "config.toml"]
    sound = [
        b'project = "p"\ndisable = ["a", "b"]\ntrace = true\n[privacy]\nredact = true\n',
        b'project = "p"\nstore = "sqlite:///x.db"\ndisable = ["a", "b"]\ninline = []\ntrace = true',
        b'home = "/srv/x"\ntoken = "t"\n[privacy]\nqueries = false\nredact = true\n',
        b'[acme]\nx = 1\n[[acme.y]]\nz = 2026-11-20T12:00:00Z\n[privacy]\nqueries = false',
    ]  # fmt: skip

    def read(data: bytes) -> None:
        for file in files:
            file.unlink(missing_ok=True)
        chance.choice(files).write_bytes(data)
        host_settings(str(folder / "project"), environ)
        load_config(folder / "project", environ)

    good = survives(read, FILES, lambda: wounded(chance, chance.choice(sound), sound))
    assert 0 < good < FILES


@pytest.mark.slow
def test_five_thousand_wounded_old_databases(fast: Path) -> None:
    """Each is imported or refused; the store that it should join stays whole.

    A million would take days: each one is copied, migrated and read.
    """
    from sbhooks_storage.import_old import import_old
    from sbhooks_storage.maintenance import verify
    from sbhooks_storage.sqlite import open_sqlite

    chance, folder = random.Random(24), fast
    sound, old = _small_old_database(folder), folder / "old.db"
    store = open_sqlite(folder / "events.db", EventStoreContract.codec)
    store.append(Timeline("ours").one_of_each())

    def read(data: bytes) -> None:
        for beside in folder.glob("old.db*"):
            beside.unlink()
        old.write_bytes(data)
        import_old(store, old)

    def make() -> bytes:
        if chance.random() < 0.2:
            return wounded(chance, sound, [sound])
        data = bytearray(sound)  # whole pages stay where they are: more of it is read
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data))] = chance.choice(
                (0, 1, 127, 255, chance.randrange(256))
            )
        return bytes(data)

    good = survives(read, DATABASES, make)
    assert 0 < good < DATABASES
    store.close()
    assert verify(folder / "events.db") == []


def _small_old_database(folder: Path) -> bytes:
    path = folder / "small.db"
    path.write_bytes(lzma.decompress((DATA / "old_databases" / "v4.db.xz").read_bytes()))
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )]  # fmt: skip
        for table in tables:
            assert re.fullmatch(r"\w+", table)
            if not re.search(r"fts|vec|migrat|version", table):
                connection.execute(
                    f"DELETE FROM {table} WHERE rowid > "
                    f"(SELECT coalesce(max(rowid), 0) FROM "
                    f"(SELECT rowid FROM {table} ORDER BY rowid LIMIT 40))"
                )
        connection.commit()
        connection.execute("VACUUM")
    data = path.read_bytes()
    path.unlink()
    return data
