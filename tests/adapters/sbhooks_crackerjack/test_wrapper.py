"""The ways in: a wrapper and a ``.pth`` file, around a program of Crackerjack's shape.

The program has the modules, classes and methods that the observer looks for; the real Crackerjack
is run by ``test_real_crackerjack``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.output import Output
from sbhooks_crackerjack.autoload import LINE
from sbhooks_crackerjack.enabling import NAME, draw, switch
from sbhooks_crackerjack.observer import is_crackerjack

SBHOOKS = str(Path(sys.executable).parent / "sbhooks")
Recorded = Callable[..., list[Any]]

EXECUTOR = """
import os, subprocess, sys
from crackerjack.executors.process_monitor import ProcessMonitor
class Result:
    def __init__(self, **fields): self.__dict__.update(fields)
class HookExecutor:
    def execute_single_hook(self, hook):
        if hook["status"] == "crash": raise RuntimeError("boom")
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        ProcessMonitor().stop_monitoring()
        return Result(name=hook["name"], stage=hook["stage"], status=hook["status"], duration=5.0,
                      exit_code=hook.get("code"), issues_count=hook.get("issues", 0),
                      issues_found=ISSUES[:hook.get("issues", 0)], error_message=None)
ISSUES = [os.getcwd() + "/x.py:1: F821 password=hunter2222"] * 2
"""
COORDINATOR = """
import asyncio, os, subprocess, sys, threading, time
from types import SimpleNamespace
from crackerjack.executors.hook_executor import HookExecutor
TOOLS = [{"name": "ruff-check", "stage": "fast", "status": "passed"},
         {"name": "codespell", "stage": "fast", "status": "failed", "code": 65, "issues": 2},
         {"name": "pip-audit", "stage": "fast", "status": "skipped"}]
class PhaseCoordinator:
    def __init__(self):
        task = SimpleNamespace(error_message="Fast hook failures detected")
        self.session = SimpleNamespace(session_tracker=SimpleNamespace(tasks={"hooks_fast": task}))
    def run_configuration_phase(self, options): return True
    def run_fast_hooks_only(self, options):
        executor = HookExecutor()
        for _ in range(2):
            run = executor.execute_single_hook
            threads = [threading.Thread(target=run, args=(tool,)) for tool in TOOLS]
            [t.start() for t in threads]; [t.join() for t in threads]
        return False
    async def run_testing_phase(self, options):
        await asyncio.sleep(0)
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
        subprocess.run([sys.executable, "-m", "pytest", *options])
        return True
    def run_hooks_phase(self, options): return self.run_fast_hooks_only(options)
    def run_waiting_phase(self, options):
        print("ready", flush=True); time.sleep(60); return True
"""
MAIN = """
import asyncio, os, sys
from crackerjack.core.phase_coordinator import PhaseCoordinator
coordinator = PhaseCoordinator()
coordinator.run_configuration_phase(None)
if "nothing" in sys.argv: sys.exit(0)
if "wait" in sys.argv: coordinator.run_waiting_phase(None)
fine = coordinator.run_hooks_phase(None)
fine = asyncio.run(coordinator.run_testing_phase(None)) and fine
print("stdout", sys.stdin.read(), file=sys.stdout); print("stderr", file=sys.stderr)
sys.exit(0 if fine else 1)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and on the path a program of Crackerjack's shape."""
    package = tmp_path / "lib" / "crackerjack"
    for name, text in {
        "__init__": "", "__main__": MAIN, "executors/__init__": "", "core/__init__": "",
        "executors/hook_executor": EXECUTOR, "core/phase_coordinator": COORDINATOR,
        "executors/process_monitor": "class ProcessMonitor:\n    def stop_monitoring(self): pass\n",
    }.items():  # fmt: skip
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "test_it.py").write_text("def test_it(): pass")
    monkeypatch.chdir(folder)
    return folder


def crackerjack(
    *arguments: str, wrapped: bool = True, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    wrapper = [SBHOOKS, "crackerjack", "run", "--"] if wrapped else []
    environ = options.pop("env", dict(os.environ))
    environ.pop("PYTEST_CURRENT_TEST", None)  # a test run inside of a test is not recorded
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "crackerjack", *arguments],
        capture_output=True, check=False, input=b"typed", timeout=60, env=environ, **options,
    )  # fmt: skip


