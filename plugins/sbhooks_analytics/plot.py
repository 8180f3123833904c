"""A small plot for the terminal: columns of block characters with an axis."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def plot(
    values: Sequence[float | None],
    *,
    low: float,
    high: float,
    labels: tuple[str, str],
    width: int,
    height: int = 5,
) -> list[str]:
    """Draw a series; unknown values leave a gap.

    Args:
        values: Oldest first; a series wider than the plot is shown by its newest part.
        low: What the bottom stands for.
        high: What the top stands for; more than ``low``, or all columns are of half height.
        labels: What to write at the top and at the bottom.
        width: Cells of the whole plot.
        height: Lines.

    Returns:
        Lines, the top first; no line ends in blanks.
    """
    margin = max(map(len, labels))
    shown = list(values)[-max(width - margin - 2, 1) :]
    filled = [None if value is None else _eighths(value, low, high, height) for value in shown]
    lines = []
    for row in reversed(range(height)):
        label = labels[0] if row == height - 1 else labels[1] if row == 0 else ""
        bars = "".join(" " if full is None else _part(full - 8 * row) for full in filled)
        lines.append(f"{label:>{margin}} ┤{bars}".rstrip())
    return lines


def _eighths(value: float, low: float, high: float, height: int) -> int:
    """How high a column is, in eighths of a line; at least one, to be seen."""
    if not high > low:
        return 4 * height
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return max(1, round(share * 8 * height))


def _part(rest: int) -> str:
    return _EIGHTHS[min(max(rest, 0), 8)]
