"""Everything that people may know by name is explained on the page of the database."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from sbhooks_migrations import migrations
from sbhooks_storage.deployment import TABLES, TRIGGERS, VIEWS
from sbhooks_storage.losses import statements

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> str:
    return (ROOT / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*TABLES, *VIEWS, *TRIGGERS, "skill_invocation", "skill_metrics",
                                  "v_test_attempts", "session", "rollup_hour"])  # fmt: skip
def test_the_names_of_old_are_explained(reference: str, name: str) -> None:
    assert f"`{name}`" in reference


@pytest.mark.parametrize("version", range(1, 6))
def test_nothing_of_a_version_is_without_a_meaning(reference: str, version: int) -> None:
    sections = re.split(r"^#{2,3} ", reference, flags=re.M)
    told = "".join(part for part in sections if f"Since version {version}." in part)
    assert re.findall(r"^\| `(\w+)` \| [^|]* \| – \|$|^– Since", told, re.M) == []


def test_whatever_is_in_a_database_is_on_the_page(reference: str) -> None:
    connection = sqlite3.connect(":memory:")
    for step in migrations("sqlite"):
        for statement in statements(step.up):
            connection.execute(statement)
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type <> 'index' AND name NOT LIKE 'sqlite_%' "
        "AND name NOT LIKE '%_fts_%'"
    ).fetchall()
    connection.close()
    assert [name for (name,) in names if f"`{name}`" not in reference] == []
