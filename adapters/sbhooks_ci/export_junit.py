"""Writes a recorded test run as JUnit XML, in the dialect of Maven Surefire.

Reruns become ``flakyFailure`` and ``rerunFailure``, which CI systems know from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import TextIOBase
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from sbhooks.errors import SbhooksError
from sbhooks.events import SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader

#: What XML 1.0 has no place for.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GOOD = {"passed", "xfailed", "xpassed"}

_Key = tuple[str, str | None]


def export_junit(store: EventReader, session: str, file: TextIOBase) -> int:
    """Write the test results of a session.

    Returns:
        The number of test cases.

    Raises:
        SbhooksError: The session has no test results.
    """
    tests = results_of(store, [session])
    if not tests:
        raise SbhooksError(f"the run {session} has no test results. List runs with: sbhooks runs")
    starts = store.events(EventQuery(kinds=("session-start",), sessions=(session,), limit=1))
    start = next((event for event in starts if isinstance(event, SessionStart)), None)
    xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
    xml.startDocument()
    last = [attempts[-1] for attempts in tests.values()]
    _open(xml, "testsuites")
    _open(
        xml,
        "testsuite",
        {
            "name": _legal((start.project if start else None) or session),
            "tests": str(len(last)),
            "failures": str(sum(r.detail == "failed" for r in last)),
            "errors": str(sum(r.detail == "error" for r in last)),
            "skipped": str(sum(r.detail == "skipped" for r in last)),
            "time": f"{sum(r.duration_s or 0 for a in tests.values() for r in a):.6f}",
            **({"timestamp": start.at.isoformat(timespec="seconds")} if start else {}),
        },
    )
    for attempts in tests.values():
        _case(xml, attempts)
    xml.endElement("testsuite")
    xml.endElement("testsuites")
    xml.endDocument()
    return len(tests)


def results_of(store: EventReader, sessions: Sequence[str]) -> dict[_Key, list[TestResult]]:
    """Test and parameters → attempts in their order; without records of subtests."""
    found: dict[_Key, list[TestResult]] = {}
    for event in store.events(EventQuery(kinds=("test-result",), sessions=tuple(sessions))):
        if isinstance(event, TestResult) and event.subtest is None:
            found.setdefault((event.test, event.params), []).append(event)
    for attempts in found.values():
        attempts.sort(key=lambda result: (result.attempt, result.at))
    return found


def full_name(result: TestResult) -> str:
    """The test with its parameters."""
    return f"{result.test}[{result.params}]" if result.params else result.test


def _case(xml: XMLGenerator, attempts: list[TestResult]) -> None:
    last = attempts[-1]
    place, _, name = full_name(last).rpartition("::") if not last.params else _placed(last)
    attributes = {"classname": _legal(place or "tests"), "name": _legal(name)}
    if last.duration_s is not None:
        attributes["time"] = f"{last.duration_s:.6f}"
    _open(xml, "testcase", attributes)
    bad = [result for result in attempts if result.detail in {"failed", "error"}]
    if last.detail in _GOOD:
        for result in bad:
            _problem(xml, "flakyFailure" if result.detail == "failed" else "flakyError", result)
    elif last.detail == "skipped":
        _open(xml, "skipped")
        xml.endElement("skipped")
    else:
        for number, result in enumerate(bad):
            tag = "failure" if result.detail == "failed" else "error"
            _problem(xml, tag if number == 0 else f"rerun{tag.capitalize()}", result)
    xml.endElement("testcase")


def _placed(result: TestResult) -> tuple[str, str, str]:
    place, colons, name = result.test.rpartition("::")
    return place, colons, f"{name}[{result.params}]"


def _problem(xml: XMLGenerator, tag: str, result: TestResult) -> None:
    failure = result.failure
    message = (failure.message if failure else None) or ""
    kind = (failure.type if failure else None) or ""
    _open(xml, tag, {"message": _legal(message), "type": _legal(kind)})
    xml.endElement(tag)


def _open(xml: XMLGenerator, tag: str, attributes: dict[str, str] | None = None) -> None:
    xml.startElement(tag, AttributesImpl(attributes or {}))


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
