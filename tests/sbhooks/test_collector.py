import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks import aside as aside_files
from sbhooks import collector, hookimpl, problems
from sbhooks.collector import Collected, Collector
from sbhooks.errors import SpoolError, StoreError
from sbhooks.events import BUILTIN_KINDS, Codec, Event, Invocation, Outcome, SessionEnd
from sbhooks.ids import new_id
from sbhooks.plugins import Hooks
from sbhooks.spool import MAX_LINE_BYTES, SpoolWriter
from sbhooks.store import EventQuery, EventReader
from sbhooks.testing.memory import MemoryEventStore

Collect = Callable[..., Collected]
ENCODE = msgspec.json.encode


class Deployment(Event, frozen=True, kw_only=True, tag="acme-deployment"):
    target: str


def invocation(skill: str = "x") -> Invocation:
    return Invocation(source="test", session="s", skill=skill, outcome=Outcome.SUCCESS)


def spool_file(home: Path, name: str, *lines: bytes, end: bytes = b"") -> Path:
    path = home / "spool" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines) + end)
    return path


def sealed(home: Path, *events: Event, end: bytes = b"") -> Path:
    return spool_file(home, f"{new_id()}.1.seg", *map(ENCODE, events), end=end)


def stored(store: MemoryEventStore) -> list[Event]:
    return list(store.events(EventQuery()))


def spool_names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "spool").iterdir())


def aside(home: Path, name: str = "acme-deployment.jsonl") -> bytes:
    path = home / "spool" / "aside" / name
    return path.read_bytes() if path.exists() else b""


