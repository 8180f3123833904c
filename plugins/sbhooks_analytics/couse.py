"""Which skills are used in the same sessions: the book that baselines and dependencies read.

The book holds, per session, when each skill was first used there, and sums over all sessions.
It is a cache of the log in one file. After new events only the sessions that they belong to are
read again; what cannot be followed (erased people, another store) makes it anew. A first
filling goes by days and is saved in between: one that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup, bucket
from sbhooks_analytics.cutoff import chunks

FILE = "analytics-couse.json"  #: In the home of sbhooks.
VERSION = 1
MOST_IN_SESSION = 50  #: Skills of a session whose pairs are counted; more are no association.
_DAYS_AT_ONCE = 30
_SAVE_EACH = 6  # parts of a first filling
_PAGE = 20_000

K = TypeVar("K")
Progress = Callable[[int, int], None]


class Visit(msgspec.Struct, array_like=True):
    """One session: who, and when each skill was first used (seconds since 1970)."""

    user: str | None
    first: dict[str, float]


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Visit).decode


class Book(msgspec.Struct):
    """Sums over sessions.

    Attributes:
        version: Of the file.
        store: Which store it was made from.
        position: Everything up to there is in.
        invocations: How many are in, to notice what was erased.
        filled: Until when a first filling has come; ``None`` when it is complete.
        visits: Session → its :class:`Visit`, as it stands in the file: of the many sessions that
            are known, only those that go on are looked at.
        skills: Skill → sessions that hold it.
        users: Skill → user → sessions.
        pairs: ``a`` → ``b`` → sessions that hold both, ``a`` before ``b`` in the alphabet.
        gaps: ``a`` → ``b`` → bucket of the time from the first ``a`` to the first ``b`` → sessions
            in which ``a`` came first.
    """

    version: int = VERSION
    store: str = ""
    position: int = 0
    invocations: int = 0
    filled: datetime | None = None
    visits: dict[str, msgspec.Raw] = {}
    skills: dict[str, int] = {}
    users: dict[str, dict[str, int]] = {}
    pairs: dict[str, dict[str, int]] = {}
    gaps: dict[str, dict[str, dict[int, int]]] = {}

    def put(self, session: str, visit: Visit) -> None:
        """Take in a session, in place of what was known of it."""
        old = self.visit(session)
        if old == visit:
            return
        if old is not None:
            self._count(old, -1)
        self._count(visit, 1)
        self.visits[session] = msgspec.Raw(_encode(visit))

    def visit(self, session: str) -> Visit | None:
        """What is known of a session."""
        written = self.visits.get(session)
        return None if written is None else _decode(written)

    def _count(self, visit: Visit, by: int) -> None:
        names = sorted(visit.first)
        for name in names:
            _add(self.skills, name, by)
            if visit.user is not None:
                _add(self.users.setdefault(name, {}), visit.user, by)
        if len(names) > MOST_IN_SESSION:
            return
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                _add(self.pairs.setdefault(one, {}), other, by)
                gap = visit.first[other] - visit.first[one]
                if gap:
                    first, then = (one, other) if gap > 0 else (other, one)
                    counts = self.gaps.setdefault(first, {}).setdefault(then, {})
                    _add(counts, bucket(abs(gap)), by)


def gather(store: EventReader, query: EventQuery) -> Book:
    """Make a book of the part of the log that a query means."""
    book = Book()
    _take_in(book, _read(store, query))
    return book


def follow(store: EventReader, home: Path, *, name: str, progress: Progress | None = None) -> Book:
    """The book of the whole log, up to date; kept in a file between calls.

    Args:
        store: The events.
        home: Where the file is.
        name: Which store this is; the book of another one is not used.
        progress: Told (parts done, parts in all) by a first filling.
    """
    path = home / FILE
    book = _load(path, name)
    before = (book.position, book.filled)
    if book.position and book.filled is None:
        _read_on(store, book)
    total = _total(store)
    if book.position == 0 or book.filled is not None or book.invocations != total:
        if book.filled is None:
            book = Book(store=name, position=store.high_water(), invocations=total)
        _fill(store, book, path, progress)
        _read_on(store, book)
        book.invocations = _total(store)
    if (book.position, book.filled) != before:
        save(book, path)
    return book


def save(book: Book, path: Path) -> None:
    """Keep the book for the next call."""
    replace_file(path, msgspec.json.encode(book))


def replace_file(path: Path, content: bytes) -> None:
    """Write a cache, whole or not at all; where that is impossible, the next call works anew."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)


def _load(path: Path, name: str) -> Book:
    try:
        book = msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError, ValueError):
        return Book(store=name)
    return book if (book.version, book.store) == (VERSION, name) else Book(store=name)


def _total(store: EventReader) -> int:
    found = store.rollup(EventQuery(kinds=("invocation",)))
    return found[0].n if found else 0


def _fill(store: EventReader, book: Book, path: Path, progress: Progress | None) -> None:
    """Take in the whole log, a month at a time; saved in between."""
    spans = store.rollup(EventQuery(kinds=("invocation",)))
    if not spans:
        book.filled = None
        return
    start, end = book.filled or spans[0].first_at, spans[0].last_at
    parts = (end - start) // timedelta(days=_DAYS_AT_ONCE) + 1
    for part in range(parts if parts <= 1_000 else 1):
        if progress:
            progress(part, parts)
        until = start + timedelta(days=_DAYS_AT_ONCE)
        last = part == parts - 1 or parts > 1_000
        inside = EventQuery(since=start, until=None if last else until)
        _take_in(book, _read(store, inside))
        start = book.filled = end if last else until
        if not last and part % _SAVE_EACH == _SAVE_EACH - 1:
            save(book, path)
    book.filled = None


def _read_on(store: EventReader, book: Book) -> None:
    """Read the sessions of everything that was stored since again."""
    touched: set[str] = set()
    while True:
        page = store.tail(book.position, limit=_PAGE)
        touched.update(event.session for event in page.events)
        book.position = page.position
        if not page.events:
            break
    for some in chunks(sorted(touched)):
        rows = _read(store, EventQuery(sessions=some))
        for session, visit in _visits(rows).items():
            old = book.visit(session)
            if old is None or old.first.keys() <= visit.first.keys():
                book.put(session, visit)
    if touched:
        book.invocations = _total(store)


def _read(store: EventReader, query: EventQuery) -> list[Rollup]:
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    return store.rollup(chosen, by=["session", "user", "skill"])


def _take_in(book: Book, rows: Iterable[Rollup]) -> None:
    """Add rows; a session of two months is put together."""
    for session, visit in _visits(rows).items():
        old = book.visit(session)
        if old is not None:
            for skill, at in old.first.items():
                visit.first[skill] = min(at, visit.first.get(skill, at))
        book.put(session, visit)


def _visits(rows: Iterable[Rollup]) -> dict[str, Visit]:
    found: dict[str, Visit] = {}
    for row in rows:
        session, user, skill = row.key
        visit = found.setdefault(str(session), Visit(user, {}))
        visit.first[str(skill)] = row.first_at.timestamp()
    return found


def _add(counts: dict[K, int], key: K, by: int) -> None:
    """Count, and forget what has come to nothing."""
    counts[key] = counts.get(key, 0) + by
    if not counts[key]:
        del counts[key]
