"""Commands that keep a database small, and answer SQL: ``sbhooks db archive|prune|query``.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from sbhooks.cli_options import CommandLine, Since, json_option
from sbhooks_storage.options import db_option, recorded_in

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_storage.compacting import Compacted
    from sbhooks_storage.prune import Pruned
    from sbhooks_storage.reports import Archived
    from sbhooks_storage.sql import Answer

_WIDEST = 24  # cells that a column of text is cut to when the terminal is too narrow


@click.command("archive")
@click.option(
    "--older-than", "before", type=Since(), metavar="AGE", required=True,
    help="How old events must be, as in 365d; whole months (UTC) are moved.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be moved.")
@db_option
@json_option
@click.pass_obj
def db_archive(
    line: CommandLine, before: datetime, dry_run: bool, file: str | None, as_json: bool
) -> None:
    """Move old months into Parquet files beside the database.

    Invocations, test results, phase changes and stages of pipelines are moved; sums and
    sessions stay, so 'sbhooks top' goes on counting them. 'sbhooks db query' reads both.
    A file is read back and compared before a row is deleted. Needs sbhooks[archive].
    """
    from sbhooks.output import show
    from sbhooks.progress import Progress
    from sbhooks_storage.archive import run
    from sbhooks_storage.compacting import compact_if_worthwhile

    path = recorded_in(line, file, as_json=as_json)
    with Progress("archiving", quiet=as_json) as progress:
        found = run(path, before, dry_run=dry_run, progress=progress)
    compacted = None if dry_run or not found.months else compact_if_worthwhile(path)
    show(found, lambda out: _draw_archived(out, found, compacted), as_json=as_json)


@click.command("prune")
@click.option(
    "--keep", multiple=True, metavar="KIND=AGE",
    help="How long events of a kind are kept, as in test-result=365d; can be given several "
    "times, and wins over the setting [storage] retention.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would go.")
@db_option
@json_option
@click.pass_obj
def db_prune(
    line: CommandLine, *, keep: tuple[str, ...], yes: bool, file: str | None, as_json: bool
) -> None:
    """Say what is older than you want to keep it, and delete it with --yes.

    Kinds: invocation, test-result, phase-change, pipeline-stage. Sums stay, so 'sbhooks top' goes
    on counting; for that, of invocations the bare facts are kept in the archive
    (needs sbhooks[archive]), without texts and attributes. Decisions and sessions stay.
    """
    from sbhooks.events import utc_now
    from sbhooks.output import show
    from sbhooks.progress import Progress
    from sbhooks_storage.compacting import compact_if_worthwhile
    from sbhooks_storage.prune import ages, run
    from sbhooks_storage.retention import retention

    path = recorded_in(line, file, as_json=as_json)
    kept = ages(retention(line.config, keep), utc_now())
    with Progress("pruning", quiet=as_json) as progress:
        found = run(path, kept, dry_run=not yes, progress=progress)
    compacted = compact_if_worthwhile(path) if yes else None
    show(found, lambda out: _draw_pruned(out, found, compacted), as_json=as_json)


@click.command("query")
@click.argument("sql")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), metavar="N", default=1_000, show_default=True,
    help="At most that many rows.",
)  # fmt: skip
@click.option("--no-archive", is_flag=True, help="Leave archived months out; spares reading them.")
@db_option
@json_option
@click.pass_obj
def db_query(
    line: CommandLine, *, sql: str, limit: int, no_archive: bool, file: str | None, as_json: bool
) -> None:
    """Answer SQL, over the database and its archive.

    SQL is one SELECT in the dialect of SQLite, or "-" to read it from standard input. Nothing
    can be changed. Archived events are in skill_invocation, v_test_attempts, phase_change and
    pipeline_stage, and in the views upon these.
    """
    from sbhooks.output import show
    from sbhooks.progress import Progress
    from sbhooks_storage.sql import query

    text = sys.stdin.read() if sql == "-" else sql
    path = recorded_in(line, file, as_json=as_json)
    with Progress("reading the archive", quiet=as_json) as progress:
        found = query(path, text, limit=limit, with_archive=not no_archive, loaded=progress)
    show(found, lambda out: _draw_answer(out, found, limit), as_json=as_json)


COMMANDS = (db_archive, db_prune, db_query)


def _draw_archived(out: Output, found: Archived, compacted: Compacted | None) -> None:
    from sbhooks.output import Column
    from sbhooks.wording import count, size

    if not found.months:
        out.line(f"Nothing to do: no events are from before {found.before:%Y-%m} (UTC).")
        return
    out.table(
        [Column("month"), Column("moved", right=True), Column("in file", right=True),
         Column("size", right=True)],
        [
            [month.month, f"{month.moved:,}", f"{month.events:,}", size(month.size_bytes)]
            for month in found.months
        ],
    )  # fmt: skip
    moved = count(sum(month.moved for month in found.months), "event")
    out.line("")
    if found.dry_run:
        out.line(f"Would move {moved}. Nothing was changed.")
        return
    out.line(f"Moved {moved} into {found.folder}.")
    _draw_compacted(out, compacted)
    out.note("A backup of the database does not hold these files: keep a copy of the folder too.")


def _draw_pruned(out: Output, found: Pruned, compacted: Compacted | None) -> None:
    from sbhooks.output import Column
    from sbhooks.wording import count

    if not found.kinds:
        out.line(
            "Nothing to do: everything is kept for ever. Say how long with --keep KIND=AGE or the "
            "setting [storage] retention."
        )
        return
    out.table(
        [Column("kind"), Column("from before"), Column("stored", right=True),
         Column("archived", right=True), Column("what stays")],
        [
            [kind.kind, f"{kind.before:%Y-%m-%d}", f"{kind.stored:,}", f"{kind.archived:,}",
             "sums" if kind.sums_stay else "nothing"]
            for kind in found.kinds
        ],
    )  # fmt: skip
    out.line("")
    total = sum(kind.stored + kind.archived for kind in found.kinds)
    events = count(total, "event")
    if not total:
        out.line("Nothing to do: no event is older than it is kept.")
        return
    if found.dry_run:
        out.line(f"Would delete {events}. Nothing was changed; to go ahead: --yes")
        return
    out.line(f"Deleted {events}.")
    _draw_compacted(out, compacted)


def _draw_compacted(out: Output, compacted: Compacted | None) -> None:
    from sbhooks.wording import size

    if compacted is None:
        out.note("To give free space back to the file system: sbhooks db compact")
    else:
        out.line(f"The database had {size(compacted.before_bytes)} and has "
                 f"{size(compacted.after_bytes)} now.")  # fmt: skip


def _draw_answer(out: Output, found: Answer, limit: int) -> None:
    from sbhooks.output import Column
    from sbhooks.wording import NOTHING, count

    numeric = [
        all(isinstance(row[place], int | float | None) for row in found.rows)
        for place in range(len(found.columns))
    ]
    out.table(
        [
            Column(name, right=right, least=0 if right else _WIDEST)
            for name, right in zip(found.columns, numeric, strict=True)
        ],
        [[NOTHING if value is None else str(value) for value in row] for row in found.rows],
    )
    read = (
        f", {count(found.archived_months, 'archived month')} read" if found.archived_months else ""
    )
    more = f"; there are more: --limit {limit * 10}" if found.more else ""
    out.note(f"{count(len(found.rows), 'row')}{read}{more}")
