"""JUnit reports of many tools come in, whatever their size, and go out again."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.errors import SbhooksError
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_ci.export_junit import export_junit
from sbhooks_ci.junit import Case, cases

Sbhooks = Callable[..., subprocess.CompletedProcess[bytes]]
Recorded = Callable[..., list[Any]]

SUREFIRE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="shop.CartTest" timestamp="2026-11-20T12:00:00Z" tests="5" time="1,234.5">
  <properties><property name="java.version" value="21"/></properties>
  <testcase name="adds" classname="shop.CartTest" time="0.5"/>
  <testcase name="flaky" classname="shop.CartTest" time="0.25">
    <flakyFailure message="first" type="AssertionError" time="0.1"><stackTrace>x</stackTrace>
      <system-out>noise</system-out></flakyFailure>
    <flakyError message="second" type="IOException"/>
  </testcase>
  <testcase name="broken" classname="shop.CartTest" time="1,000.5">
    <failure message="no" type="AssertionError">trace</failure>
    <rerunFailure message="no again" type="AssertionError"/>
    <rerunError type="OutOfMemory">heap</rerunError>
  </testcase>
  <testcase name="later" classname="shop.CartTest"><skipped message="not yet"/></testcase>
  <testcase name="p[1]" classname="shop.CartTest" time="bad"><error>boom
at x</error></testcase>
</testsuite>
"""


def read(tmp_path: Path, text: str | bytes) -> list[Case]:
    file = tmp_path / "report.xml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(cases(file))


def told(case: Case) -> tuple[str, list[tuple[str, int]]]:
    return case.name, [(attempt.detail, attempt.number) for attempt in case.attempts]


def test_reruns_are_attempts_in_their_order(tmp_path: Path) -> None:
    found = read(tmp_path, SUREFIRE)
    assert [told(case) for case in found] == [
        ("adds", [("passed", 1)]),
        ("flaky", [("failed", 1), ("error", 2), ("passed", 3)]),
        ("broken", [("failed", 1), ("failed", 2), ("error", 3)]),
        ("later", [("skipped", 1)]),
        ("p[1]", [("error", 1)]),
    ]
    assert [attempt.time_s for attempt in found[1].attempts] == [0.1, None, 0.25]
    assert found[2].attempts[0].time_s == 1000.5
    assert [attempt.message for attempt in found[2].attempts] == ["no", "no again", "heap"]
    assert found[4].attempts[0].message == "boom\nat x"
    assert {case.suite for case in found} == {"shop.CartTest"}


OTHERS = {
    "pytest": (
        '<testsuites><testsuite name="pytest" timestamp="2026-11-20T12:00:00+01:00">'
        '<testcase classname="tests.test_a.TestB" name="test_c[x-1]" time="0.1"/>'
        "</testsuite></testsuites>",
        [("test_c[x-1]", [("passed", 1)])],
    ),
    "jest": (
        '<testsuites name="jest tests"><testsuite name="cart"><testcase classname="cart adds" '
        'name="cart adds" time="0.005"><failure>Error: expect(received)\n at cart.js</failure>'
        "</testcase></testsuite></testsuites>",
        [("cart adds", [("failed", 1)])],
    ),
    "gotestsum, with a repeated test": (
        '<testsuites><testsuite name="pkg"><testcase classname="pkg" name="TestX" time="0.1">'
        '<failure message="Failed" type=""/></testcase><testcase classname="pkg" name="TestX" '
        'time="0.1"/><testcase classname="pkg" name="TestX" time="0.1"/></testsuite></testsuites>',
        [
            ("TestX", [("failed", 1)]),
            ("TestX", [("passed", 2)]),
            ("TestX", [("passed", 1)]),
        ],
    ),
    "nested suites": (
        '<testsuite name="a"><testsuite name="b"><testcase name="t"/></testsuite>'
        '<testcase name="u"/></testsuite>',
        [("t", [("passed", 1)]), ("u", [("passed", 1)])],
    ),
    "no tests": ("<testsuites/>", []),
    "a name space": (
        '<j:testsuite xmlns:j="urn:x"><j:testcase name="t"/></j:testsuite>',
        [("t", [("passed", 1)])],
    ),
    "no names": ("<testsuite><testcase/></testsuite>", [("(unnamed)", [("passed", 1)])]),
}


