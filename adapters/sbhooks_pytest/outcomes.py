"""What a test's reports mean together: one outcome for each attempt.

pytest says three times how a test went (setup, call, teardown), and plugins add to it:

=====================================================  ==========================
what the host says                                     what is recorded
=====================================================  ==========================
call passed                                            passed
call failed, strict xpass included                     failed
call skipped, or setup skipped (a mark)                skipped
skipped with ``wasxfail``, in any phase                xfailed
call passed with ``wasxfail``                          xpassed
setup or teardown failed                               error, unless the call failed
outcome ``rerun`` in a phase                           that phase failed, in this attempt
a failed subtest                                       failed, though the call passed
``when == "???"``: worker or forked child crashed      error
=====================================================  ==========================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: Detail of a test result → outcome of the work.
OUTCOMES = {
    "passed": "success",
    "failed": "failure",
    "error": "error",
    "skipped": "skip",
    "xfailed": "success",
    "xpassed": "success",
}
CRASH = "???"  #: ``when`` of a report that stands for a whole test whose process died.


def phase_word(report: pytest.TestReport | pytest.CollectReport) -> str:
    """How one phase went: ``passed``, ``failed``, ``skipped``, ``xfailed`` or ``xpassed``."""
    outcome: str = report.outcome
    if outcome == "rerun":
        return "failed"
    if hasattr(report, "wasxfail"):
        return {"skipped": "xfailed", "passed": "xpassed"}.get(outcome, outcome)
    return outcome


def detail(
    setup: str | None, call: str | None, teardown: str | None, *, failed_subtests: int = 0
) -> str:
    """How an attempt went, from its phases' words; ``None`` for a phase without a report."""
    if call == "failed":
        return "failed"
    if setup == "failed" or teardown == "failed":
        return "error"
    if failed_subtests:
        return "failed"
    if call is None:
        # Without a call the setup decided, or a plugin kept the call's report to itself.
        return setup if setup in {"skipped", "xfailed"} else "passed" if setup else "error"
    return call
