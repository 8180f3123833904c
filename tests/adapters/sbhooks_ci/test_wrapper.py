"""`sbhooks ci run` is not to be noticed, and records the stage."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SBHOOKS = str(Path(sys.executable).parent / "sbhooks")
Recorded = Callable[..., list[Any]]
Sbhooks = Callable[..., subprocess.CompletedProcess[bytes]]

#: Scripts of a real shell; each runs bare and wrapped.
SCRIPTS = {
    "output on both streams": "echo out; echo err >&2",
    "bytes that are no text": r"printf '\000\377\r\n\033[31m'",
    "input": "cat",
    "input half read": "head -c 3",
    "status 0": "true",
    "status 1": "false",
    "status 255": "exit 255",
    "killed by itself": "kill -KILL $$",
    "terminated by itself": "kill -TERM $$",
    "segmentation fault": "kill -SEGV $$",
    "interrupted by itself": "kill -INT $$",
    "broken pipe": "kill -PIPE $$",
    "working directory": "pwd",
    "umask and limits": "umask; ulimit -n; ulimit -c",
    "what signals it blocks": "grep SigBlk /proc/$$/status",
    "further descriptors": "echo three >&3",
    "a child that stays behind": "sleep 30 >/dev/null 2>&1 & echo $((1+1))",
    "arguments": 'echo "$0|$1|$2"',
}


def both(tmp_path: Path, script: str, **options: Any) -> list[tuple[int, bytes, bytes, bytes]]:
    """What a script does bare and wrapped: status, output, errors, and what it wrote to 3."""
    found = []
    for wrapper in ([], [SBHOOKS, "ci", "run", "--"]):
        third = tmp_path / "third"
        command = [*wrapper, "bash", "-c", script, "zero", "one two", ""]
        done = subprocess.run(
            ["bash", "-c", f"exec 3>{shlex.quote(str(third))}; exec {shlex.join(command)}"],
            input=b"abc\0def\n" * 100, capture_output=True, cwd=tmp_path, check=False,
            timeout=60, **options,
        )  # fmt: skip
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        found.append((status, done.stdout, done.stderr, third.read_bytes()))
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_wrapped_command_does_what_it_does_bare(tmp_path: Path, name: str) -> None:
    bare, wrapped = both(tmp_path, SCRIPTS[name])
    assert wrapped == bare


def test_the_environment_gains_nothing_but_the_session(tmp_path: Path) -> None:
    bare, wrapped = both(tmp_path, "env -0 | sort -z | tr '\\0' '\\n' | grep -v '^_='")
    more = set(wrapped[1].splitlines()) - set(bare[1].splitlines())
    assert {line.partition(b"=")[0] for line in more} == {b"SBHOOKS_SESSION"}


@pytest.mark.parametrize("told", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}])
def test_where_there_is_no_locale_none_is_made_up(tmp_path: Path, told: dict[str, str]) -> None:
    environ = {"PATH": os.environ["PATH"], "SBHOOKS_HOME": str(tmp_path / "home"), **told}
    bare, wrapped = both(tmp_path, "env | grep ^LC_", env=environ)
    assert wrapped == bare


def test_a_gigabyte_passes_through_a_pipe(tmp_path: Path) -> None:
    script = f"{SBHOOKS} ci run -- head -c 1073741824 /dev/zero | cksum"
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, check=True)
    bare = subprocess.run(
        ["bash", "-c", "head -c 1073741824 /dev/zero | cksum"], capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (bare.stdout, b"")
    assert b"1073741824" in done.stdout


def test_a_reader_that_goes_away_ends_the_command(tmp_path: Path) -> None:
    script = f"{SBHOOKS} ci run -- yes | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, check=True)
    assert (done.stdout, done.stderr) == (b"y\n141\n", b"")


def test_what_a_shell_ignores_stays_ignored(tmp_path: Path) -> None:
    script = "grep SigIgn /proc/self/status"
    ignored = []
    for wrapper in ("", f"{SBHOOKS} ci run --"):
        done = subprocess.run(
            ["bash", "-c", f"trap '' HUP USR1; {wrapper} {script}"],
            capture_output=True, cwd=tmp_path, check=True,
        )  # fmt: skip
        # Without signals 32 and 33, which the C library ignores for itself when it spawns.
        ignored.append(int(done.stdout.split()[1], 16) & ~(3 << 31))
    assert ignored == [1 << (signal.SIGHUP - 1) | 1 << (signal.SIGUSR1 - 1)] * 2


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["no-such-command"], 127, b"sbhooks: no-such-command: No such file or directory\n"),
        ([""], 127, b"sbhooks: '': No such file or directory\n"),
        (["two words"], 127, b"sbhooks: 'two words': No such file or directory\n"),
        (["./folder"], 126, b"sbhooks: ./folder: Permission denied\n"),
        (["./plain"], 126, b"sbhooks: ./plain: Permission denied\n"),
        (["./script"], 7, b""),
    ],
)
def test_what_cannot_be_run_ends_as_in_a_shell(
    tmp_path: Path, sbhooks: Sbhooks, command: list[str], status: int, said: bytes
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("")
    (tmp_path / "script").write_text("exit 7\n")  # no first line that names its interpreter
    (tmp_path / "script").chmod(0o755)
    done = sbhooks("ci", "run", "--", *command)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", said)


# --- Signals ---------------------------------------------------------------------

WAITS = """
import os, signal, sys
def heard(number, frame):
    os.write(1, b"heard %d\\n" % number)
    if number != signal.SIGUSR1:
        sys.exit(40 + number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, heard)
