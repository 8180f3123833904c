"""How much room a test and an invocation take, and how fast events go in."""

from __future__ import annotations

import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import chain, groupby
from pathlib import Path

import activity
from bars import Bar, median_ratio

from sbhooks.collector import BATCH, Collector
from sbhooks.events import Codec, Event, Failure, Invocation, TestResult, Vcs, to_us
from sbhooks.ids import new_id
from sbhooks.testing.factories import NOON, Timeline
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.identities import packed
from sbhooks_storage.invocations import columns
from sbhooks_storage.rows import all_micros, moments
from sbhooks_storage.sessions import Session
from sbhooks_storage.sqlite import open_sqlite

RUNS, TESTS = 200, 500
INVOCATIONS = 100_000
ROUNDS = 5
_WIDE = "id, session, at, source, test, outcome, detail, setup_s, call_s, teardown_s, invocation"


def runs(number: int) -> Iterator[list[Event]]:
    """Likely pytest runs: one test in a hundred fails, durations are log-normal."""
    chance = random.Random(1)
    failures = [Failure(fingerprint=f"{n:016x}", message=f"assert {n} == 1") for n in range(9)]
    for run in range(number):
        line = Timeline(new_id(), start=NOON + run * timedelta(hours=1), step=timedelta(0, 0, 1700))
        invocation = new_id()
        start = line.start(project="acme", user="u" * 24, host="h" * 24, python="3.11.9",
                           platform="linux-x86_64",
                           vcs=Vcs(commit=f"{run:040x}", branch="main"))  # fmt: skip
        results = []
        for n in range(TESTS):
            is_bad = chance.random() < 0.01
            results.append((line.failed if is_bad else line.passed)(
                f"tests/unit/test_module_{n // 20}.py::TestThing{n // 10}::test_does_{n}",
                invocation=invocation,
                failure=failures[n % 9] if is_bad else None,
                setup_s=chance.randint(40, 300) / 1e6,
                call_s=int(chance.lognormvariate(7, 1.5)) / 1e6,
                teardown_s=chance.randint(30, 200) / 1e6,
            ))  # fmt: skip
        yield [
            start, line.phase("execution"), *results, line.phase("", "execution"),
            line.invocation(id=invocation, duration_s=1.0),
            line.end(exit_status=1, duration_s=1.0, counts={"passed": TESTS}),
        ]  # fmt: skip


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            _bytes_per_test(Path(folder)),
            _append_against_raw(Path(folder)),
            *_spool_against_raw(Path(folder)),
        ]


def _bytes_per_test(folder: Path) -> Bar:
    path = folder / "bytes.db"
    store = open_sqlite(path, Codec())
    for events in runs(RUNS):
        store.append(events)
    store.close()
    size = path.stat().st_size
    return Bar(
        id="P2b-bytes",
        work="SQLite bytes per test and run, everything included",
        bar=90,
        reached=size / (RUNS * TESTS),
        unit="bytes",
        note=f"{RUNS} runs of {TESTS} tests: {size / 1e6:.1f} MB",
    )


def _append_against_raw(folder: Path) -> Bar:
    """Storing test results against inserting the same facts, as they are, into a bare table."""
    single = list(runs(40))
    batches = [list(chain.from_iterable(single[n : n + 10])) for n in range(0, len(single), 10)]
    rows = [[_wide(e) for e in batch if isinstance(e, TestResult)] for batch in batches]
    ratios, speeds = [], []
    for round_ in range(ROUNDS):
        raw = _raw_seconds(folder / f"raw-{round_}.db", rows)
        store = open_sqlite(folder / f"store-{round_}.db", Codec())
        started = time.process_time()
        count = sum(store.append(batch) for batch in batches)
        ours = time.process_time() - started
        store.close()
        ratios.append(ours / count / (raw / sum(len(part) for part in rows)))
        speeds.append(count / ours)
    return Bar(
        id="append",
        work="CPU of `append` per test result against `executemany` into a bare table",
        bar=4.0,
        reached=statistics.median(ratios),
        note=f"{statistics.median(speeds):,.0f} events per CPU second, ids and indexes included",
    )


def _wide(event: TestResult) -> tuple[object, ...]:
    return (
        event.id, event.session, to_us(event.at), event.source, event.test, event.outcome.value,
        event.detail.value, event.setup_s, event.call_s, event.teardown_s, event.invocation,
    )  # fmt: skip


