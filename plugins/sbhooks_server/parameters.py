"""What questions over HTTP may be about: times, names, numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from litestar.exceptions import HTTPException
from litestar.params import QueryParameter

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,30})?([Zz]|[+-]\d\d:\d\d)"
)
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

Time = Annotated[
    str | None,
    QueryParameter(
        description="RFC 3339, such as 2026-11-20T12:00:00Z.", schema_extra={"format": "date-time"}
    ),
]
Name = Annotated[str | None, QueryParameter(max_length=1_000, min_length=1)]
Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="At most that many.")]


def read_time(text: str | None) -> datetime | None:
    """Read a time; those before our calendar and in leap seconds are taken as the nearest.

    Raises:
        HTTPException: It is none.
    """
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise HTTPException(status_code=400, detail=f"{text[:50]!r} is no time (RFC 3339)")
    year, month, day, hour, minute, second, _, zone = match.groups()
    if year == "0000":
        return _FIRST
    second = "59" if second == "60" else second
    fraction = (match[7] or ".0")[:7].ljust(7, "0")
    plain = f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}{zone.upper()}"
    try:
        at = datetime.fromisoformat(plain)
        return min(max(at, _FIRST), _LAST).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise HTTPException(status_code=400, detail=f"{text[:50]!r}: {error}") from error
