"""From the spool into the store.

Whole segments move: append to the store (idempotent by event id) → commit → tell plugins →
delete the segment. Any number of collectors may do this at once, and any may be killed between
two steps: what is repeated changes nothing, what is not yet deleted is read again.

Of a killed writer the complete lines are stored, then its will (see ``SpoolWriter.will``),
stamped with the time at which it was last seen alive. Of a living one the complete lines are
stored too, so that a run can be watched; its segment stays.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from sbhooks import aside, problems, segments
from sbhooks.errors import SpoolError, StoreError
from sbhooks.events import Codec, Event
from sbhooks.garbage import no_cycles
from sbhooks.plugins import Hooks
from sbhooks.segment_events import SegmentEvents
from sbhooks.segments import Segment
from sbhooks.store import EventReader

BATCH = 20_000  #: Fewer, larger batches: sums of an hour are written once for many events.
BATCH_BYTES = 32 << 20  #: Of the lines that are held in memory; events can be large.
_STALE_S = 3600.0
_BESIDE = ("*.new", "*.will", "*.told")  # files that belong to a segment


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks collect --json`` prints: what one collection did.

    Attributes:
        events: New events in the store.
        segments: Segments that were moved and deleted.
        killed: Of these, segments whose writer had been killed.
        unknown: Lines set aside because nobody declares their kind.
        invalid: Lines set aside because they are no events (torn, damaged).
        open: Segments whose writers are still at work.
        unreadable: Segments of another user, left where they are.
    """

    events: int = 0
    segments: int = 0
    killed: int = 0
    unknown: int = 0
    invalid: int = 0
    open: int = 0
    unreadable: int = 0

    def __add__(self, other: Collected) -> Collected:
        if other == _NOTHING:  # as most runs and segments are
            return self
        fields = self.__struct_fields__
        return Collected(**{name: getattr(self, name) + getattr(other, name) for name in fields})


_NOTHING = Collected()


class Keeps(Protocol):
    """What a collector needs of a store."""

    def append(self, events: Sequence[Event]) -> int:
        """Keep events, durable on return; see ``EventStore.append``."""
        ...


class _Part(NamedTuple):
    """Events of a segment, to be stored together with those of others.

    Attributes:
        events: In their order.
        heard: So many of them, the first ones, are known to plugins already.
        segment: To be deleted when they are stored; ``None`` if more of it follows.
    """

    events: Sequence[Event]
    heard: int
    segment: Segment | None = None


