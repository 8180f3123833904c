"""Tests that do to their own process what tests do; the recording is right all the same.

Each suite really runs, in a process of its own. What is expected of a recording is what
pytest itself would say of the same suite.
"""

import textwrap
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks import problems
from sbhooks.events import SessionEnd, SessionStart

Make = Callable[..., Any]

WORK = """
import os, sys, pytest, time
from time import CLOCK_MONOTONIC, clock_gettime

def work():
    end = clock_gettime(CLOCK_MONOTONIC) + 0.05
    while clock_gettime(CLOCK_MONOTONIC) < end:
        pass
"""

#: Each test works 50 ms by a clock that nobody bends, whatever other clocks say meanwhile.
CLOCKS = (
    WORK
    + """
import datetime, freezegun, time_machine

freezers = []
YEAR_10 = datetime.datetime(2010, 1, 1, tzinfo=datetime.timezone.utc)

@pytest.fixture
def frozen():
    work()
    with freezegun.freeze_time(YEAR_10):
        yield
    work()

@pytest.fixture
def thawed():
    freezer = freezegun.freeze_time(YEAR_10)
    freezer.start()
    yield
    freezer.stop()

@pytest.fixture
def travelled():
    work()
    with time_machine.travel(0, tick=False):
        work()
        yield
        work()

def test_plain(): work()
def test_frozen_by_a_fixture(frozen): work()
def test_frozen_and_thawed(thawed): work()
@freezegun.freeze_time("2040-01-01")
def test_frozen_by_a_decorator(): work()
@freezegun.freeze_time(YEAR_10, auto_tick_seconds=3600)
def test_ticking_fast(): work()
@time_machine.travel(0)
def test_travelling_to_1970(): work()
@time_machine.travel(4e9, tick=False)
def test_standing_in_2096(): work()
def test_travelled_by_a_fixture(travelled): work()
def test_frozen_for_a_while_by_a_test():
    freezers.append(freezegun.freeze_time(YEAR_10))
    freezers[0].start()
    work()
def test_still_frozen():
    work()
def test_thawed_by_a_test():
    freezers[0].stop()
    work()
def test_failing_in_frozen_time(frozen):
    work()
    assert 0
def test_skipped_in_frozen_time(frozen):
    work()
    pytest.skip("later")
def test_patched(monkeypatch):
    for name in ("time", "perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: 1e9)
        monkeypatch.setattr(time, name + "_ns", lambda: 10**18)
    work()
def test_patched_clock_gettime(monkeypatch):
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 0.0)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: 0)
    work()
def test_patched_for_good():
    for name in ("time", "perf_counter", "monotonic", "gmtime"):
        setattr(time, name, lambda *_: 1e9)
        setattr(time, name + "_ns", lambda *_: 10**18)
    time.clock_gettime_ns = lambda clock: 0
    work()
def test_travelling_for_good():
    time_machine.travel(0).start()
    work()
def test_failing_after_all_that():
    work()
    assert 0
def test_plain_after_all_that(): work()
"""
)
CLOCK_TESTS = [
    line.split("(")[0].removeprefix("def ")
    for line in CLOCKS.splitlines()
    if line.startswith("def test_")
]


@pytest.fixture(scope="module")
def clocks(make_project: Make) -> Any:
    pytest.importorskip("freezegun")
    pytest.importorskip("time_machine")
    began = datetime.now(UTC)
    run = make_project({"test_it.py": CLOCKS}).run("-q")
    return run, began, datetime.now(UTC)


@pytest.mark.parametrize("name", CLOCK_TESTS)
def test_a_bent_clock_bends_no_duration(clocks: Any, name: str) -> None:
    result = clocks[0].result(name)
    assert result.detail == {"fail": "failed", "skip": "skipped"}.get(name[5:9], "passed")
    phases = [result.setup_s, result.call_s, result.teardown_s]
    has_slow_fixture = "by_a_fixture" in name or "in_frozen_time" in name
    least = [0.05, 0.05, 0.05] if has_slow_fixture else [0, 0.05, 0]
    for phase, bound in zip(phases, least, strict=True):
        assert phase is not None
        assert bound <= phase < 30, phases


