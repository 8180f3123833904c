"""Baselines, dependencies, clusters: against brute force, and the same however they were read."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import hypergeom, percentileofscore

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import Codec, Event, Outcome, utc_now
from sbhooks.output import Output
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.baselines import Baselines, baselines, percentiles
from sbhooks_analytics.clusters import clusters, nearer, overlaps
from sbhooks_analytics.couse import FILE, Book, follow, gather
from sbhooks_analytics.dependencies import dependencies, fisher, relationship
from sbhooks_analytics.draw_couse import draw_baselines, draw_clusters
from sbhooks_analytics.ranked import by_log
from sbhooks_analytics.refresh import co_use
from sbhooks_storage.backups import backup, restore
from sbhooks_storage.maintenance import rebuild_tables, verify
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

EVERYTHING = EventQuery()


def session(number: int, skills: list[str], user: str = "u") -> list[Event]:
    line = Timeline(f"s{number:05d}", start=NOON + timedelta(hours=number))
    return [line.start(user=user), *(line.invocation(skill, duration_s=1.0) for skill in skills)]


def stored(sessions: list[list[str]]) -> MemoryEventStore:
    store = MemoryEventStore()
    for number, skills in enumerate(sessions):
        store.append(session(number, skills, user=f"u{number % 3}"))
    return store


sessions_of = st.lists(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1, max_size=15
)


@given(sessions_of)
def test_b11_lift_counts_sessions_not_events(sessions: list[list[str]]) -> None:
    """Ten retries in one session counted 100, and lift was divided by events."""
    found = dependencies(gather(stored(sessions), EVERYTHING))
    sets = [set(skills) for skills in sessions]
    total = len(sets)
    for one in found:
        a = sum(one.skill_a in held for held in sets)
        b = sum(one.skill_b in held for held in sets)
        both = sum({one.skill_a, one.skill_b} <= held for held in sets)
        assert (one.co_occurrence_count, one.sessions_a, one.sessions_b) == (both, a, b)
        assert one.lift_score == pytest.approx((both / total) / ((a / total) * (b / total)))
        alone = min(
            1, 2 * min(hypergeom.sf(both - 1, total, a, b), hypergeom.cdf(both, total, a, b))
        )
        assert one.p_value >= alone - 1e-9
    names = {frozenset((one.skill_a, one.skill_b)) for one in found}
    assert len(names) == len(found)
    assert all(one.skill_a < one.skill_b for one in found)


@given(total=st.integers(1, 400), shares=st.tuples(*[st.floats(0, 1)] * 3))
def test_p_values_are_those_of_scipy(total: int, shares: tuple[float, float, float]) -> None:
    a, b = round(total * shares[0]), round(total * shares[1])
    least, most = max(0, a + b - total), min(a, b)
    both = least + round((most - least) * shares[2])
    (found,) = fisher(*(np.array([float(x)]) for x in (both, a, b)), float(total))
    tails = hypergeom.sf(both - 1, total, a, b), hypergeom.cdf(both, total, a, b)
    assert found == pytest.approx(min(1, 2 * min(tails)), abs=1e-9)


@given(sessions_of, st.integers(1, 14))
def test_reading_on_gives_the_same_book_as_reading_anew(
    tmp_path_factory: pytest.TempPathFactory, sessions: list[list[str]], cut: int
) -> None:
    home = tmp_path_factory.mktemp("book")
    store = MemoryEventStore()
    for number, skills in enumerate(sessions[:cut]):
        store.append(session(number, skills))
    follow(store, home, name="x")
    for number, skills in enumerate(sessions[cut:]):  # also into sessions that are known already
        line = Timeline(f"s{number:05d}", start=NOON + timedelta(days=1, hours=number))
        store.append([line.invocation(skill) for skill in skills])
    whole = gather(store, EVERYTHING)
    after = follow(store, home, name="x")
    for field in ("visits", "skills", "users", "pairs", "gaps"):
        assert _full(getattr(after, field)) == _full(getattr(whole, field))


def _full(table: Any) -> Any:
    """Without what has come to nothing."""
    if not isinstance(table, dict):
        return table
    return {k: _full(v) for k, v in table.items() if v not in ({}, 0)}


def test_what_was_erased_is_noticed(tmp_path: Path) -> None:
    store = stored([["a", "b"], ["a", "b"], ["a", "b"]])
    assert follow(store, tmp_path, name="x").pairs == {"a": {"b": 3}}
    store.erase_user("u1")
    assert follow(store, tmp_path, name="x").pairs == {"a": {"b": 2}}
    assert follow(MemoryEventStore(), tmp_path, name="other").visits == {}


def test_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    store = stored([["a", "b"]])
    (tmp_path / FILE).write_bytes(b"{nonsense")
    assert follow(store, tmp_path, name="x").pairs == {"a": {"b": 1}}
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_the_order_and_the_gap_are_said() -> None:
    store = MemoryEventStore()
    for number in range(9):
        line = Timeline(
            f"s{number}", start=NOON + timedelta(days=number), step=timedelta(seconds=30)
        )
        names = ["commit", "push"] if number < 8 else ["push", "commit"]
        store.append([line.invocation(name) for name in names])
    (one,) = dependencies(gather(store, EVERYTHING))
    assert (one.first, one.first_share) == ("commit", pytest.approx(8 / 9))
    assert one.median_gap_s == pytest.approx(30, rel=0.01)


def test_a_lift_on_few_sessions_is_pulled_to_1_and_not_sure() -> None:
    few = [["a", "b"]] + [[name] for name in "cdefghij"]
    (one,) = dependencies(gather(stored(few), EVERYTHING))
    assert one.lift_score == 9
    assert one.shrunk_lift < 1.3
    assert one.p_value > 0.05
    assert relationship(one.lift_score) == "strong_positive"
    assert [relationship(lift) for lift in (1.6, 1.2, 1.0, 0.7, 0.2)] == [
        "moderate_positive", "weak_positive", "independent", "weak_negative", "moderate_negative",
    ]  # fmt: skip


def test_pairs_by_chance_are_rarely_sure() -> None:
    rng = np.random.default_rng(5)
    sure = 0
    for _ in range(30):
        sessions = [[n for n in "abcdefgh" if rng.random() < 0.4] or ["a"] for _ in range(60)]
        found = dependencies(gather(stored(sessions), EVERYTHING))
        sure += any(one.p_value <= 0.05 for one in found)
    assert sure <= 4


@given(st.dictionaries(st.text("abcdefgh", min_size=1), st.integers(0, 4).map(float), min_size=2))
def test_percentiles_are_those_of_scipy_among_the_others(values: dict[str, float]) -> None:
    found = percentiles(values)
    for name, value in values.items():
        others = [other for key, other in values.items() if key != name]
        assert found[name] == pytest.approx(percentileofscore(others, value, kind="mean"))


def test_b12_baselines_count_users_and_2_of_2_do_not_beat_990_of_1000() -> None:
    """The table stayed empty, and "total_users" counted sessions."""
    store = MemoryEventStore()
    for number in range(20):
        line = Timeline(f"s{number}", start=NOON + timedelta(hours=number))
        events: list[Event] = [line.start(user=f"u{number % 4}")]
        events += [line.invocation("proven", phase="execution", duration_s=2.0) for _ in range(50)]
        store.append(
            [*events[:50], line.invocation("proven", Outcome.FAILURE)] if number % 2 else events
        )
        store.append([line.invocation("poor", Outcome.FAILURE), line.invocation("poor")])
    line = Timeline("once", start=NOON + timedelta(days=3))
    store.append([line.start(user="u9"), line.invocation("lucky"), line.invocation("lucky")])
    found = {b.skill_name: b for b in baselines(store, EVERYTHING, gather(store, EVERYTHING))}
    assert [found[name].total_users for name in ("proven", "poor", "lucky")] == [4, 4, 1]
    assert found["proven"].global_completion_rate == pytest.approx(0.99)
    assert found["proven"].most_common_workflow_phase == "execution"
    assert found["proven"].global_avg_duration_seconds == pytest.approx(2.0)
    assert found["lucky"].global_completion_rate == 1
    assert [found[n].effectiveness_percentile for n in ("proven", "lucky", "poor")] == [100, 50, 0]
    assert not found["proven"].shareable


def test_groups_are_found_named_and_keep_their_names() -> None:
    sessions = [["ruff", "mypy", "black"]] * 10 + [["build", "push"]] * 8 + [["alone"]] * 5
    found = clusters(gather(stored(sessions), EVERYTHING))
    assert [[m.skill_name for m in c.members] for c in found.clusters] == [
        ["black", "mypy", "ruff"], ["build", "push"],
    ]  # fmt: skip
    assert all(0 <= m.membership_score <= 1 for c in found.clusters for m in c.members)
    assert found.alone == 1
    before = {"checks": ["ruff", "mypy", "black"], "old": ["gone"]}
    again = clusters(gather(stored(sessions), EVERYTHING), before)
    assert [one.name for one in again.clusters] == ["checks", "build"]


def vectors_for(**angles: float) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Embeddings in one plane."""
    found = {}
    for name, angle in angles.items():
        found[name] = np.zeros(384, dtype=np.float32)
        found[name][:2] = np.cos(angle), np.sin(angle)
    return found


