"""P8: keeping results up to date, against making them anew.

A million invocations of eighty days; then a thousand more are stored again and again, and the
results follow. Three minutes and half a gigabyte.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import activity
from bars import Bar, say

from sbhooks.events import Codec
from sbhooks_analytics.couse import FILE
from sbhooks_analytics.kept_findings import FILE as FINDINGS
from sbhooks_analytics.refresh import co_use, refresh
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

INVOCATIONS, NEW, DAYS = 1_000_000, 1_000, 80
_ROUNDS = 5

Work = Callable[[], object]


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as folder:
        home = Path(folder)
        say(f"bench: storing {INVOCATIONS:,} invocations")
        store = open_sqlite(home / "events.db", Codec())
        for batch in activity.batches(INVOCATIONS, per_day=INVOCATIONS / DAYS):
            store.append(batch)
        bars = list(_bars(store, home))
        store.close()
    return bars


def _bars(store: SqliteEventStore, home: Path) -> list[Bar]:
    now = activity.END + timedelta(hours=1)

    def three() -> None:
        store.keep_results(co_use(store, home, name="bench", now=now))

    def everything() -> None:
        refresh(store, home, name="bench", now=now)

    numbers = count()
    say("bench: refreshing the results")
    ratios, news_s, full_s = [], [], []
    for _ in range(_ROUNDS):
        full_s.append(_seconds(three, before=(home / FILE).unlink if ratios else _nothing))
        news_s.append(_seconds(three, before=lambda: _store_news(store, next(numbers))))
        ratios.append(news_s[-1] / full_s[-1])
    everything()
    both_s = [
        _seconds(everything, before=lambda: _store_news(store, next(numbers)))
        for _ in range(_ROUNDS)
    ]
    anew = _seconds(everything, before=(home / FINDINGS).unlink)
    both = statistics.median(both_s)
    full = statistics.median(full_s)
    return [
        Bar(
            id="P8",
            work=f"refresh of dependencies, baselines and clusters after {NEW:,} new on "
            f"{INVOCATIONS:,} invocations, against a full one",
            bar=1 / 20,
            reached=statistics.median(ratios),
            note=f"{statistics.median(news_s) * 1e3:.0f} ms of CPU against {full:.1f} s; with the "
            f"anomalies of {DAYS} days, which did not change, {both * 1e3:.0f} ms, and "
            f"{anew * 1e3:.0f} ms where one did",
        ),
        Bar(
            id="P8 full",
            work="the full refresh",
            bar=15,
            reached=full,
            unit="s",
            note="CPU; reads every session once",
        ),
    ]


def _nothing() -> None:
    """There is nothing to do before."""


def _seconds(work: Work, *, before: Work) -> float:
    """Seconds of CPU that some work takes, what goes before left out."""
    before()
    started = time.process_time()
    work()
    return time.process_time() - started


def _store_news(store: SqliteEventStore, number: int) -> None:
    end = activity.END + timedelta(minutes=number)
    for batch in activity.batches(NEW, end=end):
        store.append(batch)


if __name__ == "__main__":
    for bar in measure():
        print(bar)
