"""What ``/metrics`` says, worked out when it is asked: so nothing is lost by a restart.

Counts come from the store's sums, not from counters in this process. They are kept by the
store's position: asked again without news, they cost nothing. The number of series is bounded:
skills beyond the most used ones are added up as ``other``, and how many those are is a metric
itself.

References:
    Prometheus, *Metric and label naming* and *Writing exporters*.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from sbhooks import __version__, segments, status
from sbhooks.events import utc_now
from sbhooks.metrics import Metric as PluginMetric
from sbhooks.store import EventQuery, EventReader, Rollup, bucket
from sbhooks_server.site import Site
from sbhooks_server.vitals import vitals

MOST_SKILLS = 100  #: Skills with series of their own.
MOST_PHASES = 20
MOST_SOURCES = 50
OTHER = "other"
BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  #: Of the histogram, in seconds.
_LAST_BUCKETS = [bucket(bound) for bound in BOUNDS]
_RUN_AT_MOST = timedelta(days=1)


class _Skill:
    """Sums of one skill.

    Attributes:
        phases: Phase → invocations, and those that succeeded.
        within: How many durations fall under each bound and not under the one before.
        timed: How many have a duration.
        seconds: Their sum.
    """

    __slots__ = ("phases", "seconds", "timed", "within")

    def __init__(self) -> None:
        self.phases: dict[str, tuple[int, int]] = {}
        self.within = [0] * (len(BOUNDS) + 1)
        self.timed = 0
        self.seconds = 0.0

    def add(self, phase: str, rollup: Rollup) -> None:
        """Take in the sums of one phase."""
        n, completed = self.phases.get(phase, (0, 0))
        self.phases[phase] = (n + rollup.n, completed + rollup.outcomes.get("success", 0))
        self.timed += rollup.duration_n
        self.seconds += rollup.duration_sum
        for index, number in rollup.buckets.items():
            self.within[bisect_left(_LAST_BUCKETS, index)] += number

    def completion_rate(self) -> float:
        """Share of all invocations that succeeded."""
        return sum(c for _, c in self.phases.values()) / sum(n for n, _ in self.phases.values())

    def buckets(self) -> list[tuple[str, float]]:
        """How many durations are no longer than each bound."""
        return list(zip((*map(repr, BOUNDS), "+Inf"), accumulate(self.within), strict=True))


class Exposition(Collector):
    """Collects everything that is monitored, at the moment it is asked.

    Args:
        site: What is monitored.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: tuple[int, list[Metric]] = (-1, [])

    def collect(self) -> Iterator[Metric]:
        """Every metric.

        Raises:
            StoreError: The store cannot be read.
        """
        ours = [*self._stored(), *self._now()]
        yield from ours
        taken = [metric.name for metric in ours]
        for metric in self._site.runtime.hooks.metrics(self._site.runtime.store, taken):
            yield _of_plugin(metric)

    def _stored(self) -> list[Metric]:
        """What follows from the store; the same as long as nothing is stored."""
        store = self._site.runtime.store
        position = store.high_water()
        if self._kept[0] != position:
            self._kept = (position, [*_skill_metrics(store), *_event_metrics(store)])
        return self._kept[1]

    def _now(self) -> Iterator[Metric]:
        """What is the case in this process, and on its machine."""
        site = self._site
        yield _gauge("active_sessions", "Runs that have begun and not ended.", _active(site))
        listeners = len(site.hub.clients)
        yield _gauge("websocket_connections_active", "Listeners at the moment.", listeners)
        waiting = _waiting(str(site.runtime.config.home))
        yield _gauge("sbhooks_spool_events", "Recorded events that wait for storing.", waiting)
        size = status.store_size(site.runtime.config)
        if size is not None:
            yield _gauge("sbhooks_db_size_bytes", "Size of the local database.", size)
        yield from vitals(site)
        yield site.detected.counted()
        yield from self._plugins()
        info = GaugeMetricFamily(
            "sbhooks_build_info", "Version at work; always 1.", labels=["version"]
        )
        info.add_metric([__version__], 1)
        yield info

    def _plugins(self) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "sbhooks_plugin_errors", "Hook calls that failed.", labels=["plugin", "hook"]
        )
        times = SummaryMetricFamily(
            "sbhooks_hook_duration_seconds", "Time in hook calls.", labels=["plugin", "hook"]
        )
        for plugin in self._site.runtime.hooks.plugins.values():
            for hook, use in list(plugin.by_hook.items()):
                errors.add_metric([plugin.name, hook], use.errors)
                times.add_metric([plugin.name, hook], count_value=use.calls, sum_value=use.seconds)
        yield errors
        yield times


