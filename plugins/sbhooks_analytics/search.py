"""Finds skills by what they are for: words and meaning together.

A skill's text is its name, its descriptions and what users asked for when they used it. Words are
ranked by BM25, as full-text search does; meaning by the cosine of embeddings. Both count half.
With a phase, skills that are used in it gain (``phase_weight``, 0.3 by default).

References:
    Robertson & Zaragoza, *The probabilistic relevance framework: BM25 and beyond* (2009).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sbhooks.errors import SbhooksError
from sbhooks.events import Invocation
from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.embedding import DIMENSIONS, Vectors, cosine, embed, nearest
from sbhooks_analytics.ranked import Ranked, by_log, ranked, sums

PHASE_WEIGHT = 0.3
MOST_EVENTS = 50_000  #: Newest invocations whose queries are read.
MOST_SKILLS = 5_000  #: The most used are searched.
MOST_COMPARED = 1_000  #: Of these, what shares most words and letters is compared by meaning.
_MOST_WORDS = 400  # of a skill's text
_K1, _B = 1.2, 0.75
_FITS = 0.05  # words and meaning together; what has less is not worth showing
_MOST_QUERY = 1_000
_WORD = re.compile(r"[^\W_]+")

Embed = Callable[[Sequence[str]], Sequence[Any]]


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A skill that fits; all scores from 0 to 1.

    Attributes:
        score: All together, higher for better.
        words: BM25 against the best hit's.
        meaning: Cosine of the embeddings, not less than 0.
        phase_share: Share of its invocations in the phase that was asked for.
        invocation_count: How often it was used.
        example: A query with which it was used.
    """

    skill_name: str
    score: float
    words: float
    meaning: float
    phase_share: float
    invocation_count: int
    example: str | None


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks search --json`` prints.

    Attributes:
        hits: The best first.
        skills: Skills that were searched, the most used.
        skills_in_all: How many there are.
        embedder: ``built-in``, or ``plugin``.
    """

    hits: list[Hit]
    skills: int
    skills_in_all: int
    embedder: str


class Text(msgspec.Struct):
    """What is known of a skill in words."""

    words: str
    example: str | None = None
    n: int = 0


def search(
    store: EventReader,
    query: EventQuery,
    wanted: str,
    *,
    limit: int,
    phase: str | None = None,
    phase_weight: float = PHASE_WEIGHT,
    embedder: Embed | None = None,
) -> Hits:
    """Find skills.

    Args:
        store: The events.
        query: Projects and times to look at.
        wanted: What for, in words.
        limit: At most that many.
        phase: The phase of work that one is in.
        phase_weight: How much the phase counts, 0 to 1.
        embedder: What a plugin offers; ``None`` for the built-in one.

    Raises:
        SbhooksError: A plugin's vectors are of the wrong shape.
    """
    picked = ranked(store, query, MOST_SKILLS)
    texts = texts_of(store, query, picked)
    names = sorted(texts)
    made_by = "plugin" if embedder else "built-in"
    if not names or not wanted.strip():
        return Hits(hits=[], skills=len(names), skills_in_all=picked.of, embedder=made_by)
    bodies = [texts[name].words for name in names]
    words = bm25(bodies, wanted[:_MOST_QUERY])
    meaning = _meaning(bodies, _plain(wanted[:_MOST_QUERY]), embedder)
    best = words.max()
    lexical = words / best if best > 0 else words
    fitting = [k for k in range(len(names)) if lexical[k] + meaning[k] > _FITS]
    shares = np.zeros(len(names))
    if phase and fitting:  # a phase makes nothing fit that does not
        by = by_log(["skill", "phase"], picked.of)
        rows = sums(store, query, [names[k] for k in fitting], by)
        shares = _phase_shares(rows, phase, names)
    weight = phase_weight if phase else 0.0
    score = (1 - weight) * (lexical + meaning) / 2 + weight * shares
    order = sorted(fitting, key=lambda k: (-score[k], names[k]))
    return Hits(
        hits=[
            Hit(
                skill_name=names[k], score=float(score[k]), words=float(lexical[k]),
                meaning=float(meaning[k]), phase_share=float(shares[k]),
                invocation_count=texts[names[k]].n, example=texts[names[k]].example,
            )
            for k in order[:limit]
        ],
        skills=len(names), skills_in_all=picked.of, embedder=made_by,
    )  # fmt: skip


def _meaning(bodies: list[str], wanted: str, embedder: Embed | None) -> npt.NDArray[np.float64]:
    """Cosine of each text with what is wanted, not less than 0; 0 of what is not compared."""
    near = list(range(len(bodies))) if embedder else nearest(bodies, wanted, MOST_COMPARED)
    vectors = _vectors([*(bodies[place] for place in near), wanted], embedder)
    found = np.zeros(len(bodies))
    found[near] = np.maximum(cosine(vectors[:-1], vectors[-1]), 0.0)
    return found


def vectors_of(store: EventReader, query: EventQuery, embedder: Embed | None) -> dict[str, Vectors]:
    """Skill → embedding of what is known of it in words; nothing without a plugin that has them.

    Raises:
        SbhooksError: A plugin's vectors are of the wrong shape.
    """
    if embedder is None:
        return {}
    texts = texts_of(store, query, ranked(store, query, MOST_SKILLS))
    names = sorted(texts)
    rows = _vectors([texts[name].words for name in names], embedder) if names else ()
    return dict(zip(names, rows, strict=True))


def texts_of(store: EventReader, query: EventQuery, picked: Ranked) -> dict[str, Text]:
    """What is known of each of some skills in words."""
    rows = sums(store, query, picked.skills, ["skill"])
    texts = {str(r.key[0]): Text(words=_plain(str(r.key[0])), n=r.n) for r in rows}
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    said: dict[str, dict[str, None]] = {}
    newest = msgspec.structs.replace(chosen, newest_first=True, limit=MOST_EVENTS)
    for event in store.events(newest):
        if isinstance(event, Invocation):
            about = (event.query, event.attributes.get("description"))
            said.setdefault(event.skill, {}).update((str(t), None) for t in about if t)
    for name, queries in said.items():
        if queries and name in texts:
            texts[name].example = next(iter(queries))
            body = _plain(" ".join(queries)).split()[:_MOST_WORDS]
            texts[name].words = " ".join([texts[name].words, *body])
    return texts


def bm25(texts: Sequence[str], wanted: str) -> npt.NDArray[np.float64]:
    """Score of each text, 0 where it has none of the words; shape ``(n,)``."""
    counts = [Counter(text.split()) for text in texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
    mean = max(float(lengths.mean()), 1.0) if len(lengths) else 1.0
    scores = np.zeros(len(texts))
    for word in dict.fromkeys(_plain(wanted).split()):
        n = np.array([count[word] for count in counts], dtype=np.float64)
        holding = int(np.count_nonzero(n))
        rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        scores += rarity * n * (_K1 + 1) / (n + _K1 * (1 - _B + _B * lengths / mean))
    return scores


def _plain(text: str) -> str:
    """The words of a text in small letters; ``RuffCheck`` and ``ruff-check`` are two words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return " ".join(_WORD.findall(apart)).lower()


def _vectors(texts: list[str], embedder: Embed | None) -> Vectors:
    if embedder is None:
        return embed(texts)
    try:
        found = np.asarray(list(embedder(texts)), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SbhooksError(f"a plugin's embeddings are no numbers: {error}") from error
    if found.shape != (len(texts), DIMENSIONS):
        raise SbhooksError(
            f"a plugin's embeddings are of shape {found.shape}, not {(len(texts), DIMENSIONS)}. "
            "Switch it off with SBHOOKS_DISABLE"
        )
    return np.nan_to_num(found)


def _phase_shares(
    rows: Sequence[Rollup], phase: str, names: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Share of each skill's invocations in a phase; the key begins with skill and phase."""
    inside: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for rollup in rows:
        every[str(rollup.key[0])] += rollup.n
        inside[str(rollup.key[0])] += rollup.n if rollup.key[1] == phase else 0
    return np.array([inside[name] / max(every[name], 1) for name in names])
