"""What went wrong in a host process, kept for ``sbhooks doctor``.

sbhooks is silent to the host and loud to its owner: a problem in a host is one line in
``problems.jsonl`` beside the spool (or, when that cannot be written, in a private folder
for temporary files). Bounded: two files of 256 KiB, and a process writes each problem once.

Standard library only: host processes import this module. Nothing here raises.
"""

from __future__ import annotations

import json
import os
import re
from os.path import dirname, join
from typing import TYPE_CHECKING, NamedTuple

from sbhooks.folders import is_mine, make_private, temporary
from sbhooks.ids import CLOCK, iso

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE_BYTES = 256 * 1024
_MAX_TEXT = 2_000
_MAX_PER_PROCESS = 100
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_seen: set[tuple[str, str]] = set()


class Problem(NamedTuple):
    """One thing that went wrong.

    Attributes:
        at: UTC, ISO 8601.
        where: The part concerned: ``"spool"``, ``"config"``, ``"plugin acme"``, ...
        what: In words, with what to do.
        pid: The process.
        lost: Events that could not be recorded because of it.
    """

    at: str
    where: str
    what: str
    pid: int
    lost: int = 0


def record(home: str, where: str, what: str, *, lost: int = 0) -> None:
    """Keep a problem; the same one only once per process, unless events were lost."""
    key = (where, what)
    if not lost and (key in _seen or len(_seen) >= _MAX_PER_PROCESS):
        return
    _seen.add(key)
    problem = Problem(iso(CLOCK.now_us()), where, what[:_MAX_TEXT], os.getpid(), lost)
    # The line end in front keeps what another process has left torn apart from this.
    line = b"\n" + json.dumps(problem._asdict()).encode() + b"\n"
    for path in _places(home):
        if _append(path, line):
            return


def read(home: str) -> list[Problem]:
    """All problems that are kept, oldest first."""
    found = [
        problem
        for path in _places(home)
        for name in (_older(path), path)
        for problem in _read(name)
    ]
    return sorted(found)


def forget(home: str) -> None:
    """Delete what is kept."""
    for path in _places(home):
        for name in (_older(path), path):
            try:
                os.unlink(name)
            except (OSError, ValueError):
                continue


def _places(home: str) -> tuple[str, str]:
    """The file in the home, and one of this user's for when the home cannot be written."""
    import hashlib

    mark = hashlib.sha256(home.encode(errors="replace")).hexdigest()[:12]
    return join(home, "problems.jsonl"), join(temporary(), f"problems-{mark}.jsonl")


def _older(path: str) -> str:
    return f"{path.removesuffix('.jsonl')}.1.jsonl"


def _append(path: str, line: bytes) -> bool:
    folder = dirname(path)
    try:
        make_private(folder)
        if not is_mine(folder):
            return False  # a folder for temporary files may have been laid out by a stranger
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o600)
        try:
            written = os.write(fd, line)
            full = os.fstat(fd).st_size > MAX_FILE_BYTES
        finally:
            os.close(fd)
        if full:
            os.replace(path, _older(path))
    except (OSError, ValueError, AttributeError):
        return False
    return written == len(line)


def _read(path: str) -> Iterator[Problem]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            if not is_mine(file.fileno()):
                return
            text = file.read(2 * MAX_FILE_BYTES)
    except (OSError, ValueError):
        return
    for line in text.splitlines():
        try:
            problem = Problem(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue  # torn by a full disk
        if tuple(map(type, problem)) == (str, str, str, int, int) and _TIME.fullmatch(problem.at):
            yield problem
