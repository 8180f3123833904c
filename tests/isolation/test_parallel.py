"""Many writers, several collectors, some of them killed: every event is stored exactly once."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from sbhooks.events import Event, Invocation

WRITER = """
import os, signal, sys
from sbhooks.emitter import Emitter
from sbhooks.events import Invocation, Outcome
name, count, is_killed = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "killed"
emitter = Emitter.start("test")
emitter._spool._max_bytes = 20_000
for number in range(count):
    emitter.emit(Invocation(source="test", session=emitter.session, skill=f"{name}.{number}",
                            outcome=Outcome.SUCCESS))
if emitter.lost:
    sys.exit(f"lost {emitter.lost}: {emitter.trouble}")
if is_killed:
    os.write(emitter._spool._fd, b'{"kind":"invocation","source":"te')  # in mid-line
    os.kill(os.getpid(), signal.SIGKILL)
emitter.close()
"""

COLLECTOR = """
import os, sys
from sbhooks.config import load_config
from sbhooks.runtime import Runtime
with Runtime.start(load_config()) as runtime:
    last = False
    while True:
        last = os.path.exists(sys.argv[1])
        done = runtime.collect()
        if last and not done.segments and not done.open:
            break
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", textwrap.dedent(program), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("writers", "killed", "collectors", "events"),
    [
        (6, 2, 2, 3_000),
        pytest.param(32, 5, 4, 100_000, marks=pytest.mark.slow),
    ],
)
def test_every_event_is_stored_exactly_once(
    home: Path,
    tmp_path: Path,
    collected: Callable[[], list[Event]],
    writers: int,
    killed: int,
    collectors: int,
    events: int,
) -> None:
    done = tmp_path / "writers-are-done"
    each = events // writers
    counts = [each + (number < events % writers) for number in range(writers)]
    collecting = [start(COLLECTOR, done) for _ in range(collectors)]
    writing = [
        start(WRITER, number, count, "killed" if number < killed else "closed")
        for number, count in enumerate(counts)
    ]
    for number, process in enumerate(writing):
        _, error = process.communicate()
        assert error == ""
        assert process.returncode == (-signal.SIGKILL if number < killed else 0)
    done.touch()
    for process in collecting:
        _, error = process.communicate()
        assert (process.returncode, error) == (0, "")
    found = [event.skill for event in collected() if isinstance(event, Invocation)]
    assert len(found) == events
    assert set(found) == {f"{w}.{n}" for w, count in enumerate(counts) for n in range(count)}
    left = sorted(os.listdir(home / "spool"))  # noqa: PTH208
    assert left == ["aside"]
    torn = list((home / "spool" / "aside").iterdir())
    assert {path.suffix for path in torn} == {".torn"}
    assert len(torn) == killed
