"""How the recorder is doing: where data are, whether it records, what waits."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sbhooks import entries, problems, segments
from sbhooks.errors import ForwardError, SbhooksError
from sbhooks.events import SessionStart
from sbhooks.folders import ELSEWHERE, obstacle
from sbhooks.store import EventQuery

if TYPE_CHECKING:
    from sbhooks.config import Config
    from sbhooks.runtime import Runtime


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in the spool.

    Attributes:
        waiting: Complete segments that the next reading command takes in.
        open: Segments whose writers are at work.
        set_aside_lines: Lines of kinds that nobody declares, or that are no events.
        size_bytes: All files together.
    """

    waiting: int
    open: int
    set_aside_lines: int
    size_bytes: int


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The newest recorded session."""

    session: str
    source: str
    project: str | None
    started_at: datetime  #: When it began, UTC.


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks status --json`` prints.

    Attributes:
        home: Folder of everything that is recorded.
        recording: Whether host tools record.
        reason: Why they do, or do not.
        store: URL of the store, without credentials.
        store_size_bytes: Of a local database; ``None`` for others, or when there is none yet.
        events: Stored events by kind; ``None`` when the store cannot be read.
        trouble: Why the store cannot be read, or not written, or the server not be reached.
        collected: Events that came in just now.
        spool: What waits.
        last_run: The newest session.
        problems: How many problems ``sbhooks doctor`` knows of.
        lost_events: Events that could not be recorded.
    """

    home: str
    recording: bool
    reason: str
    store: str
    store_size_bytes: int | None
    events: dict[str, int] | None
    trouble: str | None
    collected: int
    spool: SpoolStatus
    last_run: LastRun | None
    problems: int
    lost_events: int


def status(runtime: Runtime) -> Status:
    """Collect, and look at everything; a store that cannot be used is part of the answer.

    Raises:
        SpoolError: The spool cannot be read.
    """
    config = runtime.config
    collected, events, last, trouble = 0, None, None, None
    try:
        if (refusal := runtime.refusal) is None:
            collected, trouble = _collect(runtime)
        else:
            trouble = str(refusal)
        events = {str(r.key[0]): r.n for r in runtime.store.rollup(EventQuery(), by=["kind"])}
        last = _last_run(runtime)
    except SbhooksError as error:
        trouble = str(error)
    recording, reason = recorder(config)
    known = problems.read(str(config.home))
    return Status(
        home=str(config.home),
        recording=recording,
        reason=reason,
        store=without_password(config.store),
        store_size_bytes=store_size(config),
        events=events,
        trouble=trouble,
        collected=collected,
        spool=spool_status(config.home),
        last_run=last,
        problems=len(known),
        lost_events=sum(problem.lost for problem in known),
    )


def _collect(runtime: Runtime) -> tuple[int, str | None]:
    """Number of new events, and what keeps them from a server, if anything does."""
    try:
        return runtime.collect().events, None
    except ForwardError as error:
        return 0, str(error)


def recorder(config: Config) -> tuple[bool, str]:
    """Whether host tools record, and why (not)."""
    where = config.origins.get("disable", "setting")
    if "all" in config.disable:
        return False, f"switched off: {where} says disable = all"
    if not spool_possible():
        return False, "this system has no flock(2), which the spool needs"
    if why := obstacle(str(config.home)):
        return False, f"{why}. {ELSEWHERE}"
    tools = [name for name in recording_tools() if name not in config.disable]
    if not tools:
        return True, "ready, but no recorder is installed. Run: pip install pytest-sbhooks"
    return True, f"records {', '.join(tools)}"


def recording_tools() -> list[str]:
    """The host tools for which a recorder of ours is installed."""
    names = {entry.name for entry in entries.installed("pytest11").entries}
    return ["pytest"] if "sbhooks" in names else []


def spool_possible() -> bool:
    """Whether this system has what the spool is built on."""
    from importlib.util import find_spec

    return find_spec("fcntl") is not None


def spool_status(home: Path) -> SpoolStatus:
    """Look at the spool.

    Raises:
        SpoolError: It cannot be read.
    """
    if not isdir(home):  # noqa: PTH112 - pathlib's may raise
        return SpoolStatus(waiting=0, open=0, set_aside_lines=0, size_bytes=0)
    states = [segment.state for segment in segments.segments(str(home))]
    folder = home / "spool"
    return SpoolStatus(
        waiting=len(states) - states.count("open"),
        open=states.count("open"),
        set_aside_lines=sum(set_aside(home).values()),
        size_bytes=sum(_size(path) for path in folder.rglob("*")) if folder.is_dir() else 0,
    )


def set_aside(home: Path) -> dict[str, int]:
    """Number of lines in each file of what the collector could not take in, by file name."""
    found = {}
    folder = home / "spool" / "aside"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            with path.open("rb") as file:
                found[path.name] = sum(1 for _ in file)
        except OSError:
            continue  # taken back in the meantime
    return found


def problems_of_plugins(home: str) -> Counter[str]:
    """How many problems are kept of each plugin, by its name."""
    places = (problem.where.partition(" ") for problem in problems.read(home))
    return Counter(name for kind, _, name in places if kind == "plugin")


def store_size(config: Config) -> int | None:
    """Bytes of a local database, its log included."""
    path = config.store_file
    if path is None or not path.is_file():
        return None
    return sum(_size(path.with_name(path.name + ending)) for ending in ("", "-wal"))


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url.partition(":")[0] + ":…"
    if password is None:
        return url
    user, _, rest = parts.netloc.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}:•••@{rest.rpartition('@')[2]}"))


def _last_run(runtime: Runtime) -> LastRun | None:
    query = EventQuery(kinds=("session-start",), newest_first=True, limit=1)
    for event in runtime.store.events(query):
        if isinstance(event, SessionStart):
            return LastRun(
                session=event.session,
                source=event.source,
                project=event.project,
                started_at=event.at,
            )
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0  # moved in the meantime
