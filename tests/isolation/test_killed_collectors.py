"""``kill -9`` of a collector at any step, and other mishaps: old or new, never half."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sbhooks.collector import Collector
from sbhooks.config import load_config
from sbhooks.errors import SbhooksError
from sbhooks.events import BUILTIN_KINDS, Codec, Event, Invocation, Outcome, SessionEnd
from sbhooks.runtime import Runtime
from sbhooks.testing.memory import MemoryEventStore

InChild = Callable[[Callable[[], object]], int]
ENCODE = msgspec.json.encode


class Deployment(Event, frozen=True, kw_only=True, tag="acme-deployment"):
    target: str


@pytest.fixture
def full_spool(home: Path, make_event: Callable[..., Invocation]) -> list[str]:
    """Sealed segments, one of a killed writer, one line of an unknown kind; the ids in it."""
    folder = home / "spool"
    folder.mkdir(parents=True)
    events = [make_event(str(number)) for number in range(9)]
    unknown = Deployment(source="acme", session="s", target="t")
    will = SessionEnd(source="test", session="s", outcome=Outcome.ERROR)
    files = {
        "1.1.seg": [*events[:4], unknown],
        "2.1.open": events[4:7],
        "3.1.seg": [*events[7:], events[0]],
    }
    for name, content in files.items():
        (folder / name).write_bytes(b"".join(ENCODE(event) + b"\n" for event in content))
    with (folder / "2.1.open").open("ab") as file:
        file.write(ENCODE(events[0])[:40])  # torn
    (folder / "2.1.will").write_bytes(ENCODE(will) + b"\n")
    return sorted([event.id for event in events] + [will.id])


def collect(home: Path) -> None:
    with Runtime.start(load_config(home.parent)) as runtime:
        runtime.collect()


def check_whole(home: Path, expected: list[str], collected: Callable[[], list[Event]]) -> None:
    """What one more collection makes of what was left."""
    assert sorted(event.id for event in collected()) == expected
    assert [path.name for path in (home / "spool").iterdir()] == ["aside"]
    with sqlite3.connect(home / "sbhooks.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    # What was set aside may stand there twice, and counts once.
    store = MemoryEventStore()
    taken = Collector(home, store, Codec([*BUILTIN_KINDS, Deployment])).collect()
    assert (taken.events, taken.invalid) == (1, 0)


def killed_at(home: Path, step: int, in_child: InChild, kill_at: Callable[[int], None]) -> int:
    """Collect in a child that is killed at a step; its exit code."""

    def run() -> None:
        runtime = Runtime.start(load_config(home.parent))
        kill_at(step)
        with runtime:
            runtime.collect()

    return in_child(run)


@pytest.mark.parametrize("stride", [101, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_new", [True, False], ids=["new database", "database"])
def test_a_collector_killed_at_any_step_leaves_everything_for_the_next(
    home: Path,
    full_spool: list[str],
    collected: Callable[[], list[Event]],
    in_child: InChild,
    kill_at: Callable[[int], None],
    stride: int,
    is_new: bool,
) -> None:
    if not is_new:  # an empty database, so that the steps are those of storing
        aside = home.parent / "not yet"
        (home / "spool").rename(aside)
        collect(home)
        aside.rename(home / "spool")
    template = home.parent / "template"
    home.rename(template)
    for step in range(1, 100_000, stride):
        shutil.copytree(template, home)
        code = killed_at(home, step, in_child, kill_at)
        check_whole(home, full_spool, collected)
        shutil.rmtree(home)
        if code == 0:
            assert step > 10 * min(stride, 20)
            return
        assert code == -signal.SIGKILL
    raise AssertionError("the collector has more steps than were tried")


def test_a_collector_killed_again_and_again_comes_to_an_end(
    home: Path,
    full_spool: list[str],
    collected: Callable[[], list[Event]],
    in_child: InChild,
    kill_at: Callable[[int], None],
) -> None:
    for step in range(400, 4_000, 400):
        killed_at(home, step, in_child, kill_at)
    check_whole(home, full_spool, collected)


def test_a_full_disk_stops_the_collection_and_loses_nothing(
    home: Path,
    small_disk: Path,
    collected: Callable[[], list[Event]],
    make_event: Callable[..., Invocation],
) -> None:
    events = [make_event(f"{number} {'x' * 200}") for number in range(100)]
    home.symlink_to(small_disk / "home")
    (small_disk / "home" / "spool").mkdir(parents=True)
    (home / "spool" / "1.1.seg").write_bytes(b"".join(ENCODE(e) + b"\n" for e in events))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 1024):
                pass
        except OSError:
            pass
    with pytest.raises(SbhooksError):
        collect(home)
    assert (home / "spool" / "1.1.seg").exists()
    filler.unlink()
    larger = home.parent / "larger"
    shutil.copytree(small_disk / "home", larger)
    home.unlink()
    larger.rename(home)
    assert sorted(event.id for event in collected()) == sorted(e.id for e in events)


def test_without_the_right_to_write_there_is_a_clear_error_and_nothing_changes(
    home: Path, full_spool: list[str], in_child: InChild, collected: Callable[[], list[Event]]
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs to become another user")
    for folder in [home, *home.parents]:
        if str(folder).startswith(str(home.parent.parent)):
            folder.chmod(0o755)
    for folder in home.parent.parent.parents:
        if str(folder).startswith("/tmp/"):  # noqa: S108
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in (home / "spool").iterdir():
        path.chmod(0o644)
    (home / "spool").chmod(0o755)
    before = {path.name: path.read_bytes() for path in (home / "spool").iterdir()}

    def as_nobody() -> None:
        runtime = Runtime.start(load_config(home.parent))
        os.setuid(65534)
        try:
            runtime.collect()
        except SbhooksError as error:
            raise SystemExit(7 if str(home) in str(error) else 8) from error

    assert in_child(as_nobody) == 7
    assert {path.name: path.read_bytes() for path in (home / "spool").iterdir()} == before
    check_whole(home, full_spool, collected)
