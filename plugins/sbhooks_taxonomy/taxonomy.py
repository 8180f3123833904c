"""Where every skill belongs: decided by hand, known beforehand, or guessed — in that order.

A function of the log alone. Nothing is remembered from one time to the next, so a guess becomes
better with every session and is replaced by a decision at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from sbhooks.store import EventQuery, EventReader
from sbhooks_taxonomy import similarity
from sbhooks_taxonomy.catalog import Category, builtin
from sbhooks_taxonomy.events import Assignment, NewCategory

_MOST_SESSIONS = 500  # that are looked at for the company of skills
How = Literal["by hand", "built in", "automatic", "unknown"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One category of a skill.

    Attributes:
        category: Its name.
        confidence: From 0 to 1; 1 unless it was guessed.
    """

    category: str
    confidence: float


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """Where a skill belongs.

    Attributes:
        skill_name: Its name.
        invocation_count: How often it was used.
        places: Its categories; none when nothing speaks clearly for one.
        how: Who says so.
        evidence: Of a guess: words, name and company, each from 0 to 1.
        since: When it was decided or first used; absent for skills that were never used.
    """

    skill_name: str
    invocation_count: int
    places: list[Place]
    how: How
    evidence: dict[str, float] | None = None
    since: datetime | None = None


class Taxonomy(msgspec.Struct, frozen=True, kw_only=True):
    """All categories and skills.

    Attributes:
        categories: Built-in ones first, then those of people, in the order of making.
        skills: By name; with those that are only known, not used.
    """

    categories: list[Category]
    skills: list[Skill]

    def members(self, category: str) -> list[str]:
        """The skills of a category."""
        return [
            skill.skill_name
            for skill in self.skills
            if any(place.category == category for place in skill.places)
        ]


def read(store: EventReader) -> Taxonomy:
    """Work out where every skill belongs."""
    categories = _categories(store)
    known = {category.name for category in categories}
    decided = _decided(store, known)
    used = {
        str(rollup.key[0]): rollup
        for rollup in store.rollup(EventQuery(kinds=("invocation",)), by=["skill"])
        if rollup.key[0]
    }
    sure: dict[str, list[str]] = {}
    for category in categories:
        for skill in category.skills:
            sure.setdefault(skill, []).append(category.name)
    sure |= {name: chosen for name, (chosen, _) in decided.items()}
    guessed = _guessed(store, categories, sure, {name: r.n for name, r in used.items()})
    skills = []
    for name in sorted({*used, *sure}):
        rollup = used.get(name)
        chosen, at = decided.get(name, (sure.get(name), rollup.first_at if rollup else None))
        skills.append(_skill(name, rollup.n if rollup else 0, chosen, at, guessed.get(name),
                             by_hand=name in decided))  # fmt: skip
    return Taxonomy(categories=categories, skills=skills)


def _categories(store: EventReader) -> list[Category]:
    found = {category.slug: category for category in builtin().categories}
    for event in store.events(EventQuery(kinds=("taxonomy-category",))):
        if isinstance(event, NewCategory):
            made = Category(name=event.name, domain=event.domain, description=event.description)
            found.setdefault(made.slug, made)
    return list(found.values())


def _decided(store: EventReader, known: Iterable[str]) -> dict[str, tuple[list[str], datetime]]:
    """Skill → what was last decided about it, and when."""
    names = set(known)
    decided: dict[str, tuple[list[str], datetime]] = {}
    for event in store.events(EventQuery(kinds=("taxonomy-assignment",))):
        if not isinstance(event, Assignment):
            continue
        if event.categories is None:
            decided.pop(event.skill, None)
        else:
            chosen = [name for name in event.categories if name in names]
            decided[event.skill] = (chosen, event.at)
    return decided


def _guessed(
    store: EventReader,
    categories: list[Category],
    sure: Mapping[str, list[str]],
    used: Mapping[str, int],
) -> dict[str, similarity.Guess]:
    unknown = [name for name in used if name not in sure]
    if not unknown:
        return {}
    members = {
        category.name: [skill for skill, names in sure.items() if category.name in names]
        for category in categories
    }
    sessions = _sessions(store, unknown)
    total = sum(n for name, n in used.items() if name in sure) or 1
    usual = {
        name: sum(used.get(skill, 0) / len(sure[skill]) for skill in skills) / total
        for name, skills in members.items()
    }
    found = {}
    for name in unknown:
        own = {session: skills for session, skills in sessions.items() if name in skills}
        company = similarity.company_of(own, name, usual, sure)
        guess = similarity.guess(name, categories, members, company)
        if guess is not None:
            found[name] = guess
    return found


def _sessions(store: EventReader, skills: list[str]) -> dict[str, set[str]]:
    """Session → its skills, of the newest sessions that hold one of some skills."""
    query = EventQuery(kinds=("invocation",), skills=tuple(skills))
    found = sorted(store.rollup(query, by=["session"]), key=lambda r: r.last_at, reverse=True)
    names = tuple(str(rollup.key[0]) for rollup in found[:_MOST_SESSIONS])
    if not names:
        return {}
    sessions: dict[str, set[str]] = {}
    whole = EventQuery(kinds=("invocation",), sessions=names)
    for rollup in store.rollup(whole, by=["session", "skill"]):
        sessions.setdefault(str(rollup.key[0]), set()).add(str(rollup.key[1]))
    return sessions


def _skill(
    name: str,
    n: int,
    chosen: list[str] | None,
    at: datetime | None,
    guess: similarity.Guess | None,
    *,
    by_hand: bool,
) -> Skill:
    how: How = "by hand" if by_hand else "built in" if chosen is not None else "unknown"
    places = [Place(category=category, confidence=1.0) for category in chosen or ()]
    if chosen is None and guess is not None:
        how = "automatic"
        places = [Place(category=guess.category, confidence=round(guess.confidence, 4))]
    return Skill(
        skill_name=name,
        invocation_count=n,
        places=places,
        how=how,
        evidence=guess.evidence._asdict() if guess is not None and how == "automatic" else None,
        since=at,
    )
