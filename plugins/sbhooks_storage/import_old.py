"""Takes a database of the old system into a store that is already in use.

The old file is only read: a copy of it is migrated, and what the copy holds is added. Rows of
the log become events with an identity that follows from the row, so importing twice, or
importing a later state of the same database, adds only what is new.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import Codec
from sbhooks.store import EventStore
from sbhooks_storage.append import high_water
from sbhooks_storage.copies import copy_database
from sbhooks_storage.database import connect
from sbhooks_storage.failures import explained
from sbhooks_storage.opening import opened, writing
from sbhooks_storage.rebuild import rebuild
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

_PAGE = 5_000

#: What is no event, table by table: what is there already stays as it is.
_TABLES = {
    "skill_user_interactions": """
        INSERT INTO skill_user_interactions (user_id, session_id, skill_name, invoked_at,
            completed, rating, alternatives_considered)
        SELECT user_id, session_id, skill_name, invoked_at, completed, rating,
            alternatives_considered
        FROM old.skill_user_interactions
        EXCEPT
        SELECT user_id, session_id, skill_name, invoked_at, completed, rating,
            alternatives_considered
        FROM skill_user_interactions
    """,
    "skill_anomalies": """
        INSERT INTO skill_anomalies (skill_name, detected_at, anomaly_type, baseline_value,
            observed_value, deviation_score, resolved_at)
        SELECT skill_name, detected_at, anomaly_type, baseline_value, observed_value,
            deviation_score, resolved_at
        FROM old.skill_anomalies AS o
        WHERE NOT EXISTS (SELECT 1 FROM skill_anomalies AS n WHERE n.skill_name = o.skill_name
            AND n.detected_at = o.detected_at AND n.anomaly_type = o.anomaly_type)
    """,
    "skill_categories": """
        INSERT OR IGNORE INTO skill_categories (category_name, description, domain, created_at)
        SELECT category_name, description, domain, created_at FROM old.skill_categories
    """,
    "skill_category_mapping": """
        INSERT OR IGNORE INTO skill_category_mapping (skill_name, category_id, confidence_score,
            assigned_at)
        SELECT m.skill_name, n.category_id, m.confidence_score, m.assigned_at
        FROM old.skill_category_mapping AS m
        JOIN old.skill_categories AS o ON o.category_id = m.category_id
        JOIN skill_categories AS n ON n.category_name = o.category_name
    """,
    "skill_modalities": """
        INSERT OR IGNORE INTO skill_modalities SELECT * FROM old.skill_modalities
    """,
    "skill_dependencies": """
        INSERT OR IGNORE INTO skill_dependencies
        SELECT * FROM old.skill_dependencies WHERE co_occurrence_count = 0
    """,
    "skill_clusters": """
        INSERT OR IGNORE INTO skill_clusters (cluster_name, description, centroid_embedding,
            created_at)
        SELECT cluster_name, description, centroid_embedding, created_at FROM old.skill_clusters
    """,
    "skill_cluster_membership": """
        INSERT OR IGNORE INTO skill_cluster_membership (skill_name, cluster_id, membership_score)
        SELECT m.skill_name, n.cluster_id, m.membership_score
        FROM old.skill_cluster_membership AS m
        JOIN old.skill_clusters AS o ON o.cluster_id = m.cluster_id
        JOIN skill_clusters AS n ON n.cluster_name = o.cluster_name
    """,
    "ab_test_configs": """
        INSERT OR IGNORE INTO ab_test_configs (test_name, description, control_strategy,
            treatment_strategy, start_date, end_date, min_sample_size, metrics, assignment_ratio,
            status, created_at)
        SELECT test_name, description, control_strategy, treatment_strategy, start_date, end_date,
            min_sample_size, metrics, assignment_ratio, status, created_at
        FROM old.ab_test_configs
    """,
    "ab_test_assignments": """
        INSERT OR IGNORE INTO ab_test_assignments (test_id, user_id, group_name, assigned_at)
        SELECT n.test_id, a.user_id, a.group_name, a.assigned_at
        FROM old.ab_test_assignments AS a
        JOIN old.ab_test_configs AS o ON o.test_id = a.test_id
        JOIN ab_test_configs AS n ON n.test_name = o.test_name
    """,
    "ab_test_outcomes": """
        INSERT INTO ab_test_outcomes (test_id, user_id, skill_name, completed, duration_seconds,
            user_rating, recorded_at)
        SELECT n.test_id, a.user_id, a.skill_name, a.completed, a.duration_seconds, a.user_rating,
            a.recorded_at
        FROM old.ab_test_outcomes AS a
        JOIN old.ab_test_configs AS o ON o.test_id = a.test_id
        JOIN ab_test_configs AS n ON n.test_name = o.test_name
        WHERE NOT EXISTS (SELECT 1 FROM ab_test_outcomes AS k WHERE k.test_id = n.test_id
            AND k.user_id = a.user_id AND k.skill_name = a.skill_name
            AND k.recorded_at = a.recorded_at)
    """,
}
_EMBEDDINGS = """
    UPDATE skill_invocation SET embedding = o.embedding
    FROM old.skill_invocation AS o
    WHERE o.embedding IS NOT NULL AND skill_invocation.embedding IS NULL
        AND skill_invocation.event_id = o.event_id
"""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks import old --json`` prints.

    Attributes:
        read: Invocations in the old database.
        new: How many of them were not in the store yet.
        rows: New rows of tables that hold no events, by table.
    """

    read: int
    new: int
    rows: dict[str, int]


def import_old(
    store: EventStore, path: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Imported:
    """Add what a database of the old system holds.

    Args:
        store: Where to.
        path: The old database, at whatever version.
        progress: Told how many of how many rows are done.

    Raises:
        StoreError: It cannot be read, or is no such database.
    """
    with _migrated_copy(path) as copy:
        read = new = 0
        with closing(open_sqlite(copy, Codec())) as old:
            position, end = 0, old.high_water()
            while (page := old.tail(position, limit=_PAGE)).events:
                read += len(page.events)
                new += store.append(page.events)
                position = page.position
                progress(position, end)
        rows = _add_tables(store.path, copy) if isinstance(store, SqliteEventStore) else {}
    return Imported(read=read, new=new, rows=rows)


@contextmanager
def _migrated_copy(path: Path) -> Iterator[Path]:
    """A copy at the head, in a folder that is removed afterwards."""
    with opened(path, "import", "ro") as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "skill_invocation" not in names:
        raise StoreError(
            f"cannot import {path}: it has no table skill_invocation. "
            "Name a database of the old system"
        )
    folder = Path(tempfile.mkdtemp(prefix="sbhooks-import-"))
    try:
        copy = folder / "old.db"
        with explained(path, "import"):
            copy_database(path, copy)
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _add_tables(path: Path, copy: Path) -> dict[str, int]:
    """Add what is no event; returns the new rows by table."""
    with explained(path, "write to"), closing(connect(path)) as connection:
        connection.execute("ATTACH ? AS old", (str(copy),))
        with writing(connection):
            rows = {table: connection.execute(sql).rowcount for table, sql in _TABLES.items()}
            connection.execute(_EMBEDDINGS)
            if any(rows.values()):
                _refresh(connection)
    return {table: count for table, count in rows.items() if count}


def _refresh(connection: sqlite3.Connection) -> None:
    """Make anew what depends on users, who are known only now."""
    rebuild(connection)
    connection.execute(
        "UPDATE sqlite_sequence SET seq = ? WHERE name = 'skill_invocation'",
        (high_water(connection) + 1,),
    )
