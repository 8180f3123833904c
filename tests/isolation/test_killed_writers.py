"""``kill -9`` of an emitting process: what ``emit`` acknowledged is stored, once."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sbhooks.collector import Collector
from sbhooks.emitter import Emitter
from sbhooks.events import Codec, Event, Invocation, Outcome, SessionEnd
from sbhooks.segments import segments
from sbhooks.settings import host_settings
from sbhooks.spool import SpoolWriter
from sbhooks.testing.memory import MemoryEventStore

CODEC = Codec()


def emit_for_ever(home: Path, write: int, max_bytes: int) -> None:
    """Emit, and acknowledge each id through a pipe when ``emit`` has returned."""
    emitter = Emitter(host_settings("/", {"SBHOOKS_HOME": str(home)}), source="test")
    emitter._spool._max_bytes = max_bytes
    end = SessionEnd(source="test", session=emitter.session, outcome=Outcome.ERROR, reason="killed")
    emitter.will(0, CODEC.encode(end))
    os.write(write, f"{end.id}\n".encode())
    while True:
        event = Invocation(
            source="test", session=emitter.session, skill="x" * 50, outcome=Outcome.SUCCESS
        )
        running = msgspec.structs.replace(event, outcome=Outcome.ERROR)
        emitter.will(1, CODEC.encode(running))
        emitter.emit(event)
        os.write(write, f"{event.id}\n".encode())
        emitter.will(1, b"")


def one_kill(home: Path, acknowledgements: int, max_bytes: int) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            emit_for_ever(home, write, max_bytes)
        finally:
            os._exit(1)
    os.close(write)
    acknowledged = b""
    while acknowledged.count(b"\n") < acknowledgements:
        acknowledged += os.read(read, 1 << 16)
    os.kill(child, signal.SIGKILL)
    while data := os.read(read, 1 << 16):
        acknowledged += data
    os.close(read)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    will, *ids = acknowledged.decode().split()
    check(home, will, ids)


def check(home: Path, will: str, acknowledged: list[str]) -> None:
    whole = [
        line
        for segment in segments(str(home))
        for line in Path(segment.file).read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    written = [CODEC.decode(line).id for line in whole]
    assert len(written) == len(set(written))  # nothing twice
    assert written[: len(acknowledged)] == acknowledged  # nothing lost
    assert len(written) - len(acknowledged) <= 1  # killed between emit and acknowledgement

    store = MemoryEventStore()
    done = Collector(home, store, CODEC).collect()
    stored = {event.id: event for event in store.tail(0).events}
    assert done.killed in {1, 2}  # two segments when it was killed between them
    assert done.events == len(stored)
    assert done.invalid <= 1  # a torn end
    assert list(stored)[: len(written)] == written
    assert set(stored) - set(written) >= {will}
    assert len(set(stored) - set(written)) <= 2  # the end, and what was running
    assert all(_outcome(stored[each]) is Outcome.SUCCESS for each in written)
    assert _outcome(stored[will]) is Outcome.ERROR
    left = {path.suffix for path in (home / "spool").iterdir()}
    assert left <= {"", ".new", ".will"}  # of a segment that was never begun


def _outcome(event: Event) -> Outcome:
    assert isinstance(event, Invocation | SessionEnd)
    return event.outcome


@pytest.mark.parametrize("trials", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_what_was_acknowledged_is_stored_once_whenever_the_writer_is_killed(
    tmp_path: Path, trials: int
) -> None:
    chance = random.Random(20_26)
    for number in range(trials):
        # Small segments, too, so that the kill meets their sealing and beginning.
        max_bytes = chance.choice([1, 500, 5_000, 4 << 20])
        one_kill(tmp_path / str(number), chance.randrange(2, 60), max_bytes)


@pytest.mark.parametrize("max_bytes", [1, 1 << 20], ids=["changing segments", "one segment"])
def test_killed_at_every_step_of_an_append_the_spool_is_whole(
    tmp_path: Path,
    max_bytes: int,
    in_child: Callable[[Callable[[], object]], int],
    kill_at: Callable[[int], None],
    make_event: Callable[..., Invocation],
) -> None:
    first, second, will = (make_event(name) for name in ("first", "second", "will"))
    for step in range(1, 200):
        home = tmp_path / str(step)

        def append_twice(home: Path = home, step: int = step) -> None:
            writer = SpoolWriter(str(home), max_bytes=max_bytes)
            writer.will(0, CODEC.encode(will))
            writer.append(CODEC.encode(first))
            kill_at(step)
            writer.append(CODEC.encode(second))
            writer.close()

        code = in_child(append_twice)
        store = MemoryEventStore()
        done = Collector(home, store, CODEC).collect()
        skills = [event.skill for event in store.tail(0).events if isinstance(event, Invocation)]
        if code == 0:
            assert skills == ["first", "second"]
            assert done.killed == 0
            assert step > 5
            return
        assert code == -signal.SIGKILL
        assert skills[0] == "first"
        assert skills in (
            ["first", "will"],
            ["first", "second", "will"],
            ["first", "will", "second"],
            ["first", "second"],  # killed while it was sealed
        )
        assert done.invalid == 0
    raise AssertionError("the writer has more steps than were tried")