def test_what_means_the_same_is_nearer_and_use_counts_more() -> None:
    sessions = [["ruff", "mypy"]] * 4 + [["ruff"]] * 10 + [["mypy"]] * 10 + [["lint"]] * 9
    book = gather(stored(sessions), EVERYTHING)
    assert clusters(book).clusters == []  # they overlap in 4 of 24 sessions
    alike = vectors_for(ruff=0.0, mypy=0.3, lint=3.0)
    (one,) = clusters(book, vectors=alike).clusters
    assert {member.skill_name for member in one.members} == {"ruff", "mypy"}
    assert clusters(book, vectors=vectors_for(ruff=0.0, mypy=1.5)).clusters == []
    assert clusters(book, vectors={"ruff": np.zeros(384, dtype=np.float32)}).clusters == []


@given(sessions_of, st.dictionaries(st.sampled_from("abcde"), st.floats(0, 6.3)))
def test_nearness_stays_between_overlap_and_1(
    sessions: list[list[str]], angles: dict[str, float]
) -> None:
    book = gather(stored(sessions), EVERYTHING)
    names = sorted(book.skills)
    before = overlaps(book, names)
    after = nearer(before, names, vectors_for(**angles))
    assert (after >= before - 1e-12).all() and (after <= 1 + 1e-12).all()
    assert after == pytest.approx(after.T)


