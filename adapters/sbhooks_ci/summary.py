"""A run in the words of the pull request: Markdown, GitHub's annotations, GitLab's report.

GitHub takes 1 MiB of summary per step and drops all of a longer one, and shows ten annotations
of a kind per step: what matters most comes first, and what does not fit is counted.

References:
    GitHub, "Workflow commands: setting an error message", "adding a job summary".
    GitLab, "Code Quality: code quality report format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from sbhooks.wording import NOTHING, clean, count, duration, percent
from sbhooks_ci.report import JudgedTest, RunReport

MAX_BYTES = 900_000  #: Of a summary.
MAX_ANNOTATIONS = 10
_LISTED = 500  #: Tests of a kind that are listed.
_MARKS = {"success": "✓", "skip": "–"}


def markdown(report: RunReport, *, limit: int = MAX_BYTES) -> str:
    """The summary as Markdown, of at most ``limit`` bytes as UTF-8."""
    lines: list[str] = []
    room = limit - 200
    dropped = 0
    for line in _lines(report):
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0:
            dropped += 1
        elif not dropped:
            lines.append(line)
    if dropped:
        lines += [
            "",
            f"*{count(dropped, 'further line')} left out: the summary would be too long.*",
        ]
    return "\n".join(lines) + "\n"


def workflow_commands(report: RunReport) -> list[str]:
    """GitHub's workflow commands: errors for failed tests, warnings for flaky ones."""
    ranked = [("error", v, "failed") for v in report.failed]
    ranked += [("warning", v, "is flaky") for v in report.flaky]
    shown = ranked[:MAX_ANNOTATIONS]
    if len(ranked) > MAX_ANNOTATIONS:
        shown = shown[:-1]
    lines = [_command(level, verdict, words) for level, verdict, words in shown]
    if len(ranked) > len(shown):
        rest = count(len(ranked) - len(shown), "further test")
        lines.append(f"::notice title=sbhooks::{rest} failed or flaky; see the summary")
    return lines


def code_quality(report: RunReport) -> str:
    """GitLab's Code Quality report: one issue per failed or flaky test."""
    issues = [
        {
            "description": f"{verdict.test} {words}: {verdict.message or 'no message'}",
            "check_name": f"sbhooks-{words.rpartition(' ')[2]}",
            "fingerprint": sha256(f"{words}\0{verdict.test}".encode()).hexdigest(),
            "severity": severity,
            "location": {"path": verdict.file or verdict.test, "lines": {"begin": 1}},
        }
        for verdicts, words, severity in (
            (report.failed, "failed", "major"),
            (report.flaky, "is flaky", "minor"),
        )
        for verdict in verdicts
    ]
    return json.dumps(issues, indent=1) + "\n"


def _lines(report: RunReport) -> Iterator[str]:
    yield f"## {_text(report.pipeline)}: {_verdict(report)}"
    if report.stages:
        yield from ("", "| | stage | time | |", "|---|---|--:|---|")
        for stage in report.stages:
            mark = _MARKS.get(stage.outcome, "✗")
            why = "" if mark == "✓" else stage.error_type or stage.outcome
            took = duration(stage.duration_s)
            yield f"| {mark} | {_text(stage.stage)} | {took} | {_text(why)} |"
    yield from _tests("Failed", report.failed, "failed before")
    yield from _tests("Flaky: failed, then passed", report.flaky, "flaky before")
    if report.slower:
        yield from ("", "### Slower than usual", "", "| test | now | usual |", "|---|--:|--:|")
        for slow in report.slower[:10]:
            now, usual = duration(slow.duration_s), duration(slow.usual_s)
            yield f"| {_text(slow.test)} | {now} | {usual} |"


def _verdict(report: RunReport) -> str:
    if not report.counts:
        bad = [stage for stage in report.stages if stage.outcome not in _MARKS]
        return f"{count(len(bad), 'stage')} of {len(report.stages)} did not succeed" if bad else "✓"
    total = sum(number for word, number in report.counts.items() if word != "flaky")
    parts = [f"{count(total, 'test')}, {percent(report.completion)} passed"]
    parts += [f"{len(report.failed)} failed"] if report.failed else []
    parts += [f"{len(report.flaky)} flaky"] if report.flaky else []
    return ", ".join(parts)


def _tests(title: str, verdicts: list[JudgedTest], otherwise: str) -> Iterator[str]:
    if not verdicts:
        return
    yield from ("", f"### {title}", "", "| | test | why |", "|---|---|---|")
    for verdict in verdicts[:_LISTED]:
        new = "new" if verdict.is_new else otherwise
        yield f"| {new} | {_text(verdict.test)} | {_text(verdict.message or NOTHING)} |"
    if len(verdicts) > _LISTED:
        yield f"| | {count(len(verdicts) - _LISTED, 'further test')} | |"


def _text(text: str) -> str:
    """A foreign text that Markdown and HTML show as it is, on one line."""
    shown = clean(" ".join(text.split()))[:300]
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        shown = shown.replace(char, entity)
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~@" else c for c in shown)


def _command(level: str, verdict: JudgedTest, words: str) -> str:
    told = {"file": verdict.file, "title": f"{verdict.test} {words}"}
    properties = ",".join(f"{name}={_property(value)}" for name, value in told.items() if value)
    return f"::{level} {properties}::{_data(verdict.message or 'no message')}"


def _data(text: str) -> str:
    shown = clean(" ".join(text.split()))[:500]
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
