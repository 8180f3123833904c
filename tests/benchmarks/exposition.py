"""What ``/metrics`` costs, against writing down as many series that are ready."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bars import Bar

from sbhooks.config import load_config
from sbhooks.runtime import Runtime
from sbhooks.testing.factories import NOON, Timeline

SKILLS, PHASES, EACH, PAIRS = 100, 5, 40, 15


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    from prometheus_client import generate_latest
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

    from sbhooks_server.exposition import Exposition
    from sbhooks_server.policy import Policy
    from sbhooks_server.site import Site

    class Ready(Collector):
        def __init__(self, families: list[Metric]) -> None:
            self._families = families

        def collect(self) -> Iterator[Metric]:
            yield from self._families

    with tempfile.TemporaryDirectory() as folder:
        config = load_config(command_line={"home": str(Path(folder, "home"))})
        with Runtime.start(config) as runtime:
            _fill(runtime)
            exposition = Exposition(Site(runtime, Policy()))
            ready = Ready(list(exposition.collect()))
            lines = len(generate_latest(ready).splitlines())
            asked_again, after_news = [], []
            for number in range(PAIRS):
                plain = _seconds(lambda: generate_latest(ready))
                asked_again.append(_seconds(lambda: generate_latest(exposition)) / plain)
                runtime.store.append([Timeline(f"news-{number}").invocation("skill-1")])
                after_news.append(_seconds(lambda: generate_latest(exposition)) / plain)
    work = f"`/metrics` of {SKILLS} skills × {PHASES} phases against writing {lines:,} ready lines"
    return [
        Bar(id="P15", work=work, bar=1.5, reached=statistics.median(asked_again)),
        Bar(
            id="P15-news",
            work=f"the same after an event was stored ({SKILLS * PHASES * EACH:,} in all)",
            bar=1.5,
            reached=statistics.median(after_news),
            note="the news are added to what was counted before",
        ),
    ]


def _fill(runtime: Runtime) -> None:
    for number in range(EACH):
        line = Timeline(f"run-{number}", "cli", start=NOON)
        runtime.store.append([
            line.invocation(f"skill-{skill}", phase=f"phase-{phase}", duration_s=skill / 7 + phase)
            for skill in range(SKILLS) for phase in range(PHASES)
        ])  # fmt: skip


def _seconds(work: object) -> float:
    started = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - started


if __name__ == "__main__":
    for bar in measure():
        print(bar)
