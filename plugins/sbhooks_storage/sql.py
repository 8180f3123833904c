"""Answers people's own SQL, over what is in the database and what is in its archive.

The SQL is SQLite's, and so are the tables: those of the schema. A query that reads
``skill_invocation``, ``phase_change``, ``pipeline_stage`` or ``v_test_attempts``, or a view upon
these, sees archived events as well: they are read into temporary tables, and temporary views
with the names of the real ones put both together. (``test_attempt`` itself, whose rows are
numbers, shows what is in the database only.)

Nothing can be changed: the file is opened for reading, and SQLite is told to refuse everything
but reading before a query is even compiled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import from_us
from sbhooks_storage import archive_files
from sbhooks_storage.archive_catalog import catalog
from sbhooks_storage.archive_rows import SOURCES, named, restore_invocations
from sbhooks_storage.opening import check_head, opened

_BLOB_SHOWN = 32  # bytes of a blob that are shown
_STEPS = 100_000  # of SQLite's machine between two looks at Ctrl-C
_LONGEST = 100_000  # characters of a query
_DETOUR = {"test-result": "v_test_attempts", "phase-change": "phase_change",
           "pipeline-stage": "pipeline_stage", "invocation": "skill_invocation"}  # fmt: skip
_ALLOWED = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
}  # fmt: skip
_DANGEROUS = {"load_extension", "fts3_tokenizer", "writefile", "readfile", "edit"}

Loaded = Callable[[int, int], None]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db query --json`` prints.

    Attributes:
        columns: Their names.
        rows: Cells as SQLite gives them; bytes as hexadecimal text.
        more: Whether there are more rows than were asked for.
        archived_months: Files of the archive that were read.
    """

    columns: list[str]
    rows: list[list[str | int | float | None]]
    more: bool
    archived_months: int


def query(
    path: Path, sql: str, *, limit: int, with_archive: bool, loaded: Loaded = lambda *_: None
) -> Answer:
    """Answer one SELECT.

    Args:
        path: The database.
        sql: One statement that only reads.
        limit: At most that many rows.
        with_archive: Whether archived events count.
        loaded: Told how many months of how many have been read.

    Raises:
        StoreError: The query is wrong or would change something, or a file cannot be read.
    """
    if len(sql) > _LONGEST:
        raise StoreError(f"cannot answer: the query is longer than {_LONGEST} characters")
    with opened(path, "query", "ro") as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        check_head(connection, path, "query")
        used = _tables_of(connection, sql)
        connection.execute("BEGIN")  # the catalog and the rows of one moment
        months = _load(connection, used, loaded) if with_archive else 0
        with _reading_only(connection):
            found = _execute(connection, sql)
            rows = found.fetchmany(limit + 1)
        names = [name for name, *_ in found.description or ()]
        connection.execute("ROLLBACK")
    return Answer(
        columns=names,
        rows=[[_cell(value) for value in row] for row in rows[:limit]],
        more=len(rows) > limit,
        archived_months=months,
    )


def _tables_of(connection: sqlite3.Connection, sql: str) -> set[str]:
    """What a query reads, views taken apart; refuses what does not only read."""
    read: set[str] = set()
    with _reading_only(connection, read):
        _execute(connection, f"EXPLAIN {sql}").fetchone()
    return read


@contextmanager
def _reading_only(connection: sqlite3.Connection, read: set[str] | None = None) -> Iterator[None]:
    def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and read is not None and first:
            read.add(first)
        refused = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _DANGEROUS
        return sqlite3.SQLITE_OK if action in _ALLOWED and not refused else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    connection.set_progress_handler(lambda: 0, _STEPS)  # lets Python see Ctrl-C
    try:
        yield
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)


def _execute(connection: sqlite3.Connection, sql: str) -> sqlite3.Cursor:
    try:
        return connection.execute(sql)
    except sqlite3.DatabaseError as error:
        if "not authorized" in str(error) or "prohibited" in str(error):
            raise StoreError(
                "cannot answer: the query does more than read. Write one SELECT"
            ) from error
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR or isinstance(
            error, sqlite3.ProgrammingError
        ):
            raise StoreError(
                f"cannot answer: {error}. Tables and columns: docs/reference/schema.md"
            ) from error
        raise


def _load(connection: sqlite3.Connection, used: set[str], loaded: Loaded) -> int:
    """Put archived events beside those of the tables that are used; returns how many files."""
    kinds = {source.kind for source in SOURCES if source.table in used}
    files = list(catalog(connection).values()) if kinds else []
    if not files:
        return 0
    columns = {kind: _make_table(connection, _DETOUR[kind]) for kind in kinds}
    for number, path in enumerate(files):
        loaded(number, len(files))
        for kind in kinds:
            _insert(connection, kind, columns[kind], path)
    if "invocation" in kinds:
        connection.execute(
            "CREATE INDEX temp.archived_skill_at "
            "ON archived_skill_invocation (skill_name, at_us, completed)"
        )
    _make_views(connection, {_DETOUR[kind] for kind in kinds})
    return len(files)


def _make_table(connection: sqlite3.Connection, table: str) -> list[str]:
    """An empty temporary table with the columns of a real one; returns their names."""
    connection.execute(f"CREATE TEMP TABLE archived_{table} AS SELECT * FROM main.{table} LIMIT 0")
    return [name for _, name, *_ in connection.execute(f"PRAGMA temp.table_info(archived_{table})")]


def _insert(connection: sqlite3.Connection, kind: str, columns: Sequence[str], path: Path) -> None:
    table = f"temp.archived_{_DETOUR[kind]}"
    rows = archive_files.read(path, kind)
    if kind == "invocation":
        restore_invocations(connection, rows, table)
        return
    values = (_as_in_database(named(row)) for row in rows)
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        ([row.get(column) for column in columns] for row in values),
    )


def _as_in_database(row: dict[str, Any]) -> dict[str, Any]:
    """An archived event under the names of tables and of ``v_test_attempts``."""
    return row | {
        "session_id": row["session"],
        "commit_sha": row["commit"],
        "at_us": row["at"],
        "event_id": row["id"],
        "ended_at": from_us(row["at"]).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **{f"{part}_seconds": None if row[f"{part}_us"] is None else row[f"{part}_us"] / 1e6
           for part in ("setup", "call", "teardown")},
    }  # fmt: skip


def _make_views(connection: sqlite3.Connection, tables: set[str]) -> None:
    """Temporary views come first where names are looked up, but not inside real views."""
    for table in tables:
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} "
            f"UNION ALL SELECT * FROM temp.archived_{table}"
        )
    views = connection.execute(
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'view' ORDER BY rowid"
    ).fetchall()
    for name, sql in views:
        if name not in tables:
            connection.execute(sql.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _cell(value: Any) -> str | int | float | None:
    if isinstance(value, bytes):
        shown = value[:_BLOB_SHOWN].hex()
        return shown if len(value) <= _BLOB_SHOWN else f"{shown}… ({len(value)} bytes)"
    return value  # type: ignore[no-any-return]
