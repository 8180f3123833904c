"""Pipelines: how often and why they fail, how long they take, which stage, since which commit.

A run of a pipeline is all stages with the same pipeline and run. Of a stage that was run again
in it (a new attempt) the last one counts. A run succeeded when every stage did that was not
skipped; one that somebody stopped is neither a success nor a failure, so it is left out of
rates and times.

The bottleneck is the stage in which most of a pipeline's time goes, its queue included. Stages
that run side by side are not told from those that wait for each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from sbhooks.events import Outcome, PipelineStage
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.intervals import wilson
from sbhooks_analytics.numbers import have_numbers
from sbhooks_analytics.stage_changes import (
    FEWEST,
    WITHOUT_NUMBERS,
    Change,
    failing_since,
    slower_since,
)

_IGNORED = {Outcome.SKIP, Outcome.CANCELLATION}
#: Commits by session.
Commits = dict[str, str | None]


class StageActivity(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a pipeline; rates with their 95 % intervals (Wilson).

    Attributes:
        runs: How often it came to an end of its own: a success or a failure of any kind.
        succeeded: How often with success.
        p50_s: Half of its runs took no longer.
        queued_p50_s: Half of its runs waited no longer; ``None`` where nobody says.
        share: Of the pipeline's time, 0 to 1.
        failures: Kind of error → how often.
        change: The newest change of it, with the commit; ``None`` when it is as it was.
    """

    stage: str
    runs: int
    succeeded: int
    success_rate: float | None
    success_rate_low: float | None
    success_rate_high: float | None
    p50_s: float | None
    p95_s: float | None
    queued_p50_s: float | None
    share: float
    failures: dict[str, int]
    change: Change | None
    last_at: datetime


