"""What was imported, as a document and for people; fields may be added, never renamed."""

from __future__ import annotations

import msgspec

from sbhooks.output import Column, Output
from sbhooks.wording import count


class ImportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One report that was imported.

    Attributes:
        file: As it was given.
        session: What it is recorded as.
        tests: Number of test cases.
        attempts: Number of attempts at them.
        counts: How the test cases ended, such as ``{"passed": 12}``; ``flaky`` failed first.
        known: Whether it had been imported before, as far as that can be seen from here.
    """

    file: str
    session: str
    tests: int
    attempts: int
    counts: dict[str, int]
    known: bool = False


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks ci import junit --json` prints."""

    files: list[ImportedFile]


def draw(out: Output, found: Imported) -> None:
    """Show it to people."""
    out.table(
        [
            Column("report", least=16), Column("tests", right=True), Column("failed", right=True),
            Column("skipped", right=True), Column("flaky", right=True),
        ],
        [
            (
                file.file, f"{file.tests:,}",
                f"{file.counts.get('failed', 0) + file.counts.get('error', 0):,}",
                f"{file.counts.get('skipped', 0):,}", f"{file.counts.get('flaky', 0):,}",
            )
            for file in found.files
        ],
    )  # fmt: skip
    new = sum(file.attempts for file in found.files if not file.known)
    old = sum(file.attempts for file in found.files if file.known)
    parts = [f"{count(new, 'attempt')} recorded"] if new or not old else []
    if old:
        parts.append(f"{count(old, 'attempt')} known already")
    out.note(f"{', '.join(parts)}. See them with: sbhooks runs")