@pytest.mark.parametrize("tool", OTHERS)
def test_the_dialects_of_other_tools_are_understood(tmp_path: Path, tool: str) -> None:
    text, expected = OTHERS[tool]
    assert [told(case) for case in read(tmp_path, text)] == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings_are_what_the_file_says(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><testsuite><testcase name="é"/></testsuite>'
    assert read(tmp_path, text.encode(encoding))[0].name == "é"


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><testsuite name="&b;"></testsuite>'
WRONG = {
    "an entity": (LAUGHS, "document type declaration"),
    "a foreign file": (
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "document type declaration",
    ),
    "another format": ("<html><testcase/></html>", "begins with <html>"),
    "no XML": ("tests: 5", "no XML"),
    "half a file": ("<testsuite><testcase name='t'/>", "no element found|unclosed"),
    "nothing": ("", "no element found"),
    "an unknown encoding": ('<?xml version="1.0" encoding="x-no"?><testsuite/>', "encoding"),
    "nesting": ("<testsuite>" * 200 + "</testsuite>" * 200, "nested too deeply"),
    "an endless tag": ('<testsuite name="' + "a" * 9_000_000, "more than 4 MB"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_report_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    text, reason = WRONG[name]
    with pytest.raises(SbhooksError, match=f"report.xml, line \\d+: .*({reason})"):
        read(tmp_path, text)


def test_a_report_is_recorded_as_a_run(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "report.xml").write_text(SUREFIRE)
    done = sbhooks("ci", "import", "junit", "report.xml", "--json", environ=GITHUB)
    assert (done.returncode, done.stderr) == (0, b"")
    (file,) = json.loads(done.stdout)["files"]
    assert (file["tests"], file["attempts"]) == (5, 9)
    assert file["counts"] == {"passed": 2, "flaky": 1, "error": 2, "skipped": 1}
    (start,), (end,) = recorded("session-start"), recorded("session-end")
    assert (start.tool, start.ci.run_id, start.vcs.commit) == ("junit", "7", "a" * 40)
    assert (end.outcome, end.counts) == ("failure", file["counts"])
    results = recorded("test-result")
    assert len(results) == 9
    assert {r.test for r in results} == {
        f"shop.CartTest::{name}" for name in ("adds", "flaky", "broken", "later", "p")
    }
    assert [r.params for r in results if r.test.endswith("::p")] == ["1"]
    assert start.at.isoformat() == "2026-11-20T12:00:00+00:00"


GITHUB = {
    "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "a" * 40,
}  # fmt: skip


def test_importing_again_changes_nothing_and_another_run_is_another(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "report.xml").write_text(SUREFIRE)
    for said in (b"9 attempts recorded.", b"9 attempts known already."):
        done = sbhooks("ci", "import", "junit", "report.xml")
        assert (done.returncode, done.stdout.splitlines()[-1].startswith(said)) == (0, True)
    assert len(recorded("test-result")) == 9
    (tmp_path / "new.xml").write_text(SUREFIRE.replace("later", "sooner"))
    twice = ("new.xml", "report.xml", "new.xml")
    done = sbhooks("ci", "import", "junit", *twice, "--json")
    assert [file["known"] for file in json.loads(done.stdout)["files"]] == [False, True, True]
    assert len(recorded("test-result")) == 18
    assert sbhooks("ci", "import", "junit", "report.xml", environ=GITHUB).returncode == 0
    assert len(recorded("test-result")) == 27


def test_where_no_store_can_be_asked_a_report_is_recorded_all_the_same(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "report.xml").write_text(SUREFIRE)
    nowhere = {"SBHOOKS_STORE": "unheard-of:///x"}
    for _ in range(2):
        done = sbhooks("ci", "import", "junit", "report.xml", environ=nowhere)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"9 attempts recorded." in done.stdout
    assert len(recorded("test-result")) == 9


def test_nothing_is_recorded_unless_all_files_can_be_read(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "good.xml").write_text(SUREFIRE)
    (tmp_path / "bad.xml").write_text(LAUGHS)
    done = sbhooks("ci", "import", "junit", "good.xml", "bad.xml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"bad.xml, line 1: has a document type declaration" in done.stderr
    assert sbhooks("ci", "import", "junit", "none.xml").returncode == 2
    assert recorded() == []


def test_secrets_in_messages_are_taken_out(
    sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path
) -> None:
    (tmp_path / "r.xml").write_text(
        '<testsuite><testcase name="t"><failure message="password=hunter2222 is wrong in '
        f'{tmp_path}/a.py"/></testcase></testsuite>'
    )
    assert sbhooks("ci", "import", "junit", "r.xml").returncode == 0
    (result,) = recorded("test-result")
    assert "hunter2222" not in result.failure.message
    assert result.failure.message.endswith("is wrong in a.py")


def test_a_run_goes_out_as_it_came_in(sbhooks: Sbhooks, recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(SUREFIRE)
    sbhooks("ci", "import", "junit", "report.xml")
    done = sbhooks("ci", "export", "junit", "last")
    assert (done.returncode, done.stderr) == (0, b"")
    again = read(tmp_path, done.stdout)
    assert [told(case) for case in again] == [told(case) for case in read(tmp_path, SUREFIRE)]
    suite = ET.fromstring(done.stdout)[0]  # noqa: S314 - written by us
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "0", "2")
    done = sbhooks("ci", "export", "junit", "last", "--output", "out.xml", "--json")
    assert json.loads(done.stdout)["tests"] == 5
    assert sbhooks("ci", "export", "junit", "nobody").returncode == 2
    done = sbhooks("ci", "export", "junit", "last", "--output", "no/out.xml")
    assert done.stderr == b"sbhooks: cannot write no/out.xml: No such file or directory\n"


@given(st.text(), st.text(), st.text())
def test_whatever_is_recorded_can_be_written(test: str, params: str, message: str) -> None:
    from sbhooks.events import Detail, Failure, Outcome, TestResult

    store = MemoryEventStore()
    common: dict[str, Any] = {"source": "s", "session": "s", "test": test or "t"}
    failure = Failure(fingerprint="f", message=message.encode("utf-8", "replace").decode())
    store.append(
        [TestResult(**common, outcome=Outcome.FAILURE, detail=Detail.FAILED, params=params or None,
                    failure=failure)]
    )  # fmt: skip
    text = io.StringIO()
    assert export_junit(store, "s", text) == 1
    ET.fromstring(text.getvalue())  # noqa: S314 - written by us


GROWING = """
import re, sys
from pathlib import Path
from sbhooks_ci.junit import cases
number = sum(1 for _ in cases(Path(sys.argv[1])))
# Not ru_maxrss: that is at least what the process was before it became this program.
print(number, *re.findall("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()))
"""


def memory_of(path: Path, megabytes: int) -> tuple[int, int]:
    """Write a report of that size; number of cases and peak memory (kB) of reading it."""
    case = b'<testcase classname="shop" name="test_%d" time="0.1"><system-out>%s</system-out>'
    case += b'<failure message="m">%s</failure></testcase>\n'
    with path.open("wb") as file:
        file.write(b'<testsuites><testsuite name="s">')
        number = 0
        while file.tell() < megabytes << 20:
            file.write(case % (number, b"x" * 2000, b"y" * 6000))
            number += 1
        file.write(b"</testsuite></testsuites>")
    done = subprocess.run(
        [sys.executable, "-P", "-c", GROWING, str(path)], check=True, capture_output=True, text=True
    )
    found, peak = map(int, done.stdout.split())
    assert found == number
    return found, peak


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    _, small = memory_of(tmp_path / "small.xml", 1)
    _, large = memory_of(tmp_path / "large.xml", 30)
    assert large < small + 4_000


@pytest.mark.slow
def test_half_a_gigabyte_is_imported_in_bounded_memory(sbhooks: Sbhooks, tmp_path: Path) -> None:
    number, peak = memory_of(tmp_path / "huge.xml", 500)
    assert peak < 40_000
    done = sbhooks("ci", "import", "junit", "huge.xml", "--json", timeout=900)
    assert json.loads(done.stdout)["files"][0]["tests"] == number
