"""Series of skills for Prometheus, within bounds: seldom used ones are added up as ``other``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from sbhooks_server.counted import Counted, Sums

MOST_SKILLS = 100  #: Skills with series of their own.
MOST_PHASES = 20
OTHER = "other"


class SkillSeries:
    """Writes down what was counted; again only for those skills whose sums are others.

    Args:
        counted: What is stored.
    """

    def __init__(self, counted: Counted) -> None:
        self._counted = counted
        self._bounds: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._written: dict[str, list[Metric]] = {}

    def metrics(self, changed: set[str] | None) -> list[Metric]:
        """Every family of skills.

        Args:
            changed: Skills whose sums are others than last time; ``None`` for any.
        """
        skills = self._counted.skills
        numbers: Counter[str] = Counter()
        in_phases: Counter[str] = Counter()
        for skill, phases in skills.items():
            for phase, sums in phases.items():
                numbers[skill] += sums.n
                in_phases[phase] += sums.n
        bounds = most_used(numbers, MOST_SKILLS), most_used(in_phases, MOST_PHASES)
        if changed is None or bounds != self._bounds:
            self._bounds, self._written = bounds, {}
        for skill in changed or ():
            self._written.pop(skill if skill in bounds[0] else OTHER, None)
        families = _families()
        for name in sorted({skill if skill in bounds[0] else OTHER for skill in skills}):
            if name not in self._written:
                self._written[name] = _written(name, self._folded(name))
            for family, written in zip(families, self._written[name], strict=True):
                family.samples.extend(written.samples)
        folded = GaugeMetricFamily(
            "sbhooks_metrics_folded_skills", "Skills without series of their own.",
            value=len(skills) - len(bounds[0]),
        )  # fmt: skip
        return [*families, folded]

    def _folded(self, name: str) -> dict[str, Sums]:
        """Sums per phase of a skill, or of all seldom used ones; seldom phases together."""
        kept, phases = self._bounds
        found: dict[str, Sums] = {}
        for skill in self._counted.skills if name == OTHER else (name,):
            if skill not in kept or skill == name:
                for phase, sums in self._counted.skills.get(skill, {}).items():
                    found.setdefault(phase if phase in phases else OTHER, Sums()).add(sums)
        return found


def most_used(numbers: Mapping[str, int], most: int) -> frozenset[str]:
    """The commonest names."""
    return frozenset(sorted(numbers, key=lambda name: (-numbers[name], name))[:most])


def _families() -> tuple[CounterMetricFamily, HistogramMetricFamily, GaugeMetricFamily]:
    return (
        CounterMetricFamily(
            "skill_invocations", "Invocations of skills.",
            labels=["skill_name", "workflow_phase", "completed"],
        ),
        HistogramMetricFamily(
            "skill_duration_seconds",
            "Wall-clock time of invocations; bounds are at most 2 % off.", labels=["skill_name"],
        ),
        GaugeMetricFamily(
            "skill_completion_rate", "Share of invocations that succeeded, 0 to 1.",
            labels=["skill_name"],
        ),
    )  # fmt: skip


def _written(name: str, phases: Mapping[str, Sums]) -> list[Metric]:
    """The series of one skill."""
    invocations, durations, rates = _families()
    total = Sums()
    for phase, sums in sorted(phases.items()):
        invocations.add_metric([name, phase, "true"], sums.completed)
        invocations.add_metric([name, phase, "false"], sums.n - sums.completed)
        total.add(sums)
    rates.add_metric([name], total.completed / total.n)
    if total.timed:
        durations.add_metric([name], total.buckets(), sum_value=total.seconds)
    return [invocations, durations, rates]