def test_events_are_dated_within_the_run_and_in_order(clocks: Any) -> None:
    run, began, ended = clocks
    times = [event.at for event in run.events]
    assert times == sorted(times)
    assert began <= times[0]
    assert times[-1] <= ended
    worked = 0.05 * len(CLOCK_TESTS)
    assert worked <= run.end.duration_s <= (ended - began) / timedelta(seconds=1)
    assert run.end.reason == "finished"
    assert [result.test.rpartition("::")[2] for result in run.results] == CLOCK_TESTS


#: What a test may do and leave undone without disturbing pytest itself → how.
MISDEEDS = {
    "deletes_its_directory": "os.mkdir('gone'); os.chdir('gone'); os.rmdir(os.getcwd())",
    "changes_directory": "os.chdir('/')",
    "clears_the_environment": "os.environ.clear()",
    "lies_about_the_environment": (
        "os.environ.update(SBHOOKS_DISABLE='all', SBHOOKS_HOME='/nowhere', PYTEST_VERSION='1')"
    ),
    "replaces_streams": "sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None",
    "disables_logging": "import logging; logging.disable(logging.CRITICAL)",
    "ignores_signals": (
        "import signal\n"
        "for name in ('SIGINT', 'SIGTERM', 'SIGALRM', 'SIGHUP', 'SIGPIPE'):\n"
        "    signal.signal(getattr(signal, name), signal.SIG_IGN)"
    ),
    "stops_the_garbage_collector": "import gc; gc.disable(); gc.freeze()",
    "makes_warnings_errors": "import warnings; warnings.simplefilter('error')",
    "leaves_garbage": "import gc; gc.set_threshold(1); gc.enable()",
    "takes_its_rights_away": "os.umask(0o777)",
    "exhausts_the_stack": ("def deeper(): deeper()\nwith pytest.raises(RecursionError): deeper()"),
    "exhausts_memory": "with pytest.raises(MemoryError): bytearray(1 << 62)",
    "leaves_a_thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    ),
    "leaves_a_busy_thread": (
        "import threading\n"
        "def write(null=open(os.devnull, 'wb', 0)):\n"
        "    while True: null.write(b'x')\n"
        "threading.Thread(target=write, daemon=True).start()"
    ),
    "switches_threads_at_once": "sys.setswitchinterval(1e-6)",
    "leaves_a_tracer": "sys.settrace(lambda *_: None)",
    "changes_locale_and_zone": (
        "import locale, time\nlocale.setlocale(locale.LC_ALL, 'C')\n"
        "os.environ['TZ'] = 'Pacific/Kiritimati'; time.tzset()"
    ),
    "runs_processes": (
        "import multiprocessing, subprocess\n"
        "for way in ('fork', 'spawn'):\n"
        "    child = multiprocessing.get_context(way).Process(target=print, args=('x',))\n"
        "    child.start(); child.join(); assert child.exitcode == 0\n"
        "subprocess.run([sys.executable, '-c', 'pass'], check=True)"
    ),
    "maps_in_processes": (
        "import multiprocessing\n"
        "pool = multiprocessing.get_context('fork').Pool(2)\n"
        "assert pool.map(abs, [-1, 1]) == [1, 1]\n"
        "pool.close(); pool.join()"  # its end by SIGTERM would wait for ever: that is ignored now
    ),
    "runs_a_loop": "import asyncio; asyncio.run(asyncio.sleep(0))",
    "lies_about_its_process": "os.getpid = lambda: 1; os.urandom = lambda n: b'0' * n",
}
#: What nobody may do for good, pytest needs it: patched for one test and a failing one after.
PATCHES = {
    "open": "builtins.open",
    "os.open": "os.open",
    "os.write": "os.write",
    "os.read": "os.read",
    "os.lseek": "os.lseek",
    "os.pwrite": "os.pwrite",
    "os.rename": "os.rename",
    "os.scandir": "os.scandir",
    "os.mkdir": "os.mkdir",
    "json.dumps": "json.dumps",
    "json.encoder": "json.JSONEncoder.encode",
    "fcntl": "fcntl.fcntl",
    "flock": "fcntl.flock",
    "threading": "threading.RLock",
}


