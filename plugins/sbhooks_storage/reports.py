"""What the commands of ``sbhooks db`` print for programs."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db plan --json`` prints.

    Attributes:
        version: Version of the schema now.
        steps: Versions that would be applied, or taken back, in that order.
    """

    version: int
    steps: list[str]


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db dry-run --json`` prints.

    Attributes:
        steps: Versions that were applied, or taken back, and undone.
    """

    steps: list[str]


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db migrate --json`` prints.

    Attributes:
        steps: Versions that were applied, or taken back, in that order.
        backup: Copy of the database as it was before; absent when there was nothing to keep.
    """

    steps: list[str]
    backup: str | None


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db verify --json`` prints.

    Attributes:
        faults: What is wrong and what to do; empty when all is well.
    """

    faults: list[str]


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db rebuild --json`` prints.

    Attributes:
        tables: What was made anew.
    """

    tables: list[str]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db backup --json`` prints.

    Attributes:
        backup: The copy.
        size_bytes: Its size.
        archive: The folder of archived months, which is to be copied too; absent when there
            are none.
        archived_months: How many files of it count.
    """

    backup: str
    size_bytes: int
    archive: str | None = None
    archived_months: int = 0


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db restore --json`` prints.

    Attributes:
        restored: The backup that was put in place.
        replaced: Copy of what was there before; absent when nothing was.
    """

    restored: str
    replaced: str | None


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month that was moved.

    Attributes:
        month: ``2025-01``.
        moved: How many events went from the database into its file now.
        events: How many its file holds in all.
        size_bytes: Of the file; absent when nothing was moved, as is its path.
        file: Its path.
    """

    month: str
    moved: int
    events: int
    size_bytes: int | None
    file: str | None


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db archive --json`` prints.

    Attributes:
        folder: Where the files are.
        before: Months that were over then are moved.
        dry_run: Whether nothing was moved.
        months: Oldest first.
    """

    folder: str
    before: datetime
    dry_run: bool
    months: list[Month]
