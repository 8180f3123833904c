"""The tables for what analyses found, and which rows fit into them.

Their names and columns are those of the database that sbhooks took over, so that people's SQL
goes on working. Every store that keeps results (:class:`~sbhooks.store.KeepsResults`) checks
rows here, so that what fits one store fits all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sbhooks.errors import StoreError
from sbhooks.store import SqlValue

_LARGEST = 1 << 63

Rows = Sequence[Mapping[str, SqlValue]]

#: Table → column → what its values are, besides ``None``. Truth values are ``int``.
RESULT_TABLES: Mapping[str, Mapping[str, type[SqlValue]]] = {
    "skill_anomalies": {
        "id": int, "skill_name": str, "detected_at": str, "anomaly_type": str,
        "baseline_value": float, "observed_value": float, "deviation_score": float,
        "resolved_at": str,
    },
    "skill_community_baselines": {
        "skill_name": str, "total_users": int, "total_invocations": int,
        "global_completion_rate": float, "global_avg_duration_seconds": float,
        "most_common_workflow_phase": str, "effectiveness_percentile": float, "last_updated": str,
    },
    "skill_clusters": {
        "cluster_id": int, "cluster_name": str, "description": str, "centroid_embedding": bytes,
        "created_at": str,
    },
    "skill_cluster_membership": {
        "skill_name": str, "cluster_id": int, "membership_score": float,
    },
    "skill_dependencies": {
        "skill_a": str, "skill_b": str, "co_occurrence_count": int, "lift_score": float,
        "last_updated": str,
    },
    "skill_categories": {
        "category_id": int, "category_name": str, "parent_category_id": int, "description": str,
        "domain": str, "created_at": str,
    },
    "skill_category_mapping": {
        "skill_name": str, "category_id": int, "confidence_score": float, "assigned_at": str,
    },
    "skill_modalities": {
        "skill_name": str, "modality_type": str, "input_format": str, "output_format": str,
        "requires_human_review": int, "created_at": str,
    },
    "ab_test_configs": {
        "test_id": int, "test_name": str, "description": str, "control_strategy": str,
        "treatment_strategy": str, "start_date": str, "end_date": str, "min_sample_size": int,
        "metrics": str, "assignment_ratio": float, "status": str, "created_at": str,
    },
    "ab_test_assignments": {
        "assignment_id": int, "test_id": int, "user_id": str, "group_name": str,
        "assigned_at": str,
    },
    "ab_test_outcomes": {
        "outcome_id": int, "test_id": int, "user_id": str, "skill_name": str, "completed": int,
        "duration_seconds": float, "user_rating": float, "recorded_at": str,
    },
}  # fmt: skip


def check_results(tables: Mapping[str, Rows]) -> None:
    """Refuse tables that are not for results, and rows that do not fit into theirs.

    Raises:
        StoreError: Names the table, the column and what is wrong.
    """
    for table, rows in tables.items():
        columns = RESULT_TABLES.get(table)
        if columns is None:
            raise StoreError(
                f"cannot keep results in {table!r}: it is not a table for results. "
                f"Those are: {', '.join(RESULT_TABLES)}"
            )
        for row in rows:
            for column, value in row.items():
                wrong = _wrong(columns, column, value)
                if wrong:
                    raise StoreError(f"cannot keep results in {table}: column {column!r} {wrong}")


def replaced(table: str, old: Rows, new: Rows) -> Rows:
    """The rows of a table after ``new`` has been written to it.

    They are ``new``, but for ``skill_dependencies``: there a count of 0 marks what somebody
    expects before anything was observed. Expectations and observations are replaced each by
    themselves, and of a pair that has been observed nothing is expected any more.

    Args:
        table: Its name.
        old: What it holds.
        new: What somebody wants to keep; the same rows may be returned.
    """
    if table != "skill_dependencies":
        return new
    expected = [row for row in new if not _is_observed(row)]
    only_expected = bool(new) and len(expected) == len(new)
    observed = [row for row in (old if only_expected else new) if _is_observed(row)]
    expected = expected or [row for row in old if not _is_observed(row)]
    seen = {_pair(row) for row in observed}
    return [*observed, *(row for row in expected if _pair(row) not in seen)]


def _is_observed(row: Mapping[str, SqlValue]) -> bool:
    return row.get("co_occurrence_count", 1) != 0


def _pair(row: Mapping[str, SqlValue]) -> tuple[SqlValue, SqlValue]:
    return row.get("skill_a"), row.get("skill_b")


def _wrong(columns: Mapping[str, type[SqlValue]], column: str, value: SqlValue) -> str | None:
    """What is wrong with a cell, if anything."""
    kind = columns.get(column)
    if kind is None:
        return f"does not exist. The columns are: {', '.join(columns)}"
    if value is None:
        return None
    allowed = (float, int) if kind is float else kind
    if not isinstance(value, allowed):
        return f"holds {kind.__name__}, not {type(value).__name__}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"cannot hold {value}"
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return "holds whole numbers of 64 bits, and this one is longer"
    return None