def suite(tests: Mapping[str, str]) -> str:
    """A module of tests: name → body."""
    parts = ["import builtins, os, sys, pytest\n"]
    for name, body in tests.items():
        parts.append(f"def test_{name}():\n{textwrap.indent(body, '    ')}\n")
    return "".join(parts)


@pytest.fixture(scope="module")
def misdeeds(make_project: Make) -> Any:
    tests: dict[str, str] = {}
    for name, body in MISDEEDS.items():
        tests |= {name: body, f"after_{name}": "pass"}
    tests |= {"fails_after_all_that": "assert 0"}
    return make_project({"test_it.py": suite(tests)}).run("-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize("name", MISDEEDS)
def test_a_misdeed_and_what_comes_after_it_are_recorded(misdeeds: Any, name: str) -> None:
    for told in (f"test_{name}", f"test_after_{name}"):
        result = misdeeds.result(told)
        assert (result.detail, result.failure) == ("passed", None), misdeeds.output


def test_all_misdeeds_together_end_like_any_run(misdeeds: Any) -> None:
    assert misdeeds.status == 1, misdeeds.output + misdeeds.errors
    assert len(misdeeds.results) == 2 * len(MISDEEDS) + 1
    assert misdeeds.result("test_fails_after_all_that").failure.type == "AssertionError"
    assert (misdeeds.end.reason, misdeeds.end.exit_status) == ("finished", 1)
    assert misdeeds.end.counts["passed"] == 2 * len(MISDEEDS)
    assert "sbhooks" not in misdeeds.output + misdeeds.errors


BROKEN = """
import contextlib, fcntl, hashlib, json, os, sys, threading, builtins, pytest
from unittest import mock

def test_before(): pass

@pytest.fixture(scope="module")
def broken():
    with mock.patch("{target}", side_effect=RuntimeError("patched")):
        yield

def test_patched(broken): pass
def test_fails_with_it(broken): assert 0
@pytest.mark.parametrize("secret", ["password=hunter2hunter2"])
def test_with_parameters(broken, secret): pass
def test_after(): pass
"""


@pytest.mark.parametrize("target", PATCHES.values(), ids=PATCHES)
def test_functions_are_bound_before_tests_can_patch_them(project: Make, target: str) -> None:
    made = project({"test_it.py": BROKEN.format(target=target)})
    run = made.run("-q", "-p", "no:cacheprovider", "--tb=no", "--assert=plain")
    assert run.status == 1, run.output + run.errors
    details = ["passed", "passed", "failed", "passed", "passed"]
    assert [result.detail for result in run.results] == details
    assert (run.end.reason, run.end.exit_status) == ("finished", 1)
    assert problems.read(str(made.home)) == []


LASTING = """
import json, os, sys

def refuse(*_, **__):
    raise RuntimeError("patched")

def test_before(): pass
def test_patches_for_good(): {patch}
def test_fails(): assert 0
def test_after(): pass
"""
LASTING_PATCHES = {
    "json": "json.dumps = json.loads = json.JSONEncoder.encode = refuse",
    "folders": "os.scandir = os.listdir = refuse",
    "the system": "os.write = os.pwrite = os.lseek = os.rename = os.unlink = refuse",
}


@pytest.mark.parametrize("patch", LASTING_PATCHES.values(), ids=LASTING_PATCHES)
def test_what_stays_patched_at_the_end_does_not_keep_the_end_from_being_recorded(
    project: Make, patch: str
) -> None:
    made = project({"test_it.py": LASTING.format(patch=patch)})
    run = made.run("-q", "-p", "no:cacheprovider", "--tb=no", "--assert=plain")
    assert [result.detail for result in run.results] == ["passed", "passed", "failed", "passed"]
    assert (run.end.reason, run.end.exit_status) == ("finished", 1)


def test_a_recorder_that_fails_keeps_what_it_had_says_so_and_ends_the_session(
    project: Make,
) -> None:
    patch = "sys.modules['sbhooks_pytest.verdicts'] = None  # its import fails"
    made = project({"test_it.py": LASTING.format(patch=patch)})
    run = made.run("-q", "-p", "no:cacheprovider", "--tb=no", "--assert=plain")
    assert (run.status, run.errors) == (1, "")
    assert "1 failed, 3 passed" in run.output
    assert {result.detail for result in run.results[:2]} == {"passed"}
    assert run.end.session == run.start.session
    if len(run.results) < 4:
        (problem,) = problems.read(str(made.home))
        assert problem.where == "pytest"


FAKED = """
import os, pytest
from pathlib import Path
from pyfakefs.fake_filesystem_unittest import Patcher

@pytest.fixture(scope="module")
def fs():
    with Patcher() as patcher:
        yield patcher.fs

def test_before(): pass
def test_faked(fs):
    Path("/fake").write_text("fake")
    assert os.listdir("/") != []
def test_fails_in_it(fs): assert Path("/fake").read_text() == ""
@pytest.mark.parametrize("token", ["token=0123456789abcdef"])
def test_with_parameters(fs, token): assert Path("/fake").read_text() == "fake"
def test_asks_for_our_home(fs): assert not os.path.exists(os.environ["SBHOOKS_HOME"])
"""


def test_a_faked_file_system_hides_nothing(project: Make) -> None:
    pytest.importorskip("pyfakefs")
    made = project({"test_it.py": FAKED})
    run = made.run("-q", "-s", "-p", "no:cacheprovider")
    assert run.status == 1, run.output
    details = ["passed", "passed", "failed", "passed", "passed"]
    assert [result.detail for result in run.results] == details
    assert run.end.reason == "finished"


#: What a test does to descriptors; ``own`` keeps files with nothing in them but "mine".
GRABS = {
    "closes all and opens as many": """
        os.closerange(3, 4096)
        own(990)
    """,
    "closes all and opens in our place": """
        ours = spooled()
        assert len(ours) == 2
        os.closerange(3, 4096)
        for fd in ours:
            os.dup2(own(1)[0].fileno(), fd)
    """,
    "puts its own over ours": """
        for fd in spooled():
            os.dup2(own(1)[0].fileno(), fd)
    """,
    "puts a longer file over ours": """
        for fd in spooled():
            file, = own(1)
            os.pwrite(file.fileno(), b"mine" * 20_000, 0)
            os.lseek(file.fileno(), 4, os.SEEK_SET)
            os.dup2(file.fileno(), fd)
    """,
    "puts a pipe over ours": """
        read, write = os.pipe()
        os.set_blocking(read, False)
        pipes.append(read)
        for fd in spooled():
            os.dup2(write, fd)
    """,
}
GRAB = """
import atexit, os, pytest
kept, pipes = [], []

def own(count):
    files = []
    for _ in range(count):
        try:
            file = open(f"own{{len(kept)}}", "wb", 0)
        except OSError:
            break
        file.write(b"mine")
        kept.append(file)
        files.append(file)
    return files

def spooled():
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if "/spool/" in os.readlink(f"/proc/self/fd/{{fd}}"):
                found.append(fd)
        except OSError:
            pass
    return found

def test_before(): pass
def test_grabs():
{body}
def test_fails(): assert 0
def test_after(): pass
def test_pipes():
    for pipe in pipes:
        with pytest.raises(BlockingIOError):
            os.read(pipe, 1)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("body", GRABS.values(), ids=GRABS)
def test_nothing_is_written_to_a_descriptor_that_became_the_tests_own(
    project: Make, body: str
) -> None:
    body = textwrap.indent(textwrap.dedent(body), "    ")
    made = project({"test_it.py": GRAB.format(body=body)})
    run = made.run("-q", "-s", "-p", "no:cacheprovider")
    assert run.status == 1, run.output + run.errors
    details = ["passed", "passed", "failed", "passed", "passed"]
    assert [result.detail for result in run.results] == details
    assert run.end.reason == "finished"
    for path in made.folder.glob("own*"):
        assert path.read_bytes().replace(b"mine", b"") == b""


MISHAP = """
import os, resource, shutil, sys, pytest
def test_before(): pass
def test_mishap():
{body}
def test_fails(): assert 0
def test_after(): pass
"""
#: What a test may do to the process or to our files, and leave so.
MISHAPS = {
    "deletes our home": "shutil.rmtree(os.environ['SBHOOKS_HOME'])",
    "deletes the spool": "shutil.rmtree(os.environ['SBHOOKS_HOME'] + '/spool')",
    "deletes what is in the spool": """
        folder = os.environ["SBHOOKS_HOME"] + "/spool/"
        for name in os.listdir(folder):
            os.unlink(folder + name)
    """,
    "limits its files for a while": """
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(OSError):
            open("large", "wb", 0).write(b"x" * 1000) == 100 and open("large", "ab", 0).write(b"x")
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    """,
    "removes our modules": """
        for name in list(sys.modules):
            if "sbhooks" in name:
                del sys.modules[name]
    """,
    "empties the path": "sys.path.clear(); sys.path_importer_cache.clear()",
    "becomes somebody else": "os.getuid() or os.seteuid(12345)",
}


@pytest.mark.parametrize("body", MISHAPS.values(), ids=MISHAPS)
def test_all_is_recorded_whatever_befalls_the_process_or_our_files(
    project: Make, body: str
) -> None:
    body = textwrap.indent(textwrap.dedent(body), "    ")
    made = project({"test_it.py": MISHAP.format(body=body)})
    run = made.run("-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no")
    assert run.status == 1, run.output + run.errors
    assert [result.detail for result in run.results] == ["passed", "passed", "failed", "passed"]
    assert (run.end.reason, run.end.exit_status) == ("finished", 1)
    assert "sbhooks" not in run.output + run.errors


#: How a test leaves no descriptor for anybody, not even for importing a module.
EXHAUSTIONS = {
    "limits its descriptors": "resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
    "uses up its descriptors": """
        kept = []
        globals()["kept"] = kept
        with pytest.raises(OSError):
            while True:
                kept.append(open(os.devnull))
    """,
}


@pytest.mark.parametrize("body", EXHAUSTIONS.values(), ids=EXHAUSTIONS)
def test_without_descriptors_recording_is_right_or_stops_quietly(project: Make, body: str) -> None:
    body = textwrap.indent(textwrap.dedent(body), "    ")
    made = project({"test_it.py": MISHAP.format(body=body)})
    run = made.run("-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=no")
    assert run.status == 1, run.output + run.errors
    details = [result.detail for result in run.results]
    assert details == ["passed", "passed", "failed", "passed"][: len(details)]
    assert len(details) >= 2
    if len(details) < 4:
        assert (run.end.reason, run.end.exit_status) == ("the recorder failed", None)


def test_where_files_may_not_grow_recording_stops_quietly(project: Make) -> None:
    body = "    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    made = project({"test_it.py": MISHAP.format(body=body)})
    run = made.run("-q", "-p", "no:cacheprovider")
    assert run.status == 1
    assert run.output.splitlines()[-1].startswith("1 failed, 3 passed in ")
    assert run.errors == ""
    truth = {"before": "passed", "mishap": "passed", "fails": "failed", "after": "passed"}
    kept = {result.test.rpartition("_")[2]: result.detail for result in run.results}
    assert kept.items() <= truth.items()
    assert kept["before"] == "passed"
    assert run.collected.invalid == 0
    (problem, *_) = problems.read(str(made.home))
    assert problem.where == "spool"


#: A fork that comes back from the test → how it leaves.
FORKS = {
    "goes on as pytest": "pass",
    "exits": "sys.exit(0)",
    "fails": "assert 0",
    "exits at once": "os._exit(0)",
}


@pytest.mark.parametrize("leave", FORKS.values(), ids=FORKS)
def test_a_fork_of_the_process_records_nothing(project: Make, leave: str) -> None:
    body = f"""
        child = os.fork()
        if child == 0:
            {leave}
        else:
            os.waitpid(child, 0)
    """
    body = textwrap.indent(textwrap.dedent(body), "    ")
    made = project({"test_it.py": MISHAP.format(body=body)})
    run = made.run("-q", "-p", "no:cacheprovider")
    assert run.status == 1
    assert [result.detail for result in run.results] == ["passed", "passed", "failed", "passed"]
    assert (run.end.reason, run.end.counts["passed"]) == ("finished", 3)
    assert run.collected.killed == 0
    assert len({result.id for result in run.results}) == 4


UNTOUCHED = """
import os, signal, sys, threading, warnings

def test_nothing_of_ours_is_felt():
    none = signal.SIG_DFL, signal.SIG_IGN, None
    assert [s for s in signal.Signals if signal.getsignal(s) not in none] == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert threading.enumerate() == [threading.main_thread()]
    assert sys.gettrace() is sys.getprofile() is None
    assert sys.excepthook is sys.__excepthook__
    assert not {"sqlite3", "msgspec", "rich", "click", "multiprocessing"} & BEFORE_ANY_TEST
    assert FORBIDDEN == []
"""
WATCH = """
import builtins, sys
builtins.FORBIDDEN = []

def watch(event, arguments):
    if event.split(".")[0] in {"subprocess", "sqlite3", "socket"} or event in {
        "os.system", "os.fork", "os.posix_spawn", "os.exec", "signal.pthread_kill"}:
        FORBIDDEN.append(event)

sys.addaudithook(watch)

def pytest_runtest_setup(item):
    builtins.BEFORE_ANY_TEST = set(sys.modules)
"""


def test_recording_changes_nothing_in_the_process_and_starts_nothing(project: Make) -> None:
    made = project({"test_it.py": UNTOUCHED, "conftest.py": WATCH})
    (made.folder / ".git").mkdir()
    run = made.run("-q", "-p", "no:faulthandler")
    assert run.status == 0, run.output
    assert run.result("test_nothing_of_ours_is_felt").detail == "passed"


@pytest.mark.parametrize("interpreter", [[], ["-W", "error"], ["-X", "dev", "-W", "error"], ["-I"]])
def test_nothing_of_ours_warns(project: Make, interpreter: list[str]) -> None:
    tests = "import gc\ndef test_it(): gc.collect()\ndef test_fails(): raise OSError\n"
    made = project({"test_it.py": tests})
    command = made.command("-q", "-W", "error")
    command[1:1] = interpreter
    made.command = lambda *_, **__: command
    run = made.run()
    assert (run.status, run.errors) == (1, ""), run.output
    assert [result.detail for result in run.results] == ["passed", "failed"]
    assert run.end.counts.get("warnings", 0) == 0


NESTED = """
pytest_plugins = ["pytester"]
INNER = '''
def test_inner(): pass
def test_inner_fails(): assert 0
'''

def test_before(): pass
def test_in_process(pytester):
    pytester.makepyfile(INNER)
    pytester.runpytest_inprocess("-p", "sbhooks"{more}).assert_outcomes(passed=1, failed=1)
def test_between(): pass
def test_in_a_subprocess(pytester):
    pytester.makepyfile(INNER)
    pytester.runpytest_subprocess("-p", "sbhooks"{more}).assert_outcomes(passed=1, failed=1)
def test_fails(): assert 0
"""


def test_a_run_inside_a_test_is_not_recorded(project: Make) -> None:
    made = project({"test_it.py": NESTED.format(more="")})
    run = made.run("-q")
    assert run.status == 1
    details = ["passed", "passed", "passed", "passed", "failed"]
    assert [result.detail for result in run.results] == details, run.output
    assert (run.end.reason, run.end.counts["passed"]) == ("finished", 4)


def test_a_run_inside_a_test_is_recorded_if_it_asks_for_it(project: Make) -> None:
    made = project({"test_it.py": NESTED.format(more=', "-o", "sbhooks_nested=true"')})
    run = made.run("-q")
    assert run.status == 1
    starts, ends = run.of(SessionStart), run.of(SessionEnd)
    assert len(starts) == len({start.session for start in starts}) == 3
    assert sorted(end.session for end in ends) == sorted(start.session for start in starts)
    found: dict[str, list[str]] = {}
    for result in run.results:
        found.setdefault(result.session, []).append(result.detail)
    assert sorted(found.values()) == [
        ["passed", "failed"],
        ["passed", "failed"],
        ["passed", "passed", "passed", "passed", "failed"],
    ]
    assert [end.reason for end in ends] == ["finished"] * 3
