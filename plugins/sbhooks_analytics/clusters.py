"""Groups of skills that are used in the same sessions.

Two skills are as near as their sessions overlap (Jaccard). Where a plugin offers embeddings, skills
that mean much the same (a cosine over 0.5) are nearer than that, by up to 0.3 of what is left to 1:
what is used together counts more than what sounds alike. Average linkage joins what is nearest,
as long as the overlap within a group stays at least 0.2 on average; what overlaps with nothing is
in no group. A group is named by its medoid, the member that is nearest to all others, or keeps
the name that most of its members had before.

References:
    Sokal & Michener, *A statistical method for evaluating systematic relationships* (1958).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from sbhooks_analytics.couse import Book
from sbhooks_analytics.daily import Floats
from sbhooks_analytics.embedding import Vectors

LEAST_OVERLAP = 0.2
MEANING_WEIGHT = 0.3  #: What the same meaning adds to an overlap of 0.
_LEAST_SESSIONS = 3


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A skill in a cluster; the score is its mean nearness to the other members, 0 to 1."""

    skill_name: str
    membership_score: float


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Skills that are used together.

    Attributes:
        name: Of its medoid when it was first seen.
        medoid: The member that is nearest to all others.
        members: The nearest first.
        sessions: Sessions in which its medoid was used.
    """

    name: str
    medoid: str
    members: list[Member]
    sessions: int


class Clusters(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks clusters --json`` prints.

    Attributes:
        clusters: The largest first.
        alone: Skills in no cluster.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        sessions: Sessions in all.
    """

    clusters: list[Cluster]
    alone: int
    skills: int
    skills_in_all: int
    sessions: int


def clusters(
    book: Book,
    before: Mapping[str, list[str]] | None = None,
    vectors: Mapping[str, Vectors] | None = None,
) -> Clusters:
    """Find groups.

    Args:
        book: Which skills were used in which sessions.
        before: Name → members of earlier groups, so that names stay.
        vectors: Skill → its embedding, where there is one.
    """
    used = {name: n for name, n in book.skills.items() if n >= _LEAST_SESSIONS}
    names = sorted(used, key=lambda name: (-used[name], name))
    overlap = nearer(overlaps(book, names), names, vectors or {})
    made = [_cluster(names, overlap, members, book) for members in _groups(overlap)]
    made.sort(key=lambda one: (-len(one.members), one.name))
    named = _renamed(made, before or {})
    grouped = sum(len(one.members) for one in named)
    return Clusters(
        clusters=named, alone=len(book.skills) - grouped, skills=len(book.skills),
        skills_in_all=book.skills_in_all, sessions=len(book.visits),
    )  # fmt: skip


def overlaps(book: Book, names: list[str]) -> Floats:
    """Jaccard overlap of the sessions of each pair, shape ``(skills, skills)``; 1 with itself."""
    places = {name: place for place, name in enumerate(names)}
    found = np.eye(len(names))
    for a, several in book.pairs.items():
        for b, both in several.items():
            if a in places and b in places:
                share = both / (book.skills[a] + book.skills[b] - both)
                found[places[a], places[b]] = found[places[b], places[a]] = share
    return found


def nearer(overlap: Floats, names: list[str], vectors: Mapping[str, Vectors]) -> Floats:
    """The same overlaps, larger for skills whose meanings are alike."""
    known = [place for place, name in enumerate(names) if name in vectors]
    if len(known) < 2:
        return overlap
    rows = np.array([vectors[names[place]] for place in known], dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.where(length > 1e-12, rows / np.maximum(length, 1e-12), 0.0)
    alike = np.clip(2 * (rows @ rows.T) - 1, 0.0, 1.0)
    found = overlap.copy()
    inside = np.ix_(known, known)
    found[inside] += (1 - found[inside]) * MEANING_WEIGHT * alike
    np.fill_diagonal(found, 1.0)
    return found


def _groups(overlap: Floats) -> list[list[int]]:
    if len(overlap) < 2:
        return []
    tree = linkage(squareform(1 - overlap, checks=False), method="average")
    labels = fcluster(tree, 1 - LEAST_OVERLAP, criterion="distance")
    groups: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        groups.setdefault(int(label), []).append(place)
    return [members for members in groups.values() if len(members) > 1]


def _cluster(names: list[str], overlap: Floats, members: list[int], book: Book) -> Cluster:
    inside = overlap[np.ix_(members, members)]
    score = (inside.sum(axis=1) - 1) / (len(members) - 1)
    order = sorted(range(len(members)), key=lambda k: (-score[k], names[members[k]]))
    medoid = names[members[order[0]]]
    return Cluster(
        name=medoid, medoid=medoid, sessions=book.skills[medoid],
        members=[
            Member(
                skill_name=names[members[k]],
                membership_score=float(np.clip(score[k], 0.0, 1.0)),
            )
            for k in order
        ],
    )  # fmt: skip


def _renamed(made: list[Cluster], before: Mapping[str, list[str]]) -> list[Cluster]:
    """The same groups under the names that most of their members had; each name once."""
    free, taken = dict(before), set[str]()
    found = []
    for one in made:
        members = {member.skill_name for member in one.members}
        shares = {
            name: len(members & set(old)) / len(members | set(old)) for name, old in free.items()
        }
        best = max(shares, key=lambda name: (shares[name], name), default=None)
        name = best if best is not None and shares[best] >= 0.5 else one.medoid
        free.pop(name, None)
        while name in taken:
            name += "'"
        taken.add(name)
        found.append(msgspec.structs.replace(one, name=name))
    return found
