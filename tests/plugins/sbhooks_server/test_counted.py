"""Sums that are kept up with news are those of reading everything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client")

from sbhooks.events import Codec, Event, Outcome
from sbhooks.store import EventStore
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_server import counted, skill_series
from sbhooks_server.counted import Counted, Sums
from sbhooks_server.skill_series import SkillSeries
from sbhooks_storage.sqlite import open_sqlite


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    if request.param == "memory":
        yield MemoryEventStore()
        return
    store = open_sqlite(tmp_path / "s.db", Codec())
    yield store
    store.close()


def batch(chance: random.Random, number: int) -> list[Event]:
    line = Timeline(f"s-{number}", f"tool-{number % 3}")
    made: list[Event] = [line.start(user=f"u-{number % 4}")]
    for _ in range(chance.randint(0, 6)):
        made.append(line.invocation(
            f"skill-{chance.randint(0, 5)}",
            chance.choice(list(Outcome)),
            phase=chance.choice([None, "setup", "execution", "rare"]),
            duration_s=chance.choice([None, 0.0, 0.1, 0.5, 3.0, 4_000.0]),
        ))  # fmt: skip
    return [*made, line.passed(), *([line.end()] if number % 2 else [])]


def sums(one: Sums) -> tuple[Any, ...]:
    return one.n, one.completed, one.within, one.timed, pytest.approx(one.seconds)


def said(of: Counted, series: SkillSeries, changed: set[str] | None) -> Any:
    skills = {(s, p): sums(one) for s, phases in of.skills.items() for p, one in phases.items()}
    samples = {
        (sample.name, *sample.labels.items()): pytest.approx(sample.value)
        for family in series.metrics(changed) for sample in family.samples
    }  # fmt: skip
    return skills, of.events, of.newest, of.position, samples


def test_news_are_added_to_what_is_known(kept: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skill_series, "MOST_SKILLS", 3)
    monkeypatch.setattr(skill_series, "MOST_PHASES", 2)
    chance = random.Random(5)
    following = Counted()
    series = SkillSeries(following)
    added = 0
    for number in range(40):
        for each in range(chance.randint(0, 2)):
            kept.append(batch(chance, number * 3 + each))
        changed = following.follow(kept)
        added += bool(changed)
        fresh = Counted()
        fresh_series = SkillSeries(fresh)
        whole = fresh.follow(kept)
        assert said(following, series, changed) == said(fresh, fresh_series, whole)
    assert added > 10


def test_everything_is_read_when_something_else_happened_than_news(kept: EventStore) -> None:
    following = Counted()
    kept.append(batch(random.Random(1), 1))
    assert following.follow(kept) is None
    assert following.follow(kept) == set()
    kept.rename_people({"u-1": "somebody"})
    kept.append([Timeline("more").invocation("lint")])
    assert following.follow(kept) is None
    kept.append([Timeline("more").invocation("lint", id="2")])
    assert following.follow(kept) == {"lint"}


def test_much_news_are_counted_by_reading_everything(
    kept: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "MOST_NEWS", 3)
    following = Counted()
    following.follow(kept)
    kept.append([Timeline().invocation("lint") for _ in range(4)])
    assert following.follow(kept) is None
    assert following.skills["lint"]["unknown"].n == 4


def test_the_newest_invocation_of_a_bucket_is_its_example(kept: EventStore) -> None:
    kept.append([Timeline("old").invocation("lint", duration_s=0.3)])
    following = Counted()
    following.follow(kept)
    assert following.skills["lint"]["unknown"].examples == {}  # it is not known which it was
    line = Timeline("new")
    kept.append([
        line.invocation("lint", duration_s=0.3), line.invocation("lint", duration_s=0.4),
        Timeline("x" * 200).invocation("lint", duration_s=9.0), line.invocation("lint"),
        Timeline("other", start=NOON + timedelta(days=1)).invocation("lint", phase="setup",
                                                                     duration_s=0.2),
    ])  # fmt: skip
    following.follow(kept)
    phases = following.skills["lint"]
    assert {place: one.value for place, one in phases["unknown"].examples.items()} == {1: 0.4}
    whole = Sums()
    for phase in ("setup", "unknown"):
        whole.add(phases[phase])
    assert whole.examples[1].labels == {"session": "other"}
