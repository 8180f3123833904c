"""An event store in a file; answers come from memory, which follows the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sbhooks import Event, EventQuery, Rollup, SessionStart
from sbhooks.errors import StoreError
from sbhooks.events import Codec
from sbhooks.store import Dimension, Tail
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_acme_jsonstore.file import NULL, LineFile

_GONE = "acme-jsonstore: erased"  #: User and session of what stands in for erased events.


class JsonEventStore:
    """Keeps the promises of :class:`sbhooks.EventStore`, for several processes at once.

    Positions are a function of the file alone: the n-th event has the same one in every
    process, because an erased event leaves a gap.

    Args:
        path: The file; made when it is not there.
        codec: Knows every kind of event.

    Raises:
        StoreError: The file cannot be opened or read.
    """

    def __init__(self, path: Path, codec: Codec) -> None:
        self._path, self._codec = path, codec
        self._memory = MemoryEventStore()
        self._gaps = 0
        self._closed = False
        self._lock = threading.Lock()
        try:
            self._file = LineFile(path)
        except OSError as error:
            raise self._failure("open", error) from error
        with self._current():
            pass

    def append(self, events: Sequence[Event]) -> int:
        """See :meth:`sbhooks.EventStore.append`."""
        with self._current() as memory:
            new = memory.append(events)
            if new:
                self._file.append([self._codec.encode(event) for event in events])
                self._skip_own_lines()
            return new

    def events(self, query: EventQuery) -> Iterator[Event]:
        """See :meth:`sbhooks.EventReader.events`."""
        with self._current() as memory:
            return memory.events(query)

    def rollup(self, query: EventQuery, by: Sequence[Dimension] = ()) -> list[Rollup]:
        """See :meth:`sbhooks.EventReader.rollup`."""
        with self._current() as memory:
            return memory.rollup(query, by)

    def tail(self, after: int, *, limit: int = 5_000) -> Tail:
        """See :meth:`sbhooks.EventReader.tail`."""
        with self._current() as memory:
            return memory.tail(after, limit=limit)

    def high_water(self) -> int:
        """See :meth:`sbhooks.EventReader.high_water`."""
        with self._current() as memory:
            return memory.high_water()

    def rename_people(self, pseudonyms: Mapping[str, str]) -> int:
        """See :meth:`sbhooks.EventStore.rename_people`; no line keeps an old name."""
        with self._current() as memory:
            changed = memory.rename_people(pseudonyms)
            if changed:
                self._rewrite(memory)
            return changed

    def erase_user(self, user: str) -> int:
        """See :meth:`sbhooks.EventStore.erase_user`; no line keeps an erased event."""
        with self._current() as memory:
            erased = memory.erase_user(user)
            if erased:
                self._rewrite(memory)
            return erased

    def close(self) -> None:
        """See :meth:`sbhooks.EventStore.close`."""
        with self._lock:
            self._closed = True
            self._file.close()

    @contextmanager
    def _current(self) -> Iterator[MemoryEventStore]:
        """The memory, up to date with the file, while nobody changes either."""
        with self._lock:
            if self._closed:
                raise StoreError(f"cannot use {self._path}: it has been closed. Open it again")
            try:
                with self._file.locked():
                    self._follow()
                    yield self._memory
            except (OSError, msgspec.MsgspecError, RecursionError) as error:
                self._file.forget()  # the memory may know more than the file: read it anew
                raise self._failure("use", error) from error

    def _follow(self) -> None:
        anew, batches = self._file.news()
        if anew:
            self._memory, self._gaps = MemoryEventStore(), 0
        for batch in batches:
            self._take(batch)

    def _take(self, batch: Sequence[bytes]) -> None:
        events = [self._gap() if raw == NULL else self._codec.decode(raw) for raw in batch]
        self._memory.append(events)
        if NULL in batch:
            self._memory.erase_user(_GONE)

    def _gap(self) -> Event:
        self._gaps += 1
        return SessionStart(
            source=_GONE, session=_GONE, id=f"{_GONE} {self._gaps}", tool=_GONE, user=_GONE
        )

    def _skip_own_lines(self) -> None:
        """What this process has just written is in its memory already."""
        self._file.news()

    def _rewrite(self, memory: MemoryEventStore) -> None:
        """Write the file anew, with a gap for each event that is no longer there.

        One more gap at the end moves the mark, as every change has to.
        """
        kept = {event.id: event for event in memory.events(EventQuery())}
        self._file.forget()
        _, batches = self._file.news()
        written: list[list[bytes]] = []
        for batch in batches:
            written.append([])
            for raw in batch:
                event = None if raw == NULL else kept.pop(self._codec.decode(raw).id, None)
                written[-1].append(NULL if event is None else self._codec.encode(event))
        self._file.replace([*written, [NULL]])
        self._file.forget()

    def _failure(self, what: str, error: Exception) -> StoreError:
        return StoreError(f"cannot {what} {self._path}: {error}. Mend it or move it away")
