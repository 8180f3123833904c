"""Takes in past runs from the database in which Crackerjack keeps its phases.

There are no tools in it, and where phases ran side by side the time of one includes that of the
other, so what is recorded live says more. A run that was recorded live is left out; importing
again changes nothing.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from sbhooks import context
from sbhooks.emitter import Emitter
from sbhooks.errors import SbhooksError
from sbhooks.events import Event, Outcome, PhaseChange, PipelineStage, SessionEnd, SessionStart
from sbhooks.settings import HostSettings
from sbhooks.store import EventQuery, EventReader
from sbhooks_crackerjack.phases import PHASES, is_idle
from sbhooks_crackerjack.record import SOURCE, WORKFLOW

_OWN = Path(".crackerjack/oneiric_cache/workflow_checkpoints.sqlite")  # releases up to 0.74
_SHARED = "oneiric-cache/{}/.oneiric_cache/workflow_checkpoints.sqlite"  # later ones
_OUTCOMES = {"completed": Outcome.SUCCESS, "failed": Outcome.FAILURE, "skipped": Outcome.SKIP}
_STARTUP = timedelta(minutes=2)  # between the start of the command and that of its workflow


class ImportedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks crackerjack import --json` prints.

    Attributes:
        database: Where the runs were read.
        runs: Number of runs that were taken in.
        phases: Number of their phases.
        recorded: Number of runs that were left out, because they were recorded live.
    """

    database: str
    runs: int
    phases: int
    recorded: int


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    status: str
    began: datetime
    ended: datetime
    nodes: list[tuple[str, str, datetime, datetime]]  # phase, status, began, ended


def database_of(folder: Path) -> Path:
    """The database of a project.

    Raises:
        SbhooksError: There is none.
    """
    digest = sha256(str(folder).encode()).hexdigest()[:12]
    for path in (folder / _OWN, Path(tempfile.gettempdir()) / _SHARED.format(digest)):
        if path.is_file():
            return path
    raise SbhooksError(
        f"no past runs of Crackerjack are kept in {folder}. Run: sbhooks crackerjack run -- …"
    )


def import_runs(
    path: Path,
    store: EventReader,
    settings: HostSettings,
    folder: Path,
    environ: Mapping[str, str],
) -> ImportedRuns:
    """Record the runs in a database.

    Raises:
        SbhooksError: It cannot be read, or nothing can be recorded.
    """
    fields = context.session_fields(settings, str(folder), environ)
    fields.pop("ci", None)
    fields.pop("vcs", None)  # the checkout of today is not that of then
    runs = phases = recorded = 0
    for run in _runs(path):
        if _is_recorded(store, run):
            recorded += 1
            continue
        session = str(UUID(sha256(f"{path.name}\0{run.id}".encode()).hexdigest()[:32]))
        emitter = Emitter(settings, source=SOURCE, session=session)
        if not emitter.enabled:
            raise SbhooksError("recording is switched off. Change the setting 'disable'")
        for event in _events(run, session, fields):
            emitter.emit(event)
            phases += isinstance(event, PipelineStage)
        emitter.close()
        if emitter.lost:
            raise SbhooksError(f"runs could not be recorded: {emitter.trouble}")
        runs += 1
    return ImportedRuns(database=str(path), runs=runs, phases=phases, recorded=recorded)


def _runs(path: Path) -> Iterator[_Run]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT run_id, status, started_at, ended_at FROM workflow_executions "
                "ORDER BY started_at"
            ).fetchall()
            nodes = database.execute(
                "SELECT run_id, node_key, status, started_at, ended_at "
                "FROM workflow_execution_nodes ORDER BY started_at"
            ).fetchall()
    except sqlite3.Error as error:
        raise SbhooksError(f"cannot read {path}: {error}") from error
    for identity, status, began, ended in rows:
        at, until = _time(began), _time(ended)
        if at is None or until is None:
            continue  # killed, or running now
        found = [
            (str(phase), str(state), start, end)
            for run, phase, state, first, last in nodes
            if run == identity and (start := _time(first)) and (end := _time(last))
        ]
        yield _Run(id=str(identity), status=str(status), began=at, ended=until, nodes=found)


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _is_recorded(store: EventReader, run: _Run) -> bool:
    query = EventQuery(
        kinds=("session-start",), sources=(SOURCE,), since=run.began - _STARTUP, until=run.ended
    )
    own = {event.session for event in store.events(query)}
    stages = EventQuery(kinds=("pipeline-stage",), sessions=tuple(own), until=run.ended + _STARTUP)
    return bool(own) and any(
        run.began <= event.at <= run.ended + _STARTUP and "imported" not in event.attributes
        for event in store.events(stages)
    )


def _events(run: _Run, session: str, fields: Mapping[str, Any]) -> Iterator[Event]:
    common: dict[str, Any] = {"source": SOURCE, "session": session}

    def identity(part: str) -> str:
        return str(UUID(sha256(f"{session}\0{part}".encode()).hexdigest()[:32]))

    mark: dict[str, Any] = {"imported": True}
    yield SessionStart(
        **common, **fields, id=identity("start"), at=run.began, tool="crackerjack",
        attributes=mark,
    )  # fmt: skip
    before, did = "", False
    for number, (phase, status, began, ended) in enumerate(run.nodes):
        length = max(0.0, (ended - began).total_seconds())
        outcome = _OUTCOMES.get(status, Outcome.ERROR)
        if is_idle({"phase": phase, "success": outcome is Outcome.SUCCESS, "duration": length}):
            continue
        did = did or outcome is not Outcome.SKIP
        ours = PHASES.get(phase, phase)
        yield PhaseChange(
            **common, id=identity(f"change{number}"), at=began, workflow=WORKFLOW,
            phase_from=before, phase_to=ours, step=phase,
        )  # fmt: skip
        yield PipelineStage(
            **common, id=identity(f"stage{number}"), at=ended, pipeline=WORKFLOW, run=session,
            stage=phase, outcome=outcome, phase=ours, duration_s=length, attributes=mark,
        )  # fmt: skip
        before = ours
    done = Outcome.SUCCESS if did else Outcome.SKIP  # resumed from a checkpoint: nothing ran
    yield SessionEnd(
        **common, id=identity("end"), at=run.ended,
        outcome=done if run.status == "completed" else Outcome.FAILURE,
        duration_s=max(0.0, (run.ended - run.began).total_seconds()),
        reason="finished" if did else "nothing ran",
    )  # fmt: skip
