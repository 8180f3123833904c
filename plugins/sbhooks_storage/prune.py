"""Deletes what is older than people want to keep it, kind by kind; sums stay.

Test results, phase changes and stages of pipelines go altogether, in the database and in its
archive. Invocations go but for what sums are made of (skill, session, time, outcome, duration,
workflow, phase, kind of error, follow-up actions, rank): that is kept in the archive, some
bytes each, so that ``sbhooks db rebuild`` and ``verify`` go on giving the same sums. Identities of
invocations stay as well, so that none is counted twice. What people have decided is never
pruned, nor are sessions.

A kind whose pruning is interrupted is pruned by the next run; until then its events are where
they were, or in the archive.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from sbhooks.errors import ConfigError
from sbhooks.events import from_us, to_us
from sbhooks.progress import Progress
from sbhooks_storage import archive, archive_changes, archive_files
from sbhooks_storage.append import high_water, set_high_water
from sbhooks_storage.archive_catalog import catalog, folder_of, locked, sweep
from sbhooks_storage.archive_files import Row
from sbhooks_storage.archive_rows import SOURCES, Source, named, reduced
from sbhooks_storage.opening import check_head, opened, writing

_KINDS = {source.kind: source for source in SOURCES}
_EVER_US = -(1 << 62)


class PrunedKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event.

    Attributes:
        kind: Its name.
        before: Events from before then go.
        stored: How many of them are in the database.
        archived: How many are in the archive.
        sums_stay: Whether something is kept of them for sums.
    """

    kind: str
    before: datetime
    stored: int
    archived: int
    sums_stay: bool


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db prune --json`` prints.

    Attributes:
        dry_run: Whether nothing was deleted.
        kinds: Those that have a retention.
    """

    dry_run: bool
    kinds: list[PrunedKind]


def ages(retention: Mapping[str, timedelta], now: datetime) -> dict[str, datetime]:
    """Kind → since when its events are kept: the beginning of a day (UTC).

    Raises:
        ConfigError: There is no such kind.
    """
    for kind in retention:
        if kind not in _KINDS:
            raise ConfigError(
                f"events of the kind {kind!r} are not pruned. Those that can be: "
                f"{', '.join(_KINDS)}"
            )
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {kind: today - age for kind, age in retention.items()}


def run(path: Path, keep: Mapping[str, datetime], *, dry_run: bool, progress: Progress) -> Pruned:
    """Delete what is older than it is kept.

    Args:
        path: The database, at the head of its schema.
        keep: Kind → since when its events are kept.
        dry_run: Only count.
        progress: Told how many kinds of how many are done.

    Raises:
        StoreError: The database cannot be written; the kinds before have been pruned.
    """
    kinds = []
    with opened(path, "prune") as connection:
        check_head(connection, path, "prune")
        for number, (kind, before) in enumerate(sorted(keep.items())):
            progress(number, len(keep))
            found = _count(connection, _KINDS[kind], before)
            if not dry_run and (found.stored or found.archived):
                _prune(connection, _KINDS[kind], to_us(before))
            kinds.append(found)
    return Pruned(dry_run=dry_run, kinds=kinds)


def _count(connection: sqlite3.Connection, source: Source, before: datetime) -> PrunedKind:
    limit = to_us(before)
    archived = sum(
        1
        for month in _months(connection, limit)
        for row in archive_files.read(catalog(connection)[month], source.kind)
        if _is_old(row, limit)
    )
    return PrunedKind(
        kind=source.kind,
        before=before,
        stored=source.how_many(connection, _EVER_US, limit),
        archived=archived,
        sums_stay=source.kind == "invocation",
    )


def _prune(connection: sqlite3.Connection, source: Source, limit_us: int) -> None:
    if source.kind == "invocation":
        days = source.days(connection, limit_us)
        for month in sorted({from_us(day).isoformat()[:7] for day in days}):
            archive.move(connection, month, sources=(source,), until_us=limit_us)
    else:
        with writing(connection):
            source.forget(connection, limit_us)
            source.delete(connection, _EVER_US, limit_us, high_water(connection))
            set_high_water(connection, high_water(connection) + 1)
    if months := _months(connection, limit_us):
        with locked(folder_of(connection)):
            for month in months:
                with writing(connection):
                    archive_changes.rewrite(
                        connection, month, lambda row: _left(row, source, limit_us)
                    )
            sweep(connection)


def _left(row: Row, source: Source, limit_us: int) -> Row | None:
    """What is left of a row of the archive."""
    if row[0] != source.kind or not _is_old(row, limit_us):
        return row
    return reduced(row) if source.kind == "invocation" else None


def _is_old(row: Row, limit_us: int) -> bool:
    at: object = named(row)["at"]
    return isinstance(at, int) and at < limit_us


def _months(connection: sqlite3.Connection, limit_us: int) -> list[str]:
    """The archived months that begin before a time."""
    last = from_us(limit_us - 1).isoformat()[:7]
    return [month for month in catalog(connection) if month <= last]