def check(recorded: Recorded) -> None:
    """What a whole run must have left behind."""
    tools = [e for e in recorded("invocation") if e.step == "fast_hooks"]
    assert sorted((e.skill, e.attributes["attempt"], str(e.outcome)) for e in tools) == [
        ("codespell", 1, "failure"), ("codespell", 2, "failure"),
        ("pip-audit", 1, "skip"), ("pip-audit", 2, "skip"),
        ("ruff-check", 1, "success"), ("ruff-check", 2, "success"),
    ]  # fmt: skip
    (first, _) = [event for event in tools if event.skill == "codespell"]
    assert (first.error_type, first.attributes["issues"]) == ("exit-status-65", 2)
    assert first.attributes["message"] == "x.py:1: F821 password=[redacted]"
    assert 0 < first.duration_s < 5 == first.attributes["reported_s"]
    assert [(s.stage, str(s.outcome)) for s in recorded("pipeline-stage")] == [
        ("fast_hooks", "failure"), ("tests", "success"),
    ]  # fmt: skip
    own, tests = recorded("session-start")
    assert (own.source, own.tool, own.project) == ("crackerjack", "crackerjack", "shop")
    assert (tests.source, tests.parent) == ("pytest", own.session)
    (end,) = [event for event in recorded("session-end") if event.source == "crackerjack"]
    assert (end.exit_status, end.outcome) == (1, "failure")


def test_the_wrapper_records_a_run_and_changes_nothing(
    project: Path, recorded: Recorded, home: Path
) -> None:
    bare = crackerjack(wrapped=False, env={**os.environ, "SBHOOKS_DISABLE": "all"})
    done = crackerjack()
    assert done.returncode == bare.returncode == 1
    shown = [re.sub(rb"in [\d.]+s", b"in a moment", ran.stdout) for ran in (bare, done)]
    assert shown[0] == shown[1]
    assert b"stdout typed" in shown[1]
    assert done.stderr == bare.stderr == b"stderr\n", done.stderr.decode()
    check(recorded)
    assert list((home / "crackerjack").iterdir()) == []


