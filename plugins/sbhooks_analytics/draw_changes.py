"""Changes for people: what, by how much, since when, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sbhooks.output import BAD, GOOD, STRONG, Cell, Output
from sbhooks.wording import count, duration, moment, percent, sparkline
from sbhooks_analytics.cells import note_looked_at
from sbhooks_analytics.change_triage import JudgedChange
from sbhooks_analytics.changes import Changes, Found, title_of
from sbhooks_analytics.draw_trends import p_is


def draw_changes(out: Output, found: Changes, shown: Sequence[Found], limit: int) -> None:
    """Each change in a few lines."""
    for one in shown[:limit]:
        out.line(Cell(title_of(one), STRONG))
        out.fields(_fields(one))
        out.line("")
    if not found.changes:
        out.line("No change found." if found.series else "Not enough data: ten runs are needed.")
    if len(shown) > limit:
        out.note(f"{count(len(shown) - limit, 'older change')} not shown: --limit.")
    hidden = len(found.changes) - len(shown)
    if hidden:
        out.note(f"{count(hidden, 'more change')} rejected or fixed: --all shows them.")
    if any(one.commit_before for one in shown[:limit]):
        out.note("A change lies behind the first commit, up to and with the second.")
    _note_series(out, found)


def _note_series(out: Output, found: Changes) -> None:
    """What was looked at, as far as there is anything."""
    too_short = f"{count(found.short, 'series', 'series')} with fewer than 10 points not"
    if found.series:
        rest = f", {too_short}" if found.short else ""
        out.note(f"{count(found.series, 'series', 'series')} looked at{rest}.")
    elif found.short:
        out.note(f"{too_short} looked at.")
    note_looked_at(out, found.skills, found.skills_in_all)


def _fields(one: Found) -> list[tuple[str | Cell, str | Cell]]:
    style = GOOD if one.direction in {"faster", "better"} else BAD
    fields: list[tuple[str | Cell, str | Cell]] = [
        (Cell(one.direction, style), _levels(one)),
        ("since", _since(one)),
    ]
    if one.commit_before and one.commit_after:
        same = one.commit_before == one.commit_after
        fields.append((
            "commits",
            f"the same, {one.commit_after[:10]}" if same
            else f"{one.commit_before[:10]}..{one.commit_after[:10]}",
        ))  # fmt: skip
    fields += [("changed" if not place else "", what) for place, what in enumerate(one.changed)]
    left, right = one.series[: one.split], one.series[one.split :]
    bars = sparkline(one.series, width=len(one.series))
    kept = min(len(left), 24)
    drawn = bars[len(left) - kept : len(left)] + "|" + bars[len(left) : len(left) + 24]
    fields.append(("points", f"{drawn}  {p_is(one.p_value)}"))
    fields = fields if right else fields[:-1]
    fields.append(("state", Cell(f"{one.triage}, id {one.id}")))
    return [*fields, *(("said", note) for note in one.notes)]


def _since(one: Found) -> str:
    """The first point of the new level and the last one of the old, as exactly as it takes."""
    if all((at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) for at in _ends(one)):
        new, old = (f"{at:%Y-%m-%d}" for at in _ends(one))  # days of a skill
        return f"{new} (UTC); the day before it {old}"
    new, old = map(moment, _ends(one))
    if new == old:
        new, old = (f"{word}:{at:%S}" for word, at in zip((new, old), _ends(one), strict=True))
    return f"{new}; the run before it {old}"


def _ends(one: Found) -> tuple[datetime, datetime]:
    return one.at, one.last_before


def draw_judged(out: Output, done: JudgedChange) -> None:
    """What was taken down."""
    out.line(f"Change {done.id} of {done.subject} is now {done.triage}.")
    if done.note:
        out.line(f"Said about it: {done.note}")


def _levels(one: Found) -> str:
    if one.metric != "duration":
        return f"{percent(one.before)} → {percent(one.after)} completed"
    between = f"{times(one.ratio_low)} to {times(one.ratio_high)}"
    return (
        f"{duration(one.before)} → {duration(one.after)}, {times(one.ratio)} as long "
        f"(95 % interval {between})"
    )


def times(ratio: float | None) -> str:
    """A ratio as people say it."""
    if ratio is None:
        return "?"
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times" if ratio >= 2 else (
        f"{ratio:.2f} times"
    )  # fmt: skip
