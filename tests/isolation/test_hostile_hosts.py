"""What a host does to itself must not do anything to it through us."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest

import sbhooks
from sbhooks import problems
from sbhooks.events import Event, Invocation
from sbhooks.segments import segments

Program = Callable[..., CompletedProcess[str]]

#: Emits ten events around each mishap, the lines of which are indented.
HOST = """
import os, sys, tempfile
from sbhooks.emitter import Emitter
from sbhooks.events import Invocation, Outcome
emitter = Emitter.start("test")
def emit(count=10):
    for number in range(count):
        emitter.emit(Invocation(source="test", session=emitter.session, skill=str(number),
                                outcome=Outcome.SUCCESS))
emit()
{mishap}
emit()
emitter.close()
print(emitter.lost, emitter.trouble)
"""

MISHAPS = {
    "nothing": "",
    "changes the working directory": "os.chdir('/')",
    "clears the environment": "os.environ.clear()",
    "closes all descriptors": "os.closerange(3, 4096)",
    "closes and reopens": (
        "os.closerange(3, 4096); files = [tempfile.TemporaryFile() for _ in range(990)]"
    ),
    "changes its umask": "os.umask(0o777)",
    "deletes the spool": (
        "import shutil; shutil.rmtree(os.path.join(os.environ['SBHOOKS_HOME'], 'spool'))"
    ),
    "deletes the home": "import shutil; shutil.rmtree(os.environ['SBHOOKS_HOME'])",
    "forks": "if os.fork() == 0: emit(); emitter.close(); os._exit(0)\nos.wait()",
    "forks a child that goes on": (
        "if os.fork() == 0: emit(); sys.stdout.flush(); emitter.close(); os._exit(0)\nos.wait()"
    ),
    "breaks os.write": "os.write = os.open = os.lseek = None",
    "freezes time": "import freezegun; f = freezegun.freeze_time('2000-01-01'); f.start()",
    "travels in time": "import time_machine; t = time_machine.travel('2000-01-01'); t.start()",
    "fakes the file system": (
        "from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "patcher = Patcher(); patcher.setUp(); emit(0)"
    ),
    "fakes it between": (
        "from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "emitter._spool._max_bytes = 1\n"
        "with Patcher(): emit(); sys.stdout.flush()"
    ),
    "limits its descriptors": (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))"
    ),
    "recurses deeply": (
        "def deep(n): return deep(n - 1) if n else emit(0)\ndeep(sys.getrecursionlimit() // 2)"
    ),
    "switches garbage collection off": "import gc; gc.disable(); gc.freeze()",
    "removes modules": "[sys.modules.pop(m) for m in list(sys.modules) if m.startswith('sbhooks')]",
}


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
def test_everything_is_recorded_and_nothing_is_said(
    home: Path, python: Program, mishap: str, collected: Callable[[], list[Event]]
) -> None:
    ran = python(HOST.format(mishap=mishap))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0 None\n", "")
    found = collected()
    assert len(found) == (30 if "emitter._spool._max_bytes" in mishap else 20)
    assert {event.at.year for event in found} != {2000}
    assert segments(str(home)) == []
    assert problems.read(str(home)) == []


def test_the_times_of_events_go_on_where_the_host_bends_time(
    python: Program, collected: Callable[[], list[Event]]
) -> None:
    mishap = "import time_machine; t = time_machine.travel('1999-01-01'); t.start()"
    assert python(HOST.format(mishap=mishap)).stdout == "0 None\n"
    times = [event.at for event in collected()]
    assert times == sorted(times)
    assert (times[-1] - times[0]).total_seconds() < 3_600


def test_a_full_disk_costs_events_and_nothing_else(
    small_disk: Path, python: Program, tmp_path: Path
) -> None:
    program = """
        import sys
        from sbhooks.emitter import Emitter
        from sbhooks.events import Invocation, Outcome
        emitter = Emitter.start("test")
        for number in range(2_000):
            emitter.emit(Invocation(source="test", session=emitter.session, skill=str(number),
                                    outcome=Outcome.SUCCESS))
        emitter.close()
        print(emitter.lost)
    """
    environment = {**os.environ, "SBHOOKS_HOME": str(small_disk / "home")}
    ran = python(program, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    lost = int(ran.stdout)
    assert 0 < lost < 2_000
    told = problems.read(str(small_disk / "home"))
    assert max(problem.lost for problem in told) == lost
    assert any("bytes fit" in p.what or "No space left" in p.what for p in told)
    (segment,) = segments(str(small_disk / "home"))
    kept = Path(segment.file).read_bytes()
    assert kept.count(b"\n") == 2_000 - lost
    assert kept.endswith(b"\n")


@pytest.mark.parametrize("flags", ["-I", "-O", "-OO", "-X dev", "-W error", "-B -S -E"])
def test_no_way_of_starting_the_interpreter_gets_in_the_way(
    home: Path, tmp_path: Path, flags: str
) -> None:
    path = [str(Path(sbhooks.__file__).parents[1]), str(Path(msgspec.__file__).parents[1])]
    program = f"import sys; sys.path[:0] = {path!r}\n" + HOST.format(mishap="")
    ran = subprocess.run(
        [sys.executable, *flags.split(), "-c", program],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("0 None\n", "")


def test_an_exception_of_the_hosts_own_alarm_reaches_the_host(
    python: Program, collected: Callable[[], list[Event]]
) -> None:
    """As with pytest-timeout, whose exception is no ``Exception``: it may not be swallowed."""
    ran = python(
        """
        import signal
        from sbhooks.emitter import Emitter
        from sbhooks.events import Invocation, Outcome
        class Timeout(BaseException): pass
        def ring(*_): raise Timeout
        signal.signal(signal.SIGALRM, ring)
        emitter = Emitter.start("test")
        def emit():
            emitter.emit(Invocation(source="test", session=emitter.session, skill="x",
                                    outcome=Outcome.SUCCESS))
        emit()  # Python itself swallows exceptions while it imports; the first event does
        emitted, rung = 1, 0
        while rung < 200:
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 * (1 + rung % 40))
                while True:
                    emit()
                    emitted += 1
            except Timeout:
                rung += 1
        emitter.close()
        print(emitted, rung, emitter.lost)
        """
    )
    assert ran.stderr == ""
    emitted, rung, lost = map(int, ran.stdout.split())
    found = [event for event in collected() if isinstance(event, Invocation)]
    assert (rung, lost) == (200, 0)
    assert emitted <= len(found) <= emitted + rung
