"""Answers about skills and runs as tables and sparklines for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sbhooks.output import BAD, FAINT, STRONG, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, ago, count, duration, moment, percent, sparkline
from sbhooks_analytics.activity import Activity, SkillActivity
from sbhooks_analytics.attempts import name_of
from sbhooks_analytics.cells import detail_cell, ends_of, outcome_cell, range_of, span_of
from sbhooks_analytics.details import RunDetails, RunFailure, RunTest
from sbhooks_analytics.runs import KILLED, Run, short_names, was_killed

_MOST_SHOWN = 20  # of one kind of thing in a run
_BAD_COUNTS = ("failed", "error", "errors")

#: What tools count → how it reads, for one and for several.
_COUNT_WORDS = {
    "error": ("error", "errors"),
    "errors": ("error", "errors"),
    "reruns": ("rerun", "reruns"),
    "warnings": ("warning", "warnings"),
    "subtests_failed": ("failed subtest", "failed subtests"),
    "collection_errors": ("collection error", "collection errors"),
}


def draw_top(out: Output, found: Activity, now: datetime) -> None:
    """Skills by use."""
    columns = [
        Column("skill", least=18),
        Column("runs", right=True),
        Column("ok", right=True),
        Column("p50", right=True),
        Column("p95", right=True),
        Column(f"14 {found.period}s"),
        Column("last use", right=True, optional=True),
        Column("ok between", right=True, optional=True),
    ]
    rows = [_skill(skill, now) for skill in found.skills]
    if any(skill.sessions is not None for skill in found.skills):
        columns[2:2] = [Column("sessions", right=True), Column("users", right=True)]
        rows = [
            [*row[:2], f"{skill.sessions or 0:,}", f"{skill.users or 0:,}", *row[2:]]
            for row, skill in zip(rows, found.skills, strict=True)
        ]
    out.table(columns, rows)


def draw_runs(out: Output, found: Sequence[Run], now: datetime) -> None:
    """Runs, newest first, then how time and failures developed."""
    names = short_names([run.session for run in found])
    several = len({run.project for run in found}) > 1
    columns = [
        Column("run"),
        Column("started"),
        Column("outcome"),
        Column("tests", right=True),
        Column("failed", right=True),
        Column("time", right=True),
        Column("commit", optional=True),
        Column("branch", least=6, optional=True),
    ]
    if several:
        columns.insert(2, Column("project", least=8))
    rows: list[Row] = []
    for run in found:
        row = _run(run, names[run.session], now)
        rows.append([*row[:2], run.project or NOTHING, *row[2:]] if several else row)
    out.table(columns, rows)
    for project in _by_use(run.project for run in found)[:3]:
        _draw_course(out, [run for run in reversed(found) if run.project == project], several)


def draw_details(out: Output, found: RunDetails, now: datetime) -> None:
    """One run in full."""
    run = found.run
    fields: list[tuple[str | Cell, str | Cell]] = [
        ("run", run.session),
        ("tool", " ".join(part for part in (run.tool, run.tool_version) if part)),
        ("project", run.project or NOTHING),
        ("started", f"{moment(run.started_at)}, {ago(run.started_at, now)}"),
        ("outcome", _ending(run)),
        ("time", _time(run)),
    ]
    if run.counts:
        fields.append(("counts", _counts(run.counts)))
    if run.commit or run.branch:
        fields.append(("commit", f"{(run.commit or NOTHING)[:12]} on {run.branch or 'no branch'}"))
    if found.phases:
        fields.append(
            ("phases", ", ".join(f"{p.phase} {duration(p.duration_s)}" for p in found.phases))
        )
    out.fields(fields)
    _draw_interrupted(out, found.interrupted, run)
    _draw_failures(out, found.failures)
    if found.slowest:
        out.line("")
        out.heading("Slowest")
        columns = [Column("time", right=True), Column("test", least=30)]
        out.table(
            columns, [[duration(t.duration_s), name_of(t.test, t.params)] for t in found.slowest]
        )


def _draw_interrupted(out: Output, tests: Sequence[RunTest], run: Run) -> None:
    """What was running when the run was cut off."""
    if not tests:
        return
    names = [name_of(test.test, test.params) for test in tests]
    how = Cell(f"Running when it was {'killed' if was_killed(run) else 'interrupted'}:", STRONG)
    out.line("")
    if len(names) == 1:
        out.line(how, " ", names[0])
        return
    out.line(how)
    for name in names[:_MOST_SHOWN]:
        out.line("  ", name)
    if len(names) > _MOST_SHOWN:
        out.note(f"{len(names) - _MOST_SHOWN:,} more; --json shows them all.")


def _draw_failures(out: Output, failures: Sequence[RunFailure]) -> None:
    """What failed; subtests under the attempt that they belong to."""
    if not failures:
        return
    attempts = [failed for failed in failures if failed.subtest is None]
    out.line("")
    out.heading(count(len(attempts), "failed attempt"))
    rows: list[tuple[str | Cell, str | Cell]] = []
    for failed in failures[:_MOST_SHOWN]:
        name = name_of(failed.test, failed.params)
        again = f" (attempt {failed.attempt})" if failed.attempt > 1 else ""
        if failed.subtest is None:
            rows.append((detail_cell(failed.outcome), f"{name}{again}"))
        else:
            rows.append(("", f"subtest {failed.subtest}"))
        why = _why(failed)
        if why:
            rows.append(("", Cell(why, FAINT)))
    out.fields(rows)
    if len(failures) > _MOST_SHOWN:
        out.note(f"{len(failures) - _MOST_SHOWN:,} more; --json shows them all.")


def _why(failed: RunFailure) -> str:
    failure = failed.failure
    return ": ".join(part for part in (failure.type, failure.message) if part) if failure else ""


def _draw_course(out: Output, oldest_first: Sequence[Run], several: bool) -> None:
    """How time and failures of one project's runs developed."""
    times = [run.exact_duration_s for run in oldest_first]
    shares = [_bad_share(run) for run in oldest_first]
    if len([value for value in times if value is not None]) < 2:
        return
    out.line("")
    if several:
        out.heading(oldest_first[0].project or "no project")
    width = 40
    out.fields(
        [
            ("time", f"{sparkline(times, width=width)}  {span_of(times)}"),
            ("failed", f"{sparkline(shares, width=width)}  {range_of(*ends_of(shares))}"),
        ]
    )


