"""Measures every bar and writes ``docs/reference/benchmarks.md``: ``make bench``.

Arguments name the groups to measure, without writing the page: ``make bench ARGS=emit``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import analytics
import ci_wrapper
import command_line
import emit
import experiments
import exposition
import ingest
import live
import pytest_overhead
import questions
import reads
import regressions
import storage
from bars import table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
GROUPS = {
    "pytest_overhead": pytest_overhead.measure,
    "emit": emit.measure,
    "command_line": command_line.measure,
    "ci_wrapper": ci_wrapper.measure,
    "storage": storage.measure,
    "activity": questions.measure,
    "analytics": analytics.measure,
    "experiments": experiments.measure,
    "regressions": regressions.measure,
    "ingest": ingest.measure,
    "live": live.measure,
    "exposition": exposition.measure,
    "reads": reads.measure,
}


def main(names: list[str]) -> int:
    """Measure; returns 1 when a bar was missed."""
    bars = [bar for name in names or GROUPS for bar in GROUPS[name]()]
    page = table(bars)
    print(page)
    if not names:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    return int(any(bar.verdict != "reached" for bar in bars))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
