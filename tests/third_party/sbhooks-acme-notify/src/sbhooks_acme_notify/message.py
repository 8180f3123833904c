"""What a failed run says about itself."""

from __future__ import annotations

from sbhooks import EventQuery, EventReader, Outcome, SessionEnd, SessionStart, TestResult

_MOST_TESTS = 3  #: More are counted, not named: a message is read on a telephone.
_FAILED = {Outcome.FAILURE, Outcome.ERROR, Outcome.TIMEOUT}


def is_failure(end: SessionEnd) -> bool:
    """Whether a run ended in a way that somebody has to look at."""
    return end.outcome in _FAILED


def message(end: SessionEnd, store: EventReader) -> str:
    """One line: which run of what failed where, and which tests."""
    start = _start(end, store)
    branch = start.vcs.branch if start and start.vcs else None
    project = start.project if start else None
    words = [end.source, *(["of", project] if project else []), "failed"]
    if branch:
        words += ["on", branch]
    return " ".join(words) + _tests(end, store)


def _start(end: SessionEnd, store: EventReader) -> SessionStart | None:
    query = EventQuery(kinds=("session-start",), sessions=(end.session,), limit=1)
    found = next(store.events(query), None)
    return found if isinstance(found, SessionStart) else None


def _tests(end: SessionEnd, store: EventReader) -> str:
    results = list(store.events(EventQuery(kinds=("test-result",), sessions=(end.session,))))
    failed = {
        result.test: None
        for result in results
        if isinstance(result, TestResult) and result.outcome in _FAILED
    }
    if not failed:
        return f": {end.reason}" if end.reason else ""
    named = ", ".join(list(failed)[:_MOST_TESTS])
    more = f" and {len(failed) - _MOST_TESTS} more" if len(failed) > _MOST_TESTS else ""
    return f" ({len(failed)} of {len(results)} tests): {named}{more}"
