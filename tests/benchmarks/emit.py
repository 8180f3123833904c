"""P3: what recording one event costs its maker."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from time import perf_counter_ns

import msgspec
from bars import Bar, median_ratio, say

from sbhooks import Emitter, Invocation, Outcome
from sbhooks.settings import host_settings


def measure() -> list[Bar]:
    """Emit against making, encoding and writing the same event by hand."""
    say("bench: emitting")
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as home:
        emitter = Emitter(host_settings(home, {"SBHOOKS_HOME": home}), source="bench")
        encode = msgspec.json.Encoder().encode
        fd = os.open(f"{home}/by-hand", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

        def ours() -> None:
            emitter.emit(_event(emitter.session))

        def by_hand() -> None:
            os.write(fd, encode(_event(emitter.session)) + b"\n")

        ratio = median_ratio(lambda: _p50(ours), lambda: _p50(by_hand), pairs=21)
        micros = _p50(ours) / 1000
        os.close(fd)
        emitter.close()
        assert emitter.lost == 0
    return [
        Bar(
            id="P3",
            work="`emit` of one invocation, p50, against Struct + encode + `os.write` by hand",
            bar=1.6,
            reached=ratio,
            note=f"{micros:.1f} µs here",
        )
    ]


def _event(session: str) -> Invocation:
    return Invocation(
        source="bench", session=session, skill="pytest-run", outcome=Outcome.SUCCESS, duration_s=1.5
    )


def _p50(work: Callable[[], None], *, rounds: int = 3_000) -> float:
    """Median nanoseconds of one call."""
    times = []
    for _ in range(rounds):
        start = perf_counter_ns()
        work()
        times.append(perf_counter_ns() - start)
    return statistics.median(times)
