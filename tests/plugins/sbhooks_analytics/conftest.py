"""Runs of tests in a store, in a few words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sbhooks.events import Detail, Event, Failure, Outcome, Vcs
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore

RunMaker = Callable[..., str]
_WORDS = {
    "p": (Outcome.SUCCESS, Detail.PASSED),
    "f": (Outcome.FAILURE, Detail.FAILED),
    "e": (Outcome.ERROR, Detail.ERROR),
    "s": (Outcome.SKIP, Detail.SKIPPED),
    "x": (Outcome.SUCCESS, Detail.XFAILED),
    "X": (Outcome.SUCCESS, Detail.XPASSED),
    "c": (Outcome.CANCELLATION, Detail.ERROR),
    "k": (Outcome.ERROR, Detail.ERROR),
}
_CUT_OFF = {
    "c": Failure(fingerprint="interrupted", type="KeyboardInterrupt"),
    "k": Failure(fingerprint="killed", type="Killed"),
}
_UNTIMED = dict.fromkeys(("setup_s", "call_s", "teardown_s"))


@pytest.fixture
def record(store: MemoryEventStore) -> RunMaker:
    """Store a run in the test's store; see :func:`recorder_of`."""
    return recorder_of(store)


@pytest.fixture(scope="session")
def recorder() -> Callable[[MemoryEventStore], RunMaker]:
    """Make a recorder for a store of one's own, such as one for each example."""
    return recorder_of


def recorder_of(store: MemoryEventStore) -> RunMaker:
    """Store a run; returns its session.

    ``record({"t": "fp"}, code="A")`` is a run in which the test ``t`` failed and then, in its
    second attempt, passed. ``c`` was cut off by Ctrl-C, ``k`` by a
    kill. Each run starts an hour after the one before.
    """
    made: list[str] = []

    def run(
        tests: dict[str, str],
        *,
        code: str | None = None,
        commit: str = "c1",
        branch: str | None = "main",
        project: str = "acme",
        ended: bool = True,
        **end: Any,
    ) -> str:
        session = f"session-{len(made):04d}"
        line = Timeline(session, start=NOON + timedelta(hours=len(made)))
        made.append(session)
        events: list[Event] = [line.start(project=project, vcs=Vcs(commit=commit, branch=branch))]
        for name, attempts in tests.items():
            test, _, params = name.partition("[")
            for number, letter in enumerate(attempts, start=1):
                outcome, detail = _WORDS[letter]
                fields: dict[str, Any] = {
                    "params": params.rstrip("]") or None,
                    "attempt": number, "outcome": outcome, "detail": detail,
                }  # fmt: skip
                if letter in _CUT_OFF:
                    fields |= {"failure": _CUT_OFF[letter], **_UNTIMED}
                events.append(_attempt(line, test, fields))
        if ended:
            state = {"code.state": code} if code is not None else {}
            outcome = end.pop("outcome", Outcome.SUCCESS)
            events.append(line.end(outcome, attributes=state, duration_s=3.0, **end))
        store.append(events)
        return session

    return run


def _attempt(line: Timeline, test: str, fields: dict[str, Any]) -> Any:
    import msgspec

    return msgspec.structs.replace(line.passed(test), **fields)


@pytest.fixture(scope="session")
def ar1() -> Callable[..., Any]:
    """Make stationary AR(1) noise: ``ar1(seed, series, points, phi)``, one series per row."""
    import numpy as np

    def noise(seed: int, series: int, points: int, phi: float) -> Any:
        made = np.random.default_rng(seed).standard_normal((series, points + 50))
        for place in range(1, points + 50):
            made[:, place] += phi * made[:, place - 1]
        return made[:, 50:]

    return noise
