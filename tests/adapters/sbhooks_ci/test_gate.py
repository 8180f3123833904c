"""The pull request hears what matters, and the gate fails on what it was told to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sbhooks.errors import SbhooksError
from sbhooks.output import Output
from sbhooks_ci.gate import draw, gate
from sbhooks_ci.report import JudgedTest, RunReport, SlowerTest, StageResult
from sbhooks_ci.summary import code_quality, markdown, workflow_commands

Sbhooks = Callable[..., subprocess.CompletedProcess[bytes]]


def report(**fields: Any) -> RunReport:
    empty: dict[str, Any] = {
        "pipeline": "checks", "url": None, "commit": None, "counts": {}, "failed": [],
        "flaky": [], "slower": [], "compared": 0, "stages": [],
    }  # fmt: skip
    return RunReport(**{**empty, **fields})


def verdict(test: str = "t.py::x", **fields: Any) -> JudgedTest:
    known: dict[str, Any] = {
        "test": test, "file": "t.py", "attempts": 1, "message": "AssertionError: no",
        "is_new": True,
    }  # fmt: skip
    return JudgedTest(**{**known, **fields})


SLOW = SlowerTest(test="t.py::x", duration_s=3.0, usual_s=2.0, n=9)
JUDGED = [
    ("failed", {"counts": {"passed": 3}}, True),
    ("failed", {"counts": {"failed": 1}, "failed": [verdict()]}, False),
    ("failed", {}, None),
    ("failed", {"stages": [StageResult(stage="b", outcome="error", duration_s=1, error_type="x")]},
     False),
    ("flaky", {"counts": {"passed": 1}, "flaky": [verdict(is_new=False)]}, False),
    ("flaky", {}, None),
    ("new-flaky", {"counts": {"passed": 1}, "flaky": [verdict(is_new=False)]}, True),
    ("new-flaky", {"counts": {"passed": 1}, "flaky": [verdict()]}, False),
    ("slower=20%", {"compared": 1, "slower": [SLOW]}, False),
    ("slower=50%", {"compared": 1, "slower": [SLOW]}, True),
    ("slower=20", {"compared": 0}, None),
    ("completion=95%", {"counts": {"passed": 95, "failed": 5, "skipped": 50}}, True),
    ("completion=95.1%", {"counts": {"passed": 95, "failed": 5}}, False),
    ("completion=95%", {"counts": {"skipped": 5}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "fields", "holds"), JUDGED)
def test_a_condition_is_judged(condition: str, fields: dict[str, Any], holds: bool | None) -> None:
    found = gate(report(**fields), [condition])
    assert [v.holds for v in found.verdicts] == [holds]
    assert found.passed is (holds is not False)
    assert ("not enough data" in found.verdicts[0].reason) is (holds is None)


def test_a_reason_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    draw(Output(), gate(report(), ["slower=20%", "failed"]))
    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        "? slower=20% not enough data: no test has passed five times before this run "
        "? failed not enough data: no tests and no stages are recorded"
    )


@pytest.mark.parametrize("bad", ["", "nothing", "failed=1", "slower", "slower=x", "slower=-1%",
                                 "completion=nan", "slower=inf"])  # fmt: skip
def test_what_is_no_condition_is_refused(bad: str) -> None:
    with pytest.raises(SbhooksError, match=r"is no (condition|percentage)"):
        gate(report(), [bad])


def test_a_summary_is_never_longer_than_allowed() -> None:
    many = [verdict(f"tests/t.py::x[{'é' * 200}{n}]", message="m" * 299) for n in range(5_000)]
    text = markdown(report(counts={"failed": 5_000}, failed=many))
    assert len(text.encode()) <= 900_000
    assert "4,500 further tests" in text
    small = markdown(report(counts={"failed": 9}, failed=many[:9]), limit=2_000)
    assert len(small.encode()) <= 2_000
    assert "left out" in small


def test_foreign_text_cannot_write_markdown_or_html() -> None:
    bad = "x|<img src=x onerror=alert(1)>\n## [a](http://b) `c` \x1b[31m @everyone"
    text = markdown(report(counts={"failed": 1}, failed=[verdict(bad, message=bad)]))
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\n## \\[a" not in text
    row = next(line for line in text.splitlines() if "img" in line)
    assert row.replace("\\|", "").count("|") == 4


def test_annotations_are_ten_at_most_and_the_rest_is_counted() -> None:
    failed = [verdict(f"t.py::x{n}") for n in range(8)]
    flaky = [verdict(f"t.py::y{n}") for n in range(8)]
    lines = workflow_commands(report(failed=failed, flaky=flaky))
    assert len(lines) == 10
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 8 + ["::warning", "::notice"]
    assert "7 further tests failed or flaky" in lines[-1]
    assert len(workflow_commands(report(failed=failed, flaky=flaky[:2]))) == 10


def test_an_annotation_cannot_end_early() -> None:
    (line,) = workflow_commands(report(failed=[verdict("a:b,c%d", message="x\n::error::y %")]))
    assert line == "::error file=t.py,title=a%3Ab%2Cc%25d failed::x ::error::y %25"


def test_gitlab_gets_a_code_quality_report() -> None:
    found = json.loads(code_quality(report(failed=[verdict()], flaky=[verdict("t.py::y")])))
    assert [(i["check_name"], i["severity"], i["location"]["path"]) for i in found] == [
        ("sbhooks-failed", "major", "t.py"),
        ("sbhooks-flaky", "minor", "t.py"),
    ]
    assert len({issue["fingerprint"] for issue in found}) == 2


# --- From reports to the pull request -----------------------------------------------


def junit(number: int, *, slow: float = 1.0, flaky: bool = False, bad: bool = False) -> str:
    rerun = '<flakyFailure message="once" type="AssertionError"/>' if flaky else ""
    failed = '<failure message="boom" type="ValueError"/>' if bad else ""
    return (
        f'<testsuite name="s" timestamp="2026-11-{number:02}T12:00:00Z">'
        f'<testcase file="tests/t.py" classname="s" name="slow" time="{slow}"/>'
        f'<testcase file="tests/t.py" classname="s" name="shaky" time="0.1">{rerun}</testcase>'
        f'<testcase file="tests/t.py" classname="s" name="bad" time="0.1">{failed}</testcase>'
        "</testsuite>"
    )


def github(number: int) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "checks", "GITHUB_RUN_ID": str(number),
        "GITHUB_RUN_ATTEMPT": "1", "GITHUB_SHA": f"{number:040}",
    }  # fmt: skip


@pytest.fixture
def run(sbhooks: Sbhooks, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Record a CI run from a report; returns its environment."""

    def record(number: int, **fields: Any) -> dict[str, str]:
        (tmp_path / "r.xml").write_text(junit(number, **fields))
        done = sbhooks("ci", "import", "junit", "r.xml", environ=github(number))
        assert done.returncode == 0, done.stderr
        return github(number)

    return record


