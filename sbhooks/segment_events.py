"""Events out of segments: decoded in blocks, and what is no event is set aside."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import msgspec

from sbhooks import aside, problems, segments
from sbhooks.events import Codec, Event, SessionEnd, from_us
from sbhooks.segments import Segment


class Run(NamedTuple):
    """Some lines of a segment.

    Attributes:
        events: Those among them that are events.
        offset: Behind the last line.
        unknown: Lines set aside because nobody declares their kind.
        invalid: Lines set aside because they are no events.
    """

    events: Sequence[Event]
    offset: int
    unknown: int = 0
    invalid: int = 0


class _Kind(msgspec.Struct):
    kind: str


class SegmentEvents:
    """Reads segments.

    Args:
        home: The folder of sbhooks' data, where lines are set aside.
        codec: Knows every declared kind.
    """

    def __init__(self, home: str, codec: Codec) -> None:
        self._home = home
        self._codec = codec

    def runs(self, segment: Segment, offset: int, told: int) -> Iterator[Run]:
        """Yield the events of a segment, many at once.

        Args:
            segment: Of one that is open, a line that is being written ends the reading.
            offset: Where to begin.
            told: An offset across which no run reaches.

        Raises:
            OSError: It cannot be read.
            SpoolError: A line cannot be set aside.
        """
        for block, behind in segments.blocks(segment.file, offset=offset, edge=told):
            if not block:
                yield from self._one_by_one(segment, offset)
                return
            try:
                yield Run(self._codec.decode_lines(block), behind)
            except (msgspec.DecodeError, UnicodeDecodeError):
                for line in BytesIO(block):
                    offset += len(line)
                    yield self._decode(line, segment, offset)
            offset = behind

    def _one_by_one(self, segment: Segment, offset: int) -> Iterator[Run]:
        """The rest, which does not begin with a complete line of a likely length."""
        for line, behind in segments.lines(segment.file, offset=offset):
            if not line.endswith(b"\n") and segment.state == "open":
                break  # being written right now
            yield self._decode(line, segment, behind)

    def _decode(self, line: bytes, segment: Segment, behind: int) -> Run:
        """An event, or none and what was set aside instead."""
        try:
            if not line.endswith(b"\n"):
                raise msgspec.DecodeError("no line end")
            return Run([self._codec.decode(line)], behind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if segment.state == "open":
                return Run([], behind)  # once it is complete, all of it is read again
            if self._is_unknown(line):
                aside.keep(self._home, aside.name_of(_kind(line)), line)
                return Run([], behind, unknown=1)
            name = Path(segment.path).name
            aside.keep(self._home, f"{name}.torn", line.rstrip(b"\n") + b"\n")
            if line.endswith(b"\n"):
                what = f"a line of segment {name} is no event: {error}"
                problems.record(self._home, "collector", what)
            return Run([], behind, invalid=1)

    def _is_unknown(self, line: bytes) -> bool:
        """Whether a line is whole, and only its kind is not declared."""
        kind = _kind(line)
        return line.endswith(b"\n") and kind is not None and kind not in self._codec.kinds

    def wills(self, segment: Segment) -> list[Event]:
        """What a killed writer left to say, at the time it was last seen.

        Nothing when another collector has been faster: it has stored the will already.
        """
        try:
            last_seen = max([from_us(int(_last_change(segment) * 1e6)), *self._last_time(segment)])
        except FileNotFoundError:
            return []
        found = []
        for line in segments.last_will(segment):
            try:
                event = self._codec.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if self._is_unknown(line + b"\n"):
                    aside.keep(self._home, aside.name_of(_kind(line)), line + b"\n")
                continue  # else written half when the disk was full
            found.append(_last_seen(event, last_seen))
        return found

    def _last_time(self, segment: Segment) -> list[datetime]:
        """The time of the last line, if it is an event: stamps of files lag behind a little."""
        last = deque(segments.lines(segment.file), maxlen=2)
        for line, _ in reversed(last):  # the very last one may be torn
            try:
                return [self._codec.decode(line).at]
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return []


def _last_seen(event: Event, at: datetime) -> Event:
    """A will as of when its writer was last seen; a run took at least until then."""
    if at <= event.at:
        return event
    if isinstance(event, SessionEnd) and event.duration_s is not None:
        lived_on = (at - event.at).total_seconds()
        return msgspec.structs.replace(event, at=at, duration_s=event.duration_s + lived_on)
    return msgspec.structs.replace(event, at=at)


def _kind(line: bytes) -> str | None:
    """The kind that a line names, if it is JSON at all."""
    try:
        return msgspec.json.decode(line, type=_Kind).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _last_change(segment: Segment) -> float:
    """When the writer was last heard of, in seconds since 1970."""
    times = []
    for path in (segment.file, segment.path + ".will"):
        try:
            times.append(Path(path).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