def _skill(skill: SkillActivity, now: datetime) -> Row:
    return [
        skill.skill_name,
        f"{skill.invocation_count:,}",
        percent(skill.completion_rate),
        duration(skill.p50_seconds),
        duration(skill.p95_seconds),
        sparkline(skill.series, width=14),
        ago(skill.last_invocation_at, now),
        range_of(skill.completion_rate_low, skill.completion_rate_high),
    ]


def _run(run: Run, name: str, now: datetime) -> list[str | Cell]:
    tests = sum(run.counts.get(word, 0) for word in _COUNTED)
    bad = sum(run.counts.get(word, 0) for word in _BAD_COUNTS)
    return [
        name,
        ago(run.started_at, now),
        outcome_cell(run),
        f"{tests:,}" if run.counts else NOTHING,
        Cell(f"{bad:,}" if run.counts else NOTHING, BAD if bad else ""),
        _time(run),
        (run.commit or NOTHING)[:7],
        run.branch or NOTHING,
    ]


_COUNTED = (*_BAD_COUNTS, "passed", "skipped", "xfailed", "xpassed")


def _ending(run: Run) -> Cell:
    """How a run ended, with its exit status and the reason where that says more."""
    cell = outcome_cell(run)
    text = cell.text
    if run.exit_status is not None:
        text = f"{text}, exit status {run.exit_status}"
    if run.reason and run.reason not in {KILLED, "finished"}:
        text = f"{text}, {run.reason}"
    return Cell(text, cell.style)


def _counts(counts: dict[str, int]) -> str:
    told = []
    for word, number in counts.items():
        plain = word.replace("_", " ")
        one, several = _COUNT_WORDS.get(word, (plain, plain))
        told.append(count(number, one, several) if number else "")
    return ", ".join(filter(None, told)) or "none"


def _time(run: Run) -> str:
    """How long a run took; of one that was killed, at least."""
    time = duration(run.duration_s)
    return f"≥ {time}" if run.duration_is_lower_bound else time


def _bad_share(run: Run) -> float | None:
    tests = sum(run.counts.get(word, 0) for word in _COUNTED)
    bad = sum(run.counts.get(word, 0) for word in _BAD_COUNTS)
    return bad / tests if tests else None


def _by_use(names: Iterable[str | None]) -> list[str | None]:
    counts: dict[str | None, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])
