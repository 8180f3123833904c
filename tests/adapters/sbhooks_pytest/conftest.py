"""Real pytest runs in processes of their own, and what was recorded of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree as ET

import pytest

from sbhooks import segments
from sbhooks.collector import Collected, Collector
from sbhooks.events import (
    BUILTIN_KINDS,
    Codec,
    Event,
    Invocation,
    PhaseChange,
    SessionEnd,
    SessionStart,
    TestResult,
)
from sbhooks.testing.memory import MemoryEventStore

Kind = TypeVar("Kind", bound=Event)

#: Of these a program reads who runs it, where, and how; a recorded run starts without them.
FOREIGN = (
    "SBHOOKS_", "GIT", "CI", "BUILD", "TRACEPARENT", "PYTEST_", "PYTHON", "COLUMNS", "XDG_",
    "FORCE_COLOR", "NO_COLOR",
)  # fmt: skip


@dataclass(frozen=True)
class JunitCase:
    """One ``<testcase>``: its name as ``classname::name``, and what happened to it."""

    name: str
    states: tuple[str, ...]  #: Of "failure", "error", "skipped"; empty when it passed.


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of pytest that is over, and what was recorded of it.

    Attributes:
        status: Exit status; negative for a signal.
        output: What it wrote to stdout.
        errors: What it wrote to stderr.
        lines: The recorded lines as they were in the spool, without line ends.
        events: What the collector made of them.
        collected: What the collector says it did.
        junit: The cases of the JUnit file, if the run was asked to write ``junit.xml``.
    """

    status: int
    output: str
    errors: str
    lines: list[bytes]
    events: list[Event]
    collected: Collected
    junit: list[JunitCase] = field(default_factory=list)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of a kind, in the order in which they were written."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def results(self) -> list[TestResult]:
        """Every test result, in the order in which it was written."""
        return self.of(TestResult)

    def result(self, name: str) -> TestResult:
        """The only result, subtests apart, of the test whose name ends so."""
        found = [r for r in self.results if r.subtest is None and _matches(r.test, name)]
        assert len(found) == 1, f"{name}: {found}\n{self.output}"
        return found[0]

    def attempts(self, name: str) -> list[TestResult]:
        """All results, subtests apart, of the test whose name ends so."""
        return [r for r in self.results if r.subtest is None and _matches(r.test, name)]

    @property
    def start(self) -> SessionStart:
        """The start of the only session."""
        return _only(self.of(SessionStart), self.output)

    @property
    def end(self) -> SessionEnd:
        """The end of the only session."""
        return _only(self.of(SessionEnd), self.output)

    @property
    def invocation(self) -> Invocation:
        """The only invocation."""
        return _only(self.of(Invocation), self.output)

    @property
    def phases(self) -> list[tuple[str, str]]:
        """The changes of phase: (from, to)."""
        return [(change.phase_from, change.phase_to) for change in self.of(PhaseChange)]

    @property
    def summary(self) -> dict[str, int]:
        """What pytest itself counted, from its last line."""
        found = re.findall(r"(\d+) ([a-z]+(?: [a-z]+)?)(?:, | in |$)", self.output.splitlines()[-1])
        return {noun.removesuffix("s") if noun != "passed" else noun: int(n) for n, noun in found}


class Project:
    """A folder with tests, a home for what is recorded of them, and a clean environment.

    Only the named plugins are loaded, by their entry points, as if nothing else were
    installed: what happens to be in the environment must not change what is tested.
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        for room in (self.folder, self.temporary, folder / "user"):
            room.mkdir(parents=True)
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
        } | {
            "HOME": str(folder / "user"),
            "TMPDIR": str(self.temporary),
            "SBHOOKS_HOME": str(self.home),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        self.write({"pytest.ini": "[pytest]\n", **files})

    def write(self, files: Mapping[str, str]) -> None:
        """Write files into the project: path → text, indented as in the test."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def command(self, *args: str, plugins: tuple[str, ...] = ("sbhooks",)) -> list[str]:
        """The command line of a run with these plugins."""
        loaded = [word for name in plugins for word in ("-p", name)]
        return [sys.executable, "-P", "-m", "pytest", *loaded, *args]

    def begin(
        self,
        *args: str,
        plugins: tuple[str, ...] = ("sbhooks",),
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a run in a process group of its own, to be killed or waited for."""
        return subprocess.Popen(
            self.command(*args, plugins=plugins),
            cwd=self.folder, env=self.environ | dict(environ or {}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip

    def finish(self, process: subprocess.Popen[str]) -> Run:
        """Wait for a run to end, and collect what was recorded since the last time."""
        try:
            output, errors = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return self.ended(process.returncode, output, errors)

    def run(
        self,
        *args: str,
        plugins: tuple[str, ...] = ("sbhooks",),
        environ: Mapping[str, str] | None = None,
    ) -> Run:
        """Run pytest to its end, and collect what was recorded."""
        return self.finish(self.begin(*args, plugins=plugins, environ=environ))

    def ended(self, status: int = 0, output: str = "", errors: str = "") -> Run:
        """Collect what was recorded since the last time."""
        lines = self.lines()
        store = MemoryEventStore()
        collected = Collector(self.home, store, Codec(BUILTIN_KINDS)).collect()
        return Run(
            status=status,
            output=output,
            errors=errors,
            lines=lines,
            events=list(store.tail(0, limit=sys.maxsize).events),
            collected=collected,
            junit=read_junit(self.folder / "junit.xml"),
        )

    def lines(self) -> list[bytes]:
        """Every line that is in the spool now, without line ends."""
        return [
            line.rstrip(b"\n")
            for segment in segments.segments(str(self.home))
            for line, _ in segments.lines(segment.file)
        ]


def read_junit(path: Path) -> list[JunitCase]:
    """The cases of a JUnit file; none if there is no such file."""
    if not path.exists():
        return []
    cases = ET.parse(path).getroot().iter("testcase")  # noqa: S314 - pytest wrote it
    return [
        JunitCase(
            "::".join(filter(None, (case.get("classname"), case.get("name")))),
            tuple(child.tag for child in case if child.tag in {"failure", "error", "skipped"}),
        )
        for case in cases
    ]


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Makes a project of ``{path: text}``; for fixtures that many tests share."""

    def make(files: Mapping[str, str]) -> Project:
        return Project(tmp_path_factory.mktemp("recorded"), files)

    return make


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Makes the project of one test: ``project({"test_it.py": "..."})``."""

    def make(files: Mapping[str, str]) -> Project:
        return Project(tmp_path / "recorded", files)

    return make


@pytest.fixture(scope="session")
def junit_name() -> Callable[[TestResult], str]:
    """The name of a result's case in a JUnit file: ``classname::name``."""

    def name(result: TestResult) -> str:
        path, *names = result.test.split("::")
        names = [path.replace("/", ".").removesuffix(".py"), *names]
        if result.params is not None:
            names[-1] += f"[{result.params}]"
        return "::".join([".".join(names[:-1]), names[-1]]).removeprefix("::")

    return name


def _matches(test: str, name: str) -> bool:
    return test == name or test.endswith((f"::{name}", f"/{name}", f".{name}"))


def _only(found: list[Kind], output: str) -> Kind:
    assert len(found) == 1, f"{found}\n{output}"
    return found[0]
