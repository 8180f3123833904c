"""``experiment run``: the command as if nobody stood between, and what is recorded of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks_experiments.kinds import ExperimentOutcome, Exposure

Ask = Callable[..., Any]
PYTHON = sys.executable


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``sbhooks experiment`` in a process of its own."""
    begun = ExitStack()

    def begin(*words: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [PYTHON, "-P", "-m", "sbhooks", "experiment", *words],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, **options,
        )  # fmt: skip
        return begun.enter_context(process)  # closes its pipes at the end

    with begun:
        yield begin


def script(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return f"{PYTHON} '{path}'"


def events(runtime: Runtime, kind: str) -> list[Any]:
    runtime.collect()
    return list(runtime.store.events(EventQuery(kinds=(kind,))))


def create(ask: Ask, command: str, *options: str) -> None:
    """Both variants do the same, for it is not known which one will be drawn."""
    ask("create", "fast", "--control", command, "--treatment", f"{command} ", *options)


def test_streams_and_exit_status_are_the_commands_own(
    ask: Ask, start: Any, tmp_path: Path, runtime: Runtime
) -> None:
    command = script(tmp_path / "a folder.py", (
        "import sys\nprint('in:', sys.stdin.read(), sys.argv[1:])\n"
        "print('err', file=sys.stderr)\nsys.exit(7)\n"
    ))  # fmt: skip
    create(ask, command, "--unit", "session", "--skill", "demo")
    done = start("run", "fast", "--", "-n", "$HOME; echo no")
    out, err = done.communicate("hello")
    assert (out, err, done.returncode) == ("in: hello ['-n', '$HOME; echo no']\n", "err\n", 7)
    (exposure,), (outcome,) = events(runtime, "exposure"), events(runtime, "outcome")
    assert isinstance(exposure, Exposure) and isinstance(outcome, ExperimentOutcome)
    assert (outcome.outcome, outcome.skill, outcome.unit) == ("failure", "demo", exposure.session)
    assert outcome.attributes["exit_status"] == 7
    assert outcome.duration_s is not None and outcome.duration_s > 0
    (begun,) = events(runtime, "session-start")
    assert begun.user.startswith("user-")


def test_a_unit_meets_its_variant_once(ask: Ask, start: Any, runtime: Runtime) -> None:
    create(ask, f"{PYTHON} -c pass")
    for _ in range(3):
        assert start("run", "fast").wait() == 0
    assert len(events(runtime, "exposure")) == 1
    assert [event.outcome for event in events(runtime, "outcome")] == ["success"] * 3


def test_options_before_and_after_reach_the_command(ask: Ask, start: Any, tmp_path: Path) -> None:
    command = script(tmp_path / "args.py", "import sys\nprint(sys.argv[1:])\n")
    create(ask, f"{command} --first")
    assert start("run", "fast", "--json", "x").communicate()[0] == "['--first', '--json', 'x']\n"


@pytest.mark.parametrize("command", ["no-such-program-anywhere -q", "", "'open"])
def test_a_variant_that_is_no_command_stores_nothing(
    ask: Ask, start: Any, runtime: Runtime, command: str
) -> None:
    ask("create", "fast", "--control", f"{PYTHON} -c pass", "--treatment", command)
    before = len(events(runtime, "exposure")) + len(events(runtime, "session-start"))
    done = start("run", "fast")
    err = done.communicate()[1]
    assert done.returncode == 2
    assert err.startswith("sbhooks: cannot run ") and err.count("\n") == 1
    assert len(events(runtime, "exposure")) + len(events(runtime, "session-start")) == before == 0


def test_a_command_that_cannot_be_executed_is_an_error_of_its_unit(
    ask: Ask, start: Any, tmp_path: Path, runtime: Runtime
) -> None:
    (tmp_path / "broken").write_bytes(b"\0\0\0\0")
    (tmp_path / "broken").chmod(0o755)
    create(ask, str(tmp_path / "broken"))
    done = start("run", "fast")
    err = done.communicate()[1]
    assert (done.returncode, err.count("\n")) == (126, 1)
    assert "cannot run" in err
    assert [event.outcome for event in events(runtime, "outcome")] == ["error"]


def test_an_unknown_or_stopped_experiment_runs_nothing(ask: Ask, start: Any) -> None:
    done = start("run", "nope")
    assert "there is no experiment 'nope'" in done.communicate()[1]
    assert done.returncode == 2
    create(ask, f"{PYTHON} -c print(1)")
    ask("stop", "fast")
    done = start("run", "fast")
    assert done.communicate()[0] == ""
    assert done.returncode == 2


WAITS = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
    "print('ready', flush=True)\ntime.sleep(60)\n"
)


def test_a_signal_is_passed_on_and_the_commands_answer_counts(
    ask: Ask, start: Any, tmp_path: Path, runtime: Runtime
) -> None:
    create(ask, script(tmp_path / "waits.py", WAITS))
    running = start("run", "fast")
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 9
    (outcome,) = events(runtime, "outcome")
    assert (outcome.outcome, outcome.attributes["exit_status"]) == ("failure", 9)


def test_ctrl_c_reaches_the_command_and_counts_as_cancellation(
    ask: Ask, start: Any, tmp_path: Path, runtime: Runtime
) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    create(ask, script(tmp_path / "waits.py", text))
    running = start("run", "fast", start_new_session=True)
    assert running.stdout.readline() == "ready\n"
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert running.wait(30) == 130
    assert [event.outcome for event in events(runtime, "outcome")] == ["cancellation"]


def test_a_killed_run_leaves_its_outcome_behind(
    ask: Ask, start: Any, tmp_path: Path, runtime: Runtime
) -> None:
    create(ask, script(tmp_path / "waits.py", WAITS))
    running = start("run", "fast", start_new_session=True)
    assert running.stdout.readline() == "ready\n"
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    (outcome,) = events(runtime, "outcome")
    assert (outcome.outcome, outcome.duration_s) == ("error", None)
    (end,) = events(runtime, "session-end")
    assert end.reason == "killed"
    assert len(events(runtime, "exposure")) == 1
