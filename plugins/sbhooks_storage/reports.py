"""What the commands of ``sbhooks db`` print for programs."""

from __future__ import annotations

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
