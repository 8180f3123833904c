"""A pytest plugin for the demo's live run: tests come one by one, so that they can be watched.

It waits before a test begins, not in it: no recorded duration has the waiting in it.
"""

from __future__ import annotations

import time

PACE_S = 0.7


def pytest_runtest_logstart() -> None:
    """Wait before each test."""
    time.sleep(PACE_S)
