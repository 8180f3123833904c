"""Which category a skill probably belongs to, from its name and from what it is used with.

Three pieces of evidence speak for a category, each a number from 0 to 1:

* **words**: the share of the words of the name that the category knows, from its list or from
  its members' names; a word that k categories know counts 1/k for each. Words that stand in any
  name (run, check, tool) are left out.
* **name**: how much the name looks like the most similar member's: Dice's coefficient over the
  sets of letter triples, above what unrelated names have (0.2).
* **company**: how much more often sessions with the skill hold members of the category than
  would be expected from how much these are used at all; drawn towards 0 while there are few
  sessions (n / (n + 5)).

The score of a category is ``1 - (1 - 0.9 words)(1 - 0.6 name)(1 - 0.4 company)``: evidence adds
up, and no kind of it is needed. The confidence in the best category is its score times its share
of the two best scores together: an equally good rival halves it. Below :data:`LEAST` a skill is
left without a category: no answer is better than a bad guess.

References:
    L. R. Dice, *Measures of the amount of ecologic association between species*, Ecology 26
    (1945). J. Pearl, *Probabilistic Reasoning in Intelligent Systems* (1988), section 4.3.2, for
    adding up evidence (noisy or).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sbhooks_taxonomy.catalog import Category

LEAST = 0.3  #: Confidence under which nothing is said.
_WEIGHTS = (0.9, 0.6, 0.4)
_UNRELATED = 0.2  # Dice's coefficient that unrelated names reach
_SESSIONS_HALF = 5  # sessions at which company counts half
_ANYWHERE = frozenset({
    "run", "runs", "runner", "check", "checks", "checker", "tool", "tools", "report", "watch",
    "all", "fast", "full", "fix", "py", "python", "code", "api", "auto", "cli", "apply", "status",
})  # fmt: skip


class Evidence(NamedTuple):
    """What speaks for a category, each from 0 to 1."""

    words: float
    name: float
    company: float

    @property
    def score(self) -> float:
        """All of it together."""
        left = 1.0
        for weight, value in zip(_WEIGHTS, self, strict=True):
            left *= 1 - weight * value
        return 1 - left


class Guess(NamedTuple):
    """The best category of a skill.

    Attributes:
        category: Its name.
        confidence: From 0 to 1.
        evidence: What speaks for it.
    """

    category: str
    confidence: float
    evidence: Evidence


def guess(
    skill: str,
    categories: Sequence[Category],
    members: Mapping[str, Collection[str]],
    company: Mapping[str, float],
) -> Guess | None:
    """Guess the category of a skill; ``None`` when nothing speaks clearly for one.

    Args:
        skill: Its name.
        categories: All there are; of equally good ones the first wins.
        members: Category → skills that certainly belong to it.
        company: Category → its evidence of that name.
    """
    words = _word_shares(skill, categories, members)
    found = [
        (
            category.name,
            Evidence(
                words=words[category.name],
                name=max((_alike(skill, m) for m in members[category.name]), default=0.0),
                company=company.get(category.name, 0.0),
            ),
        )
        for category in categories
    ]
    ranked = sorted(found, key=lambda pair: -pair[1].score)
    best, evidence = ranked[0]
    second = ranked[1][1].score if len(ranked) > 1 else 0.0
    if not evidence.score:
        return None
    confidence = evidence.score**2 / (evidence.score + second)
    return Guess(best, confidence, evidence) if confidence >= LEAST else None


def company_of(
    sessions: Mapping[str, Collection[str]],
    skill: str,
    usual: Mapping[str, float],
    category_of: Mapping[str, Collection[str]],
) -> dict[str, float]:
    """How much more often than usual a skill is used with each category.

    Args:
        sessions: Session → its skills, of sessions that hold the skill.
        skill: Its name.
        usual: Category → its share of all use.
        category_of: Skill → its categories, where they are known.
    """
    seen: dict[str, float] = {}
    n = 0
    for skills in sessions.values():
        others = [category_of[other] for other in skills if other != skill and other in category_of]
        if not others:
            continue
        n += 1
        for categories in others:
            for category in categories:
                share = 1 / (len(others) * len(categories))
                seen[category] = seen.get(category, 0.0) + share
    return {
        category: max(0.0, total / n - usual.get(category, 0.0)) * n / (n + _SESSIONS_HALF)
        for category, total in seen.items()
    }


def words_of(skill: str) -> list[str]:
    """The words of a name that mean something: ``run_PyTest:unit`` → pytest, unit."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", skill.replace("PyTest", "Pytest"))
    return [word for word in re.findall(r"[^\W_]+", parted.casefold()) if word not in _ANYWHERE]


def _word_shares(
    skill: str, categories: Sequence[Category], members: Mapping[str, Collection[str]]
) -> dict[str, float]:
    """Category → the share of the name's words that it knows."""
    known = {
        category.name: {
            *category.words,
            *words_of(category.name),
            *(word for member in members[category.name] for word in words_of(member)),
        }
        for category in categories
    }
    shares = dict.fromkeys(known, 0.0)
    words = words_of(skill)
    for word in words:
        holders = [name for name, vocabulary in known.items() if word in vocabulary]
        for name in holders:
            shares[name] += 1 / (len(holders) * len(words))
    return shares


def _alike(left: str, right: str) -> float:
    """Dice's coefficient of two names' letter triples, above what unrelated ones have."""
    first, second = _triples(left), _triples(right)
    dice = 2 * len(first & second) / (len(first) + len(second))
    return max(0.0, (dice - _UNRELATED) / (1 - _UNRELATED))


def _triples(name: str) -> set[str]:
    padded = f"  {name.casefold()} "
    return {padded[place : place + 3] for place in range(len(padded) - 2)}
