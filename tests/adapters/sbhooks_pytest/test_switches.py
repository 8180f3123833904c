"""Whether a run is recorded at all, and where."""

import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.events import SessionEnd, SessionStart

Make = Callable[..., Any]

TESTS = """
import warnings, pytest

@pytest.fixture
def number():
    "A number."
    return 1

def test_passes(number): assert number == 1
def test_fails(number): assert number == 2
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.parametrize("n", range(20))
def test_many(n): warnings.warn("x") if n == 0 else None
"""
FILES = {"test_it.py": TESTS}
TOTAL = 23

#: Ways not to have a run recorded → arguments, files and environment.
OFF: dict[str, tuple[list[str], dict[str, str], dict[str, str]]] = {
    "-p no:sbhooks": (["-p", "no:sbhooks"], {}, {}),
    "--no-sbhooks": (["--no-sbhooks"], {}, {}),
    "pytest.ini": ([], {"pytest.ini": "[pytest]\nsbhooks = false\n"}, {}),
    "tox.ini": ([], {"pytest.ini": "", "tox.ini": "[pytest]\nsbhooks = off\n"}, {}),
    "setup.cfg": ([], {"pytest.ini": "", "setup.cfg": "[tool:pytest]\nsbhooks = no\n"}, {}),
    "pyproject.toml": (
        [],
        {"pytest.ini": "", "pyproject.toml": "[tool.pytest.ini_options]\nsbhooks = false\n"},
        {},
    ),
    "-o": (["-o", "sbhooks=false"], {}, {}),
    "addopts": ([], {"pytest.ini": "[pytest]\naddopts = --no-sbhooks\n"}, {}),
    "PYTEST_ADDOPTS": ([], {}, {"PYTEST_ADDOPTS": "--no-sbhooks"}),
    "everything": ([], {}, {"SBHOOKS_DISABLE": "all"}),
    "pytest among others": ([], {}, {"SBHOOKS_DISABLE": "acme, pytest"}),
    "the settings of the project": ([], {"sbhooks.toml": 'disable = ["pytest"]\n'}, {}),
    "--collect-only": (["--collect-only"], {}, {}),
    "--co": (["--co", "-q"], {}, {}),
    "--fixtures": (["--fixtures"], {}, {}),
    "--fixtures-per-test": (["--fixtures-per-test"], {}, {}),
    "--help": (["--help"], {}, {}),
    "--version": (["--version"], {}, {}),
    "-VV": (["-VV"], {}, {}),
    "--markers": (["--markers"], {}, {}),
    "--setup-plan": (["--setup-plan"], {}, {}),
    "--cache-show": (["--cache-show"], {}, {}),
}
#: What looks like a switch and is none.
ON: dict[str, tuple[list[str], dict[str, str], dict[str, str]]] = {
    "nothing said": ([], {}, {}),
    "ini": ([], {"pytest.ini": "[pytest]\nsbhooks = true\n"}, {}),
    "others": ([], {}, {"SBHOOKS_DISABLE": "acme,analytics,pytests"}),
    "empty": ([], {}, {"SBHOOKS_DISABLE": ""}),
    "-q": (["-qq"], {}, {}),
    "--setup-show": (["--setup-show"], {}, {}),
    "no plugin but ours": (["-p", "no:cacheprovider", "-p", "no:logging"], {}, {}),
    "no terminal": (["-p", "no:terminal"], {}, {}),
    "the ini against the command line": (
        ["-o", "sbhooks=true"], {"pytest.ini": "[pytest]\nsbhooks = false\n"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("args", "files", "environ"), OFF.values(), ids=OFF)
def test_a_run_is_not_recorded_that_is_not_to_be_or_runs_no_test(
    project: Make, args: list[str], files: dict[str, str], environ: dict[str, str]
) -> None:
    made = project(FILES)
    for name, text in files.items():
        made.write({name: text}) if text else (made.folder / name).unlink()
    run = made.run(*args, environ=environ)
    assert run.status in {0, 1}, run.errors
    assert run.lines == []
    assert not made.home.exists()


@pytest.mark.parametrize(("args", "files", "environ"), ON.values(), ids=ON)
def test_every_other_run_is_recorded(
    project: Make, args: list[str], files: dict[str, str], environ: dict[str, str]
) -> None:
    made = project({**FILES, **files})
    run = made.run(*args, environ=environ)
    assert (run.status, len(run.results), run.end.reason) == (1, TOTAL, "finished")


def test_installed_means_recording_under_the_name_sbhooks(project: Make) -> None:
    made = project(FILES)
    made.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    assert len(made.run("-q", plugins=()).results) == TOTAL
    run = made.run("-q", "-p", "no:sbhooks", plugins=())
    assert (run.status, run.events) == (1, [])


def test_a_run_that_cannot_start_is_no_run(project: Make) -> None:
    made = project(FILES)
    run = made.run("--no-such-option")
    assert (run.status, run.events) == (4, [])
    assert not made.home.exists()


def test_the_options_are_in_the_help_with_their_twins(project: Make) -> None:
    output = project(FILES).run("--help").output
    for option in ("--no-sbhooks", "--sbhooks-summary", "--sbhooks-experiment"):
        assert len(re.findall(rf"^  {option}\b", output, re.MULTILINE)) == 1
    for twin in ("sbhooks", "sbhooks_summary", "sbhooks_nested"):
        assert len(re.findall(rf"^  {twin} \(bool\)", output, re.MULTILINE)) == 1


def test_no_option_of_ours_swallows_a_path(project: Make) -> None:
    made = project({**FILES, "test_other.py": "def test_other(): pass\n"})
    run = made.run("--sbhooks-summary", "test_other.py")
    assert [result.test for result in run.results] == ["test_other.py::test_other"]


def test_parallel_runs_are_sessions_of_their_own(project: Make) -> None:
    made = project({"test_it.py": TESTS})
    started = [made.begin("-q", "-p", "no:cacheprovider") for _ in range(4)]
    for process in started:
        process.communicate(timeout=300)
    run = made.ended()
    sessions = {start.session for start in run.of(SessionStart)}
    assert len(sessions) == len(run.of(SessionStart)) == 4
    assert sorted(end.session for end in run.of(SessionEnd)) == sorted(sessions)
    for session in sessions:
        own = [result for result in run.results if result.session == session]
        assert len({(r.test, r.params) for r in own}) == len(own) == TOTAL


def test_no_file_appears_in_the_working_tree(project: Make) -> None:
    made = project({**FILES, "pkg/test_deep.py": "def test_deep(): assert 0\n"})
    made.environ |= {"PYTHONDONTWRITEBYTECODE": "1"}
    made.environ.pop("SBHOOKS_HOME")
    before = sorted(made.folder.rglob("*"))
    run = made.run("-q", "-p", "no:cacheprovider")
    assert run.status == 1
    assert sorted(made.folder.rglob("*")) == before
    (kept,) = made.folder.parent.rglob("*.seg")
    assert Path(made.environ["HOME"]) in kept.parents
    assert kept.read_bytes().count(b'"kind":"test-result"') == TOTAL + 1


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_what_is_recorded_is_for_the_eyes_of_its_owner(project: Make, umask: int) -> None:
    made = project(FILES)
    process = subprocess.run(
        made.command("-q", "-p", "no:cacheprovider"), cwd=made.folder, env=made.environ,
        capture_output=True, umask=umask, check=False,
    )  # fmt: skip
    assert process.returncode == 1
    found = [made.home, *made.home.rglob("*")]
    assert len(found) >= 3
    for path in found:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert len(made.ended().results) == TOTAL
