"""Replacing and erasing what is known about people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from sbhooks.events import Codec, Event, names_person, with_people
from sbhooks.ids import pack_id
from sbhooks_storage import archive_changes, rows
from sbhooks_storage.append import high_water, set_high_water
from sbhooks_storage.rebuild import rebuild
from sbhooks_storage.sessions import update_context

#: Tables of events → their column that numbers events.
_TABLES = {
    "session_start": "seq", "session_end": "seq", "phase_change": "seq", "pipeline_stage": "seq",
    "skill_invocation": "id", "test_attempt": "seq", "other_event": "seq",
}  # fmt: skip
_OLD_TABLES = ("skill_user_interactions", "ab_test_assignments", "ab_test_outcomes")


def rename_people(
    connection: sqlite3.Connection, pseudonyms: Mapping[str, str], codec: Codec
) -> int:
    """See ``EventStore.rename_people``; the codec knows which fields may name people."""
    named = _rename_in_events(connection, pseudonyms, codec)
    connection.execute("CREATE TEMP TABLE renamed (old TEXT PRIMARY KEY, new TEXT NOT NULL)")
    try:
        connection.executemany("INSERT INTO temp.renamed VALUES (?, ?)", pseudonyms.items())
        sessions = connection.execute(
            """
            SELECT DISTINCT session_no FROM session_start WHERE EXISTS (
                SELECT 1 FROM temp.renamed WHERE old <> new AND old IN (user_id, host_id))
            """
        ).fetchall()
        # One statement: names may swap places.
        connection.execute(
            """
            UPDATE session_start SET
                user_id = coalesce(
                    (SELECT new FROM temp.renamed WHERE old = user_id), user_id),
                host_id = coalesce(
                    (SELECT new FROM temp.renamed WHERE old = host_id), host_id)
            """
        )
        for (session_no,) in sessions:
            update_context(connection, session_no)
        sessions += _rename_in_old_tables(connection)
    finally:
        connection.execute("DROP TABLE temp.renamed")
    changed = named.union(session_no for (session_no,) in sessions)
    if changed:
        set_high_water(connection, high_water(connection) + 1)
    return len(changed)


def _rename_in_events(
    connection: sqlite3.Connection, pseudonyms: Mapping[str, str], codec: Codec
) -> set[int]:
    """Rename people in events of plugins' kinds; returns the numbers of their sessions."""
    changed: set[int] = set()
    fields = ", ".join(f"{name} = ?" for name in rows.OTHER_FIELDS)
    for seq, session_no, event in _with_people(connection, codec):
        renamed = with_people(event, pseudonyms)
        if renamed is not event:
            text = rows.other_row(renamed)[: len(rows.OTHER_FIELDS)]
            connection.execute(
                f"UPDATE other_event SET {fields}, body = ? WHERE seq = ?",
                (*text, codec.encode(renamed).decode(), seq),
            )
            changed.add(session_no)
    return changed


def _with_people(connection: sqlite3.Connection, codec: Codec) -> Iterator[tuple[int, int, Event]]:
    """Number, session and event of all whose kind may name people."""
    for kind, made in codec.kinds.items():
        if made.people:
            found = connection.execute(
                "SELECT seq, session_no, body FROM other_event WHERE kind = ?", (kind,)
            ).fetchall()
            for seq, session_no, body in found:
                yield seq, session_no, codec.decode(body)


def _rename_in_old_tables(connection: sqlite3.Connection) -> list[tuple[int]]:
    """Rename people that only the tables of V4 know; returns the numbers of their sessions."""
    for table in _OLD_TABLES:
        connection.execute(
            f"""
            UPDATE {table} SET user_id = (SELECT new FROM temp.renamed WHERE old = user_id)
            WHERE user_id IN (SELECT old FROM temp.renamed)
            """
        )
    found: list[tuple[int]] = connection.execute(
        """
        UPDATE session SET user_id = (SELECT new FROM temp.renamed WHERE old = user_id)
        WHERE user_id IN (SELECT old FROM temp.renamed WHERE old <> new)
            AND session_no NOT IN (SELECT session_no FROM session_start)
        RETURNING session_no
        """
    ).fetchall()
    return found


def erase_user(connection: sqlite3.Connection, user: str, codec: Codec) -> int:
    """See ``EventStore.erase_user``; the freed pages are overwritten."""
    connection.execute("PRAGMA secure_delete = ON")
    sessions = connection.execute(
        "SELECT session_no FROM session_start WHERE user_id = ?1 "
        "UNION SELECT session_no FROM session WHERE user_id = ?1", (user,),
    ).fetchall()  # fmt: skip
    archived = archive_changes.erase(connection, {session for (session,) in sessions})
    connection.executemany(
        "DELETE FROM event_key WHERE event_id = ?", [(pack_id(name),) for name in archived]
    )
    erased = len(archived) + sum(_erase_session(connection, *session) for session in sessions)
    erased += _erase_named(connection, user, codec)
    for table in _OLD_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE user_id = ?", (user,))
    if erased:
        _erase_orphans(connection)
        rebuild(connection)
        connection.execute("INSERT INTO log_relations VALUES (1)")  # they count people
        connection.execute("UPDATE store_state SET value = value + 1 WHERE name = 'erasures'")
        set_high_water(connection, high_water(connection) + 1)
    return erased


def _erase_session(connection: sqlite3.Connection, session_no: int) -> int:
    """Remove a session with its events and their identities."""
    spans = connection.execute(
        "SELECT first_seq, last_seq FROM session_span WHERE session_no = ?", (session_no,)
    ).fetchall()
    erased = 0
    for table, seq in _TABLES.items():
        where = f"{seq} BETWEEN ? AND ?"
        connection.executemany(
            f"DELETE FROM event_key WHERE event_id IN (SELECT event_id FROM {table} WHERE {where})",
            spans,
        )
        deleted = connection.executemany(f"DELETE FROM {table} WHERE {where}", spans)
        erased += deleted.rowcount
    connection.execute("DELETE FROM session WHERE session_no = ?", (session_no,))
    return erased


def _erase_named(connection: sqlite3.Connection, user: str, codec: Codec) -> int:
    """Remove events that name somebody, with their identities; their sessions stay."""
    gone = [(s,) for s, _, event in _with_people(connection, codec) if names_person(event, user)]
    connection.executemany(
        "DELETE FROM event_key WHERE event_id IN (SELECT event_id FROM other_event WHERE seq = ?)",
        gone,
    )
    connection.executemany("DELETE FROM other_event WHERE seq = ?", gone)
    return len(gone)


def _erase_orphans(connection: sqlite3.Connection) -> None:
    """Remove tests and failures that nobody's attempts mention any more."""
    connection.execute(
        "DELETE FROM test_failure WHERE failure_no NOT IN "
        "(SELECT failure_no FROM test_attempt_note WHERE failure_no IS NOT NULL)"
    )
    connection.execute(
        "DELETE FROM test_case WHERE test_no NOT IN (SELECT test_no FROM test_attempt)"
    )
