"""Search: better than full-text search on a labelled set; vectors as promised."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from sbhooks.errors import SbhooksError
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics import embedding
from sbhooks_analytics.embedding import DIMENSIONS, cosine, embed
from sbhooks_analytics.ranked import ranked
from sbhooks_analytics.search import bm25, search, texts_of

#: Skill → what users asked for when they used it.
CORPUS = {
    "pytest-run": ["run the tests", "test suite fails on my branch", "check that nothing broke"],
    "pytest-xdist": ["speed up the test run", "run tests in parallel", "suite is too slow"],
    "coverage-report": ["which lines are untested", "measure coverage", "percent covered"],
    "ruff-check": ["lint the code", "find unused imports", "style violations"],
    "black-format": ["format the code", "reformat this file", "line too long"],
    "isort": ["sort imports", "import order is wrong"],
    "mypy": ["type errors", "check annotations", "incompatible types in assignment"],
    "sphinx-build": ["build the documentation", "render docs as html", "docs site"],
    "docstring-check": ["missing docstrings", "document public functions"],
    "docker-build": ["build a container image", "dockerfile fails", "image too large"],
    "k8s-deploy": ["deploy to the cluster", "roll out a new version", "kubernetes manifests"],
    "terraform-apply": ["provision servers", "create cloud infrastructure"],
    "git-commit": ["save my changes", "commit with a message"],
    "git-push": ["publish the branch", "upload commits to the remote"],
    "git-diff": ["show what changed", "compare with the main branch"],
    "github-release": ["publish a release", "create release notes", "tag a version"],
    "bandit": ["security holes", "find vulnerabilities", "hard-coded passwords"],
    "pip-audit": ["vulnerable dependencies", "known CVEs in packages"],
    "profile-cpu": ["why is it slow", "find the bottleneck", "performance hot spots"],
    "memray": ["memory leak", "too much memory used"],
    "db-migrate": ["change the database schema", "run migrations"],
    "changelog": ["write the changelog", "summarise merged pull requests"],
    "rename-symbol": ["rename a variable everywhere", "refactor the name"],
    "api-docs": ["generate reference of the api", "openapi documentation"],
}
LABELLED = [
    ("make the tests faster", "pytest-xdist"), ("parallelise testing", "pytest-xdist"),
    ("my suite runs slowly", "pytest-xdist"), ("testing everything", "pytest-run"),
    ("branches failing", "pytest-run"), ("uncovered line", "coverage-report"),
    ("linter", "ruff-check"), ("unusedimport", "ruff-check"), ("formatting", "black-format"),
    ("reformatting files", "black-format"), ("sorting of imported modules", "isort"),
    ("typing error", "mypy"), ("annotate", "mypy"),
    ("documenting a function", "docstring-check"), ("rendering html documents", "sphinx-build"),
    ("containers", "docker-build"), ("deployment", "k8s-deploy"), ("rollout", "k8s-deploy"),
    ("provisioning a server", "terraform-apply"), ("committing", "git-commit"),
    ("publishing branches", "git-push"), ("changes compared", "git-diff"),
    ("releasing", "github-release"), ("vulnerability", "bandit"),
    ("vulnerable dependency", "pip-audit"), ("bottlenecks", "profile-cpu"),
    ("leaking memory", "memray"), ("migrating databases", "db-migrate"),
    ("merged request summaries", "changelog"), ("refactoring names", "rename-symbol"),
]  # fmt: skip


@pytest.fixture
def asked() -> MemoryEventStore:
    store = MemoryEventStore()
    line = Timeline(start=NOON)
    for skill, queries in CORPUS.items():
        phase = "deployment" if "deploy" in skill else "execution"
        store.append([line.invocation(skill, query=text, phase=phase) for text in queries])
    return store


def plain_fts(store: MemoryEventStore, wanted: str) -> list[str]:
    """The five best of SQLite's full-text search, any word counting."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE text USING fts5(skill UNINDEXED, words)")
        rows = [
            (name, text.words)
            for name, text in sorted(
                texts_of(store, EventQuery(), ranked(store, EventQuery(), 99)).items()
            )
        ]
        connection.executemany("INSERT INTO text VALUES (?, ?)", rows)
        words = " OR ".join(f'"{word}"' for word in wanted.split())
        found = connection.execute(
            "SELECT skill FROM text WHERE text MATCH ? ORDER BY rank, skill LIMIT 5",
            (f"words: ({words})",),
        ).fetchall()
    connection.close()
    return [name for (name,) in found]


def test_more_is_found_than_by_full_text_search(asked: MemoryEventStore) -> None:
    ours = theirs = 0
    for wanted, right in LABELLED:
        hits = search(asked, EventQuery(), wanted, limit=5).hits
        ours += right in [hit.skill_name for hit in hits]
        theirs += right in plain_fts(asked, wanted)
    assert ours / len(LABELLED) >= 0.9
    assert ours > theirs


def test_words_are_ranked_as_full_text_search_ranks_them(asked: MemoryEventStore) -> None:
    texts = texts_of(asked, EventQuery(), ranked(asked, EventQuery(), 99))
    names = sorted(texts)
    for wanted in ("tests", "the code", "build documentation", "publish release version"):
        scores = bm25([texts[name].words for name in names], wanted)
        order = sorted(range(len(names)), key=lambda k: (-scores[k], names[k]))
        mine = [names[k] for k in order if scores[k] > 0][:5]
        assert mine[0] == plain_fts(asked, wanted)[0]


