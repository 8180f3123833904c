"""What analyses found, in tables for readers with SQL.

The tables are caches: ``keep`` replaces whole tables, ``set_aside`` protects them from the SQL
that makes the derived tables anew. Both leave the log alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sbhooks.results import check_results, replaced
from sbhooks.store import SqlValue

#: What the trigger ``trg_log_rebuild`` fills anew as well, because databases of the old system
#: had it wrong. Whoever analyses knows better.
_ALSO_REBUILT = ("skill_dependencies", "skill_community_baselines")


def keep(
    connection: sqlite3.Connection, tables: Mapping[str, Sequence[Mapping[str, SqlValue]]]
) -> None:
    """Replace the rows of tables; see :meth:`sbhooks.store.KeepsResults.keep_results`.

    References between tables must hold when the transaction ends, not before, so the order of
    the tables does not matter. Skills that nobody has invoked get their row in
    ``skill_metrics`` by triggers.

    Args:
        connection: In a write transaction.
        tables: Checked here: no other name gets into a statement.

    Raises:
        StoreError: A table or value does not fit.
        sqlite3.IntegrityError: A value is missing, or there twice.
    """
    check_results(tables)
    connection.execute("PRAGMA defer_foreign_keys = ON")  # until the end of the transaction
    kept = {table: replaced(table, rows(connection, table), new) for table, new in tables.items()}
    for table in kept:
        connection.execute(f"DELETE FROM {table}")
    for table, found in kept.items():
        for row in found:
            _insert(connection, table, row)


def rows(connection: sqlite3.Connection, table: str) -> list[dict[str, SqlValue]]:
    """The rows of a table; see :meth:`sbhooks.store.ShowsResults.kept_results`."""
    check_results({table: []})
    found = connection.execute(f"SELECT * FROM {table}")
    names = [name for name, *_ in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


@contextmanager
def set_aside(connection: sqlite3.Connection) -> Iterator[None]:
    """Give the tables of results back at the end as they were, whatever happened to them.

    Args:
        connection: In a write transaction that is undone when the body raises.
    """
    for table in _ALSO_REBUILT:
        connection.execute(f"CREATE TEMP TABLE aside_{table} AS SELECT * FROM main.{table}")
    try:
        yield
        for table in _ALSO_REBUILT:
            connection.execute(f"DELETE FROM main.{table}")
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM temp.aside_{table}")
    finally:
        for table in _ALSO_REBUILT:
            connection.execute(f"DROP TABLE temp.aside_{table}")


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, SqlValue]) -> None:
    if not row:
        connection.execute(f"INSERT INTO {table} DEFAULT VALUES")
        return
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [*row.values()])
