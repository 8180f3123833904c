"""Makes the sample project and runs its tests: every figure of the demo comes from here.

Invariants: only real pytest processes, only a scratch folder, and the runs end. The killed
run is killed when its test is known to be running, not after a guessed time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

import msgspec

from sbhooks.errors import PluginError, SbhooksError
from sbhooks.events import Codec, SessionStart
from sbhooks.lazy import missing
from sbhooks.segments import lines, segments
from sbhooks.wording import count

RUNS = 8  #: At each commit, of the kind that a developer starts by hand.
FEWEST_RUNS = 6  #: So many even on a slow machine: fewer do not tell a slow-down from chance.
_RUNS_S = 40.0
EXPERIMENT = "parallel"  #: Compares runs on one process with runs on two.
EXPERIMENT_RUNS = 20
_EXPERIMENT_S = 40.0  # a slow machine gets fewer runs, and an answer that says so
_CREATE = (
    "create", EXPERIMENT, "--control", "pytest -q", "--treatment", "pytest -q -n 2",
    "--unit", "session", "--skill", "pytest-run", "--metric", "avg_duration_seconds",
    "--min-units", "5", "--max-units", str(EXPERIMENT_RUNS),
)  # fmt: skip
_PATIENCE_S = 300.0  # of a command that takes a second where nothing else goes on
Say = Callable[[str], None]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo recorded.

    Attributes:
        runs: Number of pytest runs, the killed one included.
        killed: Session of the run that was killed.
        experiment: Whether two ways to run the tests were compared.
    """

    runs: int
    killed: str
    experiment: bool


def record(home: Path, say: Say) -> Recorded:
    """Run the sample project's tests at two commits.

    Args:
        home: Where sbhooks records.
        say: Prints progress.

    Raises:
        PluginError: pytest or the recorder is not installed.
        SbhooksError: git is missing, or a run did not do what it must.
    """
    _require_parts()
    with tempfile.TemporaryDirectory(prefix="sbhooks-demo-") as scratch:
        project = Path(scratch, "shop")
        _commit(project, "first", "Add a shop")
        runs = _by_hand(project, home, say, "first commit", _FIRST)
        compared = _experiment(project, home, say)
        _commit(project, "second", "Search any text; round discounts")
        runs += _by_hand(project, home, say, "second commit", _SECOND)
        say("  killing a run with SIGKILL while a test waits for its supplier")
        killed = _killed_run(project, home, Path(scratch, "waiting"))
    return Recorded(runs=runs + 1 + compared, killed=killed, experiment=compared > 0)


#: Options of the runs at each commit, beyond the plain ones.
_FIRST: tuple[tuple[str, ...], ...] = (("-n", "2"),)
_SECOND: tuple[tuple[str, ...], ...] = (("--reruns", "1"),)


