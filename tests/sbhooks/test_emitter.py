import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest

from sbhooks import problems
from sbhooks.collector import Collected
from sbhooks.emitter import Emitter, _text_of
from sbhooks.events import Codec, Event, Invocation, Outcome
from sbhooks.segments import Segment, last_will, lines, segments
from sbhooks.settings import HostSettings, host_settings
from sbhooks.store import EventQuery
from sbhooks.testing.memory import MemoryEventStore

Program = Callable[..., CompletedProcess[str]]
Collect = Callable[..., Collected]


@pytest.fixture
def settings(home: Path) -> HostSettings:
    return host_settings("/", {"SBHOOKS_HOME": str(home)})


@pytest.fixture
def emitter(settings: HostSettings) -> Emitter:
    return Emitter(settings, source="test")


def event(emitter: Emitter, skill: str = "x", **fields: object) -> Invocation:
    return Invocation(
        source=emitter.source, session=emitter.session, skill=skill, outcome=Outcome.SUCCESS,
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def spooled(home: Path) -> list[Event]:
    codec = Codec()
    return [codec.decode(line) for s in segments(str(home)) for line, _ in lines(s.file)]


def changed(settings: HostSettings, **changes: object) -> HostSettings:
    return HostSettings(**{**vars(settings), **changes})


def unwritable(settings: HostSettings, home: Path) -> HostSettings:
    home.parent.joinpath("file").write_text("")
    return changed(settings, home=str(home.parent / "file" / "home"))


def test_an_event_is_on_disk_when_emit_returns(emitter: Emitter, home: Path) -> None:
    sent = [event(emitter, str(number)) for number in range(3)]
    for number, each in enumerate(sent):
        emitter.emit(each)
        assert spooled(home) == sent[: number + 1]
    emitter.close()
    assert spooled(home) == sent
    assert (emitter.lost, emitter.trouble) == (0, None)


def test_encoded_lines_are_taken_as_they_are(emitter: Emitter, home: Path) -> None:
    line = msgspec.json.encode(event(emitter))
    emitter.emit_line(line)
    emitter.close()
    (segment,) = segments(str(home))
    assert Path(segment.file).read_bytes() == line + b"\n"


def test_a_session_has_an_identity_or_is_given_one(settings: HostSettings) -> None:
    first, second = Emitter(settings, source="a"), Emitter(settings, source="a")
    assert first.session != second.session
    assert first.new_id() > first.session
    assert Emitter(settings, source="a", session="mine").session == "mine"


def test_start_takes_settings_from_the_environment_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (tmp_path / "sbhooks.toml").write_text('disable = ["ruff"]')
    monkeypatch.chdir(tmp_path)
    assert Emitter.start("pytest").settings.home == str(home)
    assert Emitter.start("pytest").enabled
    assert not Emitter.start("ruff").enabled
    assert not Emitter.start("pytest", {"SBHOOKS_DISABLE": "all"}).enabled


@pytest.mark.parametrize("disabled", ["all", "test", "other,test"])
def test_what_is_switched_off_leaves_no_trace(home: Path, disabled: str) -> None:
    off = host_settings("/", {"SBHOOKS_HOME": str(home), "SBHOOKS_DISABLE": disabled})
    emitter = Emitter(changed(off, inline=("x",)), source="test")
    emitter.emit(event(emitter))
    emitter.emit_line(b"{}")
    emitter.will(0, b"{}")
    emitter.close()
    assert not home.exists()
    assert emitter.lost == 0


def test_after_close_nothing_more_is_recorded(emitter: Emitter, home: Path) -> None:
    emitter.emit(event(emitter))
    emitter.close()
    emitter.emit(event(emitter))
    emitter.emit_line(b"{}")
    emitter.will(0, b"{}")
    emitter.close()
    assert len(spooled(home)) == 1
    assert emitter.lost == 0


def test_a_will_is_left_for_who_dies(emitter: Emitter, home: Path) -> None:
    emitter.will(0, b"will")
    emitter.emit(event(emitter))
    (segment,) = segments(str(home))
    assert last_will(Segment(segment.path, "dead")) == [b"will"]
    emitter.close()
    assert not Path(segment.path + ".will").exists()


class TestTrouble:
    def test_an_unwritable_home_is_counted_and_told_once_and_never_raised(
        self, settings: HostSettings, home: Path
    ) -> None:
        emitter = Emitter(unwritable(settings, home), source="test")
        for _ in range(10):
            emitter.emit(event(emitter))
        emitter.will(0, b"w")
        emitter.close()
        emitter.close()
        assert emitter.lost == 10
        assert "cannot write the spool" in (emitter.trouble or "")
        told = problems.read(emitter.settings.home)
        assert sorted((p.where, p.lost) for p in told) == [("spool", 0), ("spool", 10)]
        assert "10 events of a test session could not be recorded" in {p.what for p in told}

    def test_a_full_disk_costs_the_host_few_calls_and_ends_when_there_is_room(
        self, home: Path, python: Program
    ) -> None:
        ran = python(
            """
            import resource, sys
            calls = 0
            from sbhooks import spool
            from sbhooks.emitter import Emitter
            original = spool.SpoolWriter.append
            def append(self, line):
                global calls
                calls += 1
                original(self, line)
            spool.SpoolWriter.append = append
            emitter = Emitter.start("test")
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
            for _ in range(1000):
                emitter.emit_line(b"{}")
            print(calls, emitter.lost)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            for _ in range(250):
                emitter.emit_line(b"{}")
            print(emitter.lost)
            emitter.close()
            """
        )
        # Three, and then the 100th, 200th, ... failure in a row is a new attempt.
        assert (ran.stdout, ran.stderr) == ("12 1000\n1000\n", "")
        assert len([1 for s in segments(str(home)) for _ in lines(s.file)]) == 250

    def test_events_that_cannot_be_encoded_do_not_stop_the_others(
        self, emitter: Emitter, home: Path
    ) -> None:
        for _ in range(5):
            emitter.emit(event(emitter, query=object()))
        good = [event(emitter, str(number)) for number in range(5)]
        for each in good:
            emitter.emit(each)
        assert spooled(home) == good
        assert emitter.lost == 5
        assert "an event of test could not be encoded" in (emitter.trouble or "")

    def test_what_is_no_event_is_lost_and_counted(self, emitter: Emitter) -> None:
        emitter.emit(object())  # type: ignore[arg-type]
        assert emitter.lost == 1

    def test_an_error_without_a_text_is_named_by_its_class(self, emitter: Emitter) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        class Explosive:
            @property
            def __class__(self) -> type:  # type: ignore[override]
                raise Mute

        emitter.emit(event(emitter, query=Explosive()))
        assert (emitter.lost, _text_of(Mute()), _text_of(ValueError())) == (1, "Mute", "ValueError")

    def test_an_oversized_line_is_lost_and_counted(self, emitter: Emitter, home: Path) -> None:
        emitter.emit_line(b"x" * (1 << 20))
        emitter.emit_line(b"{}")
        assert emitter.lost == 1
        assert [line for s in segments(str(home)) for line, _ in lines(s.file)] == [b"{}\n"]

    def test_an_event_of_a_mebibyte_is_shortened_and_kept(
        self, emitter: Emitter, home: Path
    ) -> None:
        emitter.emit(event(emitter, attributes={"big": "x" * (1 << 20)}))
        (kept,) = spooled(home)
        assert kept.attributes == {"big": "x" * 499 + "…", "sbhooks.cut": 1}

    def test_a_deleted_spool_that_cannot_be_made_again_is_told_at_the_end(
        self, emitter: Emitter, home: Path
    ) -> None:
        emitter.emit(event(emitter))
        for path in (home / "spool").iterdir():
            path.unlink()
        (home / "spool").rmdir()
        (home / "spool").write_text("")
        emitter.close()
        assert "cannot seal" in (emitter.trouble or "")
        assert [p.where for p in problems.read(str(home))] == ["spool"]

    def test_a_report_of_the_adapter_is_kept_and_the_first_shown(
        self, emitter: Emitter, home: Path
    ) -> None:
        emitter.report("first")
        emitter.report("second")
        assert emitter.trouble == "first"
        assert [(p.where, p.what) for p in problems.read(str(home))] == [
            ("test", "first"),
            ("test", "second"),
        ]


class TestForks:
    def test_a_fork_emits_nothing(
        self, emitter: Emitter, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        emitter.emit(event(emitter, "parent"))
        child = os.fork()
        if child == 0:
            emitter.emit(event(emitter, "child"))
            emitter.emit_line(b"{}")
            emitter.will(0, b"{}")
            emitter.close()
            os._exit(0 if emitter.lost == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        emitter.emit(event(emitter, "parent again"))
        emitter.close()
        assert collect() == Collected(events=2, segments=1)
        assert [e.skill for e in store.events(EventQuery()) if isinstance(e, Invocation)] == [
            "parent",
            "parent again",
        ]

    def test_a_fork_made_while_a_thread_emits_can_close(self, emitter: Emitter) -> None:
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with emitter._lock:
                held.set()
                release.wait(60)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a deadlock ends here
            emitter.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        release.set()
        thread.join()
        assert os.waitstatus_to_exitcode(status) == 0

    def test_multiprocessing_children_can_have_emitters_of_their_own(
        self, home: Path, python: Program, collect: Collect
    ) -> None:
        ran = python(
            """
            import multiprocessing
            from sbhooks.emitter import Emitter
            from sbhooks.events import Invocation, Outcome

            def work(number):
                own = Emitter.start("child")
                own.emit(Invocation(source="child", session=own.session, skill=str(number),
                                    outcome=Outcome.SUCCESS))
                own.close()

            if __name__ == "__main__":
                parent = Emitter.start("parent")
                parent.emit(Invocation(source="parent", session=parent.session, skill="p",
                                       outcome=Outcome.SUCCESS))
                context = multiprocessing.get_context("fork")
                children = [context.Process(target=work, args=(n,)) for n in range(4)]
                for child in children: child.start()
                for child in children: child.join()
                parent.close()
            """
        )
        assert ran.stderr == ""
        assert collect() == Collected(events=5, segments=5)


def test_the_own_thread_and_others_write_at_once_and_lose_nothing(
    emitter: Emitter, fast_switching: None, collect: Collect
) -> None:
    def work() -> None:
        for number in range(200):
            line = msgspec.json.encode(event(emitter, str(number)))
            emitter.will(2, line)
            emitter.emit_line(line)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    emitter.close()
    assert (emitter.lost, emitter.trouble) == (0, None)
    assert collect() == Collected(events=1000, segments=2)


def test_an_emitter_can_be_used_and_closed_by_a_thread_that_did_not_make_it(
    emitter: Emitter, collect: Collect
) -> None:
    emitter.emit(event(emitter, "own"))

    def work() -> None:
        emitter.emit(event(emitter, "other"))
        emitter.close()
        emitter.emit(event(emitter, "too late"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    emitter.emit_line(b"too late")
    assert emitter.lost == 0
    assert collect() == Collected(events=2, segments=2)


def test_who_closes_from_elsewhere_awaits_the_line_that_is_being_written(
    emitter: Emitter, collect: Collect
) -> None:
    begun, events = threading.Event(), 2000
    lines = [msgspec.json.encode(event(emitter, str(number))) for number in range(events)]

    def close() -> None:
        begun.wait(60)
        emitter.close()

    thread = threading.Thread(target=close)
    thread.start()
    sent = 0
    for line in lines:
        emitter.emit_line(line)
        sent += 1
        begun.set()
        if not emitter.enabled:
            break
    thread.join()
    emitter.close()
    assert emitter.lost == 0
    assert sent - 1 <= collect().events <= sent  # the last one may have come too late


def test_threads_lose_nothing_and_number_nothing_twice(
    emitter: Emitter, fast_switching: None, collect: Collect, store: MemoryEventStore
) -> None:
    def work(name: int) -> None:
        for number in range(100):
            emitter.emit(event(emitter, f"{name}.{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    emitter.close()
    assert collect() == Collected(events=800, segments=1)
    assert {e.skill for e in store.events(EventQuery()) if isinstance(e, Invocation)} == {
        f"{name}.{number}" for name in range(8) for number in range(100)
    }


def test_a_signal_handler_may_emit_while_emitting(
    emitter: Emitter, collect: Collect, store: MemoryEventStore
) -> None:
    count = 0

    def handler(*_: object) -> None:
        nonlocal count
        emitter.emit(event(emitter, "inner"))
        count += 1
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + count * 41 % 300))

    outer = 0
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0001)
    try:
        while count < 100:
            emitter.emit(event(emitter, "outer"))
            outer += 1
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    emitter.close()
    collected = collect()
    assert (collected.events, collected.killed, collected.invalid) == (outer + count, 0, 0)
    skills = [e.skill for e in store.events(EventQuery()) if isinstance(e, Invocation)]
    assert (skills.count("outer"), skills.count("inner")) == (outer, count)


def test_importing_and_starting_loads_neither_msgspec_nor_pluggy(home: Path) -> None:
    program = (
        "import sys; from sbhooks.emitter import Emitter; e = Emitter.start('x');"
        "e.emit_line(b'{}'); e.will(0, b'{}'); e.close();"
        "print([m for m in ('msgspec', 'pluggy', 'click', 'rich', 'sqlite3') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


class TestInline:
    """What plugins do in a host is shown in ``tests/isolation``; here only who is told what."""

    @pytest.fixture
    def plugin(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An installed plugin that writes down what it is told."""
        folder = tmp_path / "site"
        (folder / "notes-1.dist-info").mkdir(parents=True)
        (folder / "notes-1.dist-info" / "METADATA").write_text("Name: notes\nVersion: 1\n")
        (folder / "notes-1.dist-info" / "entry_points.txt").write_text("[sbhooks]\nnotes=notes\n")
        (folder / "notes.py").write_text(
            "from sbhooks import hookimpl\n"
            "told = []\n"
            "@hookimpl\n"
            "def sbhooks_invocation(event):\n"
            "    told.append(event.skill)\n"
            "    print('spam')\n"
        )
        monkeypatch.syspath_prepend(folder)
        return folder

    @pytest.fixture
    def told(self, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        import importlib

        monkeypatch.delitem(sys.modules, "notes", raising=False)
        told: list[str] = importlib.import_module("notes").told
        return told

    def test_inline_plugins_hear_of_an_event_after_it_is_on_disk(
        self, settings: HostSettings, home: Path, told: list[str], capfd: pytest.CaptureFixture[str]
    ) -> None:
        emitter = Emitter(changed(settings, inline=("notes",)), source="test")
        emitter.emit(event(emitter, "one"))
        emitter.emit_line(msgspec.json.encode(event(emitter, "two")))
        assert told == ["one", "two"]
        assert len(spooled(home)) == 2
        assert capfd.readouterr() == ("", "")
        assert emitter.trouble is None

    def test_they_are_looked_for_once(
        self, settings: HostSettings, told: list[str], plugin: Path
    ) -> None:
        emitter = Emitter(changed(settings, inline=("notes",)), source="test")
        emitter.emit(event(emitter, "one"))
        (plugin / "notes-1.dist-info" / "entry_points.txt").unlink()
        emitter.emit(event(emitter, "two"))
        assert told == ["one", "two"]

    def test_others_hear_nothing_in_the_host(self, settings: HostSettings, told: list[str]) -> None:
        for inline in ((), ("other",)):
            emitter = Emitter(changed(settings, inline=inline), source="test")
            emitter.emit(event(emitter, "one"))
        assert told == []

    def test_a_line_that_is_no_event_is_kept_and_reported(
        self, settings: HostSettings, told: list[str], home: Path
    ) -> None:
        emitter = Emitter(changed(settings, inline=("notes",)), source="test")
        emitter.emit_line(b'{"kind": "unheard-of"}')
        assert told == []
        assert "inline plugins could not be told" in (emitter.trouble or "")
        assert len([1 for s in segments(str(home)) for _ in lines(s.file)]) == 1

    def test_plugins_that_cannot_be_loaded_at_all_are_tried_once(
        self, settings: HostSettings, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pluggy", None)
        for module in ("plugins", "loading"):
            monkeypatch.delitem(sys.modules, f"sbhooks.{module}")
        emitter = Emitter(changed(settings, inline=("notes",)), source="test")
        for _ in range(3):
            emitter.emit(event(emitter))
        assert len(spooled(home)) == 3
        assert len(problems.read(str(home))) == 1
        assert "pluggy" in (emitter.trouble or "")
        assert emitter.lost == 0

    def test_tracing_prints_each_call(
        self, settings: HostSettings, told: list[str], capfd: pytest.CaptureFixture[str]
    ) -> None:
        traced = changed(settings, inline=("notes",), trace=True)
        emitter = Emitter(traced, source="test")
        emitter.emit(event(emitter))
        assert capfd.readouterr().err.startswith("sbhooks: notes.sbhooks_invocation ")
