"""How often somebody may ask: a bucket of allowances per token or address."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_BUCKETS = 10_000


class Limiter:
    """Token buckets: each holds ``burst`` allowances and gains ``per_second`` back.

    The buckets of those who have not been seen the longest are forgotten, so memory is
    bounded; whoever is forgotten begins with a full bucket.

    Args:
        per_second: Requests that may come for ever.
        burst: Requests that may come at once.
        clock: Seconds that never go back.
    """

    def __init__(
        self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str) -> float:
        """Take one allowance; returns 0, or the seconds after which there will be one."""
        level, now = self._level(who)
        if level < 1:
            self._put(who, level, now)
            return (1 - level) / self._per_second
        self._put(who, level - 1, now)
        return 0.0

    def would_wait_s(self, who: str) -> float:
        """The same without taking one."""
        level, _ = self._level(who)
        return 0.0 if level >= 1 else (1 - level) / self._per_second

    def _level(self, who: str) -> tuple[float, float]:
        now = self._clock()
        level, at = self._buckets.get(who, (self._burst, now))
        return min(self._burst, level + (now - at) * self._per_second), now

    def _put(self, who: str, level: float, now: float) -> None:
        self._buckets[who] = (level, now)
        self._buckets.move_to_end(who)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