def environment(home: Path) -> dict[str, str]:
    """The environment of the demo's processes: this one's without what would change pytest."""
    dropped = ("SBHOOKS_", "PYTEST_", "PYTHONHASHSEED", "COV_", "COVERAGE_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "SBHOOKS_HOME": str(home)}


def latest(scratch: Path) -> Path:
    """The sample project in a folder of its own, as it is at the newest commit."""
    project = scratch / "shop"
    _commit(project, "first", "Add a shop")
    _commit(project, "second", "Search any text; round discounts")
    return project


def _require_parts() -> None:
    absent = missing({"pytest": "sbhooks[demo]", "pytest_sbhooks": "pytest-sbhooks"})
    if absent:
        raise PluginError(f"cannot run the demo: {absent[0]}")


def _by_hand(
    project: Path, home: Path, say: Say, where: str, special: tuple[tuple[str, ...], ...]
) -> int:
    """Run the tests several times, plainly and with each special set of options."""
    ends, made = monotonic() + _RUNS_S, 0

    def run(options: tuple[str, ...]) -> None:
        nonlocal made
        told, made = _run(project, home, options), made + 1
        note = f" ({' '.join(options)})" if options else ""
        say(f"  {where}: run {made}{note}: {told}")

    while made < FEWEST_RUNS or (made < RUNS and monotonic() < ends):
        run(())
    for options in special:
        if _can(options):
            run(options)
    return made


def _can(options: tuple[str, ...]) -> bool:
    """Whether the pytest plugin that an option belongs to is installed."""
    return find_spec({"-n": "xdist", "--reruns": "pytest_rerunfailures"}[options[0]]) is not None


def _run(project: Path, home: Path, options: tuple[str, ...]) -> str:
    """One run of pytest; returns its last line."""
    done = _call(pytest_command(*options), project, home)
    if done.returncode not in {0, 1}:
        raise SbhooksError(
            f"the demo's pytest run failed with status {done.returncode}: {done.stdout[-500:]}"
            f"{done.stderr[-500:]}"
        )
    return done.stdout.strip().splitlines()[-1].strip("= ")


def _call(command: list[str], project: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in the sample project, however it ends.

    Raises:
        SbhooksError: It did not end.
    """
    try:
        return subprocess.run(  # noqa: S603 - our own command
            command, cwd=project, env=environment(home), capture_output=True, text=True,
            check=False, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SbhooksError(
            f"the demo waited {_PATIENCE_S:.0f} s for '{' '.join(command[1:])}', which takes a "
            "second elsewhere: run the demo again when this machine has less to do"
        ) from error


def _experiment(project: Path, home: Path, say: Say) -> int:
    """Run the tests as an experiment draws it, on one process or two; returns how often."""
    if not _can(("-n",)) or missing({"numpy": "sbhooks[demo]", "scipy": "sbhooks[demo]"}):
        return 0
    command = [sys.executable, "-m", "sbhooks", "experiment", *_CREATE]
    done = _call(command, project, home)
    if done.returncode:
        raise SbhooksError(f"the demo's experiment failed: {done.stderr[-500:]}")
    say(f"  experiment: 'pytest -q' or 'pytest -q -n 2' by chance, up to {EXPERIMENT_RUNS} runs")
    ends, made = monotonic() + _EXPERIMENT_S, 0
    while made < EXPERIMENT_RUNS and monotonic() < ends:
        _run(project, home, ("--sbhooks-experiment", EXPERIMENT))
        made += 1
    say(told(made))
    return made


def told(runs: int) -> str:
    """How far the experiment came, and why no further."""
    if runs >= EXPERIMENT_RUNS:
        return f"  experiment: all {EXPERIMENT_RUNS} runs made"
    return (
        f"  experiment: {count(runs, 'run')} of {EXPERIMENT_RUNS} made in the "
        f"{_EXPERIMENT_S:.0f} s that the demo has for it; its answer is from these"
    )


def _killed_run(project: Path, home: Path, sign: Path) -> str:
    """Start a run, wait until its hanging test runs, and kill it; returns its session."""
    before = {segment.path for segment in segments(str(home))}
    variables = {**environment(home), "SHOP_SUPPLIER_HANGS": str(sign)}
    process = subprocess.Popen(  # noqa: S603 - our own command
        pytest_command(), cwd=project, env=variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(sign, process)
    finally:
        process.kill()
        process.wait()
    fresh = [s for s in segments(str(home)) if s.path not in before]
    return _session(fresh[-1].file)


def _wait_for(sign: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _PATIENCE_S
    while not sign.exists():
        if process.poll() is not None or monotonic() > deadline:
            raise SbhooksError("the demo's hanging test never ran: run 'sbhooks doctor'")
        sleep(0.02)


def _session(segment: str) -> str:
    codec = Codec()
    for line, _ in lines(segment):
        event = codec.decode(line)
        if isinstance(event, SessionStart):
            return event.session
    raise SbhooksError(f"the killed run left no session in {segment}: run 'sbhooks doctor'")


def pytest_command(*options: str) -> list[str]:
    """A run of the sample's tests."""
    return [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]


def _commit(project: Path, stage: str, message: str) -> None:
    """Lay a stage of the sample project over the working tree and commit it."""
    import shutil

    with as_file(files("sbhooks_demo") / "sample" / stage) as source:
        shutil.copytree(source, project, dirs_exist_ok=True, ignore=_caches)
    (project / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    if not (project / ".git").exists():
        _git(project, "init", "--quiet", "--initial-branch=main")
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--no-gpg-sign", "--no-verify", f"--message={message}")


def _caches(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__"}


def _git(project: Path, *arguments: str) -> None:
    who = ["-c", "user.name=sbhooks demo", "-c", "user.email=demo@example.invalid"]
    try:
        subprocess.run(  # noqa: S603 - our own command
            ["git", *who, *arguments],  # noqa: S607 - wherever it is
            cwd=project, env=environment(project), check=True, capture_output=True,
            timeout=_PATIENCE_S,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SbhooksError("the demo needs git, which is not installed") from error
    except subprocess.CalledProcessError as error:
        what = error.stderr.decode(errors="replace").strip()
        raise SbhooksError(f"the demo's git {arguments[0]} failed: {what}") from error
