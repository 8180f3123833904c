"""What people say about changes: events of the log, and what the commands print about them."""

from __future__ import annotations

import msgspec

from sbhooks_analytics.changes import Found, title_of
from sbhooks_analytics.decisions import FindingTriage, Triage


class JudgedChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was taken down about a change."""

    id: str  #: Of the change.
    subject: str  #: The test or skill.
    triage: Triage  #: Its state now.
    note: str | None  #: Why, or the comment.


class ConfirmedChange(JudgedChange, frozen=True, kw_only=True):
    """What ``sbhooks changes confirm --json`` prints."""


class RejectedChange(JudgedChange, frozen=True, kw_only=True):
    """What ``sbhooks changes reject --json`` prints."""


class FixedChange(JudgedChange, frozen=True, kw_only=True):
    """What ``sbhooks changes fixed --json`` prints."""


class ReopenedChange(JudgedChange, frozen=True, kw_only=True):
    """What ``sbhooks changes reopen --json`` prints."""


class CommentedChange(JudgedChange, frozen=True, kw_only=True):
    """What ``sbhooks changes comment --json`` prints."""


DOCUMENTS: dict[Triage, type[JudgedChange]] = {
    "confirmed": ConfirmedChange, "rejected": RejectedChange, "fixed": FixedChange,
    "new": ReopenedChange,
}  # fmt: skip


def judgement(one: Found, verdict: Triage, note: str | None) -> FindingTriage:
    """The event that says it."""
    return FindingTriage(
        source="analytics", session=f"triage-{one.id}", finding=one.id, verdict=verdict,
        note=note[:500] if note else None, subject=title_of(one), figure=one.metric,
        project=one.project, since=one.at,
    )  # fmt: skip


def document_of(event: FindingTriage, *, is_comment: bool) -> JudgedChange:
    """What the command prints about it."""
    kind = CommentedChange if is_comment else DOCUMENTS[event.verdict]
    return kind(
        id=event.finding, subject=event.subject or "", triage=event.verdict, note=event.note
    )
