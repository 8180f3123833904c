"""Pipelines as tables for people."""

from __future__ import annotations

from datetime import datetime

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, ago, count, duration, percent
from sbhooks_analytics.pipelines import PipelineActivity, Pipelines, StageActivity
from sbhooks_analytics.stage_changes import Change


def draw_pipelines(out: Output, found: Pipelines, now: datetime) -> None:
    """Each pipeline with its stages, and what has changed."""
    for number, pipeline in enumerate(found.pipelines):
        if number:
            out.line("")
        out.heading(pipeline.pipeline)
        out.line(_sentence(pipeline, now))
        queued = any(stage.queued_p50_s is not None for stage in pipeline.stages)
        columns = [
            Column("stage", least=12),
            Column("runs", right=True),
            Column("ok", right=True),
            Column("ok between", right=True, optional=True),
            Column("p50", right=True),
            Column("p95", right=True),
            *([Column("queue", right=True)] if queued else []),
            Column("share", right=True),
            Column("failures", least=12, optional=True),
        ]
        out.table(columns, [_row(stage, queued=queued) for stage in pipeline.stages])
        for stage in pipeline.stages:
            if stage.change is not None:
                out.line(_change(stage.stage, stage.change, now))
    if found.note is not None:
        out.note(f"{found.note}.")


def _sentence(pipeline: PipelineActivity, now: datetime) -> str:
    parts = [count(pipeline.runs, "run")]
    if pipeline.success_rate is not None:
        parts.append(f"{percent(pipeline.success_rate)} ok ({_between(pipeline)}, 95 % interval)")
    if pipeline.stopped:
        parts.append(f"{pipeline.stopped:,} stopped")
    if pipeline.p50_s is not None:
        parts.append(f"half within {duration(pipeline.p50_s)}")
    if pipeline.bottleneck:
        parts.append(f"most time in {pipeline.bottleneck}")
    parts.append(f"last {ago(pipeline.last_at, now)}")
    return ", ".join(parts) + "."


def _row(stage: StageActivity, *, queued: bool) -> Row:
    style = "" if stage.success_rate is None else GOOD if not stage.failures else DOUBT
    kinds = ", ".join(f"{kind} {number}" for kind, number in list(stage.failures.items())[:3])
    return [
        stage.stage,
        f"{stage.runs:,}",
        Cell(percent(stage.success_rate), style),
        Cell(_between(stage), FAINT),
        duration(stage.p50_s),
        duration(stage.p95_s),
        *([duration(stage.queued_p50_s)] if queued else []),
        percent(stage.share),
        kinds,
    ]


def _between(found: PipelineActivity | StageActivity) -> str:
    if found.success_rate_low is None or found.success_rate_high is None:
        return NOTHING
    return f"{found.success_rate_low * 100:.0f}–{found.success_rate_high * 100:.0f} %"


def _change(stage: str, change: Change, now: datetime) -> Cell:
    since = f"since {change.commit[:12]}" if change.commit else f"since {ago(change.at, now)}"
    times = ""
    if change.before_s is not None and change.after_s is not None:
        times = f", from {duration(change.before_s)} to {duration(change.after_s)}"
    what = f"{stage}: {change.what} {since} ({count(change.runs, 'run')}){times}."
    return Cell(what, GOOD if change.what == "faster" else BAD)
