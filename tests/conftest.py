"""What every test gets: a home of its own, and nothing of the machine's settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sbhooks import problems
from sbhooks.collector import Collected, Collector
from sbhooks.events import BUILTIN_KINDS, Codec, Event
from sbhooks.plugins import Hooks
from sbhooks.testing.memory import MemoryEventStore

pytest_plugins = ["pytester"]

# The same examples on every machine, and no file outside the test's own folder.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("SBHOOKS_TEST_PROFILE", "repeatable"))

#: Of these a program reads who runs it, where, and how; none may reach a test by accident.
_FOREIGN = ("SBHOOKS_", "GIT", "CI", "BUILD_", "TRACEPARENT", "PYTEST_ADDOPTS")


# Whoever started us, such as nohup or a shell's "&", may ignore these; the programs that tests
# start would inherit it, and not end when they are told to.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
    if signal.getsignal(_number) is signal.SIG_IGN:
        _is_ctrl_c = _number == signal.SIGINT
        signal.signal(_number, signal.default_int_handler if _is_ctrl_c else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sbhooks' data: new, empty, and the default of every process started here."""
    room = tmp_path_factory.mktemp("room")
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    for name, folder in {
        "HOME": "user",
        "XDG_DATA_HOME": "user/.local/share",
        "XDG_CONFIG_HOME": "user/.config",
        "XDG_CACHE_HOME": "user/.cache",
        "TMPDIR": "tmp",
    }.items():
        (room / folder).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(room / folder))
    monkeypatch.setenv("SBHOOKS_HOME", str(room / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(room / "tmp"))
    monkeypatch.setattr(problems, "_seen", set())
    return room / "home"


Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run a program in a process of its own, in an empty folder; its output is text."""

    def run(program: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-c", textwrap.dedent(program), *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, **options,
        )  # fmt: skip

    return run


@pytest.fixture
def nobodys_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, not made yet; while it is used, root has no right to read and write everything."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # below no folder of root's alone
        monkeypatch.setenv("SBHOOKS_HOME", f"{name}/home")
        user = os.geteuid()
        if user == 0:
            os.chown(name, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(name, "home")
        finally:
            os.seteuid(user)


@pytest.fixture
def store() -> MemoryEventStore:
    """The reference store, empty."""
    return MemoryEventStore()


@pytest.fixture
def collect(home: Path, store: MemoryEventStore) -> Callable[..., Collected]:
    """Collect once from the test's home into ``store``, as a new process would."""

    def once(*kinds: type[Event], hooks: Hooks | None = None) -> Collected:
        codec = Codec([*BUILTIN_KINDS, *kinds])
        return Collector(home, store, codec, hooks).collect()

    return once


@pytest.fixture
def fast_switching() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
