"""What people decide about findings and tests: events of our own kinds, part of the log.

The newest decision about a finding or a test counts; withdrawing one is another decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from sbhooks.errors import SbhooksError
from sbhooks.events import Event, Name
from sbhooks.store import EventQuery, EventReader

if TYPE_CHECKING:
    from sbhooks.cli_options import Reading

Triage = Literal["new", "confirmed", "rejected", "fixed"]


class FindingTriage(Event, frozen=True, kw_only=True, tag="analytics-triage"):
    """Somebody judged a finding.

    Attributes:
        finding: Identity of the finding.
        verdict: ``confirmed``, ``rejected``, ``fixed``, or ``new`` to take it back.
        note: Why, in a few words; or a comment, with the verdict as it was.
        subject: What the finding is about: a skill or a test.
        figure: Which figure of it.
        project: Project of the test.
        since: Of changes: the first point of the new level when it was judged. More data may
            move it by a point or two, and it is still the same change.
    """

    finding: Name
    verdict: Triage
    note: str | None = None
    subject: str | None = None
    figure: str | None = None
    project: str | None = None
    since: datetime | None = None


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


class HasId(Protocol):
    """What a decision can be about."""

    @property
    def id(self) -> str:
        """Stays the same while it is the same thing."""
        ...


H = TypeVar("H", bound=HasId)


def pick(found: Sequence[H], name: str, *, what: str, command: str) -> H:
    """What a user means by an id or its unique beginning.

    Args:
        found: What there is.
        name: What the user wrote.
        what: What it is called, for the message.
        command: What lists them.

    Raises:
        SbhooksError: There is none, or more than one.
    """
    matching = [one for one in found if name and one.id.startswith(name)]
    if not matching:
        raise SbhooksError(f"no {what} {name!r}. List them with: {command}")
    if len(matching) > 1:
        raise SbhooksError(
            f"{name!r} is the beginning of {len(matching)} {what}s: write more of it"
        )
    return matching[0]


KINDS: tuple[type[Event], ...] = (FindingTriage, Quarantine)


def identity(subject: str, metric: str, start: datetime, sign: float) -> str:
    """Eight letters that name a finding; of what it is about, not of when it was computed."""
    what = "\0".join((subject, metric, start.isoformat(), "+" if sign > 0 else "-"))
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def changes_judged(store: EventReader) -> list[FindingTriage]:
    """What was said about changes, oldest first."""
    events = store.events(EventQuery(kinds=("analytics-triage",)))
    return [e for e in events if isinstance(e, FindingTriage) and e.since is not None]


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
