"""Who did what to the server: a line of JSON for each administrative act.

``audit.jsonl`` in the home holds starts and stops, tokens made, rotated and revoked, and
requests that were turned away for their token. Never a secret, never an event. Bounded: two
files of 1 MiB.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from sbhooks.events import utc_now
from sbhooks.folders import make_private

MAX_FILE_BYTES = 1 << 20
_LONGEST = 200


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the log.

    Attributes:
        at: UTC.
        act: What was done, such as ``"token created"``.
        by: The account of this machine, or the address, that did it.
        about: The token, path or address concerned.
    """

    at: datetime
    act: str
    by: str
    about: str = ""


class AuditLog:
    """Appends acts to the file of one installation.

    Args:
        home: The folder of sbhooks' data.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "audit.jsonl"

    def write(self, act: str, *, by: str = "", about: str = "") -> None:
        """Keep one act; a log that cannot be written stops nobody."""
        entry = Act(at=utc_now(), act=act, by=(by or _account())[:_LONGEST], about=about[:_LONGEST])
        try:
            make_private(str(self.path.parent))
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self.path, flags, 0o600)
            try:
                os.write(fd, msgspec.json.encode(entry) + b"\n")
                is_full = os.fstat(fd).st_size > MAX_FILE_BYTES
            finally:
                os.close(fd)
            if is_full:
                self.path.replace(self.path.with_name("audit.1.jsonl"))
        except OSError:
            return

    def read(self) -> list[Act]:
        """What the newer file holds, oldest first."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Act) for line in lines]


def _account() -> str:
    return f"uid {os.getuid()}" if hasattr(os, "getuid") else "this account"
