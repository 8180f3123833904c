"""Small charts: where lines, bands and bars go. The template writes them as SVG.

Each chart carries the figures that it shows, as the rows of a table: people who cannot see the
lines read those, and the cursor of the keyboard speaks them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from sbhooks import wording
from sbhooks.store import Rollup
from sbhooks_server.answers import wilson

WIDTH, HEIGHT = 400, 150  #: Of the viewBox.
LEFT, RIGHT, TOP, BOTTOM = 52, 394, 10, 126
GOOD, BAD = ("success",), ("failure", "error", "timeout")

Day = tuple[str, Rollup | None]  #: Name of a day or hour, and its sums, if anything happened.


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A line, band or set of bars: a path of SVG, and the name of its style."""

    style: str
    path: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart; places are those of the viewBox.

    Attributes:
        ticks: Height and label of each line of the scale.
        marks: Place and label below, alignment last.
        xs: Place of each row.
        note: What the styles mean.
        columns: Headings of the table.
        rows: Its cells, oldest first; the first is the day.
        shapes: What is drawn, the lowest first.
    """

    id: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = []
    xs: list[float] = []
    shapes: list[Shape] = []
    ticks: list[tuple[float, str]] = []
    marks: list[tuple[float, str, str]] = []


def rate(days: Sequence[Day]) -> Chart:
    """Share of successes, with its 95 % interval; the scale is always 0 to 100 %."""
    xs = _places(len(days))
    rows: list[tuple[str, ...]] = []
    low, high, line = [], [], []
    for (name, sums), x in zip(days, xs, strict=True):
        if sums is None:
            rows.append((name, wording.NOTHING, wording.NOTHING, "0"))
            continue
        good = _good(sums)
        ends = wilson(good, sums.n)
        interval = f"{wording.percent(ends[0])} – {wording.percent(ends[1])}"
        rows.append((name, wording.percent(good / sums.n), interval, f"{sums.n:,}"))
        line.append((x, _y(good / sums.n, 1)))
        low.append((x, _y(ends[0], 1)))
        high.append((x, _y(ends[1], 1)))
    shapes = [
        Shape(style="band", path=_band(low, high)),
        Shape(style="line a", path=_line(line)),
        Shape(style="dot a", path=_dots(line)),
    ]
    return Chart(
        id="rate", title="Success of invocations",
        note="The band is the 95 % interval: it is wide where little was observed.",
        columns=("UTC", "succeeded", "95 % interval", "invocations"), rows=rows, xs=xs,
        shapes=shapes, ticks=[(_y(share, 1), wording.percent(share)) for share in (0, 0.5, 1)],
        marks=_marks(days, xs),
    )  # fmt: skip


def durations(days: Sequence[Day]) -> Chart:
    """Half, and 95 of 100, took no longer."""
    xs = _places(len(days))
    rows: list[tuple[str, ...]] = []
    found = [(s.quantile(0.5), s.quantile(0.95)) if s else (None, None) for _, s in days]
    top = _round_up(max((p95 for _, p95 in found if p95 is not None), default=0))
    lines: tuple[list[tuple[float, float]], ...] = ([], [])
    for (name, _), x, pair in zip(days, xs, found, strict=True):
        rows.append((name, *(wording.duration(value) for value in pair)))
        for line, value in zip(lines, pair, strict=True):
            if value is not None:
                line.append((x, _y(value, top)))
    shapes = []
    for line, style in zip(lines, ("a", "b"), strict=True):
        shapes.append(Shape(style=f"line {style}", path=_line(line)))
        shapes.append(Shape(style=f"dot {style}", path=_dots(line)))
    return Chart(
        id="durations", title="Duration of invocations",
        note="Solid: half took no longer (p50). Dashed: 95 of 100 took no longer (p95).",
        columns=("UTC", "p50", "p95"), rows=rows, xs=xs, shapes=shapes,
        ticks=[(_y(v, top), wording.duration(v) if v else "0") for v in (0, top / 2, top)],
        marks=_marks(days, xs),
    )  # fmt: skip


def attempts(days: Sequence[Day]) -> Chart:
    """Attempts at tests: those that failed on top, those that were cut off between."""
    xs = _places(len(days))
    rows: list[tuple[str, ...]] = []
    top = _round_up(max((s.n for _, s in days if s), default=0), whole=True)
    half = min(12.0, max(0.5, (RIGHT - LEFT) / max(1, len(days)) * 0.35))
    paths = dict.fromkeys(("good", "other", "bad"), "")
    for (name, sums), x in zip(days, xs, strict=True):
        n, outcomes = (sums.n, sums.outcomes) if sums else (0, {})
        bad, cut = sum(outcomes.get(o, 0) for o in BAD), outcomes.get("cancellation", 0)
        rows.append((name, f"{n - bad - cut:,}", f"{cut:,}", f"{bad:,}"))
        ends = [_y(number, top) for number in (0, n - bad - cut, n - bad, n)]
        for style, bottom, end in zip(paths, ends, ends[1:], strict=False):
            paths[style] += _bar(x, half, bottom, end)
    return Chart(
        id="attempts", title="Attempts at tests",
        note="Striped: failed, or broke before or after the test. Grey: interrupted, by Ctrl‑C or "
             "because the run was killed.",
        columns=("UTC", "passed or skipped", "interrupted", "failed"), rows=rows, xs=xs,
        shapes=[Shape(style=f"bar {style}", path=path) for style, path in paths.items()],
        ticks=[(_y(v, top), f"{v:,.0f}") for v in (0, top)], marks=_marks(days, xs),
    )  # fmt: skip


def _good(sums: Rollup) -> int:
    return sum(sums.outcomes.get(outcome, 0) for outcome in GOOD)


def _places(number: int) -> list[float]:
    """Places from left to right; a single one is in the middle."""
    if number == 1:
        return [(LEFT + RIGHT) / 2]
    inner = 12
    step = (RIGHT - LEFT - 2 * inner) / max(1, number - 1)
    return [round(LEFT + inner + step * place, 1) for place in range(number)]


def _y(value: float, top: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * (value / top if top else 0), 1)


def _round_up(value: float, *, whole: bool = False) -> float:
    """The next 1, 2 or 5 times a power of ten; the end of a scale."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    found = next(power * step for step in (1, 2, 5, 10) if value <= power * step * (1 + 1e-9))
    return max(1.0, found) if whole else found


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if len(points) > 1 else ""


def _band(low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]]) -> str:
    if len(low) == 1:
        (x, bottom), (_, top) = low[0], high[0]
        return f"M{x - 4:g} {bottom:g}H{x + 4:g}V{top:g}H{x - 4:g}Z"
    return _line([*low, *reversed(high)]) + "Z" if low else ""


def _dots(points: Sequence[tuple[float, float]]) -> str:
    """Points as lines without length, which round ends turn into dots."""
    return "".join(f"M{x:g} {y:g}h0" for x, y in points)


def _bar(x: float, half: float, bottom: float, top: float) -> str:
    return f"M{x - half:.1f} {bottom:g}V{top:g}h{2 * half:.1f}V{bottom:g}Z" if top < bottom else ""


def _marks(days: Sequence[Day], xs: Sequence[float]) -> list[tuple[float, str, str]]:
    """Labels of the first and the last day."""
    if not days:
        return []
    if len(days) == 1:
        return [(xs[0], days[0][0], "middle")]
    return [(LEFT, days[0][0], "start"), (RIGHT, days[-1][0], "end")]
