"""A store that is short, slow and obviously right: what other stores are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import (
    Event,
    SessionStart,
    from_us,
    kind_of,
    names_person,
    to_us,
    with_people,
)
from sbhooks.ids import pack_id
from sbhooks.results import check_results, replaced
from sbhooks.store import Dimension, EventQuery, Rollup, SqlValue, Tail, bucket


class MemoryEventStore:
    """An :class:`~sbhooks.store.EventStore` in a list.

    Attributes:
        results: Table → its rows, as :meth:`keep_results` got them.
    """

    def __init__(self) -> None:
        self.results: dict[str, list[dict[str, SqlValue]]] = {}
        self._stored: list[tuple[int, Event]] = []  # position, event
        self._position = 0
        self._closed = False

    def events(self, query: EventQuery) -> Iterator[Event]:
        """See :meth:`sbhooks.store.EventReader.events`."""
        found = sorted(self._matching(query), key=_order, reverse=query.newest_first)
        limit = len(found) if query.limit is None else max(query.limit, 0)
        return iter(found[:limit])

    def rollup(self, query: EventQuery, by: Sequence[Dimension] = ()) -> list[Rollup]:
        """See :meth:`sbhooks.store.EventReader.rollup`."""
        starts = self._starts()
        groups: dict[tuple[str | None, ...], Rollup] = {}
        for event in self._matching(query):
            key = tuple(_dimension(event, starts.get(event.session), name) for name in by)
            one = _rollup_of(event, key)
            groups[key] = groups[key] + one if key in groups else one
        return [groups[key] for key in sorted(groups, key=_none_first)]

    def tail(self, after: int, *, limit: int = 5_000) -> Tail:
        """See :meth:`sbhooks.store.EventReader.tail`."""
        self._check_open()
        behind = [(position, event) for position, event in self._stored if position > after]
        page = behind[: max(limit, 1)]
        position = page[-1][0] if len(page) < len(behind) else self._position
        return Tail(events=[event for _, event in page], position=position)

    def high_water(self) -> int:
        """See :meth:`sbhooks.store.EventReader.high_water`."""
        self._check_open()
        return self._position

    def append(self, events: Sequence[Event]) -> int:
        """See :meth:`sbhooks.store.EventStore.append`."""
        self._check_open()
        known = {event.id for _, event in self._stored}
        fresh: dict[str, Event] = {}
        for event in events:
            _check(event)
            if event.id not in known:
                fresh.setdefault(event.id, event)
        for event in fresh.values():
            self._position += 1
            self._stored.append((self._position, event))
        return len(fresh)

    def rename_people(self, pseudonyms: Mapping[str, str]) -> int:
        """See :meth:`sbhooks.store.EventStore.rename_people`."""
        self._check_open()
        changed = set()
        for index, (position, event) in enumerate(self._stored):
            renamed = with_people(event, pseudonyms)
            if isinstance(event, SessionStart):
                renamed = msgspec.structs.replace(
                    event,
                    user=None if event.user is None else pseudonyms.get(event.user, event.user),
                    host=None if event.host is None else pseudonyms.get(event.host, event.host),
                )
            if renamed != event:
                self._stored[index] = (position, renamed)
                changed.add(event.session)
        for row in self._people_in_results():
            row["user_id"] = pseudonyms.get(str(row["user_id"]), row["user_id"])
        self._position += bool(changed)
        return len(changed)

    def erase_user(self, user: str) -> int:
        """See :meth:`sbhooks.store.EventStore.erase_user`."""
        self._check_open()
        sessions = {
            event.session
            for _, event in self._stored
            if isinstance(event, SessionStart) and event.user == user
        }
        kept = [
            item
            for item in self._stored
            if item[1].session not in sessions and not names_person(item[1], user)
        ]
        erased = len(self._stored) - len(kept)
        self._stored = kept
        for table, rows in self.results.items():
            self.results[table] = [row for row in rows if row.get("user_id") != user]
        self._position += bool(erased)
        return erased

    def keep_results(self, tables: Mapping[str, Sequence[Mapping[str, SqlValue]]]) -> None:
        """See :meth:`sbhooks.store.KeepsResults.keep_results`."""
        self._check_open()
        check_results(tables)
        self.results |= {
            table: [dict(row) for row in replaced(table, self.results.get(table, []), rows)]
            for table, rows in tables.items()
        }

    def close(self) -> None:
        """See :meth:`sbhooks.store.EventStore.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("cannot use the store: it has been closed. Open it again")

    def _people_in_results(self) -> list[dict[str, SqlValue]]:
        """The rows of results that name somebody."""
        return [row for rows in self.results.values() for row in rows if row.get("user_id")]

    def _starts(self) -> dict[str, SessionStart]:
        """The earliest start of each session: what gives it its context."""
        starts: dict[str, SessionStart] = {}
        for _, event in sorted(self._stored, key=lambda item: _order(item[1])):
            if isinstance(event, SessionStart):
                starts.setdefault(event.session, event)
        return starts

    def _matching(self, query: EventQuery) -> list[Event]:
        self._check_open()
        starts = self._starts()
        wanted: list[tuple[Dimension, tuple[str, ...]]] = [
            ("kind", query.kinds), ("source", query.sources), ("session", query.sessions),
            ("project", query.projects), ("user", query.users),
            ("skill", query.skills), ("test", query.tests),
        ]  # fmt: skip
        return [
            event
            for _, event in self._stored
            if (query.since is None or event.at >= query.since)
            and (query.until is None or event.at < query.until)
            and all(
                _dimension(event, starts.get(event.session), name) in values
                for name, values in wanted
                if values
            )
        ]


def _check(event: Event) -> None:
    """Refuse what would not survive the way through a spool."""
    try:
        survivor = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise StoreError(f"cannot store event {event.id!r}: {error}. Correct it") from error
    if survivor != event:
        raise StoreError(f"cannot store event {event.id!r}: JSON has no such values. Correct it")


def _order(event: Event) -> tuple[int, bool, bytes | str]:
    """By time, then by id, UUIDs last."""
    packed = pack_id(event.id)
    return to_us(event.at), isinstance(packed, bytes), packed


def _none_first(key: tuple[str | None, ...]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in key]


def _dimension(event: Event, start: SessionStart | None, name: Dimension) -> str | None:
    """What an event counts as in one dimension."""
    match name:
        case "kind":
            return kind_of(event)
        case "project" | "user":
            return getattr(start, name, None)
        case "branch" | "commit":
            return getattr(getattr(start, "vcs", None), name, None)
        case "hour":
            return from_us(to_us(event.at)).isoformat()[:13]
        case "day":
            return from_us(to_us(event.at)).isoformat()[:10]
        case _:
            value = getattr(event, name, None)
            return str(value) if isinstance(value, str) else None


def _rollup_of(event: Event, key: tuple[str | None, ...]) -> Rollup:
    """A group of one."""
    outcome = getattr(event, "outcome", None)
    duration = getattr(event, "duration_s", None)
    return Rollup(
        key=key,
        n=1,
        outcomes={} if outcome is None else {str(outcome): 1},
        duration_n=0 if duration is None else 1,
        duration_sum=duration or 0.0,
        duration_sum_squares=(duration or 0.0) ** 2,
        first_at=event.at,
        last_at=event.at,
        buckets={} if duration is None else {bucket(duration): 1},
    )
