"""Takes JUnit reports in: one session per file, one event per attempt.

A file is read twice: once to see that all of it can be read, once to record. The same file of
the same CI job gives the same ids, so importing it again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from sbhooks import context
from sbhooks.emitter import Emitter
from sbhooks.errors import SbhooksError
from sbhooks.events import (
    Ci,
    Detail,
    Failure,
    Outcome,
    SessionEnd,
    SessionStart,
    TestResult,
    Vcs,
    utc_now,
)
from sbhooks.redact import redact
from sbhooks.settings import HostSettings
from sbhooks_ci.imported import Imported, ImportedFile
from sbhooks_ci.junit import Attempt, Case, cases

SOURCE = "junit"
_OUTCOMES = {
    "passed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "error": Outcome.ERROR,
    "skipped": Outcome.SKIP,
}
_MESSAGE = 300


class _Seen(msgspec.Struct, kw_only=True):
    """What the first reading of a file finds."""

    digest: str
    tests: int = 0
    attempts: int = 0
    counts: dict[str, int] = {}
    began: datetime | None = None
    total_s: float = 0.0


def import_junit(
    paths: list[Path],
    settings: HostSettings,
    folder: str,
    environ: Mapping[str, str],
    stored: Callable[[Sequence[str]], set[str]] = lambda _: set(),
) -> Imported:
    """Record reports; nothing of any file is recorded unless all of them can be read.

    A file that is known is recorded again all the same: of the first time something may have
    been lost.

    Args:
        paths: Of the reports.
        settings: Whether and where to record.
        folder: Of the project.
        environ: Says which CI run this is.
        stored: Which of some sessions are known already.

    Raises:
        SbhooksError: A file cannot be read, or nothing can be recorded.
    """
    fields = context.session_fields(settings, folder, environ)
    seen = [(path, _look(path, fields)) for path in paths]
    known = stored([_session(found) for _, found in seen])
    files = []
    for path, found in seen:
        files.append(_record(path, found, settings, fields, is_known=_session(found) in known))
        known.add(_session(found))
    return Imported(files=files)


def _session(seen: _Seen) -> str:
    return str(UUID(seen.digest[:32]))


def _look(path: Path, fields: Mapping[str, Any]) -> _Seen:
    digest = sha256()
    with _readable(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    run = fields.get("ci", {})
    place = [str(run.get(name, "")) for name in ("provider", "run_id", "attempt", "job", "shard")]
    digest.update("\0".join(place).encode())
    found = _Seen(digest=digest.hexdigest())
    for case in cases(path):
        found.tests += 1
        found.attempts += len(case.attempts)
        found.total_s += sum(attempt.time_s or 0 for attempt in case.attempts)
        if found.began is None:
            found.began = case.timestamp
        last = case.attempts[-1].detail
        found.counts[last] = found.counts.get(last, 0) + 1
        if last == "passed" and case.attempts[-1].number > 1:
            found.counts["flaky"] = found.counts.get("flaky", 0) + 1
    return found


def _readable(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise SbhooksError(f"cannot read {path}: {error.strerror}") from error


def _record(
    path: Path, seen: _Seen, settings: HostSettings, fields: Mapping[str, Any], *, is_known: bool
) -> ImportedFile:
    session = _session(seen)
    emitter = Emitter(settings, source=SOURCE, session=session)
    if not emitter.enabled:
        raise SbhooksError("recording is switched off. Take 'junit' out of the setting 'disable'")
    common: dict[str, Any] = {"source": SOURCE, "session": session}
    began, ended = _span(path, seen)
    bad = seen.counts.get("failed", 0) + seen.counts.get("error", 0)
    outcome = Outcome.FAILURE if bad else Outcome.SUCCESS if seen.tests else Outcome.SKIP
    emitter.emit(_start(fields, common, path, seen, began))
    for event in _results(path, seen, settings, common, began):
        emitter.emit(event)
    emitter.emit(
        SessionEnd(
            **common, id=_id(seen.digest, "end"), at=ended, outcome=outcome,
            duration_s=seen.total_s, counts=seen.counts, reason="finished",
        )
    )  # fmt: skip
    emitter.close()
    if emitter.lost:
        raise SbhooksError(f"{path} could not be recorded: {emitter.trouble}. Run: sbhooks doctor")
    return ImportedFile(
        file=str(path), session=session, tests=seen.tests, attempts=seen.attempts,
        counts=seen.counts, known=is_known,
    )  # fmt: skip


def _start(
    fields: Mapping[str, Any], common: Mapping[str, Any], path: Path, seen: _Seen, began: datetime
) -> SessionStart:
    told = dict(fields)
    vcs, run = told.pop("vcs", None), told.pop("ci", None)
    return SessionStart(
        **common,
        **told,
        id=_id(seen.digest, "start"),
        at=began,
        tool="junit",
        vcs=Vcs(**vcs) if vcs else None,
        ci=Ci(**run) if run else None,
        attributes={"report": path.name},
    )


def _results(
    path: Path, seen: _Seen, settings: HostSettings, common: Mapping[str, Any], began: datetime
) -> Iterator[TestResult]:
    at, number = began, 0
    for case in cases(path):
        name, params = _split(case)
        for attempt in case.attempts:
            at += timedelta(seconds=attempt.time_s or 0)
            number += 1
            yield TestResult(
                **common,
                id=_id(seen.digest, str(number)),
                at=at,
                test=name,
                params=params,
                outcome=_OUTCOMES[attempt.detail],
                detail=Detail(attempt.detail),
                attempt=attempt.number,
                call_s=attempt.time_s,
                failure=_failure(attempt, settings),
            )


def _split(case: Case) -> tuple[str, str | None]:
    """Stable identity and parameters: ``file::class::name`` as far as the report knows them."""
    name, bracket, params = case.name.partition("[")
    if not (bracket and params.endswith("]") and name):
        name, params = case.name, ""
    place = [part for part in (case.file, case.classname or case.suite) if part]
    return "::".join([*place, name]), redact(params[:-1])[:500] or None


def _failure(attempt: Attempt, settings: HostSettings) -> Failure | None:
    if attempt.detail not in {"failed", "error"}:
        return None
    message = (attempt.message or "").strip().partition("\n")[0]
    for place, short in ((f"{Path.cwd()}/", ""), (f"{Path.home()}/", "~/")):
        message = message.replace(place, short)
    cause = re.sub(r"0x[0-9a-f]+|\d+", "#", message)
    digest = sha256(f"{attempt.type}\0{cause}".encode("utf-8", "replace")).hexdigest()
    told = (redact(message) if settings.redact else message)[:_MESSAGE] or None
    return Failure(
        fingerprint=digest[:16],
        type=attempt.type,
        message=told if settings.failure_messages else None,
    )


def _span(path: Path, seen: _Seen) -> tuple[datetime, datetime]:
    """When the tests ran: as the report says, else up to when it was written; never later."""
    now = utc_now()
    length = timedelta(seconds=min(seen.total_s, 1e7))
    if seen.began is None:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        ended = min(written, now)
        return ended - length, ended
    began = min(seen.began.astimezone(UTC), now)  # without a zone: this machine's
    return began, began + length


def _id(digest: str, part: str) -> str:
    return str(UUID(sha256(f"{digest}\0{part}".encode()).hexdigest()[:32]))