def test_the_middle_of_a_cluster_is_kept_where_a_plugin_embeds(tmp_path: Path) -> None:
    def embedder(texts: Any) -> Any:
        return [vectors_for(x=float(len(text)))["x"] for text in texts]

    store = stored([["ruff", "mypy"]] * 6)
    (row,) = co_use(store, tmp_path, name="x", now=NOON, embedder=embedder)["skill_clusters"]
    middle = np.frombuffer(row["centroid_embedding"], dtype="<f4")  # type: ignore[arg-type]
    assert middle.shape == (384,)
    assert middle[:2] == pytest.approx((np.cos(4), np.sin(4)))
    (row,) = co_use(store, tmp_path, name="x", now=NOON)["skill_clusters"]
    assert row["centroid_embedding"] is None


@given(sessions_of)
def test_b05_overlaps_are_jaccard_of_distinct_sessions(sessions: list[list[str]]) -> None:
    """Similarities were counted over rows, and reached 10."""
    book = gather(stored(sessions), EVERYTHING)
    names = sorted(book.skills)
    found = overlaps(book, names)
    held = {n: {i for i, s in enumerate(sessions) if n in s} for n in names}
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            assert found[i, j] == pytest.approx(len(held[a] & held[b]) / len(held[a] | held[b]))


def test_an_empty_book_has_answers() -> None:
    assert dependencies(Book()) == []
    assert clusters(Book()).clusters == []
    assert baselines(MemoryEventStore(), EVERYTHING, Book()) == []
    assert percentiles({"only": 1.0}) == {"only": 50.0}


