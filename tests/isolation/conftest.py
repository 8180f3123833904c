"""Real processes that are killed, starved and lied to; what they leave must be whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbhooks.config import load_config
from sbhooks.events import Event, Invocation, Outcome
from sbhooks.runtime import Runtime
from sbhooks.segments import lines, segments


def invocation(skill: str, source: str = "test") -> Invocation:
    """An event that can be told from others by its skill."""
    return Invocation(source=source, session="s", skill=skill, outcome=Outcome.SUCCESS)


@pytest.fixture
def make_event() -> Callable[..., Invocation]:
    """Makes an event that can be told from others by its skill."""
    return invocation


@pytest.fixture
def in_child() -> Callable[[Callable[[], object]], int]:
    """Run a function in a fork of this process; its exit code, negative for a signal."""

    def run(function: Callable[[], object]) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                function()
                code = 0
            except SystemExit as error:
                code = int(error.code or 0)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run


@pytest.fixture
def spooled_lines() -> Callable[[Path], list[bytes]]:
    """Every complete line of a spool."""

    def read(home: Path) -> list[bytes]:
        return [
            line
            for segment in segments(str(home))
            for line, _ in lines(segment.file)
            if line.endswith(b"\n")
        ]

    return read


@pytest.fixture
def collected(home: Path) -> Callable[[], list[Event]]:
    """Collect what is left into the home's own database; everything that is stored then."""

    def collect() -> list[Event]:
        with Runtime.start(load_config(home.parent)) as runtime:
            runtime.collect()
            found: list[Event] = []
            position = 0
            while (tail := runtime.store.tail(position)).events:
                found.extend(tail.events)
                position = tail.position
            return found

    return collect


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB of its own; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "sbhooks-test", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def kill_at() -> Callable[[int], None]:
    """Let this process be killed at its n-th call of a function written in C.

    That is before each step that changes anything outside of the interpreter, and at many
    places between, without a hook in the code that is tested.
    """
    import sys

    def arm(number: int) -> None:
        left = number

        def count(frame: object, event: str, arg: object) -> None:
            nonlocal left
            if event == "c_call":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)

    return arm
