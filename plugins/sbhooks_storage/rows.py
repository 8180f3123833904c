"""How each kind of event is written as a row of its table, and read back.

Invocations and test results have modules of their own, for they are many. The other built-in
kinds are described by a list of columns. Kinds of plugins are kept as JSON, with columns for
what can be grouped by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from sbhooks.events import (
    Ci,
    Event,
    Outcome,
    PhaseChange,
    PipelineStage,
    Scalar,
    SessionEnd,
    SessionStart,
    Vcs,
    from_us,
)
from sbhooks.ids import unpack_id

LONGEST_S = (
    1e9  #: Limit of :data:`sbhooks.events.Seconds`; below it a float holds each microsecond.
)
_FIRST_US = -62_135_596_800_000_000  # 0001-01-01
_LAST_US = 253_402_300_799_999_999  # 9999-12-31
_EPOCH = from_us(0)
_encode = msgspec.json.Encoder().encode


class Json:
    """A value that is kept as JSON text; the empty one as NULL.

    Args:
        kind: Its type.
        empty: What NULL stands for.
    """

    def __init__(self, kind: Any, empty: Any) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._empty = empty

    def write(self, value: Any) -> str | None:
        """Encode; refuses what could not be read back, such as an infinite number.

        Raises:
            ValueError: The value is not of its type.
        """
        if value is self._empty or value == self._empty:
            return None
        text: str = _encode(value).decode()
        if self._decode(text) != value:
            raise ValueError(f"{value!r} does not survive JSON")
        return text

    def read(self, text: str | None) -> Any:
        """Decode; what another program has written wrongly counts as empty."""
        if text is None:
            return self._new_empty()
        try:
            return self._decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._new_empty()

    def _new_empty(self) -> Any:
        return None if self._empty is None else self._empty.copy()


ATTRIBUTES = Json(dict[str, Scalar], {})
TEXTS = Json(list[str], [])


def micros(seconds: float | None) -> int | None:
    """Microseconds of a duration.

    Raises:
        ValueError: It is negative, not a number, or longer than events allow.
    """
    if seconds is None:
        return None
    if 0 <= seconds <= LONGEST_S:
        return round(seconds * 1e6)
    raise ValueError(f"a duration of {seconds!r} s is not between 0 and {LONGEST_S:.0f}")


def seconds(micros: int | None) -> float | None:
    """The duration that ``micros`` took down."""
    return None if micros is None else micros / 1e6


def all_micros(durations: Sequence[float | None]) -> list[int | None]:
    """:func:`micros` of each, at a third of the cost.

    Raises:
        ValueError: One is out of range.
    """
    return [
        None if s is None else round(s * 1e6) if 0 <= s <= LONGEST_S else micros(s)
        for s in durations
    ]


def moments(events: Sequence[Event]) -> list[int]:
    """Microseconds since 1970 of each, within the years that can be read back."""
    times = [
        (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        for since in [event.at - _EPOCH for event in events]
    ]
    if min(times) < _FIRST_US or max(times) > _LAST_US:  # the first or last day, far from Greenwich
        return [max(_FIRST_US, min(at_us, _LAST_US)) for at_us in times]
    return times


class Column(NamedTuple):
    """How one field of a kind is kept."""

    field: str
    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _plain(*names: str) -> list[Column]:
    return [Column(name, name, _same, _same) for name in names]


def _renamed(field: str, name: str) -> Column:
    return Column(field, name, _same, _same)


def _duration(name: str) -> Column:
    return Column(f"{name}_s", f"{name}_us", micros, seconds)


def _json(name: str, kind: Any, empty: Any) -> Column:
    codec = Json(kind, empty)
    return Column(name, name, codec.write, codec.read)


_OUTCOME = Column("outcome", "outcome", str, Outcome)
_ATTRIBUTES = Column("attributes", "attributes", ATTRIBUTES.write, ATTRIBUTES.read)


class Table(NamedTuple):
    """The table of a kind; its first columns are seq, event_id, session_no, at_us, source.

    Attributes:
        columns: One per field of the kind.
        derived: Further columns that spare queries the reading of JSON.
    """

    kind: type[Event]
    name: str
    columns: Sequence[Column]
    derived: Mapping[str, Callable[[Any], Any]] = {}

    @property
    def insert(self) -> str:
        """The statement that takes ``row``."""
        names = ", ".join([*(column.name for column in self.columns), *self.derived])
        marks = ", ?" * (len(self.columns) + len(self.derived))
        return (
            f"INSERT INTO {self.name} (seq, event_id, session_no, at_us, source, {names}) "
            f"VALUES (?, ?, ?, ?, ?{marks})"
        )

    def row(self, event: Event) -> tuple[Any, ...]:
        """What follows the first columns."""
        fields = [column.write(getattr(event, column.field)) for column in self.columns]
        return (*fields, *(derive(event) for derive in self.derived.values()))

    def event(self, row: Sequence[Any]) -> Event:
        """Build the event of (event_id, at_us, source, session_id, *columns)."""
        fields = {c.field: c.read(value) for c, value in zip(self.columns, row[4:], strict=True)}
        return self.kind(
            id=unpack_id(row[0]), at=from_us(row[1]), source=row[2], session=row[3], **fields
        )


SESSION_START = Table(SessionStart, "session_start", (
    *_plain("tool", "tool_version", "project"),
    _renamed("user", "user_id"), _renamed("host", "host_id"),
    *_plain("python", "platform"),
    _json("vcs", Vcs, None), _json("ci", Ci, None),
    *_plain("traceparent", "parent"), _ATTRIBUTES,
), {
    "branch": lambda event: event.vcs and event.vcs.branch,
    "commit_sha": lambda event: event.vcs and event.vcs.commit,
})  # fmt: skip
_START_FIELDS = (*(column.name for column in SESSION_START.columns), *SESSION_START.derived)
#: Project, user, host, branch and commit in the row of a session's start.
context = itemgetter(*map(_START_FIELDS.index, (
    "project", "user_id", "host_id", "branch", "commit_sha",
)))  # fmt: skip
SESSION_END = Table(SessionEnd, "session_end", (
    _OUTCOME, *_plain("exit_status"), _duration("duration"), _json("counts", dict[str, int], {}),
    *_plain("reason"), _ATTRIBUTES,
))  # fmt: skip
PHASE_CHANGE = Table(PhaseChange, "phase_change", (
    *_plain("workflow", "phase_from", "phase_to", "step"), _ATTRIBUTES,
))  # fmt: skip
PIPELINE_STAGE = Table(PipelineStage, "pipeline_stage", (
    *_plain("pipeline", "run", "stage"), _OUTCOME, *_plain("phase"),
    _duration("duration"), _duration("queued"), _json("artifacts", list[str], []),
    *_plain("error_type"), _ATTRIBUTES,
))  # fmt: skip
TABLES = (SESSION_START, SESSION_END, PHASE_CHANGE, PIPELINE_STAGE)


# --- Kinds that plugins declare ------------------------------------------------

OTHER_FIELDS = (
    "skill", "phase", "workflow", "error_type", "test", "params", "subtest", "detail", "worker",
)  # fmt: skip
INSERT_OTHER = (
    "INSERT INTO other_event (seq, event_id, session_no, at_us, source, kind, "
    f"{', '.join(OTHER_FIELDS)}, outcome, duration_us, body) "
    f"VALUES (?, ?, ?, ?, ?, ?{', ?' * len(OTHER_FIELDS)}, ?, ?, ?)"
)


def other_row(event: Event) -> tuple[Any, ...]:
    """What can be grouped by: :data:`OTHER_FIELDS`, outcome and duration."""
    outcome = _text(getattr(event, "outcome", None))
    duration = getattr(event, "duration_s", None)
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    values = [_text(getattr(event, name, None)) for name in OTHER_FIELDS]
    return (*values, outcome, micros(duration) if is_number else None)


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str) else None