def test_a_pth_file_records_plain_runs(
    project: Path, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    assert switch(on=True, folder=site).changed
    # A folder that is not site-packages has its .pth files read by site.addsitedir only.
    program = f"import site; site.addsitedir({str(site)!r})"
    (tmp_path / "lib" / "sitecustomize.py").write_text(program)
    done = crackerjack(wrapped=False)
    assert done.returncode == 1
    check(recorded)


def test_both_ways_together_record_once(project: Path, recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    switch(on=True, folder=tmp_path / "site")
    program = f"import site; site.addsitedir({str(tmp_path / 'site')!r})"
    (tmp_path / "lib" / "sitecustomize.py").write_text(program)  # hidden by ours, and found again
    assert crackerjack().returncode == 1
    check(recorded)


def test_the_switch_is_one_file(tmp_path: Path) -> None:
    first, second = switch(on=True, folder=tmp_path), switch(on=True, folder=tmp_path)
    assert (first.changed, second.changed) == (True, False)
    assert (tmp_path / NAME).read_text() == LINE
    assert switch(on=False, folder=tmp_path).changed
    assert not switch(on=False, folder=tmp_path).changed
    assert list(tmp_path.iterdir()) == []


def test_the_switch_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for on in (True, False, False):
        draw(Output(), switch(on=on, folder=tmp_path))
    said = " ".join(capsys.readouterr().out.split())
    place = tmp_path / NAME
    assert said == (
        f"Plain Crackerjack runs here record themselves, now: {place} "
        "Crackerjack is not installed in this environment yet. "
        f"Plain Crackerjack runs here are not recorded, now: {place} "
        f"Plain Crackerjack runs here are not recorded, as before: {place}"
    )


def test_the_line_of_the_pth_file_does_nothing_elsewhere() -> None:
    program = textwrap.dedent(f"""
        import sys
        exec({LINE!r})
        print([name for name in sys.modules if "crackerjack" in name])
    """)
    done = subprocess.run([sys.executable], input=program.encode(), capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_a_run_that_skips_everything_is_no_success(project: Path, recorded: Recorded) -> None:
    assert crackerjack("nothing").returncode == 0
    (end,) = recorded("session-end")
    assert (end.outcome, end.reason) == ("skip", "nothing ran")


def test_ctrl_c_leaves_what_was_seen(project: Path, recorded: Recorded) -> None:
    command = [SBHOOKS, "crackerjack", "run", "--", sys.executable, "-m", "crackerjack", "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    (stage,), (end,) = recorded("pipeline-stage"), recorded("session-end")
    assert (stage.stage, stage.outcome) == ("waiting", "cancellation")
    assert (end.outcome, end.reason) == ("cancellation", "interrupted")


def test_what_a_killed_wrapper_left_is_taken_in_by_the_next_run(
    project: Path, recorded: Recorded, home: Path
) -> None:
    command = [SBHOOKS, "crackerjack", "run", "--", sys.executable, "-m", "crackerjack", "wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while not any(home.glob("spool/*.open")):
            time.sleep(0.01)  # it writes while its command already runs
        process.kill()
        process.wait(60)
        os.killpg(process.pid, signal.SIGINT)  # the command goes on alone, and ends
    (left,) = (home / "crackerjack").iterdir()
    while b"waiting" not in left.read_bytes():
        time.sleep(0.01)
    assert crackerjack("nothing").returncode == 0
    assert list((home / "crackerjack").iterdir()) == []
    assert [stage.stage for stage in recorded("pipeline-stage")] == ["waiting"]
    assert {str(end.reason) for end in recorded("session-end")} == {"killed", "nothing ran"}


@pytest.mark.parametrize("off", ["all", "crackerjack"])
def test_switched_off_it_only_runs_the_command(
    project: Path, recorded: Recorded, home: Path, off: str
) -> None:
    done = crackerjack("nothing", env={**os.environ, "SBHOOKS_DISABLE": off})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not home.exists()


def test_a_home_that_cannot_be_made_is_not_crackerjacks(project: Path) -> None:
    done = crackerjack("nothing", env={**os.environ, "SBHOOKS_HOME": "/dev/null/x"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_command_that_is_not_there_ends_as_in_a_shell(project: Path) -> None:
    done = subprocess.run(
        [SBHOOKS, "crackerjack", "run", "--", "no-such"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        127, b"sbhooks: no-such: No such file or directory\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "is_it"),
    [
        ("python -m crackerjack run -t", True),
        ("/x/bin/python /x/bin/crackerjack run", True),
        ("python -I -m crackerjack", True),
        ("python -m pytest tests/crackerjack", False),
        ("python -m crackerjack_tools", False),
        ("python /src/crackerjack/tests/run.py", False),
        ("", False),
    ],
)
def test_only_crackerjacks_own_process_is_observed(line: str, is_it: bool) -> None:
    assert is_crackerjack(line.split()) is is_it


def test_changed_internals_are_no_trouble(project: Path, tmp_path: Path) -> None:
    lib = tmp_path / "lib" / "crackerjack"
    (lib / "executors" / "hook_executor.py").write_text("class HookExecutor: pass\n")
    (lib / "core" / "phase_coordinator.py").write_text("import crackerjack.executors.hook_executor")
    (lib / "__main__.py").write_text("import crackerjack.core.phase_coordinator; print('fine')")
    done = crackerjack()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fine\n", b"")


# --- Past runs ------------------------------------------------------------------------


def past_runs(project: Path) -> None:
    """A database as Crackerjack 0.74.4 leaves it."""
    path = project / ".crackerjack" / "oneiric_cache" / "workflow_checkpoints.sqlite"
    path.parent.mkdir(parents=True)
    rows = [
        ("r1", "configuration", "completed", "12:00:00.100", "12:00:00.150"),
        ("r1", "fast_hooks", "failed", "12:00:01", "12:01:25"),
        ("r2", "fast_hooks", "skipped", "13:00:00", "13:00:00"),
    ]
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE workflow_executions (run_id TEXT PRIMARY KEY, workflow_key TEXT, "
            "status TEXT, started_at TEXT, ended_at TEXT, error TEXT)"
        )
        database.execute(
            "CREATE TABLE workflow_execution_nodes (run_id TEXT, node_key TEXT, status TEXT, "
            "started_at TEXT, ended_at TEXT, attempts INTEGER, error TEXT, "
            "PRIMARY KEY(run_id, node_key))"
        )
        day = "2026-11-19T{}+00:00"
        for run, status, began, ended in (
            ("r1", "failed", "12:00:00", "12:01:26"), ("r2", "completed", "13:00:00", "13:00:01"),
        ):  # fmt: skip
            database.execute(
                "INSERT INTO workflow_executions VALUES (?, 'crackerjack', ?, ?, ?, NULL)",
                (run, status, day.format(began), day.format(ended)),
            )
        database.execute(
            "INSERT INTO workflow_executions VALUES ('r3', 'crackerjack', 'running', ?, ?, ?)",
            (day.format("14:00:00"), None, None),
        )
        for run, node, status, began, ended in rows:
            database.execute(
                "INSERT INTO workflow_execution_nodes VALUES (?, ?, ?, ?, ?, 1, NULL)",
                (run, node, status, day.format(began), day.format(ended)),
            )
    database.close()


def imported(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [SBHOOKS, "crackerjack", "import", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def test_past_runs_are_taken_in_once(project: Path, recorded: Recorded) -> None:
    past_runs(project)
    done = imported("--json")
    assert (done.returncode, done.stderr) == (0, b"")
    told = json.loads(done.stdout)
    assert (told["runs"], told["phases"], told["recorded"]) == (2, 2, 0)
    before = recorded()
    assert imported().returncode == 0
    assert recorded() == before
    assert [(s.stage, str(s.outcome), s.duration_s) for s in recorded("pipeline-stage")] == [
        ("fast_hooks", "failure", 84.0), ("fast_hooks", "skip", 0.0),
    ]  # fmt: skip
    assert [(str(e.outcome), e.reason) for e in recorded("session-end")] == [
        ("failure", "finished"), ("skip", "nothing ran"),
    ]  # fmt: skip


def test_without_past_runs_it_says_where_it_looked(project: Path) -> None:
    done = imported()
    assert done.returncode == 2
    assert b"no past runs of Crackerjack are kept in" in done.stderr
    (project / "x.db").write_text("no database")
    assert b"cannot read x.db" in imported("--database", "x.db").stderr
