"""Files that commands write, and what they say of them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sbhooks.errors import SbhooksError


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


def write_file(path: Path, text: str, *, append: bool = False) -> None:
    """Write a text, or add it to the end.

    Raises:
        SbhooksError: The file cannot be written.
    """
    try:
        with path.open("a" if append else "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise SbhooksError(f"cannot write {path}: {error.strerror}") from error
