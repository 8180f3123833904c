"""How fast events come in over HTTP, against the collector writing the same rows."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bars import Bar

from sbhooks.collector import Collector
from sbhooks.events import Codec
from sbhooks.ids import new_id
from sbhooks.plugins import Hooks
from sbhooks.testing.factories import Timeline
from sbhooks_storage.sqlite import open_sqlite

BATCH, BATCHES, ROUNDS = 1_000, 60, 5
_HEADERS = {"content-type": "application/x-ndjson"}


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    ratios, speeds, latencies = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            bodies = [_body(n) for n in range(BATCHES)]
            plain = _collected(Path(folder, f"collector-{number}"), bodies)
            over_http, each = _sent(Path(folder, f"server-{number}"), bodies)
            ratios.append(over_http / plain)
            speeds.append(BATCH * BATCHES / over_http)
            latencies += each
    p99 = statistics.quantiles(latencies, n=100)[98]
    return [
        Bar(
            id="P14",
            work=f"Time to take in batches of {BATCH:,} events over HTTP against the collector",
            bar=1 / 0.6,
            reached=statistics.median(ratios),
            note=f"{statistics.median(speeds):,.0f} events/s, p99 of a batch {p99 * 1e3:.0f} ms",
        )
    ]


def _body(number: int) -> bytes:
    line = Timeline(f"session-{number}", "cli")
    encode = Codec().encode
    events = [
        line.invocation(f"skill-{n % 40}", id=new_id(), duration_s=n / 1000, phase="execution")
        for n in range(BATCH)
    ]
    return b"".join(encode(event) + b"\n" for event in events)


def _collected(home: Path, bodies: Sequence[bytes]) -> float:
    """Seconds in which a collector stores the same lines from a spool, segment by segment."""
    (home / "spool").mkdir(parents=True)
    for body in bodies:
        (home / "spool" / f"{new_id()}.0.seg").write_bytes(body)
    store = open_sqlite(home / "sbhooks.db", Codec())
    hooks = Hooks.load(home=str(home))
    started = time.perf_counter()
    done = Collector(home, store, Codec(), hooks).collect()
    seconds = time.perf_counter() - started
    store.close()
    if done.events != BATCH * len(bodies):
        raise RuntimeError(f"the collector stored {done.events} events")
    return seconds


def _sent(home: Path, bodies: Sequence[bytes]) -> tuple[float, list[float]]:
    """Seconds in which a server takes them in from one client, and those of each request."""
    import httpx

    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sbhooks", "serve", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "SBHOOKS_HOME": str(home)},
    )  # fmt: skip
    try:
        url = process.stdout.readline().split()[1] if process.stdout else ""
        with httpx.Client(base_url=url, trust_env=False) as client:
            each = []
            for body in bodies:
                started = time.perf_counter()
                client.post("/api/v1/events", content=body, headers=_HEADERS).raise_for_status()
                each.append(time.perf_counter() - started)
        return sum(each), each
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    for bar in measure():
        print(bar)
