"""How often what happened in a run, and which tests stand out.

Standard library only. :meth:`sbhooks_pytest.results.Results.end` counts tests that pass by
itself, in ``seen`` and ``counts``: a call for each of them would show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbhooks_pytest.attempt import Attempt

SLOW_S = 0.05  #: Shorter calls are not worth comparing with earlier ones.
_MOST_SLOW = 5_000


class Tally:
    """Counts the tests of a run by how their last attempt went.

    Attributes:
        counts: Detail → number of tests whose last attempt went so.
        reruns: Number of attempts beyond the first.
        flaky: Keys of tests that passed after they had failed in this run.
        slow: Key → seconds of the call, for those that took a while.
        seen: Key → detail of the last attempt.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {"passed": 0}
        self.reruns = 0
        self.flaky: list[str] = []
        self.slow: dict[str, float] = {}
        self.seen: dict[str, str] = {}
        self._numbers: dict[str, int] = {}  # key → attempts made, if more than one
        self._failed_subtests: dict[str, int] = {}  # key → those of its last attempt

    @property
    def failed_subtests(self) -> int:
        """Number of subtests that failed in the last attempts at their tests."""
        return sum(self._failed_subtests.values())

    @property
    def done(self) -> int:
        """Number of tests of which an attempt has ended."""
        return len(self.seen)

    def attempts(self, key: str) -> int:
        """Number of attempts that have ended at a test that was seen."""
        return self._numbers.get(key, 1)

    def add(self, attempt: Attempt) -> None:
        """An attempt at a test has ended."""
        key, word = attempt.key, attempt.detail
        if attempt.failed_subtests:
            self._failed_subtests[key] = attempt.failed_subtests
        elif self._failed_subtests:
            self._failed_subtests.pop(key, None)
        before = self.seen.get(key)
        self.seen[key] = word
        self.add_other(word)
        if before is None:
            return
        self.counts[before] -= 1
        self.reruns += 1
        self._numbers[key] = self._numbers.get(key, 1) + 1
        if before in {"failed", "error"} and word in {"passed", "xpassed"}:
            self.flaky.append(key)

    def add_other(self, word: str) -> None:
        """Something has ended that is no test, such as the collection of a file."""
        self.counts[word] = self.counts.get(word, 0) + 1

    def note_slow(self, key: str, seconds: float) -> None:
        """A call took a while; of too many, the slowest are kept."""
        if len(self.slow) >= _MOST_SLOW:
            slowest = sorted(self.slow.items(), key=lambda item: -item[1])
            self.slow = dict(slowest[: _MOST_SLOW // 2])
        self.slow[key] = seconds
