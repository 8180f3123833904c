"""What people see of the recording: a line at the start, one at the end, or a warning.

Loaded only when there is somebody to read it, or something to warn of. Everything is guarded:
what is shown is never worth a test run.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sbhooks_pytest.listeners import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sbhooks.emitter import Emitter
    from sbhooks.hints import Hints
    from sbhooks_pytest.results import Results
    from sbhooks_pytest.session import Session

BUDGET_S = 0.05  #: What looking for slow tests may delay the end of a run.
_MOST_NAMED = 3
_LONGEST_NAME = 60
#: What is counted → the word for it; those with a plural in their plural.
_COUNTS = {
    "passed": "passed", "failed": "failed", "error": "errors", "skipped": "skipped",
    "xfailed": "xfailed", "xpassed": "xpassed", "reruns": "reruns", "deselected": "deselected",
    "warnings": "warnings",
}  # fmt: skip


class Terminal(Listener):
    """Writes to pytest's own terminal reporter, and nothing where there is none.

    Args:
        session: Of this run.
        results: Of this run.
        emitter: Knows whether something is wrong.
        header: Whether to say at the start that the run is recorded.
        summary: 0 for warnings only, 1 for one line at the end, 2 to say more.
    """

    def __init__(
        self, session: Session, results: Results, emitter: Emitter, *, header: bool, summary: int
    ) -> None:
        super().__init__()
        self._session = session
        self._results = results
        self._emitter = emitter
        self._header = header
        self._summary = summary

    def pytest_report_header(self) -> str | None:
        """Say that the run is recorded, and where."""
        if not self._header or self._emitter.trouble:
            return None
        name = self._session.project
        return f"sbhooks: recording{f' {name}' if name else ''} into {self._emitter.settings.home}"

    # Around all others, so that it stands at the very end.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, object, object]:
        """Say what was recorded, or that something could not be."""
        result = yield
        try:
            self._write(terminalreporter)
        except Exception:  # noqa: BLE001, S110 - the host comes first
            pass
        return result

    def _write(self, terminal: pytest.TerminalReporter) -> None:
        if self._emitter.trouble:
            terminal.write_line(self._warning(), yellow=True)
        elif self._summary and (self._results.tally.done or self._summary > 1):
            lines = [self._line(), *(self._more() if self._summary > 1 else ())]
            for line in lines:
                terminal.write_line(line)

    def _warning(self) -> str:
        """What is wrong; the events of the run's end, which are still to come, may be lost too."""
        lost, why = self._emitter.lost, printable(self._emitter.trouble or "", 400)
        events = "1 event" if lost == 1 else f"{lost:,} events"
        said = f"at least {events} could not be recorded: {why}" if lost else why
        return f"sbhooks: {said}"

    def _line(self) -> str:
        """The run in one line."""
        tests = self._results.tally.done - self._session.collection_errors
        parts = [f"sbhooks: {tests:,} test{'' if tests == 1 else 's'} recorded"]
        flaky = len(set(self._results.tally.flaky))
        if flaky:
            parts.append(f"{flaky:,} flaky")
        slower = self._slower()
        if slower:
            parts.append(f"slower than usual: {_named(slower)}")
        return " · ".join(parts)

    def _more(self) -> Iterable[str]:
        """Which run it was, what happened how often, and which tests stand out."""
        counts = self._session.counts()
        told = [
            f"{counts[name]:,} {word.removesuffix('s') if counts[name] == 1 else word}"
            for name, word in _COUNTS.items()
            if name in counts
        ]
        yield f"  run      {self._emitter.session}  (sbhooks show {self._emitter.session})"
        yield f"  counts   {', '.join(told) or 'no tests'}"
        slowest = [f"{_name(key)} {seconds:.2f} s" for key, seconds in self._slowest()]
        if slowest:
            yield f"  slowest  {', '.join(slowest[:_MOST_NAMED])}"
        flaky = [_name(key) for key in dict.fromkeys(self._results.tally.flaky)]
        if flaky:
            yield f"  flaky    {_named(flaky)} (failed, then passed)"

    def _slowest(self) -> list[tuple[str, float]]:
        return sorted(self._results.tally.slow.items(), key=lambda item: -item[1])

    def _slower(self) -> list[str]:
        """The tests that took longer than they usually do, by how much longer they took."""
        project, before = self._session.project, monotonic()
        if not project or not self._results.tally.slow:
            return []
        from sbhooks.hints import load

        known = load(self._emitter.settings.home)
        found: list[tuple[float, str]] = []
        for key, seconds in self._slowest():
            if monotonic() - before > BUDGET_S:
                return []  # of half of them nobody knows which were left out
            excess = self._excess(known, project, key, seconds)
            if excess is not None:
                found.append((excess, f"{_name(key)} (+{excess * 100:,.0f} %)"))
        return [text for _, text in sorted(found, reverse=True)]

    def _excess(self, known: Hints, project: str, key: str, seconds: float) -> float | None:
        """The share by which a test that passed took longer than usual, if it did."""
        if self._results.tally.seen.get(key) != "passed":
            return None
        usual = known.usual(project, *self._results.name(key))
        if usual is None or not usual.is_slower(seconds):
            return None
        return seconds / max(usual.p50_s, 0.001) - 1


def printable(text: str, longest: int) -> str:
    """A text on one line, without what would steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:longest])


def _name(key: str) -> str:
    """The test's own name, without its file, cut to what a line can hold."""
    name = key.partition("\0")[0]
    head, _, params = name.partition("[")
    short = head.rpartition("::")[2] + (f"[{params}" if params else "")
    shown = printable(short, _LONGEST_NAME)
    return shown if len(short) <= _LONGEST_NAME else f"{shown[:-1]}…"


def _named(names: list[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - _MOST_NAMED
    text = ", ".join(names[:_MOST_NAMED])
    return f"{text} and {more:,} more" if more > 0 else text