def _raw_seconds(path: Path, batches: Sequence[Sequence[tuple[object, ...]]]) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"CREATE TABLE bare ({_WIDE})")
    insert = f"INSERT INTO bare ({_WIDE}) VALUES (?{', ?' * 10})"
    started = time.process_time()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, batch)
        connection.execute("COMMIT")
    seconds = time.process_time() - started
    connection.close()
    return seconds


def _spool_against_raw(folder: Path) -> list[Bar]:
    """P4, P5: segments of a spool to rows of the store, against inserting the finished rows.

    Each session is a segment, as runs of tools leave them. Both sides write the same facts into
    the same columns of the log, as many rows in a transaction and as durable; the store also
    decodes, refuses repetitions, and keeps an index and every derived table in step.
    """
    codec = Codec()
    runs = [
        list(run)
        for _, run in groupby(
            chain.from_iterable(activity.batches(INVOCATIONS)), lambda e: e.session
        )
    ]
    segments = [b"".join(codec.encode(event) + b"\n" for event in run) for run in runs]
    finished = _log_rows(runs)
    rows = [finished[start : start + BATCH] for start in range(0, len(finished), BATCH)]
    count = len(finished)
    sizes, numbers = [], iter(range(100))

    def ours() -> float:
        home = folder / f"home-{next(numbers)}"
        (home / "spool").mkdir(parents=True)
        for lines in segments:
            (home / "spool" / f"{new_id()}.0.seg").write_bytes(lines)
        store = open_sqlite(home / "events.db", codec)
        started = time.process_time()
        done = Collector(home, store, codec).collect()
        took = time.process_time() - started
        assert done.events > count
        store.close()
        sizes.append((home / "events.db").stat().st_size)
        return took / count

    def theirs() -> float:
        return _bare_seconds(folder / f"bare-{next(numbers)}.db", rows) / count

    ratio = median_ratio(ours, theirs, pairs=ROUNDS)
    return [
        Bar(
            id="P4",
            work="CPU from spool to SQLite with every derived table, per invocation, against "
            "`executemany` of finished rows into a bare table",
            bar=2.0,
            reached=ratio,
            note=f"{1 / ratio:.2f} of its rows a second; {1 / ours():,.0f} a CPU second",
        ),
        Bar(
            id="P5",
            work="SQLite bytes per invocation, all indexes and roll-ups included",
            bar=300,
            reached=statistics.median(sizes) / count,
            unit="bytes",
            note=f"{count:,} invocations in sessions of forty",
        ),
    ]


def _log_rows(runs: Sequence[Sequence[Event]]) -> list[tuple[object, ...]]:
    """Finished rows of the log, with the time at which they were made."""
    found: list[tuple[object, ...]] = []
    for number, run in enumerate(runs):
        events = [event for event in run if isinstance(event, Invocation)]
        of = Session(run[0].session, number, 0, run[0].source, None, is_new=True)
        filled = columns(
            events, seqs=range(len(events)), ids=packed([event.id for event in events]),
            times=moments(events), micros=all_micros([event.duration_s for event in events]),
            sessions=[of] * len(events),
        )  # fmt: skip
        rest = [values for name, values in filled.items() if name != "id"]
        found += [
            (None, *row, "2026-11-20 12:00:00", None) for row in zip(*rest, strict=True)
        ]  # fmt: skip
    return found


def _bare_seconds(path: Path, batches: Sequence[Sequence[tuple[object, ...]]]) -> float:
    """CPU that a table with the log's columns takes, without index, trigger or default."""
    with closing(connect_to_new(path)) as connection:
        width = len(batches[0][0])
        names = ", ".join(f"c{n}" for n in range(1, width))
        connection.execute(f"CREATE TABLE bare (id INTEGER PRIMARY KEY, {names})")
        insert = f"INSERT INTO bare VALUES (?{', ?' * (width - 1)})"
        started = time.process_time()
        for batch in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, batch)
            connection.execute("COMMIT")
        return time.process_time() - started


def connect_to_new(path: Path) -> sqlite3.Connection:
    """A connection with the settings of the store's own."""
    create_private(path)
    return connect(path)


if __name__ == "__main__":
    for bar in measure():
        print(bar)
