"""Where skills belong: decisions win, and the tables say the same as the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks_storage.maintenance import verify
from sbhooks_taxonomy.catalog import builtin

Ask = Callable[..., Any]
TABLES = ("skill_categories", "skill_category_mapping", "skill_modalities", "skill_dependencies")


@pytest.fixture
def runtime(home: Path) -> Iterator[Runtime]:
    with Runtime.start(load_config()) as runtime:
        yield runtime


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run a command with ``--json``; returns the document."""

    def once(*arguments: str) -> Any:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return once


@pytest.fixture
def used(runtime: Runtime) -> Runtime:
    """A store in which some skills have been used."""
    for number in range(3):
        time = Timeline(f"s{number}")
        names = ("pytest-run", "pytest-unit", "ruff-check", "git-rebase", "zuban")
        runtime.store.append([time.start(), *(time.invocation(name) for name in names)])
    return runtime


def rows(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(home / "sbhooks.db")) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        }


def test_the_catalog_is_as_the_old_system_had_it() -> None:
    catalog = builtin()
    assert [(c.name, c.domain, len(c.skills)) for c in catalog.categories] == [
        ("Code Quality", "code", 5), ("Testing", "testing", 4),
        ("Documentation", "documentation", 4),
        ("Build & Deploy", "deployment", 4), ("Git & Version Control", "code", 4),
        ("Linting & Formatting", "code", 4),
    ]  # fmt: skip
    assert [(m.skill, m.output, m.human_review) for m in catalog.modalities] == [
        ("ruff-check", "diagnostics", False), ("pytest-run", "test_results", False),
        ("sphinx-build", "html_docs", True), ("docker-build", "docker_image", False),
    ]  # fmt: skip
    assert [d.lift for d in catalog.dependencies] == [3.5, 2.8, 4.2, 2.1]


def test_b18_the_tables_are_mapped_and_refer_to_what_is_there(home: Path, ask: Ask) -> None:
    assert main(["init"]) == 0
    found = ask("taxonomy", "init")
    assert (found["categories"], found["modalities"], found["expected_dependencies"]) == (6, 4, 4)
    assert {table: len(kept) for table, kept in rows(home).items()} == {
        "skill_categories": 6, "skill_category_mapping": 25, "skill_modalities": 4,
        "skill_dependencies": 4,
    }  # fmt: skip
    assert verify(home / "sbhooks.db") == []


def test_initialising_again_changes_nothing(used: Runtime, home: Path, ask: Ask) -> None:
    ask("taxonomy", "init")
    before = rows(home)
    ask("taxonomy", "init")
    assert rows(home) == before


def test_skills_are_guessed_with_a_confidence_and_reasons(used: Runtime, ask: Ask) -> None:
    found = ask("taxonomy", "auto")
    guessed = {skill["skill_name"]: skill for skill in found["guessed"]}
    assert guessed["pytest-unit"]["places"][0]["category"] == "Testing"
    assert guessed["git-rebase"]["places"][0]["category"] == "Git & Version Control"
    assert 0.3 <= guessed["git-rebase"]["places"][0]["confidence"] < 1
    assert guessed["git-rebase"]["evidence"]["words"] == 1.0
    assert found["unknown"] == ["zuban"]


def test_a_decision_wins_for_ever_and_can_be_taken_back(
    used: Runtime, home: Path, ask: Ask
) -> None:
    decided = ask("taxonomy", "assign", "pytest-unit", "code-quality", "DOCUMENTATION")["skill"]
    assert decided["how"] == "by hand"
    for command in ("init", "auto"):
        ask("taxonomy", command)
        skills = {s["skill_name"]: s for s in ask("taxonomy", "list")["skills"]}
        assert [p["category"] for p in skills["pytest-unit"]["places"]] == [
            "Code Quality", "Documentation"]  # fmt: skip
    assert ask("taxonomy", "assign", "ruff-check", "--none")["skill"]["places"] == []
    mapping = {row[0] for row in rows(home)["skill_category_mapping"]}
    assert "ruff-check" not in mapping
    assert len(ask("taxonomy", "assign", "ruff-check", "--undo")["skill"]["places"]) == 2
    assert ask("taxonomy", "assign", "pytest-unit", "--undo")["skill"]["how"] == "automatic"
    assert ask("taxonomy", "assign", "never-used", "--undo")["skill"]["how"] == "unknown"
    assert verify(home / "sbhooks.db") == []


def test_decisions_are_events_of_the_log(used: Runtime, ask: Ask) -> None:
    ask("taxonomy", "assign", "zuban", "code-quality")
    (event,) = used.store.events(EventQuery(kinds=("taxonomy-assignment",)))
    assert (event.skill, event.categories) == ("zuban", ["Code Quality"])  # type: ignore[attr-defined]


def test_people_make_categories_of_their_own(used: Runtime, home: Path, ask: Ask) -> None:
    ask("taxonomy", "add", "Data & Models", "--domain", "code")
    ask("taxonomy", "assign", "zuban", "data-models")
    assert [row[1] for row in rows(home)["skill_categories"]][6:] == ["Data & Models"]
    assert [s["skill_name"] for s in ask("top", "--category", "data models")["skills"]] == ["zuban"]


