"""On what do a test's failures depend: the test before it, the worker, the hour, the seed?

For each circumstance that any failure has, attempts with and without it are compared by Fisher's
exact test, and all circumstances of a test share one budget (Benjamini–Hochberg at 5 %).
Circumstances are those at hand when the attempt began: which test ran before it in the same
process, whether it was the first, which xdist worker ran it, which quarter of the day it was
(UTC), and which seed ordered the run. An association is no proof; the command says how to try.

References:
    Fisher, *Statistical Methods for Research Workers* (1925); Benjamini & Hochberg (1995).
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from scipy.stats import fisher_exact

from sbhooks.events import SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import Case, name_of
from sbhooks_analytics.budget import adjusted
from sbhooks_analytics.cutoff import chunks, is_cut_off

MOST_RUNS = 300
_LEVEL = 0.05
_LEAST_EACH = 3  # failures and passes
_GOOD, _BAD = "passed", frozenset({"failed", "error"})


class Dependence(msgspec.Struct, frozen=True, kw_only=True):
    """A circumstance with which failures go together.

    Attributes:
        factor: ``after``, ``first``, ``worker``, ``hours`` or ``seed``.
        value: Which one.
        failed_with: Failures under it.
        with_it: Attempts under it.
        failed_without: Failures otherwise.
        without_it: Attempts otherwise.
        p_value: Adjusted for the number of circumstances.
        command: What may reproduce it; empty where nothing can be started.
    """

    factor: str
    value: str
    failed_with: int
    with_it: int
    failed_without: int
    without_it: int
    p_value: float
    command: str


class Dependences(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests why --json`` prints.

    Attributes:
        test: Which test.
        params: Its parameters.
        dependences: The surest first.
        attempts: Attempts looked at.
        failed: Failures among them.
        tried: Circumstances that were tried.
        reason: Why nothing can be said; empty otherwise.
    """

    test: str
    params: str | None
    dependences: list[Dependence]
    attempts: int
    failed: int
    tried: int
    reason: str = ""


#: An attempt: whether it failed, and its circumstances.
Attempt = tuple[bool, frozenset[tuple[str, str]]]


def why(store: EventReader, query: EventQuery, key: Case) -> Dependences:
    """Look for circumstances with which the failures of a test go together."""
    attempts = list(_attempts(store, query, key))
    failed = sum(bad for bad, _ in attempts)
    tables = {
        circumstance: _table(attempts, circumstance)
        for circumstance in sorted({c for bad, cs in attempts if bad for c in cs})
    }
    tables = {c: t for c, t in tables.items() if t[1] and t[3]}
    reason = ""
    if min(failed, len(attempts) - failed) < _LEAST_EACH:
        tables, reason = (
            {},
            (
                f"not enough data: {failed} failures and {len(attempts) - failed} passes, "
                f"{_LEAST_EACH} of each are needed"
            ),
        )
    found = _sure(key, tables)
    return Dependences(
        test=key.test, params=key.params, dependences=found, attempts=len(attempts), failed=failed,
        tried=len(tables), reason=reason,
    )  # fmt: skip


def _table(attempts: Sequence[Attempt], circumstance: tuple[str, str]) -> tuple[int, int, int, int]:
    """Failures and attempts with it, and without it."""
    with_it = [bad for bad, circumstances in attempts if circumstance in circumstances]
    failed = sum(bad for bad, _ in attempts)
    return sum(with_it), len(with_it), failed - sum(with_it), len(attempts) - len(with_it)


def _sure(key: Case, tables: dict[tuple[str, str], tuple[int, int, int, int]]) -> list[Dependence]:
    if not tables:
        return []
    p_values = np.array([
        float(fisher_exact([[a, n - a], [b, m - b]], alternative="greater").pvalue)
        for a, n, b, m in tables.values()
    ])  # fmt: skip
    levels = adjusted(p_values[:, None])[:, 0]
    found = [
        Dependence(
            factor=factor, value=value, failed_with=a, with_it=n, failed_without=b, without_it=m,
            p_value=float(level), command=_command(key, factor, value),
        )
        for ((factor, value), (a, n, b, m)), level in zip(tables.items(), levels, strict=True)
        if level <= _LEVEL
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.p_value, one.factor, one.value))


def _command(key: Case, factor: str, value: str) -> str:
    """What to type to see it fail, as far as a circumstance can be brought about."""
    name = shlex.quote(key.name)
    match factor:
        case "after":
            return f"pytest {shlex.quote(value)} {name}"
        case "first":
            return f"pytest {name}"
        case "worker":
            return f"pytest -n {int(value[2:]) + 1 if value[2:].isdigit() else 2}"
        case "seed":
            return f"pytest -p randomly --randomly-seed={shlex.quote(value)}"
        case _:
            return ""


def _attempts(store: EventReader, query: EventQuery, key: Case) -> Iterator[Attempt]:
    chosen = msgspec.structs.replace(query, kinds=("test-result",), tests=())
    mine = msgspec.structs.replace(chosen, tests=(key.test,))
    ended = {str(r.key[0]): r.last_at for r in store.rollup(mine, by=["session"])}
    newest = sorted(ended, key=lambda session: ended[session])[-MOST_RUNS:]
    seeds = _seeds(store, newest)
    for some in chunks(newest):
        before: dict[tuple[str, str | None], str] = defaultdict(str)
        for event in store.events(msgspec.structs.replace(chosen, sessions=some)):
            if not isinstance(event, TestResult) or event.subtest is not None:
                continue
            place = (event.session, event.worker)
            if _is_meant(event, key) and not is_cut_off(event):
                yield event.detail in _BAD, _circumstances(event, before[place], seeds)
            before[place] = name_of(event.test, event.params)


def _is_meant(event: TestResult, key: Case) -> bool:
    same = event.test == key.test and key.params in {None, event.params}
    return same and (event.detail == _GOOD or event.detail in _BAD)


def _circumstances(
    event: TestResult, before: str, seeds: dict[str, str]
) -> frozenset[tuple[str, str]]:
    quarter = event.at.hour // 6 * 6
    found = {("hours", f"{quarter:02d}–{quarter + 6:02d} UTC")}
    found.add(("after", before) if before else ("first", "in its process"))
    if event.worker:
        found.add(("worker", event.worker))
    if event.session in seeds:
        found.add(("seed", seeds[event.session]))
    return frozenset(found)


def _seeds(store: EventReader, sessions: Sequence[str]) -> dict[str, str]:
    return {
        event.session: str(event.attributes["seed"])
        for some in chunks(sessions)
        for event in store.events(EventQuery(kinds=("session-start",), sessions=some))
        if isinstance(event, SessionStart) and "seed" in event.attributes
    }
