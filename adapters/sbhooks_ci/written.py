"""What commands say that write files."""

from __future__ import annotations

import msgspec


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks ci export junit --json` prints.

    Attributes:
        session: The run that was written.
        tests: Number of test cases.
        file: Where to; ``None`` when nothing was written to a file.
    """

    session: str
    tests: int
    file: str | None
