"""Runs that are killed, interrupted or give up: what had finished is stored, once."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from sbhooks.collector import Collector
from sbhooks.events import BUILTIN_KINDS, Codec, Event, Outcome, SessionEnd, TestResult
from sbhooks.segments import segments
from sbhooks.testing.memory import MemoryEventStore

Make = Callable[..., Any]

#: Three tests that pass, one in which the run ends, and one that is never reached.
SUITE = """
import os, signal, sys, pytest
@pytest.fixture
def deadly_fixture():
    yield
    {teardown}
def test_first(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_more(n): pass
def test_deadly(deadly_fixture):
    {body}
def test_never(): pass
"""
DONE = ["test_first", "test_more", "test_more"]

#: How a test can end the whole process → its exit status.
DEATHS = {
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "SIGHUP": ("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP),
    "abort": ("os.abort()", -signal.SIGABRT),
    "a crash in C": ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    "os._exit": ("os._exit(3)", 3),
    "os._exit as if all were well": ("os._exit(0)", 0),
    "exec": ("os.execv('/bin/sh', ['sh', '-c', 'exit 7'])", 7),
}


def names(results: list[TestResult]) -> list[str]:
    """Functions of the tests, in the order in which their results were stored."""
    return [result.test.rpartition("::")[2] for result in results]


def check_killed(run: Any, running: list[str]) -> None:
    """The session says that it was killed, and each of the running tests that it was running."""
    assert (run.end.outcome, run.end.reason) == (Outcome.ERROR, "killed")
    assert run.end.exit_status is None
    assert (run.invocation.outcome, run.invocation.error_type) == (Outcome.ERROR, "killed")
    assert run.invocation.duration_s is None, "nobody knows how long it would have taken"
    killed = [r for r in run.results if r.failure is not None and r.failure.type == "Killed"]
    assert sorted(names(killed)) == sorted(running)
    for result in killed:
        assert (result.outcome, result.detail) == (Outcome.ERROR, "error")
        assert result.invocation == run.invocation.id
        assert result.at >= run.start.at
    assert len({event.id for event in run.events}) == len(run.events)


@pytest.mark.parametrize(("death", "status"), DEATHS.values(), ids=DEATHS)
def test_a_dead_process_leaves_all_that_had_finished_and_names_what_was_running(
    project: Make, death: str, status: int
) -> None:
    made = project({"test_it.py": SUITE.format(body=death, teardown="pass")})
    run = made.run("-q", "-p", "no:faulthandler")
    assert run.status == status
    assert names(run.results) == [*DONE, "test_deadly"]
    check_killed(run, ["test_deadly"])
    assert run.phases == [("", "setup"), ("setup", "execution")]
    assert (run.collected.killed, run.collected.invalid) == (1, 0)


def test_nothing_is_stored_twice_by_whoever_collects_and_however_often(project: Make) -> None:
    made = project({"test_it.py": SUITE.format(body=DEATHS["SIGKILL"][0], teardown="pass")})
    assert made.run("-q").collected.events > 5
    again = made.ended()
    assert (again.collected.events, again.events, segments(str(made.home))) == (0, [], [])


def test_a_run_that_is_collected_while_it_lives_and_then_killed_is_stored_once(
    project: Make,
) -> None:
    made = project({"test_it.py": SUITE.format(body="sys.stdin.read()", teardown="pass")})
    store = MemoryEventStore()
    collector = Collector(made.home, store, Codec(BUILTIN_KINDS))
    with begun(made, "-q", "-s") as process:
        wait_for(made, b"test_deadly", process)
        assert collector.collect().open == 1
        early = stored(store)
        assert names([e for e in early if isinstance(e, TestResult)]) == DONE
        assert not any(isinstance(event, SessionEnd) for event in early)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    collector.collect()
    # A collector that knows nothing of the other, and the same one again.
    Collector(made.home, store, Codec(BUILTIN_KINDS)).collect()
    collector.collect()
    results = [event for event in stored(store) if isinstance(event, TestResult)]
    assert names(results) == [*DONE, "test_deadly"]
    ends = [event.reason for event in stored(store) if isinstance(event, SessionEnd)]
    assert ends == ["killed"]


def test_the_end_of_a_killed_run_is_not_dated_before_its_results(project: Make) -> None:
    """The system's stamps of files are some milliseconds old when they are made."""
    made = project({"test_it.py": SUITE.format(body="sys.stdin.read()", teardown="pass")})
    with begun(made, "-q", "-s") as process:
        wait_for(made, b"test_deadly", process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    for path in made.home.glob("spool/*.*"):
        os.utime(path, (0, 0))
    run = made.ended()
    assert run.end.at >= max(run.attempts("test_first")[0].at, run.attempts("test_more")[1].at)
    check_killed(run, ["test_deadly"])


def test_a_kill_from_outside_in_a_fixture_names_the_test(project: Make) -> None:
    body, teardown = "pass", "sys.stdin.read()"
    made = project({"test_it.py": SUITE.format(body=body, teardown=teardown)})
    with begun(made, "-q", "-s") as process:
        wait_for(made, b"test_deadly", process)
        os.killpg(process.pid, signal.SIGTERM)
        run = made.finish(process)
    assert run.status == -signal.SIGTERM
    check_killed(run, ["test_deadly"])


def test_a_kill_while_collecting_leaves_a_run_without_tests(project: Make) -> None:
    deadly = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    made = project({"test_a.py": "def test_a(): pass\n", "test_b.py": deadly})
    run = made.run("-q")
    assert run.status == -signal.SIGKILL
    assert run.results == []
    assert run.phases == [("", "setup")]
    check_killed(run, [])


#: Hooks in which no test is running → how many tests had finished.
BETWEEN = {
    "pytest_runtest_logfinish(nodeid, location)": 1,
    "pytest_collection_modifyitems(items)": 0,
    "pytest_sessionfinish(session)": 2,
    "pytest_terminal_summary(terminalreporter)": 2,
}


@pytest.mark.parametrize(("hook", "finished"), BETWEEN.items())
def test_a_kill_between_tests_names_no_test(project: Make, hook: str, finished: int) -> None:
    conftest = f"import os, signal\ndef {hook}: os.kill(os.getpid(), signal.SIGKILL)\n"
    tests = "def test_one(): pass\ndef test_two(): pass\n"
    run = project({"conftest.py": conftest, "test_it.py": tests}).run("-q")
    assert run.status == -signal.SIGKILL
    assert [r.detail for r in run.results] == ["passed"] * finished
    check_killed(run, [])


#: When the end is written, and the will beside it is still there → what kills then.
LATE_DEATHS = {
    "before the segment is sealed": """
        import os, signal, sys
        def pytest_unconfigure(config):
            def look(frame, event, arg):
                if event == "c_call" and arg is os.rename:
                    os.kill(os.getpid(), signal.SIGKILL)
            sys.setprofile(look)
    """,
    "before the will is deleted": """
        import os, signal, sys
        def pytest_unconfigure(config):
            def look(frame, event, arg):
                if event == "c_call" and arg is os.unlink:
                    os.kill(os.getpid(), signal.SIGKILL)
            sys.setprofile(look)
    """,
    "as the interpreter exits": """
        import atexit, os, signal
        atexit.register(os.kill, os.getpid(), signal.SIGKILL)
    """,
}


@pytest.mark.parametrize("conftest", LATE_DEATHS.values(), ids=LATE_DEATHS)
def test_a_real_end_always_wins_over_the_will(project: Make, conftest: str) -> None:
    tests = "def test_one(): pass\ndef test_two(): assert 0\n"
    run = project({"conftest.py": conftest, "test_it.py": tests}).run("-q")
    assert run.status == -signal.SIGKILL
    assert [r.detail for r in run.results] == ["passed", "failed"]
    assert (run.end.reason, run.end.exit_status) == ("finished", 1)
    assert (run.invocation.outcome, run.invocation.error_type) == (
        Outcome.FAILURE, "tests-failed",
    )  # fmt: skip


def test_a_killed_repetition_leaves_the_earlier_attempts_as_they_were(project: Make) -> None:
    pytest.importorskip("pytest_rerunfailures")
    tests = """
        import os, signal
        tries = []
        def test_flaky():
            tries.append(1)
            assert len(tries) == 3 or len(tries) == 2 and os.kill(os.getpid(), signal.SIGKILL)
    """
    run = project({"test_it.py": tests}).run(
        "-q", "--reruns=3", plugins=("sbhooks", "rerunfailures")
    )
    first, second = run.attempts("test_flaky")
    assert (first.attempt, first.detail) == (1, "failed")
    assert first.failure is not None
    assert first.failure.type == "AssertionError"
    assert second.attempt == 2
    check_killed(run, ["test_flaky"])


def test_pytest_timeout_ending_the_process_names_the_test(project: Make) -> None:
    pytest.importorskip("pytest_timeout")
    made = project({"test_it.py": SUITE.format(body="sys.stdin.read()", teardown="pass")})
    with begun(
        made, "-q", "-s", "--timeout=0.2", "--timeout-method=thread", plugins=("sbhooks", "timeout")
    ) as process:
        process.wait(60)
        run = made.finish(process)
    assert run.status == 1
    check_killed(run, ["test_deadly"])


def test_a_fork_that_outlives_a_killed_run_does_not_hide_its_end(project: Make) -> None:
    fork = """
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    made = project({"test_it.py": SUITE.format(body=fork.strip(), teardown="pass")})
    with begun(made, "-q", "-s") as process:
        assert process.wait(60) == -signal.SIGKILL
        run = made.ended()  # the fork lives: its standard input is still open
        os.killpg(process.pid, 0)
        check_killed(run, ["test_deadly"])


def test_a_killed_controller_of_xdist_names_every_test_that_was_running(project: Make) -> None:
    pytest.importorskip("xdist")
    tests = """
        import os, time, pytest
        def test_done(): pass
        @pytest.mark.parametrize("n", range(4))
        def test_waits(n):
            controller = os.getppid()
            while os.getppid() == controller:
                time.sleep(0.01)
    """
    made = project({"test_it.py": tests})
    with begun(made, "-q", "-n2", plugins=("sbhooks", "xdist")) as process:
        wait_for(made, b"test_done", process, finished=True)
        wait_for(made, b"test_waits", process, count=2)
        os.kill(process.pid, signal.SIGKILL)  # as one does who is out of memory: no one else
        run = made.finish(process)
    assert run.result("test_done").detail == "passed"
    assert len(run.results) == 3
    check_killed(run, ["test_waits", "test_waits"])
    assert run.attempts("test_waits")[0].params != run.attempts("test_waits")[1].params


@pytest.mark.parametrize("options", [("-q",), ("-p", "no:terminal"), ("-x", "--tb=no")])
def test_ctrl_c_is_an_interruption_and_names_the_test(
    project: Make, options: tuple[str, ...]
) -> None:
    made = project({"test_it.py": SUITE.format(body="sys.stdin.read()", teardown="pass")})
    with begun(made, "-s", *options) as process:
        wait_for(made, b"test_deadly", process)
        os.killpg(process.pid, signal.SIGINT)
        run = made.finish(process)
    check_interrupted(run)
    assert run.end.reason == "interrupted at 4 of 5: KeyboardInterrupt"
    cut_off = run.result("test_deadly")
    assert (cut_off.outcome, cut_off.detail) == (Outcome.CANCELLATION, "error")
    assert cut_off.failure is not None
    assert cut_off.failure.type == "KeyboardInterrupt"


def check_interrupted(run: Any) -> None:
    assert run.status == 2, run.output
    assert (run.end.exit_status, run.end.outcome) == (2, Outcome.CANCELLATION)
    assert run.end.reason.startswith("interrupted")
    assert run.invocation.error_type == "interrupted"
    assert run.collected.killed == 0


def test_ctrl_c_under_xdist_is_an_interruption(project: Make) -> None:
    pytest.importorskip("xdist")
    tests = """
        import time
        def test_done(): pass
        def test_waits():
            while True:
                time.sleep(0.01)
    """
    made = project({"test_it.py": tests})
    with begun(made, "-q", "-n2", plugins=("sbhooks", "xdist")) as process:
        wait_for(made, b"test_done", process, finished=True)
        wait_for(made, b"test_waits", process)
        os.killpg(process.pid, signal.SIGINT)
        run = made.finish(process)
    check_interrupted(run)
    assert run.result("test_done").detail == "passed"
    assert run.result("test_waits").outcome is Outcome.CANCELLATION


#: How a test or a plugin can end the run in an orderly way → exit status, and the reason.
GIVING_UP = {
    "pytest.exit": ("pytest.exit('enough')", 2, "interrupted at 4 of 5: Exit: enough"),
    "pytest.exit with a status": ("pytest.exit('enough', 42)", 42, "enough"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", 2, "interrupted at 4 of 5"),
}


@pytest.mark.parametrize(("body", "status", "reason"), GIVING_UP.values(), ids=GIVING_UP)
def test_a_run_that_gives_up_says_so(project: Make, body: str, status: int, reason: str) -> None:
    run = project({"test_it.py": SUITE.format(body=body, teardown="pass")}).run("-q")
    assert run.status == status
    assert run.end.exit_status == status
    assert reason in run.end.reason
    assert names(run.results) == [*DONE, "test_deadly"]
    assert run.result("test_deadly").outcome is Outcome.CANCELLATION
    assert run.collected.killed == 0


def stored(store: MemoryEventStore) -> list[Event]:
    return list(store.tail(0, limit=10_000).events)


@contextmanager
def begun(
    made: Any, *args: str, plugins: tuple[str, ...] = ("sbhooks",)
) -> Iterator["subprocess.Popen[str]"]:
    """A run whose standard input stays open, so that a test can wait for its end."""
    read, write = os.pipe()
    process = subprocess.Popen(
        made.command(*args, plugins=plugins), cwd=made.folder, env=made.environ, stdin=read,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(read)
            os.close(write)


def wait_for(
    made: Any,
    name: bytes,
    process: "subprocess.Popen[str]",
    *,
    count: int = 1,
    finished: bool = False,
) -> None:
    """Wait until the run has written that tests of this name are running, or finished."""
    pattern = "*.open" if finished else "*.will"
    patience = time.monotonic() + 30
    while time.monotonic() < patience:
        told = b"".join(path.read_bytes() for path in made.home.glob(f"spool/{pattern}"))
        if told.count(b"::" + name) >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    raise AssertionError(f"{name!r} was never heard of")


def test_who_collects_while_descriptors_are_closed_does_not_take_the_run_for_killed(
    project: Make,
) -> None:
    made = project(
        {
            "test_it.py": """
                import os, sys
                def test_closes_what_is_not_its_own():
                    os.closerange(100, 70_000)  # those below are of pytest
                    sys.stdin.read()
                def test_after(): pass
            """
        }
    )
    store = MemoryEventStore()
    collector = Collector(made.home, store, Codec(BUILTIN_KINDS))
    read, write = os.pipe()
    process = subprocess.Popen(
        made.command("-q", "-s"), cwd=made.folder, env=made.environ, stdin=read,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(read)
    wait_for(made, b"test_closes_what_is_not_its_own", process)
    descriptors = f"/proc/{process.pid}/fd"
    patience = time.monotonic() + 30
    while any("spool" in target for target in links(descriptors)) and time.monotonic() < patience:
        time.sleep(0.005)
    assert collector.collect().killed == 0
    os.close(write)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output + errors
    assert collector.collect().killed == 0
    ends = [event for event in stored(store) if isinstance(event, SessionEnd)]
    assert [end.reason for end in ends] == ["finished"]
    results = [event for event in stored(store) if isinstance(event, TestResult)]
    assert [result.detail for result in results] == ["passed", "passed"]


def links(folder: str) -> list[str]:
    """Where the links of a folder lead."""
    found = []
    for name in os.listdir(folder):  # noqa: PTH208
        with suppress(OSError):
            found.append(os.readlink(f"{folder}/{name}"))  # noqa: PTH115
    return found
