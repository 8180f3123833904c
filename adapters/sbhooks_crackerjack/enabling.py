"""Switches the recording of plain Crackerjack runs on and off, by a ``.pth`` file."""

from __future__ import annotations

import sysconfig
from importlib.util import find_spec
from pathlib import Path

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.output import Output
from sbhooks_crackerjack.autoload import LINE

NAME = "sbhooks_crackerjack.pth"


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks crackerjack enable --json` prints.

    Attributes:
        enabled: Whether plain Crackerjack runs of this environment record themselves now.
        file: What says so.
        changed: Whether it was otherwise before.
        crackerjack: Whether Crackerjack is installed in this environment.
    """

    enabled: bool
    file: str
    changed: bool
    crackerjack: bool


class SwitchedOff(Switched, frozen=True, kw_only=True):
    """What `sbhooks crackerjack disable --json` prints."""


def switch(*, on: bool, folder: Path | None = None) -> Switched:
    """Write or remove the file.

    Args:
        on: Whether to record.
        folder: The site-packages to switch; those of this environment by default.

    Raises:
        SbhooksError: They cannot be written.
    """
    path = (folder or Path(sysconfig.get_path("purelib"))) / NAME
    before = path.is_file()
    try:
        if on:
            path.write_text(LINE, encoding="utf-8")
        elif before:
            path.unlink()
    except OSError as error:
        raise SbhooksError(f"cannot write {path}: {error.strerror}") from error
    kind = Switched if on else SwitchedOff
    there = find_spec("crackerjack") is not None
    return kind(enabled=on, file=str(path), changed=before is not on, crackerjack=there)


def draw(out: Output, found: Switched) -> None:
    """Show it to people."""
    words = "record themselves" if found.enabled else "are not recorded"
    since = "now" if found.changed else "as before"
    out.line(f"Plain Crackerjack runs here {words}, {since}: {found.file}")
    if found.enabled and not found.crackerjack:
        out.note("Crackerjack is not installed in this environment yet.")
