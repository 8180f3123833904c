"""What `sbhooks ci run` costs the command that it runs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bars import Bar, median_ratio, say

SBHOOKS = Path(sys.executable).parent / "sbhooks"
_MOST_MS = 60


def measure() -> list[Bar]:
    """Recording one stage, against the command alone and against an empty Python."""
    say("bench: wrapping a command")
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as home:
        environ = {**os.environ, "SBHOOKS_HOME": home, "GITHUB_ACTIONS": "true"}

        def wrapped() -> float:
            return _cpu([SBHOOKS, "ci", "run", "--", "true"], environ)

        def python() -> float:
            return _cpu([sys.executable, "-c", "pass"], environ)

        wrapped(), python()  # fill the caches
        ratio = median_ratio(wrapped, python, pairs=31)
        more = [(wrapped() - _cpu(["true"], environ)) * 1e3 for _ in range(31)]
    return [
        Bar(
            id="ci run",
            work="CPU of `sbhooks ci run -- true` against `python -c pass`",
            bar=8,
            reached=ratio,
            note=f"{statistics.median(more):.0f} ms over `true` alone; {_MOST_MS} are allowed",
        ),
    ]


def _cpu(command: list[str | Path], environ: dict[str, str]) -> float:
    """User and system seconds of one process with its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