class PipelineActivity(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline; its times are from the beginning of a run's first stage to its last end.

    Attributes:
        runs: Runs that came to an end of their own.
        succeeded: Runs in which every stage succeeded.
        stopped: Runs that somebody stopped.
        bottleneck: The stage that takes most of the time; ``None`` with fewer than two.
        stages: In the order in which they usually begin.
    """

    pipeline: str
    runs: int
    succeeded: int
    stopped: int
    success_rate: float | None
    success_rate_low: float | None
    success_rate_high: float | None
    p50_s: float | None
    p95_s: float | None
    failures: dict[str, int]
    bottleneck: str | None
    last_at: datetime
    stages: list[StageActivity]


class Pipelines(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks pipelines --json` prints.

    Attributes:
        pipelines: The one that ran last comes first.
        note: What could not be looked at, and what to do about it.
    """

    pipelines: list[PipelineActivity]
    note: str | None = None


def pipelines(
    store: EventReader, query: EventQuery, *, names: Sequence[str] = (), limit: int = 20
) -> Pipelines:
    """Sum up pipelines.

    Args:
        store: The events.
        query: Projects and times to look at.
        names: Only these pipelines; empty for all.
        limit: At most that many.
    """
    chosen = msgspec.structs.replace(query, kinds=("pipeline-stage",))
    found: dict[str, list[PipelineStage]] = {}
    for event in store.events(chosen):
        if isinstance(event, PipelineStage) and (not names or event.pipeline in names):
            found.setdefault(event.pipeline, []).append(event)
    commits = {
        str(row.key[0]): row.key[1] for row in store.rollup(chosen, by=["session", "commit"])
    }
    summed = [_pipeline(name, events, commits) for name, events in found.items()]
    shown = sorted(summed, key=lambda p: p.last_at, reverse=True)[:limit]
    long = any(stage.succeeded >= FEWEST for pipeline in shown for stage in pipeline.stages)
    return Pipelines(pipelines=shown, note=WITHOUT_NUMBERS if long and not have_numbers() else None)


def _pipeline(name: str, events: list[PipelineStage], commits: Commits) -> PipelineActivity:
    runs: dict[str, dict[str, PipelineStage]] = {}
    for event in events:
        runs.setdefault(event.run, {})[event.stage] = event  # the last attempt stays
    stopped = sum(_was_stopped(run.values()) for run in runs.values())
    whole = [run for run in runs.values() if not _was_stopped(run.values())]
    whole = [run for run in whole if any(e.outcome not in _IGNORED for e in run.values())]
    good = sum(_succeeded(run.values()) for run in whole)
    lengths = sorted(length for run in whole if (length := _length_s(run.values())) is not None)
    final = [event for run in runs.values() for event in run.values()]
    stages = _stages(final, commits)
    rate = wilson(good, len(whole))
    top = max(stages, key=lambda stage: stage.share) if len(stages) > 1 else None
    return PipelineActivity(
        pipeline=name,
        runs=len(whole),
        succeeded=good,
        stopped=stopped,
        success_rate=rate.rate if rate else None,
        success_rate_low=rate.low if rate else None,
        success_rate_high=rate.high if rate else None,
        p50_s=_quantile(lengths, 0.5),
        p95_s=_quantile(lengths, 0.95),
        failures=_failures(final),
        bottleneck=top.stage if top is not None and top.share > 0 else None,
        last_at=max(event.at for event in events),
        stages=stages,
    )


def _stages(final: list[PipelineStage], commits: Commits) -> list[StageActivity]:
    """The stages in the order in which they begin."""
    total = sum(_cost_s(event) for event in final)
    order = {stage: number for number, stage in enumerate(_by_start(final))}
    by_stage: dict[str, list[PipelineStage]] = {}
    for event in final:
        by_stage.setdefault(event.stage, []).append(event)
    made = [_stage(stage, by_stage[stage], total, commits) for stage in by_stage]
    return sorted(made, key=lambda stage: order[stage.stage])


def _by_start(final: list[PipelineStage]) -> list[str]:
    """Names of stages by how many others of their run began before them, on average."""
    runs: dict[str, list[PipelineStage]] = {}
    for event in final:
        runs.setdefault(event.run, []).append(event)
    places: dict[str, list[int]] = {}
    for run in runs.values():
        for place, event in enumerate(sorted(run, key=_began)):
            places.setdefault(event.stage, []).append(place)
    return sorted(places, key=lambda stage: (sum(places[stage]) / len(places[stage]), stage))


def _stage(
    name: str, events: list[PipelineStage], total_s: float, commits: Commits
) -> StageActivity:
    events = sorted(events, key=lambda event: (event.at, event.id))
    ended = [event for event in events if event.outcome not in _IGNORED]
    good = sum(event.outcome is Outcome.SUCCESS for event in ended)
    durations = sorted(e.duration_s for e in ended if e.duration_s is not None)
    queued = sorted(e.queued_s for e in events if e.queued_s is not None)
    rate = wilson(good, len(ended))
    cost = sum(map(_cost_s, events))
    return StageActivity(
        stage=name,
        runs=len(ended),
        succeeded=good,
        success_rate=rate.rate if rate else None,
        success_rate_low=rate.low if rate else None,
        success_rate_high=rate.high if rate else None,
        p50_s=_quantile(durations, 0.5),
        p95_s=_quantile(durations, 0.95),
        queued_p50_s=_quantile(queued, 0.5),
        share=cost / total_s if total_s else 0.0,
        failures=_failures(events),
        change=failing_since(ended, commits) or slower_since(ended, commits),
        last_at=events[-1].at,
    )


def _failures(events: Iterable[PipelineStage]) -> dict[str, int]:
    """Kind of error → how often, the most frequent first."""
    found = Counter(
        event.error_type or str(event.outcome)
        for event in events
        if event.outcome not in {*_IGNORED, Outcome.SUCCESS}
    )
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _was_stopped(run: Iterable[PipelineStage]) -> bool:
    return any(event.outcome is Outcome.CANCELLATION for event in run)


def _succeeded(run: Iterable[PipelineStage]) -> bool:
    return all(event.outcome in {Outcome.SUCCESS, Outcome.SKIP} for event in run)


def _length_s(run: Iterable[PipelineStage]) -> float | None:
    timed = [event for event in run if event.duration_s is not None]
    if not timed:
        return None
    return (max(event.at for event in timed) - min(map(_began, timed))).total_seconds()


def _began(event: PipelineStage) -> datetime:
    return event.at - timedelta(seconds=event.duration_s or 0.0)


def _cost_s(event: PipelineStage) -> float:
    return (event.duration_s or 0.0) + (event.queued_s or 0.0)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of values in order; ``None`` without any."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]