def test_the_gate_compares_with_earlier_runs(
    sbhooks: Sbhooks, run: Callable[..., dict[str, str]]
) -> None:
    conditions = ["--fail-on", "new-flaky", "--fail-on", "slower=20%", "--fail-on", "failed"]
    first = run(1)
    done = sbhooks("ci", "gate", *conditions, "--json", environ=first)
    assert done.returncode == 0, done.stderr
    assert [v["holds"] for v in json.loads(done.stdout)["verdicts"]] == [True, None, True]
    for number in range(2, 7):
        run(number)
    worse = run(7, slow=2.0, flaky=True)
    done = sbhooks("ci", "gate", *conditions, "--json", environ=worse)
    assert done.returncode == 1
    assert [v["holds"] for v in json.loads(done.stdout)["verdicts"]] == [False, False, True]
    again = run(8, flaky=True, bad=True)
    done = sbhooks("ci", "gate", *conditions, "--json", environ=again)
    assert [v["holds"] for v in json.loads(done.stdout)["verdicts"]] == [True, True, False]
    shown = sbhooks("ci", "gate", *conditions, environ=again).stdout.decode()
    assert "1 test failed: tests/t.py::s::bad" in shown


def test_a_summary_on_github_goes_to_the_step_and_its_annotations(
    sbhooks: Sbhooks, run: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    environ = run(3, bad=True)
    assert sbhooks("ci", "run", "--stage", "test", "--", "false", environ=environ).returncode == 1
    step = tmp_path / "step.md"
    step.write_text("before\n")
    done = sbhooks("ci", "summary", environ={**environ, "GITHUB_STEP_SUMMARY": str(step)})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (
        b"::error file=tests/t.py,title=tests/t.py%3A%3As%3A%3Abad failed::ValueError: boom\n"
    )
    text = step.read_text()
    assert text.startswith("before\n## checks: 3 tests, 67 % passed, 1 failed\n")
    assert "| ✗ | test |" in text
    assert "| new | tests/t\\.py::s::bad | ValueError: boom |" in text


def test_a_summary_elsewhere_is_what_the_place_reads(
    sbhooks: Sbhooks, run: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    run(3, bad=True)
    done = sbhooks("ci", "summary")
    assert done.stdout.decode().splitlines()[0].endswith(": 3 tests, 67 % passed, 1 failed")
    gitlab = {"GITLAB_CI": "true"}
    assert sbhooks("ci", "summary", "--output", "q.json", environ=gitlab).returncode == 0
    assert len(json.loads((tmp_path / "q.json").read_text())) == 1
    assert json.loads(sbhooks("ci", "summary", "--json").stdout)["counts"]["failed"] == 1


def test_a_run_of_which_nothing_is_recorded_is_told_so(sbhooks: Sbhooks) -> None:
    done = sbhooks("ci", "summary", environ=github(99))
    assert done.returncode == 2
    assert b"nothing is recorded of run 99" in done.stderr
    assert sbhooks("ci", "gate", "--fail-on", "failed").returncode == 2