class TestWholeSegments:
    def test_an_empty_home_gives_nothing_and_stays_empty(
        self, home: Path, collect: Collect
    ) -> None:
        assert collect() == Collected()
        assert not home.exists()

    def test_a_sealed_segment_is_stored_and_deleted(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        events = [invocation(str(number)) for number in range(3)]
        sealed(home, *events)
        assert collect() == Collected(events=3, segments=1)
        assert stored(store) == events
        assert spool_names(home) == []
        assert collect() == Collected()

    def test_the_same_event_counts_once_wherever_it_stands(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        event = invocation()
        sealed(home, event, event)
        sealed(home, event)
        assert collect() == Collected(events=1, segments=2)
        assert stored(store) == [event]

    def test_segments_are_stored_oldest_first(
        self, home: Path, store: MemoryEventStore, collect: Collect
    ) -> None:
        events = [invocation(str(number)) for number in range(4)]
        paths = [home / "spool" / f"{new_id()}.1.seg" for _ in events]
        for path, event in reversed(list(zip(paths, events, strict=True))):
            spool_file(home, path.name, ENCODE(event))
        collect()
        assert list(store.tail(0).events) == events

    def test_progress_is_told_per_segment(self, home: Path, store: MemoryEventStore) -> None:
        for _ in range(3):
            sealed(home, invocation())
        told: list[tuple[int, int]] = []
        Collector(home, store, Codec()).collect(lambda *progress: told.append(progress))
        assert told == [(1, 3), (2, 3), (3, 3)]

    def test_large_segments_are_stored_in_batches(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(collector, "BATCH", 10)
        sizes: list[int] = []

        class Counting(MemoryEventStore):
            def append(self, events: Sequence[Event]) -> int:
                sizes.append(len(events))
                return super().append(events)

        sealed(home, *[invocation() for _ in range(25)])
        assert Collector(home, Counting(), Codec()).collect().events == 25
        assert sizes == [10, 10, 5]

    def test_small_segments_are_stored_together(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(collector, "BATCH", 10)
        sizes: list[int] = []

        class Counting(MemoryEventStore):
            def append(self, events: Sequence[Event]) -> int:
                sizes.append(len(events))
                return super().append(events)

        for size in (3, 4, 5, 21, 1):
            sealed(home, *[invocation() for _ in range(size)])
        done = Collector(home, Counting(), Codec()).collect()
        assert (done.events, done.segments) == (34, 5)
        assert sizes == [10, 10, 10, 4]
        assert spool_names(home) == []

    @pytest.mark.parametrize("ending", ["seg", "open"])
    def test_large_events_are_stored_in_smaller_batches(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, ending: str
    ) -> None:
        monkeypatch.setattr(collector, "BATCH_BYTES", 3 * MAX_LINE_BYTES)
        sizes: list[int] = []

        class Counting(MemoryEventStore):
            def append(self, events: Sequence[Event]) -> int:
                sizes.append(len(events))
                return super().append(events)

        events = [ENCODE(invocation(f"{n}" + "x" * (MAX_LINE_BYTES * 2 // 3))) for n in range(12)]
        spool_file(home, f"{new_id()}.1.{ending}", *events)
        assert Collector(home, Counting(), Codec()).collect().events == 12
        assert sum(sizes) == 12
        assert max(sizes) <= 5

    def test_a_segment_that_is_refused_holds_up_none_before_it(self, home: Path) -> None:
        class Picky(MemoryEventStore):
            def append(self, events: Sequence[Event]) -> int:
                if any(event.source == "bad" for event in events):
                    raise StoreError("cannot store that")
                return super().append(events)

        bad = Invocation(source="bad", session="s", skill="x", outcome=Outcome.SUCCESS)
        good = [invocation(), invocation()]
        for event in good:
            sealed(home, event)
        path, last = sealed(home, bad), sealed(home, invocation())
        store = Picky()
        with pytest.raises(StoreError, match="cannot store that"):
            Collector(home, store, Codec()).collect()
        assert stored(store) == good
        assert spool_names(home) == sorted([path.name, last.name])

    def test_what_cannot_be_stored_stays_in_the_spool(self, home: Path) -> None:
        class Full(MemoryEventStore):
            def append(self, events: Sequence[Event]) -> int:
                raise StoreError("the disk is full")

        path = sealed(home, invocation())
        with pytest.raises(StoreError, match="disk is full"):
            Collector(home, Full(), Codec()).collect()
        assert path.exists()

    def test_an_unreadable_segment_is_an_error_naming_it(
        self, home: Path, collect: Collect
    ) -> None:
        (home / "spool" / "1.seg").mkdir(parents=True)
        with pytest.raises(SpoolError, match=r"cannot read .*1\.seg: Is a directory"):
            collect()

    def test_a_segment_of_somebody_else_is_left_and_named_and_the_rest_is_stored(
        self, nobodys_home: Path, store: MemoryEventStore
    ) -> None:
        locked = sealed(nobodys_home, invocation("theirs"))
        sealed(nobodys_home, invocation("mine"))
        locked.chmod(0)
        done = Collector(nobodys_home, store, Codec()).collect()
        assert (done.events, done.segments, done.unreadable) == (1, 1, 1)
        assert locked.exists()
        (problem,) = problems.read(str(nobodys_home))
        assert problem.where == "collector"
        assert str(locked) in problem.what

    def test_a_segment_that_vanishes_is_somebody_elses(self, home: Path, collect: Collect) -> None:
        (home / "spool").mkdir(parents=True)
        (home / "spool" / "1.seg").symlink_to("gone")
        assert collect() == Collected()


class TestLivingWriters:
    def test_complete_lines_are_stored_and_the_segment_stays(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        writer = SpoolWriter(str(home))
        first, second = invocation("1"), invocation("2")
        writer.append(ENCODE(first))
        assert collect() == Collected(events=1, open=1)
        writer.append(ENCODE(second))
        assert collect() == Collected(events=1, open=1)
        writer.close()
        assert collect() == Collected(segments=1)
        assert stored(store) == [first, second]

    def test_a_lasting_collector_reads_on_where_it_stopped(
        self, home: Path, store: MemoryEventStore
    ) -> None:
        writer = SpoolWriter(str(home))
        lasting = Collector(home, store, Codec())
        seen: list[int] = []
        original = store.append
        store.append = lambda events: seen.append(len(events)) or original(events)  # type: ignore[func-returns-value,method-assign]
        for number in range(3):
            writer.append(ENCODE(invocation(str(number))))
            lasting.collect()
        lasting.collect()
        assert seen == [1, 1, 1]
        writer.close()
        lasting.collect()
        assert seen == [1, 1, 1, 3]  # once more when it is complete
        assert lasting._offsets == {}
        assert len(stored(store)) == 3

    def test_a_line_that_is_being_written_is_left_for_later(
        self, home: Path, store: MemoryEventStore
    ) -> None:
        event = invocation()
        line = ENCODE(event) + b"\n"
        path = spool_file(home, "1.1.open", end=line[:20])
        lasting = Collector(home, store, Codec())
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert lasting.collect() == Collected(open=1)
            file.write(line[20:])
            file.flush()
            assert lasting.collect() == Collected(events=1, open=1)
        assert stored(store) == [event]
        assert not (home / "spool" / "aside").exists()

    def test_nothing_is_set_aside_before_the_segment_is_complete(
        self, home: Path, collect: Collect
    ) -> None:
        writer = SpoolWriter(str(home))
        writer.append(ENCODE(Deployment(source="a", session="s", target="t")))
        writer.append(b"garbage")
        for _ in range(3):
            assert collect() == Collected(open=1)
        assert not (home / "spool" / "aside").exists()
        writer.close()
        assert collect() == Collected(segments=1, unknown=1, invalid=1)

    def test_their_will_is_not_executed(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        writer = SpoolWriter(str(home))
        writer.append(ENCODE(invocation()))
        writer.will(0, ENCODE(invocation("will")))
        assert collect() == Collected(events=1, open=1)
        writer.close()
        assert collect() == Collected(segments=1)
        assert len(stored(store)) == 1


class TestKilledWriters:
    def test_complete_lines_then_the_will_then_deleted(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        event, will = invocation("1"), invocation("will")
        spool_file(home, "1.1.open", ENCODE(event), end=ENCODE(invocation())[:30])
        spool_file(home, "1.1.will", ENCODE(will))
        assert collect() == Collected(events=2, segments=1, killed=1, invalid=1)
        assert {e.skill for e in stored(store) if isinstance(e, Invocation)} == {"1", "will"}
        assert spool_names(home) == ["aside"]
        assert problems.read(str(home)) == []  # a torn end is no mishap

    def test_the_will_is_dated_when_the_writer_was_last_seen(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        end = SessionEnd(
            source="t", session="s", outcome=Outcome.ERROR, at=datetime(2026, 1, 1, tzinfo=UTC),
            duration_s=0.5,
        )  # fmt: skip
        late = msgspec.structs.replace(end, id="late", at=datetime(2030, 1, 1, tzinfo=UTC))
        slot = ENCODE(end) + b"\n"
        data = slot.ljust(4096, b"\0") + ENCODE(late) + b"\n"
        spool_file(home, "1.1.open")
        (home / "spool" / "1.1.will").write_bytes(data)
        os.utime(home / "spool" / "1.1.open", (0, 1_767_312_000.25))
        os.utime(home / "spool" / "1.1.will", (0, 1_767_312_001.5))
        assert collect().events == 2
        seen = {e.id: (e.at, e.duration_s) for e in stored(store) if isinstance(e, SessionEnd)}
        assert seen[end.id] == (datetime(2026, 1, 2, 0, 0, 1, 500_000, UTC), 86_402.0)
        assert seen["late"] == (late.at, 0.5)

    def test_what_was_recorded_counts_more_than_the_will(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        done = invocation("done")
        spool_file(home, "1.1.open", ENCODE(done))
        spool_file(home, "1.1.will", ENCODE(msgspec.structs.replace(done, skill="killed")))
        assert collect() == Collected(events=1, segments=1, killed=1)
        assert stored(store) == [done]

    def test_another_collector_may_finish_while_this_one_stores(self, home: Path) -> None:
        class Slow(MemoryEventStore):
            """Another collector does the whole work while this store is appended to."""

            def append(self, events: Sequence[Event]) -> int:
                Collector(home, other, Codec()).collect()
                return super().append(events)

        other = MemoryEventStore()
        spool_file(home, "1.1.open", ENCODE(invocation("1")))
        spool_file(home, "1.1.will", ENCODE(invocation("will")))
        assert Collector(home, Slow(), Codec()).collect().segments == 1
        assert {e.skill for e in stored(other) if isinstance(e, Invocation)} == {"1", "will"}
        assert spool_names(home) == []

    def test_without_a_will_it_counts_as_complete(self, home: Path, collect: Collect) -> None:
        spool_file(home, "1.1.open", ENCODE(invocation()))
        assert collect() == Collected(events=1, segments=1)

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs a Linux /proc")
    @pytest.mark.parametrize(("older_by_days", "is_open"), [(0, True), (1, False)])
    def test_a_process_that_started_after_the_segment_is_not_its_writer(
        self, home: Path, collect: Collect, *, older_by_days: int, is_open: bool
    ) -> None:
        milliseconds = int(time.time() * 1000) - older_by_days * 86_400_000
        name = f"{milliseconds:012x}-7000-8000-000000000000"
        identity = f"{name[:8]}-{name[8:]}"
        path = spool_file(home, f"{identity}.{os.getpid()}.open", ENCODE(invocation()))
        assert collect().events == 1
        assert path.exists() is is_open

    @pytest.mark.parametrize(
        "will", [b"garbage\n", b'{"kind":"invocation"}\n', b"\xff\n", b"[" * 4000]
    )
    def test_a_damaged_will_is_passed_over(self, home: Path, collect: Collect, will: bytes) -> None:
        spool_file(home, "1.1.open", ENCODE(invocation()))
        (home / "spool" / "1.1.will").write_bytes(will)
        assert collect() == Collected(events=1, segments=1)

    def test_a_will_of_an_unknown_kind_is_set_aside(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        deployment = Deployment(source="a", session="s", target="t")
        spool_file(home, "1.1.open")
        spool_file(home, "1.1.will", ENCODE(deployment))
        assert collect() == Collected(segments=1)
        assert aside(home) == ENCODE(deployment) + b"\n"
        assert collect(Deployment).events == 1
        assert stored(store) == [deployment]


class TestUnusableLines:
    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"garbage",
            b"{}",
            b"[1]",
            b'"text"',
            b'{"kind": 5}',
            b'{"kind": "invocation"}',
            ENCODE(invocation()).replace(b'"source":"test"', b'"source":""'),
            ENCODE(invocation()).replace(b"success", b"odd"),
            b'{"kind": "in\xffvocation"}',
            b'{"kind": "invocation", "attributes": ' + b"[" * 50_000,
            b'{"kind": "acme", "deep": ' + b"[" * 50_000,
            b"\0" * 100,
        ],
        ids=lambda line: line[:30].decode("latin-1"),
    )
    def test_they_are_set_aside_told_and_do_not_stop_the_others(
        self, home: Path, collect: Collect, store: MemoryEventStore, line: bytes
    ) -> None:
        before, after = invocation("before"), invocation("after")
        path = spool_file(home, "1.1.seg", ENCODE(before), line, ENCODE(after))
        assert collect() == Collected(events=2, segments=1, invalid=1)
        assert stored(store) == [before, after]
        assert aside(home, "1.1.torn") == line + b"\n"
        assert not path.exists()
        (problem,) = problems.read(str(home))
        assert problem.what.startswith("a line of segment 1.1 is no event: ")

    def test_a_torn_end_is_set_aside_and_never_parsed(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        whole_but_for_its_end = ENCODE(invocation())
        spool_file(home, "1.1.open", end=whole_but_for_its_end)
        assert collect() == Collected(segments=1, invalid=1)
        assert aside(home, "1.1.torn") == whole_but_for_its_end + b"\n"
        assert stored(store) == []
        assert problems.read(str(home)) == []

    def test_an_endless_line_is_set_aside_in_pieces(self, home: Path, collect: Collect) -> None:
        spool_file(home, "1.1.seg", b"x" * (2 * MAX_LINE_BYTES), ENCODE(invocation()))
        assert collect() == Collected(events=1, segments=1, invalid=3)

    @given(lines=st.lists(st.binary(max_size=40) | st.just(b"OK"), max_size=8))
    def test_no_content_raises_and_every_line_is_accounted_for(
        self, tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
    ) -> None:
        home, store = tmp_path_factory.mktemp("home"), MemoryEventStore()
        content = b"\n".join(ENCODE(invocation()) if line == b"OK" else line for line in lines)
        spool_file(home, "1.1.seg", end=content)
        done = Collector(home, store, Codec()).collect()
        pieces = content.split(b"\n")
        assert done.events + done.invalid + done.unknown == len(pieces) - (pieces[-1] == b"")
        assert done.events == len(stored(store))


class TestUnknownKinds:
    def test_they_wait_until_somebody_declares_them(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        deployment = Deployment(source="acme", session="s", target="production")
        sealed(home, invocation(), deployment)
        assert collect() == Collected(events=1, segments=1, unknown=1)
        assert aside(home) == ENCODE(deployment) + b"\n"
        assert collect() == Collected()
        assert collect(Deployment) == Collected(events=1, segments=1)
        assert deployment in stored(store)
        assert spool_names(home) == ["aside"]
        assert aside(home) == b""
        assert collect(Deployment) == Collected()

    @pytest.mark.parametrize(
        "kind", ["../../etc/passwd", "", "a/b", "A", "x" * 65, "-x", "é", "a\\u0000b", "a.b"]
    )
    def test_a_kind_that_is_no_name_is_not_a_file_name(
        self, home: Path, collect: Collect, kind: str
    ) -> None:
        spool_file(home, "1.1.seg", b'{"kind": "%s"}' % kind.encode())
        assert collect() == Collected(segments=1, unknown=1)
        assert [path.name for path in (home / "spool" / "aside").iterdir()] == ["unnamed.jsonl"]

    def test_what_is_set_aside_is_private(self, home: Path, collect: Collect) -> None:
        spool_file(home, "1.1.seg", b'{"kind": "x-1_y"}')
        collect()
        folder = home / "spool" / "aside"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "x-1_y.jsonl").stat().st_mode & 0o777 == 0o600

    def test_a_full_disk_leaves_the_segment_and_no_half_line(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        import resource

        old = Deployment(source="acme", session="s", target="old")
        new = Deployment(source="acme", session="s", target="new")
        sealed(home, old)
        collect()
        path = sealed(home, new)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(ENCODE(old)) + 10, hard))
        try:
            with pytest.raises(SpoolError, match="cannot set a line aside"):
                collect()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.exists()
        assert aside(home) == ENCODE(old) + b"\n"
        assert collect().unknown == 1
        assert collect(Deployment).events == 2

    def test_a_line_is_never_added_to_a_file_that_was_taken_back_meanwhile(
        self, home: Path, store: MemoryEventStore
    ) -> None:
        """One collector knows the kind and takes the file; another is about to add to it."""
        sealed(home, Deployment(source="acme", session="s", target="first"))
        Collector(home, store, Codec()).collect()
        second = Deployment(source="acme", session="s", target="second")
        sealed(home, second)
        waiting = home / "spool" / "aside" / "acme-deployment.jsonl"
        with aside_files._locked(waiting) as fd:
            adding = threading.Thread(target=Collector(home, store, Codec()).collect)
            adding.start()
            while not _is_waiting_for_lock(fd):
                pass
            waiting.rename(home / "spool" / f"{new_id()}.0.seg")
        adding.join()
        assert aside(home) == ENCODE(second) + b"\n"
        assert Collector(home, store, Codec([*BUILTIN_KINDS, Deployment])).collect().events == 2

    def test_what_cannot_be_taken_back_is_an_error(self, home: Path, collect: Collect) -> None:
        (home / "spool" / "aside" / "acme-deployment.jsonl").mkdir(parents=True)
        with pytest.raises(SpoolError, match="cannot take back"):
            collect(Deployment)

    def test_built_in_kinds_are_never_looked_for_there(self, home: Path, collect: Collect) -> None:
        (home / "spool" / "aside").mkdir(parents=True)
        (home / "spool" / "aside" / "invocation.jsonl").write_bytes(ENCODE(invocation()) + b"\n")
        assert collect() == Collected()


class TestSweeping:
    @pytest.mark.parametrize("name", ["1.1.new", "1.1.will", "1.1.told"])
    def test_what_the_dead_left_half_made_goes_after_an_hour(
        self, home: Path, collect: Collect, name: str
    ) -> None:
        path = spool_file(home, name)
        collect()
        assert path.exists()
        hour_ago = path.stat().st_mtime - 3_601
        os.utime(path, (hour_ago, hour_ago))
        collect()
        assert not path.exists()

    def test_wills_of_the_living_stay(self, home: Path, collect: Collect) -> None:
        writer = SpoolWriter(str(home))
        writer.append(ENCODE(invocation()))
        (will,) = (home / "spool").glob("*.will")
        os.utime(will, (0, 0))
        collect()
        assert will.exists()
        writer.close()


class TestPlugins:
    def test_they_are_told_after_the_batch_is_stored_and_cannot_change_it(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        class Told:
            def __init__(self) -> None:
                self.calls: list[tuple[str, int]] = []

            @hookimpl
            def sbhooks_invocation(self, event: Invocation) -> None:
                self.calls.append((event.skill, len(stored(store))))

            @hookimpl
            def sbhooks_events_stored(self, events: Sequence[Event], store: EventReader) -> None:
                self.calls.append(("batch", len(events)))
                assert isinstance(events, tuple)

        first, second = Told(), Told()
        hooks = Hooks(home=str(home))
        hooks.register(first, "first")
        hooks.register(second, "second")
        sealed(home, invocation("a"), invocation("b"))
        collect(hooks=hooks)
        assert first.calls == second.calls == [("a", 2), ("b", 2), ("batch", 2)]

    def test_who_collects_during_a_run_does_not_tell_of_the_same_event_twice(
        self, home: Path, collect: Collect, store: MemoryEventStore
    ) -> None:
        heard: list[str] = []

        class Listener:
            @hookimpl
            def sbhooks_invocation(self, event: Invocation) -> None:
                heard.append(event.skill)

            @hookimpl
            def sbhooks_events_stored(self, events: Sequence[Event]) -> None:
                heard.append(f"{len(events)} stored")

        hooks = Hooks(home=str(home))
        hooks.register(Listener(), "listener")
        writer = SpoolWriter(str(home))
        for skill in ("a", "b"):
            writer.append(ENCODE(invocation(skill)))
            collect(hooks=hooks)  # each time as a new process would
        writer.append(ENCODE(invocation("c")))
        writer.close()
        collect(hooks=hooks)
        assert heard == ["a", "1 stored", "b", "1 stored", "c", "1 stored"]
        assert [e.skill for e in stored(store) if isinstance(e, Invocation)] == ["a", "b", "c"]
        assert spool_names(home) == []

    def test_where_it_cannot_be_noted_who_has_heard_they_hear_again(
        self, home: Path, collect: Collect
    ) -> None:
        heard: list[str] = []

        class Listener:
            @hookimpl
            def sbhooks_invocation(self, event: Invocation) -> None:
                heard.append(event.skill)

        hooks = Hooks(home=str(home))
        hooks.register(Listener(), "listener")
        writer = SpoolWriter(str(home))
        writer.append(ENCODE(invocation("a")))
        (segment,) = (home / "spool").glob("*.open")
        segment.with_suffix(".told").mkdir()
        collect(hooks=hooks)
        collect(hooks=hooks)
        writer.close()
        assert heard == ["a", "a"]

    def test_nobody_is_told_of_an_empty_segment(self, home: Path, collect: Collect) -> None:
        class Explosive(Hooks):
            def events_stored(self, events: Sequence[Event], store: EventReader) -> None:
                raise AssertionError

        spool_file(home, "1.1.seg")
        assert collect(hooks=Explosive(home=str(home))) == Collected(segments=1)


def test_sums_of_collections_add_up() -> None:
    one = Collected(events=1, segments=2, killed=3, unknown=4, invalid=5, open=6)
    assert one + one == Collected(events=2, segments=4, killed=6, unknown=8, invalid=10, open=12)


def _is_waiting_for_lock(fd: int) -> bool:
    """Whether somebody waits for the lock on an open file (the kernel lists it with an arrow)."""
    inode = os.fstat(fd).st_ino
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f":{inode} " in line for line in locks)
