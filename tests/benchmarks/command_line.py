"""P17: how long a user waits for the command line, its help and its simplest answer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from activity import batches
from bars import Bar, median_ratio, say

from sbhooks.events import Codec
from sbhooks_storage.sqlite import open_sqlite

_STORED = 1_000_000
_LIBRARIES = "import click, rich.console"


def measure() -> list[Bar]:
    """``sbhooks --help`` and ``sbhooks top`` against importing the two libraries under them."""
    say("bench: starting the command line")
    help_page = _against_libraries("--help", os.environ)
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as home:
        say(f"bench: storing {_STORED:,} invocations for 'sbhooks top'")
        store = open_sqlite(Path(home, "sbhooks.db"), Codec())
        for batch in batches(_STORED, end=datetime.now(UTC)):
            store.append(batch)
        store.close()
        top = _against_libraries("top", {**os.environ, "SBHOOKS_HOME": home})
    against = f'against `python -c "{_LIBRARIES}"`'
    return [
        Bar(id="P17 help", work=f"CPU of `sbhooks --help` {against}", bar=1.5, reached=help_page),
        Bar(
            id="P17 top",
            work=f"CPU of `sbhooks top` on {_STORED:,} invocations {against}",
            bar=3,
            reached=top,
        ),
    ]


def _against_libraries(command: str, environment: Mapping[str, str]) -> float:
    """CPU of a command as a multiple of that of importing the libraries, median of pairs."""
    ours = [sys.executable, "-m", "sbhooks", command]
    libraries = [sys.executable, "-c", _LIBRARIES]
    _cpu(ours, environment), _cpu(libraries, environment)  # fill the caches
    return median_ratio(
        lambda: _cpu(ours, environment), lambda: _cpu(libraries, environment), pairs=21
    )


def _cpu(command: list[str], environment: Mapping[str, str]) -> float:
    """User and system seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
