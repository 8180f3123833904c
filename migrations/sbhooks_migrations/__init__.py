"""Numbered migration scripts, one pair per version: the way up and the way down.

Released scripts never change: their checksums are recorded in every database.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

HEAD = 7  #: The newest version; known without reading a folder.

_NAME = re.compile(r"V([1-9][0-9]*)__([a-z0-9_]+)\.(up|down)\.sql")


class Migration(NamedTuple):
    """One step between two versions of the schema.

    Attributes:
        number: The version that ``up`` leads to.
        name: In words, for example ``initial_schema``.
        up: SQL that leads from ``number - 1`` to ``number``.
        down: SQL that leads back.
    """

    number: int
    name: str
    up: str
    down: str

    @property
    def version(self) -> str:
        """What the history calls it: ``V1__initial_schema``."""
        return f"V{self.number}__{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of both scripts, the same whatever the line ends."""
        text = "\n".join([*self.up.splitlines(), "--", *self.down.splitlines()])
        return hashlib.sha256(text.encode()).hexdigest()


def migrations(dialect: str) -> list[Migration]:
    """Read all steps for a database, in order.

    Args:
        dialect: Name of the folder, for example ``"sqlite"``.

    Raises:
        ValueError: A number is missing or used twice, or a step has only one way.
    """
    from importlib.resources import files  # not needed by a database that is at the head

    texts = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in files(__name__).joinpath(dialect).iterdir()
        if entry.name.endswith(".sql")
    }
    return parse(texts)


def parse(texts: dict[str, str]) -> list[Migration]:
    """Pair and order scripts by their file names; see :func:`migrations`."""
    steps: dict[int, dict[str, tuple[str, str]]] = {}
    for file, text in sorted(texts.items()):
        match = _NAME.fullmatch(file)
        if match is None:
            raise ValueError(f"{file}: a migration is called V<number>__<name>.up.sql or .down.sql")
        ways = steps.setdefault(int(match[1]), {})
        if match[3] in ways:
            raise ValueError(f"{file}: number {match[1]} is used twice")
        ways[match[3]] = (match[2], text)
    return [_pair(number, steps.get(number, {})) for number in range(1, max(steps, default=0) + 1)]


def _pair(number: int, ways: dict[str, tuple[str, str]]) -> Migration:
    if not ways:
        raise ValueError(f"migration V{number} is missing")
    if ways.keys() != {"up", "down"}:
        raise ValueError(f"migration V{number} needs both an up and a down script")
    (name, up), (other, down) = ways["up"], ways["down"]
    if name != other:
        raise ValueError(f"number {number} is used twice: {name} and {other}")
    return Migration(number, name, up, down)