@pytest.fixture
def used(home: Path) -> None:
    with Runtime.start(load_config()) as runtime:
        start = utc_now() - timedelta(days=3)
        for number in range(30):
            line = Timeline(f"s{number}", start=start + timedelta(hours=number))
            names = ["ruff-check", "mypy"] if number % 3 else ["docker-build", "k8s-deploy"]
            asked = [line.invocation(name, query="make the tests faster") for name in names]
            runtime.store.append([line.start(project="acme", user=f"u{number % 2}"), *asked])


def test_people_and_programs_are_answered(used: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("baselines", "deps", "deps mypy", "deps --all", "clusters", "search fast test",
                  "search deploy --phase execution", "analytics refresh", "clusters --project acme",
                  "baselines --project nobody"):  # fmt: skip
        assert main(words.split()) == 0
        told = capsys.readouterr()
        assert told.err == ""
        assert told.out.count("\n") >= 1
        assert all(line.isprintable() and len(line) <= 80 for line in told.out.split("\n"))
        assert main([*words.split(), "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_refresh_fills_the_tables_and_again_the_same(
    used: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["analytics", "refresh", "--json"]) == 0
        tables = json.loads(capsys.readouterr().out)["tables"]
        assert tables == {
            "skill_community_baselines": 4, "skill_dependencies": 2, "skill_clusters": 2,
            "skill_cluster_membership": 4, "skill_anomalies": 0,
        }  # fmt: skip
        with sqlite3.connect(home / "sbhooks.db") as connection:
            assert connection.execute(
                "SELECT skill_a, skill_b, co_occurrence_count, round(lift_score, 2), "
                "relationship_type FROM v_skill_dependency_network WHERE skill_a = 'mypy'"
            ).fetchall() == [("mypy", "ruff-check", 20, 1.5, "weak_positive")]
            assert connection.execute(
                "SELECT cluster_name, count(*) FROM skill_clusters JOIN skill_cluster_membership "
                "USING (cluster_id) GROUP BY 1 ORDER BY 1"
            ).fetchall() == [("docker-build", 2), ("mypy", 2)]
            assert connection.execute(
                "SELECT count(DISTINCT user_id) FROM v_community_baseline_comparison"
            ).fetchone() == (2,)
    connection.close()


def test_what_was_erased_is_noticed_though_as_much_is_new(tmp_path: Path) -> None:
    """Sessions of an erased user stayed when others were stored before the next look."""
    store = stored([["a", "b"], ["a", "b"], ["a", "b"]])
    follow(store, tmp_path, name="x")
    store.erase_user("u1")
    store.append(session(9, ["a", "c"]))
    book = follow(store, tmp_path, name="x")
    assert book.pairs == {"a": {"b": 2, "c": 1}}
    assert "u1" not in (tmp_path / FILE).read_text()


def test_renamed_people_are_noticed(tmp_path: Path) -> None:
    store = stored([["a", "b"]])
    before = follow(store, tmp_path, name="x").users["a"]
    store.rename_people({name: f"new-{name}" for name in before})
    assert follow(store, tmp_path, name="x").users["a"] == {f"new-{name}": 1 for name in before}


def same_as_anew(store: SqliteEventStore, home: Path) -> Book:
    """The book that is kept; it is the one that is made anew."""
    after, anew = follow(store, home, name="x"), gather(store, EVERYTHING)
    for field in ("visits", "skills", "users", "pairs", "gaps"):
        assert _full(getattr(after, field)) == _full(getattr(anew, field))
    return after


def test_what_was_changed_by_sql_and_made_anew_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(open_sqlite(path, Codec())) as store:
        for number in range(5):
            store.append(session(number, ["a", "b"]))
        assert follow(store, tmp_path, name="x").pairs == {"a": {"b": 5}}
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(
                "UPDATE skill_invocation SET skill_name = 'c' WHERE skill_name = 'b' "
                "AND session_id IN ('s00000', 's00001')"
            )
        rebuild_tables(path)
        assert same_as_anew(store, tmp_path).pairs == {"a": {"b": 3, "c": 2}}
        store.append(session(9, ["a", "b"]))
        assert same_as_anew(store, tmp_path).pairs == {"a": {"b": 4, "c": 2}}


@pytest.mark.parametrize("more", [0, 1, 2, 4])
def test_a_backup_that_was_put_back_is_noticed_whatever_follows(tmp_path: Path, more: int) -> None:
    """As many events as were lost, or more, and what was lost stayed in the book."""
    path, copy = tmp_path / "x.db", tmp_path / "x.backup"
    with closing(open_sqlite(path, Codec())) as store:
        store.append(session(0, ["a", "b"]))
        backup(path, copy, now=NOON)
        for number in (1, 2):
            store.append(session(number, ["a", "b"]))
        before, last = follow(store, tmp_path, name="x"), store.high_water()
        assert before.pairs == {"a": {"b": 3}}
        restore(path, copy, now=NOON)
        for number in range(more):
            store.append(session(10 + number, ["a", "c"]))
        assert store.high_water() > last
        same_as_anew(store, tmp_path)
        assert verify(path) == []


def test_another_store_under_the_same_name_is_noticed(tmp_path: Path) -> None:
    """Somebody deleted the database, and went on recording."""
    follow(stored([["a", "b"]]), tmp_path, name="x")
    other = stored([["c", "d"], ["c", "d"], ["c", "d"]])
    assert follow(other, tmp_path, name="x").pairs == {"c": {"d": 3}}


def test_of_many_skills_the_most_used_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is left out as if it had not been used; sessions count whatever they hold."""
    monkeypatch.setattr("sbhooks_analytics.couse.MOST_SKILLS", 2)
    store = stored([["a", "b", "x"], ["a", "b", "y"], ["a"], ["z"]])
    book = follow(store, tmp_path, name="x")
    assert (book.only, book.skills_in_all, len(book.visits)) == (("a", "b"), 5, 4)
    assert (book.skills, book.pairs) == ({"a": 3, "b": 2}, {"a": {"b": 2}})
    store.append(session(7, ["a", "y"]))
    store.append(session(8, ["y", "z"]))
    after, anew = follow(store, tmp_path, name="x"), gather(store, EVERYTHING)
    assert after.only == anew.only == ("a", "y")
    for field in ("visits", "skills", "users", "pairs", "gaps"):
        assert _full(getattr(after, field)) == _full(getattr(anew, field))
    (one, other) = baselines(store, EVERYTHING, after)
    assert (one.skill_name, other.skill_name) == ("a", "y")


class Counted(MemoryEventStore):
    """Counts the parts in which the whole log is read; stops behind so many."""

    stops_after: int | None = None
    parts = 0

    def rollup(self, query: EventQuery, by: Any) -> Any:
        if query.since is not None and by == ["session", "user"]:
            self.parts += 1
            if self.stops_after is not None and self.parts > self.stops_after:
                raise KeyboardInterrupt
        return super().rollup(query, by)


def ranks(store: MemoryEventStore, number: int, uses: dict[str, int]) -> None:
    """One session in which skills are used so often."""
    store.append(session(number, [name for name, n in uses.items() for _ in range(n)]))


def test_skills_that_swap_ranks_do_not_make_the_book_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names were compared in the order of use: a swap read the whole log."""
    monkeypatch.setattr("sbhooks_analytics.couse.MOST_SKILLS", 20)
    store = Counted()
    names = [f"skill-{n:02}" for n in range(20)]
    ranks(store, 0, {name: 30 - n for n, name in enumerate(names)} | {"rare": 5, "once": 1})
    before = follow(store, tmp_path, name="x")
    assert (store.parts, before.only) == (1, tuple(names))
    ranks(store, 1, {names[3]: 9})  # another order of the same
    after = follow(store, tmp_path, name="x")
    assert (store.parts, {*after.only}) == (1, {*names})
    assert after.skills[names[3]] == 2
    ranks(store, 2, {"rare": 10})  # 19 of 20 are still among the most used
    assert "rare" in gather(store, EVERYTHING).only
    parts = store.parts
    assert "rare" not in follow(store, tmp_path, name="x").only
    assert store.parts == parts
    ranks(store, 3, {"once": 20})  # 18 of 20
    after, anew = follow(store, tmp_path, name="x"), gather(store, EVERYTHING)
    assert store.parts == parts + 1
    assert after.only == anew.only
    assert _full(after.pairs) == _full(anew.pairs)


def test_a_first_filling_that_was_stopped_goes_on_though_ranks_have_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbhooks_analytics.couse.MOST_SKILLS", 2)
    store = Counted()
    for number in range(12):
        line = Timeline(f"s{number}", start=NOON + timedelta(days=31 * number))
        store.append([line.invocation(name) for name in ("a", "a", "b", "c")[: 4 - number % 2]])
    store.stops_after = 8
    with pytest.raises(KeyboardInterrupt):
        follow(store, tmp_path, name="x")
    stopped, store.stops_after = store.parts, None
    store.append([Timeline("later").invocation("b") for _ in range(20)])
    book, anew = follow(store, tmp_path, name="x"), gather(store, EVERYTHING)
    assert (book.filled, anew.only) == (None, ("b", "a"))
    assert store.parts - stopped < stopped  # 6 parts were kept
    for field in ("visits", "skills", "users", "pairs", "gaps"):
        assert _full(getattr(book, field)) == _full(getattr(anew, field))


def drawn(draw: Callable[[Output], None]) -> str:
    file = io.StringIO()
    draw(Output(Console(file=file, width=80)))
    return " ".join(file.getvalue().split())


def test_people_see_every_cluster_and_what_is_in_none() -> None:
    found = clusters(gather(stored([["a", "b"], ["c", "d"], ["e"]] * 4), EVERYTHING))
    told = drawn(lambda out: draw_clusters(out, found))
    assert told.startswith("a 2 skills") and "c 2 skills" in told
    assert "1 of 5 skills in no group" in told
    nothing = drawn(lambda out: draw_clusters(out, clusters(Book())))
    assert nothing == "No skills are used together often enough to form a group."


def test_a_skill_alone_is_better_than_nobody() -> None:
    """With nobody to compare with, it was told to be better than 50 %."""
    for skills, said in ((["a"], False), (["a", "b"], True)):
        store = stored([skills] * 3)
        book = gather(store, EVERYTHING)
        found = Baselines(
            baselines=baselines(store, EVERYTHING, book), skills=len(skills),
            skills_in_all=book.skills_in_all,
        )  # fmt: skip
        told = drawn(lambda out, found=found: draw_baselines(out, found))  # type: ignore[misc]
        assert ("50 %" in told) == said
        assert ("there is no other to compare it with" in told) == (not said)


@settings(max_examples=20)
@given(sessions_of)
def test_among_very_many_skills_the_log_says_what_sums_say(
    tmp_path_factory: pytest.TempPathFactory, sessions: list[list[str]]
) -> None:
    """Baselines and phases, read in the one way and in the other."""
    store = open_sqlite(tmp_path_factory.mktemp("log") / "x.db", Codec())
    try:
        for number, skills in enumerate(sessions):
            line = Timeline(f"s{number}", start=NOON + timedelta(hours=number))
            good = Outcome.SUCCESS if number % 3 else Outcome.FAILURE
            store.append([line.start(user=f"u{number % 2}"), *(
                line.invocation(skill, good, duration_s=1.0, phase=f"phase-{number % 2}")
                for skill in skills
            )])  # fmt: skip
        book = gather(store, EVERYTHING)
        from_sums = baselines(store, EVERYTHING, book)
        assert by_log(["skill"], 10**6) == ["skill", "user"]
        book.skills_in_all = 10**6
        assert baselines(store, EVERYTHING, book) == from_sums
    finally:
        store.close()