os.write(1, b"ready %d\\n" % os.getpid())
while True:
    signal.pause()
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A wrapped program that waits for signals; it has said that it is ready."""
    command = [SBHOOKS, "ci", "run", "--stage", "wait", "--", sys.executable, "-c", WAITS]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=tmp_path, start_new_session=True
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_for_the_wrapper_reaches_the_command_once(
    waiting: subprocess.Popen[bytes], recorded: Recorded, number: signal.Signals
) -> None:
    assert line_of(waiting).startswith(b"ready")
    waiting.send_signal(number)
    assert line_of(waiting) == b"heard %d\n" % number
    assert waiting.wait(60) == 40 + number
    assert line_of(waiting) == b""
    (stage,) = recorded("pipeline-stage")
    assert (stage.outcome, stage.error_type) == ("cancellation", number.name)


def test_signals_that_end_nothing_are_passed_on_each_time(
    waiting: subprocess.Popen[bytes],
) -> None:
    assert line_of(waiting).startswith(b"ready")
    for _ in range(3):
        waiting.send_signal(signal.SIGUSR1)
        assert line_of(waiting) == b"heard %d\n" % signal.SIGUSR1
    assert waiting.poll() is None


def test_a_command_that_is_killed_is_told_from_one_that_fails(
    waiting: subprocess.Popen[bytes], recorded: Recorded
) -> None:
    os.kill(int(line_of(waiting).split()[1]), signal.SIGKILL)
    assert waiting.wait(60) == 137
    (stage,) = recorded("pipeline-stage")
    assert (stage.outcome, stage.error_type) == ("error", "SIGKILL")


def test_a_killed_wrapper_leaves_the_end_behind(
    waiting: subprocess.Popen[bytes], recorded: Recorded
) -> None:
    pid = int(line_of(waiting).split()[1])
    while not (starts := recorded("session-start")) and waiting.poll() is None:
        time.sleep(0.01)  # it writes while its command already runs
    waiting.kill()
    waiting.wait(60)
    os.kill(pid, signal.SIGKILL)
    (stage,), (end,) = recorded("pipeline-stage"), recorded("session-end")
    assert (stage.stage, stage.outcome, stage.error_type) == ("wait", "error", "killed")
    assert (end.outcome, end.reason, end.exit_status) == ("error", "killed", None)
    assert starts == [] or starts[0].session == end.session


# --- A terminal --------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.text = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvp(command[0], command)

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until a pattern has appeared, and forget what came before its end."""
        while not (found := re.search(pattern, self.text)):
            ready, _, _ = select.select([self._fd], [], [], 60)
            assert ready, f"{pattern!r} does not appear in {self.text!r}"
            self.text += os.read(self._fd, 4096)
        self.text = self.text[found.end() :]
        return found

    def type(self, text: bytes) -> None:
        os.write(self._fd, text)

    def close(self) -> int:
        """Wait for the program; returns its wait status."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return status


def test_a_terminal_is_the_commands_own(tmp_path: Path) -> None:
    program = (
        "import os; print(*map(os.isatty, range(3)), os.tcgetpgrp(0) == os.getpgrp(), input())"
    )
    terminal = Terminal([SBHOOKS, "ci", "run", "--", sys.executable, "-c", program], tmp_path)
    terminal.type(b"typed\n")
    terminal.until(rb"True True True True typed")
    assert os.waitstatus_to_exitcode(terminal.close()) == 0


def test_ctrl_c_reaches_the_command_once(tmp_path: Path, recorded: Recorded) -> None:
    terminal = Terminal([SBHOOKS, "ci", "run", "--", sys.executable, "-c", WAITS], tmp_path)
    terminal.until(rb"ready \d+")
    terminal.type(b"\x03")
    terminal.until(b"heard 2")
    status = terminal.close()
    assert b"heard" not in terminal.text
    assert os.waitstatus_to_exitcode(status) == 42
    (stage,) = recorded("pipeline-stage")
    assert (stage.outcome, stage.error_type) == ("cancellation", "SIGINT")


def test_a_shell_can_stop_it_and_go_on(tmp_path: Path) -> None:
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], tmp_path)
    program = "import os; os.write(1, b'rea' + b'dy'); print('li' + 'ne', input())"
    terminal.type(f'{SBHOOKS} ci run -- {sys.executable} -c "{program}"\n'.encode())
    terminal.until(b"ready")
    terminal.type(b"\x1a")
    terminal.until(b"Stopped")
    terminal.type(b"fg\n")
    terminal.until(b"ci run")
    terminal.type(b"typed\n")
    terminal.until(b"line typed")
    terminal.type(b"exit\n")
    assert os.waitstatus_to_exitcode(terminal.close()) == 0


# --- What is recorded ----------------------------------------------------------------

GITHUB = {
    "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "checks", "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "3", "GITHUB_JOB": "unit-tests", "GITHUB_SHA": "a" * 40,
    "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "octo/hello",
    "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push",
}  # fmt: skip
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_stage_in_ci_says_of_which_run(sbhooks: Sbhooks, recorded: Recorded) -> None:
    done = sbhooks("ci", "run", "--", "sh", "-c", "exit 4", environ=GITHUB)
    assert done.returncode == 4
    (start,), (stage,) = recorded("session-start"), recorded("pipeline-stage")
    (invocation,), (end,) = recorded("invocation"), recorded("session-end")
    assert (start.source, start.tool, start.ci.provider, start.ci.attempt) == (
        "ci", "sh", "github", 3,
    )  # fmt: skip
    assert (start.vcs.commit, start.vcs.branch) == ("a" * 40, "main")
    assert (stage.pipeline, stage.run, stage.stage) == ("checks", "77", "unit-tests")
    assert (stage.outcome, stage.error_type) == ("failure", "exit-status-4")
    assert stage.phase == "verification"
    assert stage.attributes == {
        "provider": "github", "attempt": 3, "triggered_by": "push", "exit_status": 4,
    }  # fmt: skip
    assert (invocation.skill, invocation.outcome, invocation.workflow) == (
        "sh", "failure", "checks",
    )  # fmt: skip
    assert (end.exit_status, end.outcome, end.reason) == (4, "failure", "finished")
    assert start.at <= stage.at
    assert 0 < stage.duration_s == invocation.duration_s == end.duration_s


def test_a_laptop_is_a_pipeline_of_its_own(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    assert sbhooks("ci", "run", "--", "true").returncode == 0
    (start,), (stage,) = recorded("session-start"), recorded("pipeline-stage")
    assert (stage.pipeline, stage.run, stage.stage) == (tmp_path.name, start.session, "true")
    assert start.ci is None


def test_the_user_knows_better(sbhooks: Sbhooks, recorded: Recorded) -> None:
    labels = ["--stage=ship it", "--skill", "deploy", "--environment", "staging"]
    done = sbhooks("ci", "run", *labels, "--triggered-by=me\x1b[31m", "--", "true", environ=GITHUB)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (start,), (stage,) = recorded("session-start"), recorded("pipeline-stage")
    (invocation,) = recorded("invocation")
    assert (stage.stage, stage.phase, invocation.skill) == ("ship it", "deployment", "deploy")
    assert (start.ci.environment, start.ci.triggered_by) == ("staging", "me [31m")


def test_arguments_are_not_recorded(sbhooks: Sbhooks, home: Path) -> None:
    sbhooks("ci", "run", "--", "true", "--password=hunter22")
    assert not any(b"hunter22" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_trace_is_continued(sbhooks: Sbhooks, recorded: Recorded) -> None:
    show = ["sh", "-c", 'echo "$TRACEPARENT $TRACESTATE"']
    environ = {"TRACEPARENT": TRACE, "TRACESTATE": "vendor=1"}
    done = sbhooks("ci", "run", "--", *show, environ=environ)
    (start,), (stage,) = recorded("session-start"), recorded("pipeline-stage")
    span = stage.attributes["trace.span"]
    assert start.traceparent == TRACE
    assert done.stdout.decode() == f"{TRACE[:36]}{span}-01 vendor=1\n"
    assert re.fullmatch("[0-9a-f]{16}", span)
    assert sbhooks("ci", "run", "--", *show).stdout == b" \n"


def test_a_test_run_inside_knows_its_stage(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # a run inside of a test is not recorded
    (tmp_path / "test_it.py").write_text("def test_it(): assert False")
    done = sbhooks(
        "ci", "run", "--stage", "test", "--", sys.executable, "-m", "pytest", "-q",
        "-p", "no:cacheprovider", environ=GITHUB,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    outer, inner = recorded("session-start")
    assert (outer.source, inner.source) == ("ci", "pytest")
    assert (inner.parent, inner.ci.run_id) == (outer.session, "77")
    assert {event.skill for event in recorded("invocation")} == {"pytest", "pytest-run"}


def test_what_is_recorded_is_seen_by_the_commands(
    sbhooks: Sbhooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    (tmp_path / "test_it.py").write_text("def test_it(): pass")
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert sbhooks("ci", "run", "--stage", "test", "--", *pytest_run).returncode == 0
    assert sbhooks("ci", "run", "--stage", "build", "--", "false", environ=GITHUB).returncode == 1
    shown = sbhooks("pipelines").stdout.decode()
    assert tmp_path.name in shown
    found = json.loads(sbhooks("pipelines", "--pipeline", "checks", "--json").stdout)
    nobody = sbhooks("pipelines", "--pipeline", "nobody").stdout
    assert nobody == b"No pipeline of that name is recorded. See all with: sbhooks pipelines\n"
    (pipeline,) = found["pipelines"]
    assert (pipeline["runs"], pipeline["failures"]) == (1, {"exit-status-1": 1})
    skills = json.loads(sbhooks("top", "--json").stdout)["skills"]
    assert {skill["skill_name"] for skill in skills} == {"pytest", "pytest-run", "false"}


BROKEN = {
    "a home that cannot be made": {"SBHOOKS_HOME": "/dev/null/home"},
    "switched off": {"SBHOOKS_DISABLE": "all"},
    "only this switched off": {"SBHOOKS_DISABLE": "ci"},
    "a plugin that is none": {"SBHOOKS_INLINE": "nobody"},
    "no home of the user": {"HOME": "", "SBHOOKS_HOME": ""},
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_trouble_of_ours_is_the_jobs(sbhooks: Sbhooks, name: str) -> None:
    done = sbhooks("ci", "run", "--", "sh", "-c", "echo fine; exit 5", environ=BROKEN[name])
    assert (done.returncode, done.stdout, done.stderr) == (5, b"fine\n", b"")


def test_switched_off_leaves_no_trace(sbhooks: Sbhooks, home: Path) -> None:
    done = sbhooks("ci", "run", "--", "env", environ={"SBHOOKS_DISABLE": "ci"})
    assert b"SBHOOKS_SESSION" not in done.stdout
    assert not home.exists()


def test_a_disk_that_is_full_is_not_the_jobs(sbhooks: Sbhooks) -> None:
    def nothing_fits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = sbhooks("ci", "run", "--", "echo", "fine", preexec_fn=nothing_fits)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fine\n", b"")


def test_settings_that_cannot_be_read_are_not_the_jobs(sbhooks: Sbhooks, tmp_path: Path) -> None:
    (tmp_path / "sbhooks.toml").write_text("= not toml [")
    done = sbhooks("ci", "run", "--", "echo", "fine")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"fine\n", b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bad", "--", "true"], b"No such option"),
        ([], b"Missing argument"),
        (["--stage"], b"requires an argument"),
        (["--triggered-by", "--", "true"], b"'--triggered-by' requires an argument"),
    ],
)
def test_what_cannot_be_understood_is_said(
    sbhooks: Sbhooks, arguments: list[str], said: bytes
) -> None:
    done = sbhooks("ci", "run", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr


def test_the_whole_command_line_runs_it_just_as_well(recorded: Recorded, tmp_path: Path) -> None:
    program = (
        "from sbhooks.cli import main\n"
        "raise SystemExit(main(['ci', 'run', '--stage', 's', '--', 'sh', '-c', 'exit 6']))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == 6
    (stage,) = recorded("pipeline-stage")
    assert stage.stage == "s"


def test_the_command_does_not_pay_for_the_command_line(tmp_path: Path) -> None:
    program = (
        "import sys; from sbhooks.start import main; main(['ci', 'run', '--', 'true'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "sbhooks_ci" in loaded
    assert not loaded & {"click", "rich", "msgspec", "pluggy", "sqlite3", "subprocess", "asyncio"}
