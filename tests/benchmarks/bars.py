"""What a measured bar is, and how the table of all of them is written."""

from __future__ import annotations

import platform
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure beside the one to reach.

    Attributes:
        id: Short name, stable over time.
        work: What was measured, and against what.
        bar: The most that is allowed.
        reached: What was measured; ``None`` when it could not be.
        unit: ``"×"`` for ratios inside one run.
        note: Figures behind it, or why it was not measured.
    """

    id: str
    work: str
    bar: float
    reached: float | None
    unit: str = "×"
    note: str = ""

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if self.reached is None:
            return "not measured"
        return "reached" if self.reached <= self.bar else "MISSED"


def table(bars: Sequence[Bar]) -> str:
    """The page ``docs/reference/benchmarks.md``."""
    rows = [
        f"| {bar.id} | {bar.work} | ≤ {bar.bar:g} {bar.unit} | {_figure(bar)} | {bar.verdict} "
        f"| {bar.note} |"
        for bar in bars
    ]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`; do not edit. Figures are ratios inside one run, or counts of",
            "instructions in user space (valgrind), so that they hold on a busy machine too.",
            "",
            f"Measured with {_versions()}.",
            "",
            "| | work | bar | reached | | |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def median_ratio(ours: Callable[[], float], theirs: Callable[[], float], *, pairs: int) -> float:
    """The median of ratios of neighbouring measurements, which a drifting machine hardly moves."""
    ratios = []
    for number in range(pairs):
        if number % 2:
            a = ours()
            b = theirs()
        else:
            b = theirs()
            a = ours()
        ratios.append(a / b)
    return statistics.median(ratios)


def run(command: Sequence[str | Path], **options: object) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return str(done.stdout)


def _figure(bar: Bar) -> str:
    return "–" if bar.reached is None else f"**{bar.reached:.4g}** {bar.unit}"


def _versions() -> str:
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    parts += [f"{name} {version(name)}" for name in ("pytest", "pluggy", "msgspec")]
    return ", ".join(parts) + f" on {platform.system()} {platform.machine()}"


def say(text: str) -> None:
    """Tell whoever waits what is going on."""
    print(text, file=sys.stderr, flush=True)