def _skills(store: EventReader) -> tuple[dict[str, _Skill], int]:
    """Add up invocations, the seldom used skills together; says how many those are."""
    query = EventQuery(kinds=("invocation",))
    rollups = [r for r in store.rollup(query, by=["skill", "phase"]) if r.key[0] is not None]
    kept, folded = _most_used(rollups, 0, MOST_SKILLS)
    phases, _ = _most_used(rollups, 1, MOST_PHASES)
    found: dict[str, _Skill] = {}
    for rollup in rollups:
        skill, phase = (str(part or "") for part in rollup.key)
        name = skill if skill in kept else OTHER
        found.setdefault(name, _Skill()).add(phase if phase in phases else OTHER, rollup)
    return found, folded


def _most_used(rollups: Sequence[Rollup], place: int, most: int) -> tuple[set[str], int]:
    """The commonest values at one place of the keys, and how many others there are."""
    numbers: Counter[str] = Counter()
    for rollup in rollups:
        numbers[str(rollup.key[place] or "")] += rollup.n
    first = sorted(numbers, key=lambda name: (-numbers[name], name))[:most]
    return set(first), len(numbers) - len(first)


def _skill_metrics(store: EventReader) -> Iterator[Metric]:
    invocations = CounterMetricFamily(
        "skill_invocations", "Invocations of skills.",
        labels=["skill_name", "workflow_phase", "completed"],
    )  # fmt: skip
    durations = HistogramMetricFamily(
        "skill_duration_seconds", "Wall-clock time of invocations; bounds are at most 2 % off.",
        labels=["skill_name"],
    )  # fmt: skip
    rates = GaugeMetricFamily(
        "skill_completion_rate", "Share of invocations that succeeded, 0 to 1.",
        labels=["skill_name"],
    )  # fmt: skip
    skills, folded = _skills(store)
    for name, skill in sorted(skills.items()):
        for phase, (n, completed) in sorted(skill.phases.items()):
            invocations.add_metric([name, phase, "true"], completed)
            invocations.add_metric([name, phase, "false"], n - completed)
        rates.add_metric([name], skill.completion_rate())
        if skill.timed:
            durations.add_metric([name], skill.buckets(), sum_value=skill.seconds)
    yield from (invocations, durations, rates)
    yield _gauge("sbhooks_metrics_folded_skills", "Skills without series of their own.", folded)


def _event_metrics(store: EventReader) -> Iterator[Metric]:
    rollups = store.rollup(EventQuery(), by=["source", "kind", "outcome"])
    events = CounterMetricFamily(
        "sbhooks_events", "Stored events.", labels=["source", "kind", "outcome"]
    )
    kept, _ = _most_used(rollups, 0, MOST_SOURCES)
    counts: dict[tuple[str, str, str], int] = {}
    for rollup in rollups:
        source, kind, outcome = rollup.key
        key = (str(source) if source in kept else OTHER, str(kind), outcome or "")
        counts[key] = counts.get(key, 0) + rollup.n
    for labels, number in sorted(counts.items()):
        events.add_metric(labels, number)
    yield events
    if rollups:
        newest = max(rollup.last_at for rollup in rollups).timestamp()
        yield _gauge("sbhooks_last_event_timestamp_seconds", "When the newest event was.", newest)


def _active(site: Site) -> int:
    """Sessions of the last day that have a start and no end."""
    query = EventQuery(kinds=("session-start", "session-end"), since=utc_now() - _RUN_AT_MOST)
    begun: set[str | None] = set()
    ended: set[str | None] = set()
    for rollup in site.runtime.store.rollup(query, by=["session", "kind"]):
        (begun if rollup.key[1] == "session-start" else ended).add(rollup.key[0])
    return len(begun - ended)


def _waiting(home: str) -> int:
    """Lines of the spool that nobody writes to any more."""
    number = 0
    for segment in segments.segments(home):
        if segment.state != "open":
            try:
                number += sum(1 for _ in segments.lines(segment.file))
            except OSError:
                continue  # collected in the meantime
    return number


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


def _of_plugin(metric: PluginMetric) -> Metric:
    names = sorted(metric.samples[0].labels) if metric.samples else []
    kind: Any = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family: Metric = kind(metric.name, metric.help, labels=names)
    for sample in metric.samples:
        _add(family, [sample.labels[name] for name in names], sample.value)
    return family


def _add(family: Any, labels: Iterable[str], value: float) -> None:
    family.add_metric(list(labels), value)