def test_top_of_a_category_shows_its_skills_only(used: Runtime, ask: Ask) -> None:
    def names(category: str) -> set[str]:
        return {skill["skill_name"] for skill in ask("top", "--category", category)["skills"]}

    assert names("testing") == {"pytest-run", "pytest-unit"}
    assert names("Git & Version Control") == {"git-rebase"}
    assert names("code") == {"ruff-check", "git-rebase"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["top", "--category", "nope"], "no skill is in the category 'nope'"),
        (["taxonomy", "assign", "x", "nope"], "Known are: code-quality, testing"),
        (["taxonomy", "assign", "x"], "give categories, or --none"),
        (["taxonomy", "assign", " ", "--none"], "a skill has a name"),
        (["taxonomy", "add", "testing", "--domain", "code"], "already"),
        (["taxonomy", "add", "&", "--domain", "code"], "no letter"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    used: Runtime, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_skills_that_are_new_come_into_the_tables_by_themselves(
    used: Runtime, home: Path, ask: Ask
) -> None:
    ask("taxonomy", "init")
    time = Timeline("new")
    used.hooks.events_stored((), used.store)
    events = [time.invocation("helm-upgrade")]
    used.store.append(events)
    used.hooks.events_stored(events, used.store)
    assert "helm-upgrade" in {row[0] for row in rows(home)["skill_category_mapping"]}


def test_before_anybody_asks_nothing_is_put_into_tables(used: Runtime, home: Path) -> None:
    used.hooks.events_stored([Timeline().invocation("pytest-run")], used.store)
    assert rows(home)["skill_categories"] == []


def test_what_people_have_put_into_the_tables_by_sql_becomes_a_decision(
    used: Runtime, home: Path, ask: Ask
) -> None:
    with closing(sqlite3.connect(home / "sbhooks.db")) as connection, connection:
        connection.executescript("""
            INSERT INTO skill_categories (category_id, category_name, domain, description) VALUES
                (1, 'Security', 'code', 'Keeps out'), (2, 'Testing', 'testing', 'As ever'),
                (3, 'Odd', NULL, NULL);
            INSERT INTO skill_category_mapping (skill_name, category_id, confidence_score) VALUES
                ('zuban', 1, 0.5), ('pytest-run', 2, 1.0), ('ruff-check', 2, 0.9);
            INSERT INTO skill_modalities (skill_name, modality_type, input_format)
            VALUES ('zuban', 'code', 'python'), ('ruff-check', 'code', 'mine');
        """)
    ask("taxonomy", "init")
    listed = ask("taxonomy", "list")
    assert {"Security", "Odd"} <= {category["name"] for category in listed["categories"]}
    places = {skill["skill_name"]: skill for skill in listed["skills"]}
    assert [place["category"] for place in places["zuban"]["places"]] == ["Security"]
    assert [place["category"] for place in places["ruff-check"]["places"]] == ["Testing"]
    assert (places["zuban"]["how"], places["pytest-run"]["how"]) == ("by hand", "built in")
    before = rows(home)
    assert {row[2] for row in before["skill_modalities"]} >= {"python", "mine"}
    ask("taxonomy", "init")
    assert rows(home) == before

    with closing(sqlite3.connect(home / "sbhooks.db")) as connection, connection:
        connection.executescript("""
            INSERT INTO skill_categories (category_id, category_name) VALUES (77, 'Later');
            INSERT INTO skill_category_mapping (skill_name, category_id, confidence_score)
            VALUES ('pytest-run', 77, 1.0);
        """)
    used.store.append([Timeline("new").invocation("mypy")])
    ask("taxonomy", "auto")
    places = {skill["skill_name"]: skill for skill in ask("taxonomy", "list")["skills"]}
    found = [place["category"] for place in places["pytest-run"]["places"]]
    assert found == ["Testing", "Later"]
    assert verify(home / "sbhooks.db") == []


def test_a_damaged_memory_of_names_is_made_anew(used: Runtime, home: Path, ask: Ask) -> None:
    ask("taxonomy", "init")
    (home / "taxonomy.json").write_text("{")
    used.hooks.events_stored([Timeline().invocation("pytest-run")], used.store)
    assert json.loads((home / "taxonomy.json").read_text())["skills"]


def test_what_people_see(used: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in (
        (["taxonomy", "init"], "6 categories, 24 skills in them"),
        (["taxonomy", "list"], "Git & Version Control"),
        (["taxonomy", "list", "--category", "testing", "--all"], "hypothesis-test"),
        (["taxonomy", "auto"], "Not enough to go by: zuban."),
        (["taxonomy", "assign", "zuban", "testing"], "zuban: Testing (by hand)."),
        (["taxonomy", "add", "Mine", "--domain", "testing"], "Mine (mine) is there."),
    ):
        assert main(arguments) == 0
        assert expected in capsys.readouterr().out
