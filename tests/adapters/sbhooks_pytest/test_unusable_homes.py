"""Where recording cannot work, or not wholly: the host does not notice, and the owner is told.

Beside every odd circumstance stands a bare run of the same suite in the same circumstance:
exit status and output have to be the same, but for one line that warns.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbhooks import problems

Make = Callable[..., Any]

TESTS = """
import warnings, pytest
def test_passes(): pass
def test_fails(): assert 0
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.parametrize("n", range(100))
def test_many(n): warnings.warn("x") if n == 0 else None
"""
TOTAL = 103
EVENTS = TOTAL + 7  #: With the start, the end, the invocation and four changes of phase.

#: Runs a command without the rights of root, and as somebody whom the system does not know.
NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "--"]
CAN_BE_NOBODY = (
    shutil.which("unshare") is not None
    and subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode == 0
)
needs_nobody = pytest.mark.skipif(not CAN_BE_NOBODY, reason="needs a user that nobody knows")


@pytest.fixture
def made(project: Make) -> Any:
    return project({"test_it.py": TESTS})


def beside_bare(made: Any, prefix: list[str]) -> list[str]:
    """Run the suite with and without us, and compare; the lines in which we warn."""
    bare, own = (
        subprocess.run(
            [*prefix, *made.command("-p", "no:cacheprovider", *switch)],
            cwd=made.folder,
            env=made.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        for switch in (["--no-sbhooks"], [])
    )
    assert (own.returncode, own.stderr) == (bare.returncode, bare.stderr) == (1, "")
    said, expected = (re.sub(r"in \d+\.\d+s", "", ran.stdout).splitlines() for ran in (own, bare))
    warned = [line for line in said if "sbhooks: " in line]
    assert [line for line in said if line not in warned] == expected
    assert len(warned) <= 1, warned
    return warned


def told(made: Any, prefix: list[str]) -> list[dict[str, Any]]:
    """What the same user is told of problems, in the same circumstance."""
    program = (
        "import json, os; from sbhooks import problems; from sbhooks.settings import here\n"
        "print(json.dumps([p._asdict() for p in problems.read(here().home)]))"
    )
    ran = subprocess.run(
        [*prefix, sys.executable, "-P", "-c", program], cwd=made.folder, env=made.environ,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def read_only_home(made: Any) -> None:
    made.home.mkdir()
    made.home.chmod(0o500)


def read_only_above_home(made: Any) -> None:
    made.home = made.folder.parent / "closed" / "home"
    made.home.parent.mkdir(mode=0o500)


def home_is_a_file(made: Any) -> None:
    made.home.write_text("")


def home_below_a_file(made: Any) -> None:
    home_is_a_file(made)
    made.home = made.home / "below"


def home_in_proc(made: Any) -> None:
    made.home = Path("/proc/sbhooks")


def home_with_an_endless_name(made: Any) -> None:
    made.home = made.home / ("x" * 300)


def home_is_a_circle(made: Any) -> None:
    made.home.symlink_to(made.home)


def spool_is_a_file(made: Any) -> None:
    made.home.mkdir()
    (made.home / "spool").write_text("")


def read_only_spool(made: Any) -> None:
    (made.home / "spool").mkdir(parents=True)
    (made.home / "spool").chmod(0o500)


def spool_of_a_stranger(made: Any) -> None:
    (made.home / "spool").mkdir(parents=True)
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(made.home / "spool", 12345, 12345)


ANYBODY = [home_is_a_file, home_below_a_file, home_in_proc, home_with_an_endless_name,
           home_is_a_circle, spool_is_a_file]  # fmt: skip
NOT_ROOT = [read_only_home, read_only_above_home, read_only_spool, spool_of_a_stranger]


@pytest.mark.parametrize(
    ("arrange", "prefix"),
    [(arrange, []) for arrange in ANYBODY]
    + [pytest.param(arrange, NOBODY, marks=needs_nobody) for arrange in NOT_ROOT],
)
def test_where_nothing_can_be_written_the_host_does_not_notice_and_the_owner_is_told(
    made: Any, arrange: Callable[[Any], None], prefix: list[str]
) -> None:
    arrange(made)
    made.environ["SBHOOKS_HOME"] = str(made.home)
    beside_bare(made, prefix)
    found = told(made, prefix)
    assert {problem["where"] for problem in found} == {"spool"}
    assert max(problem["lost"] for problem in found) == EVENTS
    assert any(str(made.home) in problem["what"] for problem in found)


@needs_nobody
def test_somebody_without_a_home_records_in_a_private_place(made: Any) -> None:
    for name in ("HOME", "SBHOOKS_HOME"):
        del made.environ[name]
    before = sorted(made.folder.rglob("*.*"))
    assert beside_bare(made, NOBODY) == []
    assert told(made, NOBODY) == []
    (kept,) = made.temporary.rglob("*.seg")
    assert kept.read_bytes().count(b"\n") == EVENTS
    assert {path for path in made.folder.rglob("*.*") if path.suffix != ".pyc"} == set(before)


CONFIGS: Mapping[str, tuple[str, str]] = {
    "torn": ("user/.config/sbhooks/config.toml", 'home = "'),
    "no text": ("user/.config/sbhooks/config.toml", "\0\x01"),
    "unknown key": ("user/.config/sbhooks/config.toml", "nonsense = 1\n"),
    "wrong types": ("user/.config/sbhooks/config.toml", "project = 1\nprivacy = 2\ninline = 3\n"),
    "of the project": ("project/sbhooks.toml", "disable = [\n"),
    "no table": ("project/pyproject.toml", "[tool]\nsbhooks = 1\n"),
}


@pytest.mark.parametrize(("path", "text"), CONFIGS.values(), ids=CONFIGS)
def test_a_broken_configuration_costs_nothing_and_is_named(made: Any, path: str, text: str) -> None:
    file = made.folder.parent / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    beside_bare(made, [])
    # What cannot be read may have asked for silence.
    assert len(made.ended().results) == (0 if "disable" in text else TOTAL)
    examined = subprocess.run(
        [sys.executable, "-P", "-m", "sbhooks", "doctor"], cwd=made.folder, env=made.environ,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Nothing is wrong" not in examined.stdout
    said = re.sub(r"\s+", "", examined.stdout + examined.stderr)  # as wide as the terminal
    assert file.name in said


@contextmanager
def disk(made: Any, size: str) -> Iterator[None]:
    """Let the home be on a small file system of its own; only root can have one."""
    folder: Path = made.folder.parent / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "sbhooks-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    made.home = folder / "home"
    made.environ |= {"SBHOOKS_HOME": str(made.home), "DISK": str(folder)}
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_costs_what_does_not_fit_and_nothing_else(made: Any) -> None:
    with disk(made, "32k"):
        (warned,) = beside_bare(made, [])
        found = told(made, [])
        run = made.ended()
    lost = max(problem["lost"] for problem in found)
    assert 0 < lost < EVENTS
    said = re.search(r"at least ([\d,]+) events could not be recorded", warned)
    assert said is not None, warned
    assert 0 < int(said[1].replace(",", "")) <= lost, "the run's end may be lost after the warning"
    assert len(run.events) == EVENTS - lost
    assert run.collected.invalid == 0
    assert run.results[0].test.endswith("test_passes")
    assert run.end.reason == "finished", "the end takes the room of the will"
    assert run.end.exit_status is not None


def test_a_disk_that_has_room_again_is_used_again(made: Any) -> None:
    made.write({"test_it.py": FILLING})
    with disk(made, "1m"):
        run = made.run("-q", "-p", "no:cacheprovider")
        found = problems.read(str(made.home))
    assert (run.status, run.errors) == (0, "")
    assert run.result("test_before").detail == "passed"
    assert 0 < len(run.attempts("test_lost")) < 200
    assert len(run.attempts("test_after")) >= 100
    assert (run.end.reason, run.end.counts["passed"]) == ("finished", 403)
    assert len(run.results) == 403 - max(problem.lost for problem in found)


FILLING = """
import os, pytest
filling = os.environ["DISK"] + "/filling"

def test_before(): pass

def test_fills():
    with open(filling, "wb", 0) as file:
        for size in (4096, 1):
            with pytest.raises(OSError):
                while file.write(b"x" * size) == size:
                    pass
                raise OSError

@pytest.mark.parametrize("n", range(200))
def test_lost(n): pass
def test_frees(): os.unlink(filling)
@pytest.mark.parametrize("n", range(200))
def test_after(n): pass
"""
