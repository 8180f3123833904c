"""Hear of tests as they run: in this process, or in workers of xdist."""

from __future__ import annotations

from time import clock_gettime_ns
from typing import TYPE_CHECKING

import pytest
from pytest import TestReport

from sbhooks_pytest.results import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from sbhooks_pytest.attempt import Attempt
    from sbhooks_pytest.results import Results

FIRST_SLOT = 2  #: Slots of the will below belong to the session.
_LAST_SLOT = 1024
_LAST = frozenset({"teardown", "???"})  #: ``when`` of an attempt's last report.


class Listener:
    """What pytest may know of a plugin: its hooks.

    pytest looks for fixtures in every attribute that ``dir`` names, for longer than it
    takes to run a test.
    """

    def __init__(self) -> None:
        # pluggy looks for each hook four times along the classes, unless the object itself has
        # it. That would cost a run more than all the events of fifty tests.
        for name in dir(self):
            setattr(self, name, getattr(self, name))

    def __dir__(self) -> list[str]:
        return [name for name in vars(type(self)) if name.startswith("pytest_")]


class Local(Listener):
    """Hears the tests of this process: one after the other, each phase when it ends.

    Args:
        results: Takes the attempts.
        give_up: Called with an error of ours; nothing may reach pytest.
    """

    def __init__(self, results: Results, give_up: Callable[[Exception], None]) -> None:
        super().__init__()
        self._results = results
        self._give_up = give_up
        self._attempt: Attempt | None = None
        self._clock = clock_gettime_ns

    # Last, so that what others do at the same moment is not counted as the test's time.
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """An attempt begins."""
        try:
            if self._attempt is not None:  # its teardown was never reported
                self._results.end(self._attempt)
            self._attempt = self._results.begin(nodeid, FIRST_SLOT)
        except Exception as error:  # noqa: BLE001 - the host comes first
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: TestReport) -> None:
        """A phase or a subtest has ended."""
        try:
            attempt = self._attempt
            if attempt is None:
                attempt = self._attempt = self._results.begin(report.nodeid, FIRST_SLOT)
            if type(report) is not TestReport and hasattr(report, "context"):
                self._results.add_subtest(attempt, report)
                return
            attempt.reports.append(report)
            attempt.stamps.append(self._clock(CLOCK))
            if report.when in _LAST:
                self._attempt = None
                self._results.end(attempt)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_exception_interact(self, report: TestReport | pytest.CollectReport) -> None:
        """A phase failed; "flaky" does not report that, and a debugger may have been open."""
        try:
            attempt = self._attempt
            if attempt is None or not isinstance(report, TestReport):
                return
            now = self._clock(CLOCK)
            if report not in attempt.reports:
                attempt.withheld, attempt.plain = (report, now), False
            else:
                paused = now - attempt.stamps[-1]
                attempt.stamps = [stamp + paused for stamp in attempt.stamps]
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def finish(self, interruption: str = "") -> None:
        """No more tests: end what is open; with an interruption, as cut off by it."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            _finish(self._results, attempt, interruption)


class Remote(Listener):
    """Hears the tests of xdist's workers: interleaved, and late.

    Args:
        results: Takes the attempts.
        give_up: Called with an error of ours; nothing may reach pytest.
        each: Whether every worker runs every test.
    """

    def __init__(
        self, results: Results, give_up: Callable[[Exception], None], *, each: bool
    ) -> None:
        super().__init__()
        self._results = results
        self._give_up = give_up
        self._each = each
        self._open: dict[str, Attempt] = {}
        self._free: list[int] = []
        self._next = FIRST_SLOT

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """An attempt begins in some worker; which one is told by its first report."""
        try:
            if self._each:
                return
            if nodeid in self._open:
                self._end(nodeid)
            self._begin(nodeid, self._slot())
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: TestReport) -> None:
        """A phase or a subtest has ended in a worker, or a worker has died."""
        try:
            nodeid = report.nodeid
            name = _worker(report)
            scope = f"\0{name}" if self._each else ""
            key = nodeid + scope
            attempt = self._open.get(key) or self._begin(nodeid, -1, scope)
            attempt.worker, attempt.plain = name, False
            if type(report) is not TestReport and hasattr(report, "context"):
                self._results.add_subtest(attempt, report)
                return
            attempt.reports.append(report)
            if report.when in _LAST:
                self._end(key)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def finish(self, interruption: str = "") -> None:
        """No more tests: end what is open; with an interruption, as cut off by it."""
        for attempt in self._open.values():
            _finish(self._results, attempt, interruption)
        self._open.clear()

    def _begin(self, nodeid: str, slot: int, scope: str = "") -> Attempt:
        attempt = self._open[nodeid + scope] = self._results.begin(nodeid, slot, scope)
        return attempt

    def _end(self, key: str) -> None:
        attempt = self._open.pop(key)
        self._results.end(attempt)
        if attempt.slot >= FIRST_SLOT:
            self._free.append(attempt.slot)

    def _slot(self) -> int:
        if self._free:
            return self._free.pop()
        slot, self._next = self._next, self._next + 1
        return slot if slot < _LAST_SLOT else -1


def _finish(results: Results, attempt: Attempt, interruption: str) -> None:
    is_over = any(report.when in _LAST or report.failed for report in attempt.reports)
    if interruption and not is_over:
        results.cut_off(attempt, interruption)
    else:
        results.end(attempt)


def _worker(report: TestReport) -> str | None:
    from sbhooks_pytest.verdicts import worker

    return worker(report)