class Collector:
    """Moves events from one spool to one store, or to what stands in its place.

    Long-lived processes keep one, so that segments still being written are read on from
    where it stopped.

    Args:
        home: The folder of sbhooks' data.
        store: Where events go.
        codec: Knows every declared kind.
        hooks: Who is told about events in ``store``, which then can be read; nobody by default.
    """

    def __init__(self, home: Path, store: Keeps, codec: Codec, hooks: Hooks | None = None) -> None:
        self._home = str(home)
        self._store = store
        self._codec = codec
        self._events = SegmentEvents(self._home, codec)
        self._hooks = hooks
        self._reader = store if isinstance(store, EventReader) else None
        self._offsets: dict[str, int] = {}
        self._load: list[_Part] = []
        self._loaded = self._loaded_bytes = 0

    def collect(self, progress: Callable[[int, int], None] | None = None) -> Collected:
        """Move everything that is there now.

        Args:
            progress: Called with (segments done, segments in all).

        Raises:
            SpoolError: The spool cannot be read.
            StoreError: The store refused; nothing was deleted that is not stored.
        """
        aside.take_back(self._home, self._codec.kinds)
        self._sweep()
        found = segments.segments(self._home)
        total, self._load, self._loaded, self._loaded_bytes = Collected(), [], 0, 0
        with no_cycles():
            for number, segment in enumerate(found):
                total += self._collect_segment(segment)
                if progress is not None:
                    progress(number + 1, len(found))
            total += self._store_load()
        self._offsets = {
            path: offset for path, offset in self._offsets.items()
            if any(s.path == path and s.state == "open" for s in found)
        }  # fmt: skip
        return total

    def _collect_segment(self, segment: Segment) -> Collected:
        is_open = segment.state == "open"
        try:
            if segment.state == "sealed":
                return self._take(segment)
            done = self._store_load()
            done += self._read(segment, start=self._offsets.get(segment.path, 0) if is_open else 0)
        except FileNotFoundError:  # another collector was faster, or the writer sealed it
            return Collected()
        except PermissionError:  # of another user, perhaps after "sudo pytest": the rest goes on
            what = f"{segment.file} belongs to somebody else: chown it, or collect as its owner"
            problems.record(self._home, "collector", what)
            return Collected(unreadable=1)
        except OSError as error:
            raise SpoolError(f"cannot read {segment.file}: {error.strerror}") from error
        if is_open:
            return done + Collected(open=1)
        killed = segment.state == "dead" and bool(wills := self._events.wills(segment))
        if killed:
            done += Collected(events=self._keep(_Part(wills, 0)), killed=1)
        segments.remove(segment)
        return done + Collected(segments=1)

    def _take(self, segment: Segment) -> Collected:
        """Read a sealed segment; its last events wait for those of the next ones.

        A segment is a run of a tool, often a short one: a transaction for each would cost more
        than what is stored in it.
        """
        events: list[Event] = []
        heard = at = 0
        done = Collected()
        told = segments.told(segment)
        for run in self._events.runs(segment, 0, told):
            offset = run.offset
            events += run.events
            heard += len(run.events) if offset <= told else 0
            done += Collected(unknown=run.unknown, invalid=run.invalid)
            self._loaded_bytes += offset - at
            at = offset
            while (room := BATCH - self._loaded) <= len(events):
                done += self._store_load(_Part(events[:room], heard))
                events, heard = events[room:], max(0, heard - room)
            if self._loaded_bytes >= BATCH_BYTES:
                done += self._store_load(_Part(events, heard))
                events, heard = [], 0
        self._load.append(_Part(events, heard, segment))
        self._loaded += len(events)
        return done

    def _store_load(self, more: _Part | None = None) -> Collected:
        """Store what waits, and ``more`` with it; then delete the segments that waited.

        Raises:
            StoreError: Some event was refused; segments before that one are stored.
        """
        load, self._load, self._loaded, self._loaded_bytes = self._load, [], 0, 0
        parts = [*load, *([more] if more else [])]
        try:
            new = self._keep(*parts)
        except StoreError:
            if len(parts) <= 1:
                raise
            new = 0
            for part in parts:  # what is refused must hold up nothing before it
                new += self._keep(part)
                if part.segment is not None:
                    segments.remove(part.segment)
        for part in load:
            if part.segment is not None:
                segments.remove(part.segment)
        return Collected(events=new, segments=len(load))

    def _read(self, segment: Segment, *, start: int) -> Collected:
        """Store the complete lines of a segment."""
        batch: list[Event] = []
        heard = 0  # so many of the batch, its first ones, are known to plugins
        kept = start
        done = Collected()
        told = segments.told(segment)
        for run in self._events.runs(segment, start, told):
            start = offset = run.offset
            batch += run.events
            heard += len(run.events) if offset <= told else 0
            done += Collected(unknown=run.unknown, invalid=run.invalid)
            while len(batch) >= BATCH:
                done += Collected(events=self._keep(_Part(batch[:BATCH], heard)))
                batch, heard, kept = batch[BATCH:], max(0, heard - BATCH), offset
            if offset - kept >= BATCH_BYTES:
                done += Collected(events=self._keep(_Part(batch, heard)))
                batch, heard, kept = [], 0, offset
        done += Collected(events=self._keep(_Part(batch, heard)))
        if segment.state == "open":
            self._offsets[segment.path] = start
            if self._hooks is not None and start > told:
                segments.set_told(segment, start)
        return done

    def _keep(self, *parts: _Part) -> int:
        """Store events, then tell plugins of those that they have not heard of.

        Segments under way are stored from their beginning again by each new process: the
        store may be another one now, and ids make it harmless.
        """
        events = [*chain.from_iterable(part.events for part in parts)]
        if not events:
            return 0
        new = self._store.append(events)
        untold = [*chain.from_iterable(part.events[part.heard :] for part in parts)]
        if self._hooks is not None and self._reader is not None and untold:
            for event in untold:
                self._hooks.deliver(event)
            self._hooks.events_stored(untold, self._reader)
            gc.collect(0)  # plugins may make cycles
        return new

    def _sweep(self) -> None:
        """Delete what stands beside no segment: somebody died while making or removing one."""
        folder = Path(self._home, "spool")
        for path in [file for ending in _BESIDE for file in folder.glob(ending)]:
            try:
                is_orphan = not any(path.with_suffix(end).exists() for end in (".open", ".seg"))
                if is_orphan and time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()
            except OSError:
                continue