def test_the_phase_counts_as_much_as_was_asked_for(asked: MemoryEventStore) -> None:
    plain = search(asked, EventQuery(), "build", limit=30)
    weighed = search(asked, EventQuery(), "build", limit=30, phase="deployment", phase_weight=1.0)
    assert plain.hits[0].phase_share == 0
    assert all(0 <= hit.score <= 1 for hit in [*plain.hits, *weighed.hits])
    assert all(hit.score == pytest.approx(hit.phase_share) for hit in weighed.hits)


@pytest.mark.parametrize(
    "wanted", ["", "   ", "\x00", "!!!", "x" * 100_000, "日本語", "a" * 3 + "\ud83d"]
)
def test_any_text_can_be_asked_for(asked: MemoryEventStore, wanted: str) -> None:
    assert search(asked, EventQuery(), wanted, limit=3).skills == len(CORPUS)


def test_an_empty_store_and_one_skill_have_answers() -> None:
    store = MemoryEventStore()
    assert search(store, EventQuery(), "x", limit=3).hits == []
    store.append([Timeline().invocation("only", query="do it")])
    (hit,) = search(store, EventQuery(), "only", limit=3).hits
    assert hit.skill_name == "only"
    assert search(store, EventQuery(), "zzzz qqqq", limit=3).hits == []


def test_vectors_are_384_float32_of_length_1() -> None:
    vectors = embed(["run the tests", "testing", "", "deploy"])
    assert (vectors.shape, vectors.dtype) == ((4, DIMENSIONS), np.float32)
    assert vectors[0].tobytes().__len__() == 1536
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0, 1], abs=1e-4)
    assert embed([]).shape == (0, DIMENSIONS)
    many = embed([f"word{k} thing{k % 3}" if k != 7 else "" for k in range(40)])
    assert (np.linalg.norm(many, axis=1) < 0.5).nonzero()[0].tolist() == [7]
    one, other = embed(["pytest-run", "zzzz qqqq"])
    assert abs(one @ other) < 1e-6
    assert (embed(["a b", "c"]) == embed(["a b", "c"])).all()


def test_cosines_are_1_0_and_minus_1_and_zero_vectors_are_safe() -> None:
    rows = np.array([[1, 0], [0, 1], [-1, 0], [0, 0]], dtype=np.float32)
    assert cosine(rows, rows[0]).tolist() == [1, 0, -1, 0]
    assert cosine(rows, rows[3]).tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="cannot be compared"):
        cosine(rows, np.zeros(3, dtype=np.float32))


def test_a_plugin_can_embed_and_is_checked(asked: MemoryEventStore) -> None:
    def vectors(texts: Any) -> Any:
        found = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        found[:, 0] = ["memory" in text for text in texts]
        return found

    hits = search(asked, EventQuery(), "memory", limit=1, embedder=vectors)
    assert (hits.hits[0].skill_name, hits.embedder) == ("memray", "plugin")
    for bad in (lambda texts: vectors(texts)[:, :3], lambda _: [["x"]], lambda _: []):
        with pytest.raises(SbhooksError, match="a plugin's embeddings"):
            search(asked, EventQuery(), "memory", limit=1, embedder=bad)


def test_descriptions_and_the_newest_query_are_used() -> None:
    line = Timeline(start=NOON, step=timedelta(hours=1))
    store = MemoryEventStore()
    store.append([
        line.invocation("x1", query="old"), line.invocation("x1", query="new"),
        line.invocation("x2", attributes={"description": "irons shirts"}),
    ])  # fmt: skip
    texts = texts_of(store, EventQuery(), ranked(store, EventQuery(), 99))
    assert texts["x1"].example == "new"
    assert search(store, EventQuery(), "shirts", limit=1).hits[0].skill_name == "x2"


def test_vectors_are_those_of_the_singular_values_of_numpy() -> None:
    """Angles between texts in the 384 directions in which they vary most."""
    rng = np.random.default_rng(1)
    words = ["lint", "tests", "format", "slow", "branch", "deploy", "types", "docs"]
    for texts in (
        [" ".join(rng.choice(words, 5)) for _ in range(40)],
        [f"{' '.join(rng.choice(words, 3))} number {k}" for k in range(450)],
    ):
        found = embed(texts)
        counts = embedding._counts(texts)
        seen = counts[:, np.unique(counts.indices)].toarray()
        u, s, _ = np.linalg.svd(seen, full_matrices=False)
        rank = min(DIMENSIONS, len(texts) - 1)
        whole = u[:, :rank] * s[:rank]
        whole /= np.linalg.norm(whole, axis=1, keepdims=True)
        assert found @ found.T == pytest.approx(whole @ whole.T, abs=1e-4)


def test_a_phase_does_not_take_the_place_of_what_fits() -> None:
    store, line = MemoryEventStore(), Timeline(start=NOON)
    store.append([line.invocation(f"zz{k}", phase="setup") for k in range(30)])
    store.append([line.invocation("ruff-check", phase="execution", query="lint the code")])
    (only,) = search(store, EventQuery(), "lint", limit=5, phase="setup").hits
    assert (only.skill_name, only.phase_share) == ("ruff-check", 0.0)
