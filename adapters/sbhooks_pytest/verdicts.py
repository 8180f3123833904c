"""The verdict on an attempt that did not simply pass, from all that was reported of it.

Loaded when the first such attempt ends.
"""

from __future__ import annotations

from ast import literal_eval
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sbhooks_pytest import failures
from sbhooks_pytest.outcomes import CRASH, detail, phase_word

if TYPE_CHECKING:
    import pytest

    from sbhooks_pytest.attempt import Attempt
    from sbhooks_pytest.privacy import Privacy

_TIMEOUT = "from pytest-timeout"
_SLACK_NS = 5_000_000  #: What hooks of others may take between a phase and its report.


def judge(attempt: Attempt, privacy: Privacy) -> None:
    """Set detail, failure and attempt number from the reports."""
    words: dict[str, str] = {}
    for report in attempt.reports:
        when: str = report.when
        words[when] = word = phase_word(report)
        if word != "passed":
            explain(attempt, report, word, privacy)
        rerun = getattr(report, "rerun", None)
        if isinstance(rerun, int) and rerun >= 0:
            attempt.number = rerun + 1
    if CRASH in words:
        _crash(attempt, words[CRASH])
        return
    if words.get("setup", "passed") == "passed" and "call" not in words and "teardown" in words:
        when, word = _withheld(attempt, privacy)
        words[when] = word
    attempt.detail = detail(
        words.get("setup"),
        words.get("call"),
        words.get("teardown"),
        failed_subtests=attempt.failed_subtests,
    )


def cut_off(attempt: Attempt, by: str) -> None:
    """Say that the attempt did not end: an interruption ended the run."""
    attempt.detail, attempt.outcome = "error", "cancellation"
    attempt.failure = failures.fields(by, "interrupted while this test was running", "interrupted")


def explain(
    attempt: Attempt,
    report: pytest.TestReport | pytest.CollectReport,
    word: str,
    privacy: Privacy,
) -> None:
    """Keep why a phase did not pass."""
    if word == "failed":
        if attempt.failure is not None:
            attempt.note(str(report.when), "error")  # it failed before: that is what counts
            return
        attempt.failure = failures.failure(report.longrepr, report.nodeid, privacy)
        if _TIMEOUT in str(getattr(report.longrepr, "reprcrash", "")):
            attempt.outcome = "timeout"
    elif privacy.messages:
        # An empty ``wasxfail`` is no reason; what stands in ``longrepr`` then is source code.
        reason = (
            report.wasxfail
            if hasattr(report, "wasxfail")
            else failures.skip_reason(report.longrepr)
        )
        told = privacy.line(str(reason).removeprefix("reason: "), 200)
        if told:
            attempt.note("reason", told)


def durations(attempt: Attempt, *, live: bool, session_ns: int) -> dict[str, float] | None:
    """Seconds of each phase; ``None`` when a test has changed the clock they were taken from.

    pytest's own measurement is finer than ours, for between a phase and the arrival of its
    report others have their say. It is also wrong by years, negative or zero where a test
    freezes the clock, so it must agree with ours.

    Args:
        attempt: With its reports and stamps.
        live: Whether each report arrived when its phase ended; otherwise our own
            measurements only bound the sum.
        session_ns: Age of the session: nothing takes longer.
    """
    theirs = [report.duration for report in attempt.reports]
    whens = [str(report.when) for report in attempt.reports]
    if not live:
        return dict(zip(whens, theirs, strict=True)) if _possible(theirs, session_ns) else None
    ours = [after - before for before, after in pairwise(attempt.stamps)]
    wall_ns = sum(ours)
    # A phase that was longer than the wait for its report: the reports came all at once.
    late = any(own < d * 1e9 for own, d in zip(ours, theirs, strict=False))
    agreed = late or sum(theirs) * 1e9 >= wall_ns * 0.1 - _SLACK_NS
    if _possible(theirs, wall_ns) and agreed:
        return dict(zip(whens, theirs, strict=True))
    return {when: own / 1e9 for when, own in zip(whens, ours, strict=False)}


def worker(report: Any) -> str | None:
    """The xdist worker that a report comes from."""
    name = getattr(report, "worker_id", None)
    if name is None:
        name = getattr(getattr(getattr(report, "node", None), "gateway", None), "id", None)
    return str(name)[:100] if name else None


def subtest_name(report: Any, privacy: Privacy) -> str:
    """The description of a subtest."""
    context = report.context
    parts = [str(context.msg)] if context.msg is not None else []
    if context.kwargs:
        values = {name: str(value) for name, value in context.kwargs.items()}
        if worker(report):
            values = {name: _unquoted(context, text) for name, text in values.items()}
        parts.append(", ".join(f"{name}={value}" for name, value in values.items()))
    return privacy.line(" ".join(parts), 200) or "(subtest)"


def _unquoted(context: Any, text: str) -> str:
    """A value as it was in the worker: pytest 9 quotes once more what a worker hands over."""
    again = getattr(type(context), "_from_json", None)
    if again is None or again({"msg": None, "kwargs": {"": "0"}}).kwargs[""] == "0":
        return text
    try:
        return str(literal_eval(text))
    except (ValueError, SyntaxError):  # too long: cut in the middle
        return text


def _possible(seconds: list[float], most_ns: int) -> bool:
    """Whether durations are positive, as real ones are, and not longer than all together."""
    return bool(seconds) and min(seconds) > 0 and sum(seconds) * 1e9 <= most_ns


def _crash(attempt: Attempt, word: str) -> None:
    """The process that ran the test is gone, and with it whatever else there was to say."""
    attempt.detail = "error" if word == "failed" else word
    if attempt.failure is not None:
        # Nobody knows where: tests that crash are told apart by their names.
        message = attempt.failure.get("message")
        attempt.failure = failures.fields("Crashed", message, attempt.key)


def _withheld(attempt: Attempt, privacy: Privacy) -> tuple[str, str]:
    """Which phase a plugin kept to itself, to run the test again, and how it went.

    "flaky" withholds the last phase before the teardown when it failed, and all of them when
    the test passed but has to pass again.
    """
    if attempt.withheld is not None:
        report, stamp = attempt.withheld
        behind = len(attempt.reports) - 1  # in front of the teardown
        attempt.reports.insert(behind, report)
        attempt.stamps.insert(behind + 1, stamp)
        explain(attempt, report, "failed", privacy)
        return str(report.when), "failed"
    if attempt.worker is None:
        return "call", "passed"  # a failure would have been seen
    attempt.note("withheld", value=True)
    return "call", "failed"  # in a worker unseen, and failures are what one repeats
