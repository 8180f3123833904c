"""What people decide about findings and tests: events of our own kinds, part of the log.

The newest decision about a finding or a test counts; withdrawing one is another decision.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sbhooks.errors import SbhooksError
from sbhooks.events import Event, Name

if TYPE_CHECKING:
    from sbhooks.cli_options import Reading

Triage = Literal["new", "confirmed", "rejected", "fixed"]


class FindingTriage(Event, frozen=True, kw_only=True, tag="analytics-triage"):
    """Somebody judged a finding.

    Attributes:
        finding: Identity of the finding.
        verdict: ``confirmed``, ``rejected``, ``fixed``, or ``new`` to take it back.
        note: Why, in a few words.
        subject: What the finding is about: a skill or a test.
        figure: Which figure of it.
    """

    finding: Name
    verdict: Triage
    note: str | None = None
    subject: str | None = None
    figure: str | None = None


class Quarantine(Event, frozen=True, kw_only=True, tag="analytics-quarantine"):
    """Somebody put a flaky test into quarantine, or took it out.

    Attributes:
        test: Which test, without parameters.
        params: Its parameters; ``None`` for a test without.
        project: Its project.
        active: Whether it is in quarantine from now on.
        owner: Who looks after it.
        expires_at: When the quarantine ends by itself, UTC.
        note: Why.
    """

    test: Name
    params: str | None = None
    project: str | None = None
    active: bool = True
    owner: str | None = None
    expires_at: datetime | None = None
    note: str | None = None


KINDS: tuple[type[Event], ...] = (FindingTriage, Quarantine)


def take_down(reading: Reading, event: Event) -> None:
    """Record a decision, on disk when this returns; the next look at the store collects it.

    Raises:
        SbhooksError: It cannot be recorded; says why.
    """
    from sbhooks.emitter import Emitter

    if reading.foreign:
        raise SbhooksError(
            "cannot take down a decision about another store than the configured one. Leave out "
            "--store"
        )
    emitter = Emitter.start(event.source)
    try:
        if not emitter.enabled:
            raise SbhooksError(
                "cannot take down a decision: recording is switched off. Look at: sbhooks config "
                "show"
            )
        emitter.emit(event)
        if emitter.trouble:
            raise SbhooksError(f"cannot take down a decision: {emitter.trouble}")
    finally:
        emitter.close()
