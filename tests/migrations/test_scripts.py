"""The migration scripts: numbered without gaps, both ways, and each way undoes the other."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sbhooks_migrations import HEAD, migrations, parse
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.losses import statements
from sbhooks_storage.migrate import migrate

BOTH = {"V1__a.up.sql": "CREATE TABLE t (x);", "V1__a.down.sql": "DROP TABLE t;"}


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    create_private(tmp_path / "a.db")
    return connect(tmp_path / "a.db")


def schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """What the database consists of: column by column, whatever way it came about."""
    objects = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> 'skill_migrations' "
        "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts_%' ORDER BY type, name"
    ).fetchall()
    return [
        (name, str(connection.execute(f"PRAGMA table_xinfo({name})").fetchall()))
        if kind == "table"
        else (name, sql)
        for kind, name, sql in objects
    ]


def test_the_head_is_the_newest_script() -> None:
    assert [step.number for step in migrations("sqlite")] == list(range(1, HEAD + 1))


def test_the_names_of_the_first_versions_are_those_of_the_old_system() -> None:
    assert [step.version for step in migrations("sqlite")][:4] == [
        "V1__initial_schema", "V2__add_semantic_search",
        "V3__add_workflow_correlation", "V4__phase4_extensions",
    ]  # fmt: skip


def test_up_down_up_gives_the_identical_schema(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    schemas = []
    for number in range(HEAD + 1):
        migrate(connection, tmp_path / "a.db", number)
        schemas.append(schema(connection))
    for number in reversed(range(HEAD + 1)):
        migrate(connection, tmp_path / "a.db", number)
        assert schema(connection) == schemas[number], f"down to {number}"
    migrate(connection, tmp_path / "a.db")
    assert schema(connection) == schemas[HEAD]


def test_every_statement_of_every_script_is_complete() -> None:
    for step in migrations("sqlite"):
        for script in (step.up, step.down):
            rest = script
            for statement in statements(script):
                rest = rest.replace(statement, "", 1)
            lines = [line for line in rest.splitlines() if not line.startswith("--")]
            assert not "".join(lines).strip()


def test_semicolons_in_triggers_texts_and_comments_split_nothing() -> None:
    script = (
        "-- one; two\nCREATE TABLE a (x TEXT DEFAULT ';');\n/* ; */\n"
        "CREATE TRIGGER b AFTER INSERT ON a BEGIN SELECT 1; SELECT ';'; END;\n-- the end;\n"
    )
    connection = sqlite3.connect(":memory:")
    for statement in statements(script):
        connection.execute(statement)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (2,)


@pytest.mark.parametrize(
    ("texts", "trouble"),
    [
        ({"V2__b.up.sql": "", "V2__b.down.sql": ""}, "V1 is missing"),
        (BOTH | {"V3__b.up.sql": "", "V3__b.down.sql": ""}, "V2 is missing"),
        (BOTH | {"V1__b.up.sql": ""}, "used twice"),
        ({"V1__a.up.sql": "", "V1__b.down.sql": ""}, "used twice"),
        ({"V1__a.up.sql": ""}, "both an up and a down"),
        ({"V01__a.up.sql": ""}, "is called"),
        ({"V1_a.up.sql": ""}, "is called"),
        ({"V1__a.sql": ""}, "is called"),
    ],
)
def test_gaps_duplicates_and_odd_names_are_refused(texts: dict[str, str], trouble: str) -> None:
    with pytest.raises(ValueError, match=trouble):
        parse(texts)


def test_ten_comes_after_nine() -> None:
    texts = {f"V{n}__a.{way}.sql": "" for n in range(1, 12) for way in ("up", "down")}
    assert [step.number for step in parse(texts)] == list(range(1, 12))


def test_a_checksum_does_not_depend_on_line_ends() -> None:
    (unix,) = parse({"V1__a.up.sql": "a\nb\n", "V1__a.down.sql": "c\n"})
    (windows,) = parse({"V1__a.up.sql": "a\r\nb\r\n", "V1__a.down.sql": "c\r\n"})
    (other,) = parse({"V1__a.up.sql": "a\n", "V1__a.down.sql": "b\nc\n"})
    assert unix.checksum == windows.checksum != other.checksum
