"""The suites of real projects, as published: with us everything is as it is without us.

What is recorded must be what pytest's own JUnit file says, test for test. Where a JUnit file
says less than pytest does, ``STATES`` says what it says:

* a test that passed although it was expected to fail is a test that passed;
* one that failed as expected was skipped;
* one whose call and teardown both failed is two tests of the same name;
* subtests have no cases of their own; one that was skipped makes its test skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sbhooks.events import TestResult

pytestmark = pytest.mark.slow

#: Source distributions whose tests need nothing but pytest. Not all of their tests pass
#: outside of their own environments; the more can be compared.
PROJECTS = (
    "attrs==26.1.0",
    "click==8.5.1",
    "idna==3.20",
    "iniconfig==2.3.1",
    "itsdangerous==2.2.0",
    "markupsafe==3.0.4",
    "more-itertools==11.2.1",
    "packaging==26.3",
    "pluggy==1.7.0",
    "toolz==1.2.0",
)
#: Detail of a result → what a JUnit file says of it.
STATES = {
    "passed": (), "xpassed": (), "failed": ("failure",), "error": ("error",),
    "skipped": ("skipped",), "xfailed": ("skipped",),
}  # fmt: skip
#: What stands in recorded parameters for what was too long, secret or private.
ALTERED = re.compile(r"…#|\[redacted\]|<tmp>|<user>|(?:^|[^\w])\./|~|\\u")


@pytest.fixture(scope="module", params=PROJECTS)
def project(
    request: pytest.FixtureRequest,
    make_project: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """The unpacked source distribution of a real project."""
    name = request.param.partition("==")[0]
    downloads = tmp_path_factory.mktemp("downloads")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, f"--no-binary={name}", f"--dest={downloads}", request.param],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"{request.param} cannot be downloaded: {done.stderr.strip()[-300:]}")
    made = make_project({})
    shutil.rmtree(made.folder)
    with tarfile.open(next(downloads.glob("*.tar.gz"))) as archive:
        archive.extractall(made.folder.parent / "unpacked", filter="data")
    [unpacked] = (made.folder.parent / "unpacked").iterdir()
    unpacked.rename(made.folder)
    source = made.folder / "src"
    made.environ["PYTHONPATH"] = str(source if source.exists() else made.folder)
    return made


@pytest.fixture(scope="module")
def runs(project: Any) -> tuple[Any, Any]:
    """The suite without us, and the suite with us."""
    bare = project.run("--junitxml=junit.xml", "-p", "no:cacheprovider", plugins=())
    (project.folder / "junit.xml").unlink()
    recorded = project.run("--junitxml=junit.xml", "-p", "no:cacheprovider")
    return bare, recorded


def test_what_is_recorded_is_what_happened(
    runs: tuple[Any, Any], junit_name: Callable[[TestResult], str]
) -> None:
    bare, recorded = runs
    told = Counter(str(result.detail) for result in recorded.results)
    print(recorded.status, dict(told), recorded.output.splitlines()[-1])  # with -rP

    assert bare.events == []
    assert recorded.status == bare.status == recorded.end.exit_status
    assert recorded.summary == bare.summary
    assert states(recorded.junit, exact=False) == states(bare.junit, exact=False)
    check_results(recorded, junit_name)
    check_counts(recorded)
    check_lines(recorded)


def check_results(run: Any, junit_name: Callable[[TestResult], str]) -> None:
    """Test for test what the JUnit file says; parameters too, where they are recorded whole."""
    ours: Counter[tuple[str, tuple[str, ...]]] = Counter()
    exactly = ours.copy()
    for result in run.results:
        if result.subtest is not None:
            continue
        name, state = junit_name(result), STATES[result.detail]
        for each in [state, ("error",)] if "teardown" in result.attributes else [state]:
            ours[without_parameters(name), each] += 1
            if not ALTERED.search(result.params or ""):
                exactly[name, each] += 1

    assert ours == states(run.junit, exact=False)
    missing = exactly - states(run.junit, exact=True)
    assert not missing
    assert exactly.total() > 0.9 * ours.total()


def check_counts(run: Any) -> None:
    """What pytest's last line says is what the session counts."""
    counts, told = run.end.counts, run.summary
    for detail in ("passed", "failed", "skipped", "xfailed", "xpassed", "deselected"):
        assert counts.get(detail, 0) == told.get(detail, 0), detail
    assert counts.get("error", 0) == told.get("error", 0)
    assert counts.get("warnings", 0) == told.get("warning", 0)
    assert "reruns" not in counts


def check_lines(run: Any) -> None:
    """Nothing is lost, and every test has one place in time."""
    assert run.collected.invalid == run.collected.unknown == run.collected.killed == 0
    assert len(run.events) == len(run.lines)
    dates = [result.at for result in run.results]
    assert dates == sorted(dates)
    longest = max((r.duration_s or 0 for r in run.results), default=0)
    assert longest < run.end.duration_s
    assert sum(r.duration_s or 0 for r in run.results) < run.end.duration_s


def states(cases: Any, *, exact: bool) -> Counter[tuple[str, tuple[str, ...]]]:
    """How often which test ended how; exactly, or without parameters."""
    return Counter(
        (case.name if exact else without_parameters(case.name), tuple(sorted(set(case.states))))
        for case in cases
    )


def without_parameters(name: str) -> str:
    """The name of a JUnit case without what is in its brackets."""
    return name.partition("[")[0]
