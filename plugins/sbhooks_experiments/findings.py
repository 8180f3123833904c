"""Experiments as insights, for outputs that know nothing of them."""

from __future__ import annotations

from collections.abc import Iterator

from sbhooks.insights import Insight, InsightQuery
from sbhooks.lazy import missing
from sbhooks.store import EventReader
from sbhooks_experiments import log
from sbhooks_experiments.ask import EXTRA, analysis
from sbhooks_experiments.results import Analysis

_SCORES = {"unhealthy": 0.9, "treatment": 0.8, "control": 0.8, "inconclusive": 0.5}


class ExperimentResult(Insight, frozen=True, kw_only=True, tag="experiment"):
    """What a running experiment has come to.

    Attributes:
        decision: ``"treatment"``, ``"control"``, ``"inconclusive"``, ``"unhealthy"`` or
            ``"needs-more-units"``.
        control_units: Units of the control.
        treatment_units: Units of the treatment.
    """

    decision: str
    control_units: int
    treatment_units: int


def findings(query: InsightQuery, store: EventReader) -> Iterator[ExperimentResult]:
    """Running experiments; tests, skills and projects are not what this is about."""
    narrowed = query.skills or query.tests or query.projects
    if narrowed or not query.wants(ExperimentResult):
        return
    running = [name for name, state in log.states(store).items() if state.is_running]
    if not running or missing({"numpy": EXTRA, "scipy": EXTRA}):
        return
    found = [_insight(analysis(store, name, now=query.now)) for name in running]
    yield from sorted(found, key=lambda one: (-one.score, one.subject))[: query.limit]


def _insight(found: Analysis) -> ExperimentResult:
    units = found.units
    return ExperimentResult(
        subject=found.experiment,
        summary=f"Experiment {found.experiment}: {found.summary}; {found.reason}.",
        score=_SCORES.get(found.decision, 0.2),
        n=units.exposed,
        method=found.metrics[0].test,
        decision=found.decision,
        control_units=units.control,
        treatment_units=units.treatment,
    )
