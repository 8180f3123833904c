"""How long tests usually take: a small file, for recorders that cannot wait for a store.

``hints.json`` in the home folder holds, per project and test, the times of its last passing
runs. It is a cache, kept by whoever reads the store, lost without harm, and bounded: at most
1 MiB, of which the tests that have not run for the longest time leave first.

Standard library only: host processes import this module. Reading never raises.
"""

from __future__ import annotations

import json
import math
import os
from os.path import join
from typing import Any, NamedTuple

from sbhooks.whole_files import replace

FILE = "hints.json"
MAX_BYTES = 1 << 20
MOST_RUNS = 20  #: Passing runs of a test that are kept.
LEAST_RUNS = 5  #: Below that, nobody knows what is usual.
_VERSION = 1
_SLOWER = 1.25
_LATER_S = 0.05


class Usual(NamedTuple):
    """How long a test usually takes, in seconds.

    Attributes:
        runs: From how many passing runs this is known.
        p50_s: The middle one.
        p95_s: What 95 of 100 did not exceed; of fewer than 20 runs the longest.
    """

    runs: int
    p50_s: float
    p95_s: float

    def is_slower(self, seconds: float) -> bool:
        """Whether a time is beyond what is usual, for certain and by enough to be felt."""
        limit = max(self.p95_s * _SLOWER, self.p95_s + _LATER_S)
        return self.runs >= LEAST_RUNS and seconds > limit


class Hints:
    """The content of the file.

    Attributes:
        after: Position in the store up to which runs are counted.
    """

    def __init__(self, after: int = 0, times: dict[str, dict[str, list[int]]] | None = None):
        self.after = after
        self._times = times or {}  # project → test → milliseconds, the newest last

    def usual(self, project: str, test: str, params: str | None) -> Usual | None:
        """What is usual for a test of a project; ``None`` if it is not known."""
        times = self._times.get(project, {}).get(_name(test, params))
        known = sorted(time for time in times or () if isinstance(time, int))
        if not known:
            return None
        n = len(known)
        middle = (known[(n - 1) // 2] + known[n // 2]) / 2
        high = known[math.ceil(0.95 * n) - 1]
        return Usual(n, middle / 1e3, high / 1e3)

    def add(self, project: str, test: str, params: str | None, seconds: float) -> None:
        """Count a passing run of a test; what is counted last is dropped last."""
        tests = self._times[project] = self._times.pop(project, {})
        name = _name(test, params)
        times = tests[name] = tests.pop(name, [])
        times.append(round(seconds * 1e3))
        del times[:-MOST_RUNS]

    def encode(self) -> bytes:
        """The file's bytes, without the oldest tests where all would be too many."""
        left = MAX_BYTES - 200
        kept: dict[str, dict[str, list[int]]] = {}
        for project, tests in reversed(self._times.items()):
            left -= len(json.dumps(project)) + 4
            newest: dict[str, list[int]] = {}
            for test, times in reversed(tests.items()):
                left -= len(json.dumps(test)) + sum(len(str(time)) + 1 for time in times) + 4
                if left < 0:
                    break
                newest[test] = times
            if newest:
                kept[project] = dict(reversed(newest.items()))
            if left < 0:
                break
        table = {
            "version": _VERSION,
            "after": self.after,
            "projects": dict(reversed(kept.items())),
        }
        return json.dumps(table, separators=(",", ":")).encode()


def load(home: str) -> Hints:
    """Read the file; one that is missing, too large or not ours counts as empty."""
    try:
        with open(join(home, FILE), "rb") as file:
            data = file.read(MAX_BYTES + 1)
        table: Any = json.loads(data) if len(data) <= MAX_BYTES else {}
        after, projects = table["after"], table["projects"]
        every = (times for tests in projects.values() for times in tests.values())
        usable = table["version"] == _VERSION and isinstance(after, int)
        if usable and all(isinstance(times, list) for times in every):
            return Hints(after, projects)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return Hints()


def save(home: str, hints: Hints) -> None:
    """Replace the file, whole or not at all.

    Raises:
        OSError: The home cannot be written.
    """
    replace(join(home, FILE), hints.encode())


def forget(home: str) -> None:
    """Delete the file; the next collection makes a new one of what is stored then."""
    try:
        os.unlink(join(home, FILE))
    except OSError:
        pass


def _name(test: str, params: str | None) -> str:
    return test if params is None else f"{test}[{params}]"
