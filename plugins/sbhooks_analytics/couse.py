"""Which skills are used in the same sessions: the book that baselines and dependencies read.

It is about the 1,000 most used skills: so many have half a million pairs, which is what a machine
can keep in mind. What is not among them is left out as if it had not been used. A book that is kept
stays with the skills it has while at least 95 % of the most used are among them: around the last
ranks skills take turns all the time, and other skills mean reading the whole log again.

The book holds, per session, when each skill was first used there, and sums over all sessions.
It is a cache of the log in one file. After new events only the sessions that they belong to are
read again; what cannot be followed (erased people, another store) makes it anew. A first
filling goes by days and is saved in between: one that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from sbhooks.cutoff import chunks
from sbhooks.folders import make_private
from sbhooks.store import EventQuery, EventReader, Rollup, bucket
from sbhooks.whole_files import replace
from sbhooks_analytics.news import news, origin
from sbhooks_analytics.ranked import ranked, sums

FILE = "analytics-couse.json"  #: In the home of sbhooks.
VERSION = 2
MOST_SKILLS = 1_000  #: The most used are followed.
STILL_MOST = 0.95  #: A book that is kept holds at least this share of the most used skills.
MOST_IN_SESSION = 50  #: Skills of a session whose pairs are counted; more are no association.
_EVENTS_AT_ONCE = 200_000  # about so many at a time by a first filling
_DAYS_AT_ONCE = timedelta(days=30)
_MOST_PARTS = 1_000
_SAVE_EACH = 6  # parts
_TRIES = 3  # of a filling while events are erased

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
        origin: The first event of that store.
        position: Everything up to there is in.
        only: The skills that are followed; nothing while all of them are.
        skills_in_all: How many skills there are.
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
    origin: str = ""
    position: int = 0
    only: tuple[str, ...] = ()
    skills_in_all: int = 0
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
    picked = ranked(store, query, MOST_SKILLS)
    book = Book(only=picked.skills, skills_in_all=picked.of)
    _take_in(book, _read(store, query, book.only))
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
    picked = ranked(store, EventQuery(), MOST_SKILLS)
    fresh = Book(store=name, origin=origin(store), only=picked.skills)
    book = _load(path, fresh)
    before = (book.position, book.filled)
    if book.position == 0 or book.filled is not None or not _read_on(store, book):
        book = _filled(store, book if book.filled else fresh, path, progress)
    book.skills_in_all = picked.of
    if (book.position, book.filled) != before:
        save(book, path)
    return book


def save(book: Book, path: Path) -> None:
    """Keep the book for the next call."""
    replace_file(path, msgspec.json.encode(book))


def replace_file(path: Path, content: bytes) -> None:
    """Write a cache, whole or not at all; where that is impossible, the next call works anew."""
    with suppress(OSError):
        make_private(str(path.parent))
        replace(str(path), content)


def _load(path: Path, fresh: Book) -> Book:
    """What is kept, if it is about the same store and, nearly, its most used skills."""
    try:
        book = msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError, ValueError):
        return fresh
    if (book.version, book.store, book.origin) != (VERSION, fresh.store, fresh.origin):
        return fresh
    return book if _still_most(book.only, fresh.only) else fresh


def _still_most(kept: Sequence[str], most: Sequence[str]) -> bool:
    """Whether skills may stand for the most used ones; their order says nothing."""
    if not kept or not most:
        return not kept and not most  # of one, all skills are followed
    return len({*kept} & {*most}) >= STILL_MOST * len(most)


def _filled(store: EventReader, book: Book, path: Path, progress: Progress | None) -> Book:
    """A book that holds the whole log; goes on with what is there."""
    empty = Book(store=book.store, origin=book.origin, only=book.only)
    for _ in range(_TRIES):
        if book.filled is None:
            book = msgspec.structs.replace(empty, position=store.high_water())
        _fill(store, book, path, progress)
        if _read_on(store, book):
            break
    return book


def _fill(store: EventReader, book: Book, path: Path, progress: Progress | None) -> None:
    """Take in the whole log, part by part; saved in between."""
    ends = [_end(store, newest_first=False), _end(store, newest_first=True)]
    if ends[0] is None or ends[1] is None:
        book.filled = None
        return
    start, end = book.filled or ends[0], ends[1]
    parts = max((end - start) // _DAYS_AT_ONCE, store.high_water() // _EVENTS_AT_ONCE) + 1
    parts = min(parts, _MOST_PARTS)
    length = (end - start) / parts
    for part in range(parts):
        if progress:
            progress(part, parts)
        last = part == parts - 1
        until = start + length
        inside = EventQuery(since=start, until=None if last else until)
        _take_in(book, _read(store, inside, book.only))
        start = book.filled = end if last else until
        if not last and part % _SAVE_EACH == _SAVE_EACH - 1:
            save(book, path)
    book.filled = None


def _end(store: EventReader, *, newest_first: bool) -> datetime | None:
    """When the first or the last invocation ended."""
    query = EventQuery(kinds=("invocation",), newest_first=newest_first, limit=1)
    return next((event.at for event in store.events(query)), None)


def _read_on(store: EventReader, book: Book) -> bool:
    """Read the sessions of everything that was stored since again; false when that is not all."""
    found = news(store, book.position)
    if not found.unbroken:
        return False
    for some in chunks(sorted(found.sessions)):
        rows = _read(store, EventQuery(sessions=some), book.only)
        for session, visit in _visits(rows).items():
            old = book.visit(session)
            if old is None or old.first.keys() <= visit.first.keys():
                book.put(session, visit)
    book.position = found.position
    return True


def _read(store: EventReader, query: EventQuery, only: Sequence[str]) -> list[Rollup]:
    """Sums by session, user and skill; without a skill for sessions that need not hold any."""
    rows = sums(store, query, only, ["session", "user", "skill"])
    if not only:
        return rows
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    bare = store.rollup(chosen, ["session", "user"])
    return [*(msgspec.structs.replace(row, key=(*row.key, None)) for row in bare), *rows]


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
        if skill is not None:
            visit.first[skill] = row.first_at.timestamp()
    return found


def _add(counts: dict[K, int], key: K, by: int) -> None:
    """Count, and forget what has come to nothing."""
    counts[key] = counts.get(key, 0) + by
    if not counts[key]:
        del counts[key]
