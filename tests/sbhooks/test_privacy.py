"""Showing, handing out, re-keying and erasing what is recorded about people."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.emitter import Emitter
from sbhooks.errors import SbhooksError, StoreError
from sbhooks.events import SessionStart
from sbhooks.hookspecs import hookimpl
from sbhooks.identity import host_name, load_key, pseudonym, user_name, who
from sbhooks.plugins import Hooks
from sbhooks.privacy import export, preview, pseudonym_of, rotate, sessions_of
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore


@pytest.fixture
def runtime(home: Path, store: MemoryEventStore) -> Runtime:
    """A runtime on the reference store."""

    class Storage:
        @hookimpl
        def sbhooks_open_store(self) -> MemoryEventStore:
            return store

    hooks = Hooks(home=str(home))
    assert hooks.register(Storage(), "storage").status == "loaded"
    return Runtime(load_config(), hooks)


def people_of(store: MemoryEventStore) -> set[tuple[str | None, str | None]]:
    starts = store.events(EventQuery(kinds=("session-start",)))
    return {(start.user, start.host) for start in starts if isinstance(start, SessionStart)}


def record(home: Path, user: str, host: str) -> None:
    emitter = Emitter.start("pytest")
    emitter.emit(
        SessionStart(source="pytest", session=emitter.session, tool="pytest", user=user, host=host)
    )
    emitter.close()


def test_rotating_gives_everybody_new_pseudonyms(
    home: Path, runtime: Runtime, store: MemoryEventStore
) -> None:
    own, other = who(str(home)), ("user-abcdef-0123456789abcdef", "host-abcdef-0123456789abcdef")
    store.append([Timeline("a").start(user=own[0], host=own[1])])
    store.append([Timeline("b").start(user=other[0], host=other[1]), Timeline("c").start()])
    record(home, *own)  # waits in the spool
    assert rotate(runtime) == 3
    now = people_of(store)
    assert who(str(home)) in now
    assert who(str(home)) != own
    assert not {name for pair in now for name in pair} & {*own, *other}
    assert len(now) == 3  # own, other, nobody


def test_a_rotation_that_failed_half_way_is_finished_by_the_next(
    home: Path, runtime: Runtime, store: MemoryEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = who(str(home))
    store.append([Timeline("a").start(user=own[0], host=own[1])])

    def broken(_: object) -> int:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "rename_people", broken)
        with pytest.raises(StoreError):
            rotate(runtime)
    half_way = load_key(str(home))
    assert rotate(runtime) == 1
    assert load_key(str(home)) == half_way
    assert people_of(store) == {who(str(home))}
    assert rotate(runtime) == 1  # and the one after makes a new key again
    assert load_key(str(home)) != half_way


def test_after_a_rotation_the_old_key_is_gone(home: Path, runtime: Runtime) -> None:
    rotate(runtime)
    assert [path.name for path in home.glob("identity*")] == ["identity.json"]


def test_a_person_is_meant_by_pseudonym_by_name_or_by_being_here(
    home: Path, runtime: Runtime
) -> None:
    key = load_key(str(home))
    assert pseudonym_of(runtime, "user-1-2") == "user-1-2"
    assert pseudonym_of(runtime, "ann") == pseudonym(key, "user", "ann")
    assert pseudonym_of(runtime, None) == pseudonym(key, "user", user_name())


def test_nobody_is_meant_when_the_key_is_damaged(home: Path, runtime: Runtime) -> None:
    home.mkdir()
    (home / "identity.json").write_text("{}")
    for question in (lambda: pseudonym_of(runtime, None), lambda: rotate(runtime)):
        with pytest.raises(SbhooksError, match="sbhooks doctor"):
            question()


def test_export_is_everything_of_one_person(runtime: Runtime, store: MemoryEventStore) -> None:
    one, two = Timeline("a"), Timeline("b")
    events = [one.start(user="user-1"), one.passed(), one.end()]
    store.append([*events, two.start(user="user-2"), two.passed()])
    assert list(export(store, "user-1", runtime.codec)) == events
    assert sessions_of(store, "user-2") == ["b"]
    assert sessions_of(store, "user-3") == []


def test_the_preview_is_the_newest_run_as_it_is_written(
    runtime: Runtime, store: MemoryEventStore
) -> None:
    line = Timeline("new", step=Timeline()._step * 3600)
    events = [line.start(project="acme"), line.passed(), line.end()]
    store.append([Timeline("old").start(project="other"), *events])
    found = preview(store, runtime, EventQuery())
    assert found.session in {"new", "old"}
    chosen = preview(store, runtime, EventQuery(projects=("acme",)))
    assert [bytes(event) for event in chosen.events] == [runtime.codec.encode(e) for e in events]


# --- on the command line, with the real store ----------------------------------


def test_what_would_leave_the_machine_is_json_lines(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(home, *who(str(home)))
    assert main(["privacy", "preview"]) == 0
    told = capsys.readouterr()
    (event,) = map(json.loads, told.out.splitlines())
    assert event["user"] == who(str(home))[0]
    assert user_name() not in event.values()
    assert host_name() not in event.values()
    assert "Nothing leaves this machine." in told.err
    assert main(["privacy", "preview", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == [event]


def test_without_a_run_the_preview_explains_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["privacy", "preview"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("No run is recorded yet. Nothing leaves this machine.")


def test_erasing_needs_a_yes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(home, *who(str(home)))
    assert main(["privacy", "erase"]) == 2
    assert "nobody confirmed" in capsys.readouterr().err
    assert main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 1


def test_erased_is_erased(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(home, *who(str(home)))
    record(home, "user-x", "host-x")
    assert main(["privacy", "erase", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"user": who(str(home))[0], "events": 1}
    assert main(["privacy", "export"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["privacy", "export", "--user", "user-x"]) == 0
    assert json.loads(capsys.readouterr().out)["user"] == "user-x"


def test_rotating_on_the_command_line_says_how_many_runs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = who(str(home))
    record(home, *before)
    assert main(["privacy", "rotate"]) == 0
    assert capsys.readouterr().out == "New key and new pseudonyms, in 1 run.\n"
    assert main(["privacy", "preview"]) == 0
    assert json.loads(capsys.readouterr().out)["user"] == who(str(home))[0]
    assert who(str(home))[0] != before[0]


@pytest.mark.parametrize(("answer", "status", "left"), [("n", 2, 1), ("y", 0, 0)])
def test_on_a_terminal_it_asks(
    answer: str, status: int, left: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(home, *who(str(home)))
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-P", "-m", "sbhooks", "privacy", "erase"],
            stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status
    assert "Erase 1 run of user-" in done.stderr
    assert main(["runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == left
