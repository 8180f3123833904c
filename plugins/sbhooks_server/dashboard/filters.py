"""What a page is about: the part of a URL behind the question mark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from sbhooks.store import EventQuery

WINDOWS = {1: "last day", 7: "last 7 days", 30: "last 30 days", 90: "last 90 days"}
_DAYS = 30
_LONGEST = 1_000


class BadFilter(Exception):
    """A filter that makes no sense.

    Args:
        reason: Why, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is looked at; empty texts do not restrict.

    Attributes:
        days: Up to now; one of ``WINDOWS``.
        params: Of the test, on pages of rows; no store can be asked for these.
        kind: Kind of events, on pages of rows.
        session: Likewise, the run that they belong to.
    """

    days: int = _DAYS
    project: str = ""
    skill: str = ""
    test: str = ""
    params: str = ""
    kind: str = ""
    session: str = ""

    def query(self, now: datetime, **fields: Any) -> EventQuery:
        """Which events are meant."""
        return EventQuery(
            since=now - timedelta(days=self.days),
            projects=_one(self.project),
            skills=_one(self.skill),
            tests=_one(self.test),
            sessions=_one(self.session),
            **({"kinds": _one(self.kind)} | fields),
        )

    def url(self, path: str, **changes: Any) -> str:
        """A link to a page with these filters, some of them changed."""
        fields = msgspec.to_builtins(msgspec.structs.replace(self, **changes))
        return f"{path}?{urlencode(fields)}" if fields else path


def read(parameters: Mapping[str, str]) -> Filters:
    """Read filters from a URL.

    Args:
        parameters: By name; unknown names do not count.

    Raises:
        BadFilter: A value is too long, or is none of those to choose from.
    """
    known = {k: v for k, v in parameters.items() if k in Filters.__struct_fields__}
    for name, text in known.items():
        if len(text) > _LONGEST:
            raise BadFilter(f"'{name}' is longer than {_LONGEST} characters")
    days = known.pop("days", "") or str(_DAYS)
    if days not in map(str, WINDOWS):
        raise BadFilter(f"'days' is one of: {', '.join(map(str, WINDOWS))}")
    return Filters(days=int(days), **known)


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()
