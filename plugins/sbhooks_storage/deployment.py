"""What a deployment needs of the database: the checklist of the old system, and backups.

The names are those that the users of the old system check for. Nothing is changed: an old
schema is reported, not migrated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sbhooks.checks import Check, State
from sbhooks.events import utc_now
from sbhooks_migrations import HEAD, migrations
from sbhooks_storage.archive_catalog import catalog, folder_beside
from sbhooks_storage.backups import newest_backup
from sbhooks_storage.history import applied
from sbhooks_storage.opening import opened

TABLES = (
    "skill_metrics_cache", "skill_time_series", "skill_anomalies", "skill_community_baselines",
    "skill_user_interactions", "skill_clusters", "skill_cluster_membership", "ab_test_configs",
    "ab_test_assignments", "ab_test_outcomes", "skill_categories", "skill_category_mapping",
    "skill_dependencies", "skill_modalities",
)  # fmt: skip
VIEWS = (
    "v_realtime_skill_dashboard", "v_skill_effectiveness_trend", "v_community_baseline_comparison",
    "v_skill_dependency_network", "v_ab_test_summary", "v_multimodal_skill_catalog",
)  # fmt: skip
TRIGGERS = (
    "trg_skill_metrics_after_insert", "trg_session_skills_after_insert",
    "trg_metrics_cache_after_insert",
)  # fmt: skip
_ROWS = {"skill_categories": 6, "skill_modalities": 4, "skill_dependencies": 4}
_OLDEST_BACKUP = timedelta(days=7)


def check_database(path: Path, now: datetime | None = None) -> Iterator[Check]:
    """Go through the checklist of one database.

    Raises:
        StoreError: It cannot be read.
    """
    if not path.exists():
        yield _check("schema", f"{path} does not exist", advice="run: sbhooks init")
        return
    with opened(path, "examine", "ro") as connection:
        version = applied(connection, path, migrations("sqlite"))
        yield _check("schema", f"version {version} of {HEAD}", fine=version == HEAD,
                     advice="run: sbhooks db migrate")  # fmt: skip
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        yield _check("file", "sound" if verdict == "ok" else str(verdict), fine=verdict == "ok",
                     advice="put back a backup: sbhooks db restore")  # fmt: skip
        if version < HEAD or verdict != "ok":
            return
        yield from _objects(connection)
        yield from _rows(connection)
        broken = len(connection.execute("PRAGMA foreign_key_check").fetchall())
        yield _check("references", f"{broken or 'no'} rows refer to nothing", fine=not broken,
                     advice="run: sbhooks db verify")  # fmt: skip
        lost = [file for file in catalog(connection).values() if not file.exists()]
        yield _check("archive", f"{len(lost) or 'no'} files are missing", fine=not lost,
                     advice=f"put the folder {folder_beside(path)} back")  # fmt: skip
    yield from _backup(path, now or utc_now())


def _objects(connection: sqlite3.Connection) -> Iterator[Check]:
    found = {
        (str(kind), str(name))
        for kind, name in connection.execute("SELECT type, name FROM sqlite_master")
    }
    for kind, names in (("table", TABLES), ("view", VIEWS), ("trigger", TRIGGERS)):
        missing = [name for name in names if (kind, name) not in found]
        what = f"{len(names) - len(missing)} of {len(names)} {kind}s of V4"
        what += f"; missing: {', '.join(missing)}" if missing else ""
        yield _check(f"{kind}s", what, fine=not missing, advice="put back a backup")
    for view in VIEWS:
        try:
            connection.execute(f"SELECT * FROM {view} LIMIT 1").fetchall()
        except sqlite3.OperationalError as error:
            yield _check("views", f"{view} cannot be read: {error}", advice="put back a backup")


def _rows(connection: sqlite3.Connection) -> Iterator[Check]:
    for table, least in _ROWS.items():
        (n,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        area = table.removeprefix("skill_")
        yield _check(area, f"{n} of at least {least}", fine=n >= least,
                     advice="run: sbhooks taxonomy init")  # fmt: skip


def _backup(path: Path, now: datetime) -> Iterator[Check]:
    newest = newest_backup(path)
    if newest is None:
        yield _check("backup", "there is none beside the database", advice="run: sbhooks db backup")
        return
    days = (now - newest) / timedelta(days=1)
    fresh = now - newest <= _OLDEST_BACKUP
    yield Check(area="backup", state="ok" if fresh else "doubt",
                what=f"the newest is {max(days, 0):.0f} days old",
                advice="" if fresh else "run: sbhooks db backup")  # fmt: skip


def _check(area: str, what: str, *, fine: bool = False, advice: str) -> Check:
    state: State = "ok" if fine else "wrong"
    return Check(area=area, state=state, what=what, advice="" if fine else advice)
