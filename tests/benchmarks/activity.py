"""Likely invocations, as many as wanted: what the benchmarks of the database store and ask."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from sbhooks.events import Event, Invocation, Outcome, SessionStart
from sbhooks.ids import new_id
from sbhooks.testing.factories import NOON

END = NOON
SKILLS = 100
PER_DAY = 125_000
_PHASES = ("setup", "execution", "verification", "deployment", "cleanup")
_ERRORS = ("AssertionError", "TimeoutError", "ImportError", "OSError", "ValidationError")
_RUN = 40  # invocations of a session
_IDEAL_BATCH = 5_000


def batches(count: int, *, end: datetime = END, per_day: float = PER_DAY) -> Iterator[list[Event]]:
    """Sessions of forty invocations of few skills each, up to ``end``.

    Args:
        count: How many invocations.
        end: When the last one ends.
        per_day: How many of them a day has.
    """
    chance = random.Random(1)
    sessions = -(-count // _RUN)
    step = timedelta(days=1) * _RUN / per_day
    batch: list[Event] = []
    for number in range(sessions):
        batch += _session(chance, number, end - (sessions - number) * step)
        if len(batch) >= _IDEAL_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _session(chance: random.Random, number: int, start: datetime) -> list[Event]:
    name = new_id()
    first = SessionStart(
        source="crackerjack", session=name, tool="crackerjack", at=start,
        project=f"project-{number % 5}", user=f"user-{number % 50:02}" + "f" * 16,
        host=f"host-{number % 9:02}" + "f" * 16,
    )  # fmt: skip
    favourites = [min(int(chance.expovariate(0.05)), SKILLS - 1) for _ in range(8)]
    events: list[Event] = [first]
    at = start
    for _ in range(_RUN):
        skill = chance.choice(favourites)
        ok = chance.random() < 0.8 + 0.002 * skill
        at += timedelta(milliseconds=chance.randint(100, 60_000))
        events.append(Invocation(
            source="crackerjack", session=name, at=at, skill=f"skill-{skill:03}",
            outcome=Outcome.SUCCESS if ok else Outcome.FAILURE,
            duration_s=int(chance.lognormvariate(13 + skill / 50, 1.2)) / 1e6,
            phase=_PHASES[skill % 5], workflow="comprehensive",
            error_type=None if ok else chance.choice(_ERRORS),
        ))  # fmt: skip
    return events
