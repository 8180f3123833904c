"""The identities of events: each is taken down once, and who comes again is known by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence, Set

from sbhooks.ids import pack_id

_LENGTH = 36  # of a UUID in canonical text
_DASHES = (8, 13, 18, 23)
_AT_ONCE = 500

Packed = bytes | str


def packed(ids: Sequence[str]) -> list[Packed]:
    """:func:`sbhooks.ids.pack_id` of each, in a quarter of the time when all are UUIDs."""
    text = "".join(ids)
    digits = text.replace("-", "")
    rule = "-" * len(ids)
    if {*map(len, ids)} != {_LENGTH} or any(text[at::_LENGTH] != rule for at in _DASHES):
        return [*map(pack_id, ids)]
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return [*map(pack_id, ids)]
    if len(raw) != 16 * len(ids) or raw.hex() != digits:  # upper case, blanks, further dashes
        return [*map(pack_id, ids)]
    return [raw[start : start + 16] for start in range(0, len(raw), 16)]


def bindable(ids: Sequence[Packed]) -> list[bytearray | str]:
    """The same for SQLite: it takes a bytearray as it is, but looks for an adapter of bytes.

    The search ends in errors that are raised and dropped, and takes longer than binding the value
    (as for ``None`` and ``bool``).
    """
    return [bytearray(i) if isinstance(i, bytes) else i for i in ids]


def claim(connection: sqlite3.Connection, ids: Sequence[Packed]) -> Set[Packed]:
    """Take down identities; returns those that were there before.

    Args:
        connection: In a write transaction.
        ids: Each of them once.
    """
    before = connection.total_changes
    connection.execute("SAVEPOINT claim")
    _take_down(connection, ids)
    if connection.total_changes - before == len(ids):
        connection.execute("RELEASE claim")
        return frozenset()
    connection.execute("ROLLBACK TO claim")
    connection.execute("RELEASE claim")
    known = "SELECT 1 FROM event_key WHERE event_id = ?"
    there = {i for i in ids if connection.execute(known, (i,)).fetchone() is not None}
    _take_down(connection, [i for i in ids if i not in there])
    return there


def _take_down(connection: sqlite3.Connection, ids: Sequence[Packed]) -> None:
    """Insert identities, many by each statement: what a statement costs is shared."""
    insert = "INSERT OR IGNORE INTO event_key (event_id) VALUES "
    values = bindable(ids)
    whole = len(ids) - len(ids) % _AT_ONCE
    for start in range(0, whole, _AT_ONCE):
        marks = "(?)" + ", (?)" * (_AT_ONCE - 1)
        connection.execute(insert + marks, values[start : start + _AT_ONCE])
    connection.executemany(f"{insert}(?)", [(event_id,) for event_id in values[whole:]])
