"""Guesses: measured against names that were labelled by hand, and against missing evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_taxonomy.catalog import builtin
from sbhooks_taxonomy.similarity import LEAST, company_of, guess, words_of

CATEGORIES = builtin().categories
MEMBERS = {category.name: category.skills for category in CATEGORIES}

#: Tools as their projects describe themselves; none is in the catalog. Two answers are accepted
#: where two categories overlap by definition.
LABELLED = {
    "pytest": "Testing", "pytest-unit": "Testing", "run-tests": "Testing", "tox": "Testing",
    "nox-session": "Testing", "coverage-html": "Testing", "unittest-discover": "Testing",
    "mutmut-run": "Testing", "e2e-playwright": "Testing", "integration-tests": "Testing",
    "doctest": "Testing", "smoke-test": "Testing", "jest": "Testing", "benchmark-suite": "Testing",
    "mkdocs-build": "Documentation", "mkdocs-serve": "Documentation", "pdoc": "Documentation",
    "docs-linkcheck": "Documentation", "readme-update": "Documentation",
    "interrogate": "Documentation", "mdformat": "Documentation", "changelog-draft": "Documentation",
    "sphinx-autobuild": "Documentation", "pydocstyle": "Documentation",
    "docker-compose": "Build & Deploy", "helm-upgrade": "Build & Deploy",
    "kubectl-rollout": "Build & Deploy", "terraform-plan": "Build & Deploy",
    "twine-upload": "Build & Deploy", "python-build": "Build & Deploy",
    "ansible-playbook": "Build & Deploy", "pypi-publish": "Build & Deploy",
    "docker-push": "Build & Deploy", "build-wheel": "Build & Deploy",
    "container-image": "Build & Deploy", "make-release": "Build & Deploy",
    "git-rebase": "Git & Version Control", "git-stash": "Git & Version Control",
    "git-log": "Git & Version Control", "branch-cleanup": "Git & Version Control",
    "gh-pr-create": "Git & Version Control", "create-pr": "Git & Version Control",
    "merge-main": "Git & Version Control", "git-blame": "Git & Version Control",
    "flake8": "Linting & Formatting", "yapf": "Linting & Formatting",
    "prettier": "Linting & Formatting", "eslint": "Linting & Formatting",
    "ruff-format": "Linting & Formatting", "black": "Linting & Formatting",
    "shellcheck": "Linting & Formatting", "yamllint": "Linting & Formatting",
    "trailing-whitespace": "Linting & Formatting", "code-style": "Linting & Formatting",
    "mypy-strict": "Code Quality", "pyright": "Code Quality", "bandit": "Code Quality",
    "vulture": "Code Quality", "radon-cc": "Code Quality", "refurb": "Code Quality",
    "complexipy": "Code Quality", "type-check": "Code Quality", "code-review": "Code Quality",
    "semgrep-scan": "Code Quality", "security-audit": "Code Quality",
    # nothing in these names says what they are for
    "zuban": None, "run": None, "x": None, "my-tool": None, "step-7": None, "fetcher9000": None,
    "": None, "🙂": None,
}  # fmt: skip


def named(skill: str) -> str | None:
    found = guess(skill, CATEGORIES, MEMBERS, {})
    return found.category if found else None


def test_of_names_labelled_by_hand_nearly_all_are_right() -> None:
    wrong = {skill: named(skill) for skill, label in LABELLED.items() if named(skill) != label}
    assert len(wrong) <= 0.1 * len(LABELLED), wrong


def test_confident_guesses_are_better_than_the_rest() -> None:
    sure = {
        skill: found
        for skill in LABELLED
        if (found := guess(skill, CATEGORIES, MEMBERS, {})) and found.confidence >= 0.5
    }
    wrong = [skill for skill, found in sure.items() if found.category != LABELLED[skill]]
    assert len(sure) > 20
    assert len(wrong) <= 0.05 * len(sure), wrong


@pytest.mark.parametrize("category", [category.name for category in CATEGORIES])
def test_a_known_skill_is_found_again_when_it_is_left_out(category: str) -> None:
    for skill in MEMBERS[category]:
        others = {name: [m for m in group if m != skill] for name, group in MEMBERS.items()}
        found = guess(skill, CATEGORIES, others, {})
        homes = {name for name, group in MEMBERS.items() if skill in group}
        if found is not None and skill not in {"autopep8", "isort", "mypy", "pylint"}:
            assert found.category in homes or found.confidence < 0.5, (skill, found)


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(list(MEMBERS)), st.floats(0, 1)))
def test_confidence_is_between_the_least_and_one(skill: str, company: dict[str, float]) -> None:
    found = guess(skill, CATEGORIES, MEMBERS, company)
    if found is not None:
        assert LEAST <= found.confidence <= 1
        assert all(0 <= part <= 1 for part in found.evidence)
        assert found == guess(skill, CATEGORIES, MEMBERS, company)


def test_company_speaks_for_a_skill_whose_name_says_nothing() -> None:
    sessions = {f"s{n}": {"zuban", "pytest-run", "coverage-report"} for n in range(200)}
    sure = {"pytest-run": ["Testing"], "coverage-report": ["Testing"], "mypy": ["Code Quality"]}
    company = company_of(sessions, "zuban", {"Testing": 0.1, "Code Quality": 0.5}, sure)
    assert company["Testing"] > 0.8
    found = guess("zuban", CATEGORIES, MEMBERS, company)
    assert found is not None
    assert found.category == "Testing"
    assert found.confidence < 0.5


def test_company_that_everybody_keeps_says_nothing() -> None:
    sessions = {f"s{n}": {"zuban", "pytest-run"} for n in range(50)}
    assert company_of(sessions, "zuban", {"Testing": 1.0}, {"pytest-run": ["Testing"]}) == {
        "Testing": 0.0}  # fmt: skip


def test_a_few_sessions_say_little() -> None:
    sure = {"pytest-run": ["Testing"]}
    one = company_of({"s": {"a", "pytest-run"}}, "a", {}, sure)["Testing"]
    many = company_of({f"s{n}": {"a", "pytest-run"} for n in range(95)}, "a", {}, sure)["Testing"]
    assert (round(one, 3), round(many, 3)) == (0.167, 0.95)


def test_words_of_a_name() -> None:
    assert words_of("runPyTest_unit:fast") == ["pytest", "unit"]
    assert words_of("RUFF-check") == ["ruff"]
