"""How fast events come in over HTTP, against the collector writing the same rows.

A store that commits once for many events writes them twice as fast as one that commits for each
thousand, so both sides must have the same to commit: many senders at once stand against a
collector that finds all segments waiting, and one who waits for each answer against a collector
that is called for each segment. All of them fsync each commit.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bars import Bar

from sbhooks.collector import Collector
from sbhooks.events import Codec
from sbhooks.ids import new_id
from sbhooks.plugins import Hooks
from sbhooks.testing.factories import Timeline
from sbhooks_storage.sqlite import open_sqlite

BATCH, BATCHES, ROUNDS, SENDERS = 1_000, 64, 7, 8
_HEADERS = {"content-type": "application/x-ndjson"}
_BAR = 1 / 0.6


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    many, one, across, speeds, latencies = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            homes = [Path(folder, f"{number}-{name}") for name in "abcd"]
            bodies = [_body(n) for n in range(BATCHES)]
            waiting = _collected(homes[0], [bodies])
            together, each = _sent(homes[1], bodies, SENDERS)
            alone, _ = _sent(homes[2], bodies, 1)
            one_by_one = _collected(homes[3], [[body] for body in bodies])
            many.append(together / waiting)
            one.append(alone / one_by_one)
            across.append(alone / waiting)
            speeds.append(BATCH * BATCHES / together)
            latencies += each
    p99 = statistics.quantiles(latencies, n=100)[98]
    return [
        Bar(
            id="P14",
            work=f"Time to take in batches of {BATCH:,} events over HTTP, {SENDERS} senders at "
            "once, against the collector",
            bar=_BAR,
            reached=statistics.median(many),
            note=f"{statistics.median(speeds):,.0f} events/s, p99 of a batch {p99 * 1e3:.0f} ms",
        ),
        Bar(
            id="P14 one",
            work="The same of one sender, who waits for each commit, against a collector that "
            "commits as often",
            bar=_BAR,
            reached=statistics.median(one),
            note=f"{statistics.median(across):.2f} × a collector that commits every 20,000 events",
        ),
    ]


def _body(number: int) -> bytes:
    line = Timeline(f"session-{number}", "cli")
    encode = Codec().encode
    events = [
        line.invocation(f"skill-{n % 40}", id=new_id(), duration_s=n / 1000, phase="execution")
        for n in range(BATCH)
    ]
    return b"".join(encode(event) + b"\n" for event in events)


def _collected(home: Path, turns: Sequence[Sequence[bytes]]) -> float:
    """Seconds in which a collector stores the same lines from a spool, a segment for each body.

    Args:
        home: An empty folder.
        turns: What waits each time that it is called.
    """
    (home / "spool").mkdir(parents=True)
    store = open_sqlite(home / "sbhooks.db", Codec())
    collector = Collector(home, store, Codec(), Hooks.load(home=str(home)))
    events, seconds = 0, 0.0
    for bodies in turns:
        for body in bodies:
            (home / "spool" / f"{new_id()}.0.seg").write_bytes(body)
        started = time.perf_counter()
        events += collector.collect().events
        seconds += time.perf_counter() - started
    store.close()
    if events != BATCH * sum(map(len, turns)):
        raise RuntimeError(f"the collector stored {events} events")
    return seconds


def _sent(home: Path, bodies: Sequence[bytes], senders: int) -> tuple[float, list[float]]:
    """Seconds in which a server takes them in, and those of each request."""
    import httpx

    with _serving(home) as url, httpx.Client(base_url=url, trust_env=False) as client:

        def send(body: bytes) -> float:
            started = time.perf_counter()
            answer = client.post("/api/v1/events", content=body, headers=_HEADERS)
            if answer.raise_for_status().json()["accepted"] != BATCH:
                raise RuntimeError(f"the server said {answer.text}")
            return time.perf_counter() - started

        with ThreadPoolExecutor(senders) as pool:
            send(_body(-1))  # the collector's process is warm too
            started = time.perf_counter()
            each = [*pool.map(send, bodies)]
            return time.perf_counter() - started, each


@contextmanager
def _serving(home: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sbhooks", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "SBHOOKS_HOME": str(home)},
    )  # fmt: skip
    try:
        yield process.stdout.readline().split()[1] if process.stdout else ""
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    for bar in measure():
        print(bar)
