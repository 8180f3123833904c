"""What is known of one attempt at one test, from its start to the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class Attempt:
    """One attempt at one test, from its start to the verdict.

    Reports of different xdist workers interleave, a plugin may hold reports back until the
    attempt is over, and a dead process sends no last report. An attempt therefore is open
    from its first sign of life until its teardown, its crash, the start of the next one, or
    the end of the run; only then it is judged.

    Attributes:
        head: With ``used``, the id of the test result that it will be.
        key: The node id, if need be with what tells several runs of the test apart.
        test: The test's identity as JSON.
        facts: Further fields that are known from the start, as JSON.
        plain: Whether nothing is known that makes it special, yet.
        number: 1 for the first.
        reports: What the host said, in order.
        stamps: When it did, in nanoseconds; the first is the start.
        slot: Of the will, or -1.
        withheld: Report of a failure that the host may keep to itself, and its arrival.
        outcome: Set when it is not what the detail implies.
    """

    # Most tests pass and need none of these: what is not set costs nothing.
    number = 1
    slot = -1
    failed_subtests = 0
    worker: str | None = None
    attributes: dict[str, str | int | float] | None = None
    failure: dict[str, str] | None = None
    withheld: tuple[pytest.TestReport, int] | None = None
    outcome = ""
    detail = ""

    def __init__(self, head: bytes, used: int, key: str, test: bytes, started: int) -> None:
        self.head = head
        self.used = used
        self.key = key
        self.test = test
        self.facts = b""
        self.plain = True
        self.reports: list[pytest.TestReport] = []
        self.stamps = [started]

    def note(self, name: str, value: str | float) -> None:
        """Add an attribute."""
        self.plain = False
        self.attributes = {**(self.attributes or {}), name: value}
