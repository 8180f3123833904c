"""The commands that look after the database: ``sbhooks db`` and ``sbhooks import old``.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, json_option
from sbhooks_storage.options import db_option, path_of, recorded_in

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_storage.maintenance import Status
    from sbhooks_storage.reports import BackedUp


@click.group(cls=CommandGroup)
def db() -> None:
    """The database: its state, schema, copies and size."""


@db.command("status")
@db_option
@json_option
@click.pass_obj
def db_status(line: CommandLine, file: str | None, as_json: bool) -> None:
    """Say what is in the database, how large it is, and how it grows.

    A database whose schema is not the newest one is left as it is.
    """
    from sbhooks.output import show
    from sbhooks_storage.maintenance import status

    found = status(recorded_in(line, file, as_json=as_json))
    show(found, lambda out: _draw_status(out, found), as_json=as_json)


@db.command("verify")
@db_option
@json_option
@click.pass_context
def db_verify(ctx: click.Context, file: str | None, as_json: bool) -> None:
    """Examine the file, its references, and every sum in it against the log.

    Ends with status 1 if anything is wrong. Takes about as long as 'sbhooks db rebuild'.
    """
    from sbhooks.output import show
    from sbhooks_storage.maintenance import verify
    from sbhooks_storage.reports import Verified

    path = recorded_in(ctx.obj, file, as_json=as_json, only_make=True)
    found = Verified(faults=verify(path))

    def draw(out: Output) -> None:
        for fault in found.faults or ["Nothing is wrong."]:
            out.line(fault)

    show(found, draw, as_json=as_json)
    if found.faults:
        ctx.exit(1)


@db.command("rebuild")
@db_option
@json_option
@click.pass_obj
def db_rebuild(line: CommandLine, file: str | None, as_json: bool) -> None:
    """Make everything anew that is derived from the log; the log stays as it is."""
    from sbhooks.output import show
    from sbhooks_storage.maintenance import rebuild_tables
    from sbhooks_storage.rebuild import COMPARED
    from sbhooks_storage.reports import Rebuilt

    rebuild_tables(recorded_in(line, file, as_json=as_json, only_make=True))
    found = Rebuilt(tables=sorted(COMPARED))
    show(found, lambda out: out.line(f"Made anew: {', '.join(found.tables)}."), as_json=as_json)


@db.command("backup")
@click.argument("copy", required=False, type=click.Path(path_type=Path))
@db_option
@json_option
@click.pass_obj
def db_backup(line: CommandLine, copy: Path | None, file: str | None, as_json: bool) -> None:
    """Copy the database while it is in use, and prove the copy sound.

    COPY is the file to write; without it, one beside the database, named by the time. Archived
    months are files that never change; the command says where, so that you copy them too.
    """
    from sbhooks.events import utc_now
    from sbhooks.output import show
    from sbhooks_storage.backups import archived_beside, backup
    from sbhooks_storage.reports import BackedUp

    path = recorded_in(line, file, as_json=as_json)
    made = backup(path, copy, now=utc_now())
    folder, months = archived_beside(path, made)
    found = BackedUp(
        backup=str(made), size_bytes=made.stat().st_size, archived_months=months,
        archive=str(folder) if months else None,
    )  # fmt: skip
    show(found, lambda out: _draw_backup(out, found), as_json=as_json)


@db.command("restore")
@click.argument("copy", type=click.Path(path_type=Path))
@db_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def db_restore(line: CommandLine, copy: Path, file: str | None, yes: bool, as_json: bool) -> None:
    """Put a backup in the place of the database; what was there is kept as another backup."""
    from sbhooks.errors import SbhooksError
    from sbhooks.events import utc_now
    from sbhooks.output import show
    from sbhooks_storage.backups import restore
    from sbhooks_storage.reports import Restored

    path = path_of(line, file)
    question = f"Replace {path} by {copy}?"
    if not yes and not (sys.stdin.isatty() and click.confirm(question, err=True)):
        raise SbhooksError("nothing was restored, because nobody confirmed. Give --yes to go ahead")
    kept = restore(path, copy, now=utc_now())
    found = Restored(restored=str(copy), replaced=None if kept is None else str(kept))

    def draw(out: Output) -> None:
        out.line(f"{path} is as in {copy}.")
        if kept is not None:
            out.line(f"As it was before: {kept}")

    show(found, draw, as_json=as_json)


@db.command("compact")
@db_option
@json_option
@click.pass_obj
def db_compact(line: CommandLine, file: str | None, as_json: bool) -> None:
    """Give the space of what was deleted back to the file system.

    Needs as much free space as the database takes, and nobody else who writes.
    """
    from sbhooks.output import show
    from sbhooks.wording import size
    from sbhooks_storage.compacting import compact

    found = compact(recorded_in(line, file, as_json=as_json, only_make=True))
    change = f"{size(found.before_bytes)} before, {size(found.after_bytes)} now."
    show(found, lambda out: out.line(change), as_json=as_json)


@click.group("import", cls=CommandGroup)
def import_group() -> None:
    """Take in what other programs have recorded."""


@import_group.command("old")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--store", "store_url", metavar="URL", help="Import into this store.")
@json_option
@click.pass_obj
def import_old(line: CommandLine, file: Path, store_url: str | None, as_json: bool) -> None:
    """Add a database of the old system to the store, which may be in use.

    FILE is only read. Importing it again adds only what is new. To go on with the old
    database itself: sbhooks db migrate --db FILE.
    """
    from sbhooks.output import show
    from sbhooks.progress import Progress
    from sbhooks.wording import count
    from sbhooks_storage.import_old import import_old as take_in

    line.use_store(store_url)
    with Progress("importing", quiet=as_json) as progress:
        found = take_in(line.runtime.store, file, progress)

    def draw(out: Output) -> None:
        out.line(f"{count(found.new, 'new invocation')} of {found.read:,}.")
        for table, rows in found.rows.items():
            out.line(f"{table}: {count(rows, 'new row')}.")

    show(found, draw, as_json=as_json)


def add_to(cli: click.Group) -> None:
    """Add the commands; ``import`` may be there already, made by another plugin."""
    from sbhooks_storage import keeping_commands, schema_commands

    for command in (*schema_commands.COMMANDS, *keeping_commands.COMMANDS):
        db.add_command(command)
    cli.add_command(db)
    group = cli.commands.get("import")
    if isinstance(group, click.Group):
        group.add_command(import_old)
    else:
        cli.add_command(import_group)


def _draw_backup(out: Output, found: BackedUp) -> None:
    from sbhooks.wording import count, size

    out.line(f"{found.backup}: {size(found.size_bytes)}, verified.")
    if found.archive is not None:
        months = count(found.archived_months, "archived month")
        out.line(f"Not in it: {months}. Copy the folder {found.archive} too.")


def _growth(found: Status) -> str:
    """How fast the database grows, in words."""
    from sbhooks.wording import count, size
    from sbhooks_storage.maintenance import LEAST_EVENTS, LEAST_SPAN

    if found.events_per_day is None:
        return f"not enough data: events span less than {LEAST_SPAN.days} days"
    per_day = f"{count(round(found.events_per_day), 'event')} a day"
    if found.size_in_a_year_bytes is None:
        return f"{per_day}; not enough data for more: fewer than {LEAST_EVENTS:,} events"
    return f"{per_day}; in a year {size(found.size_in_a_year_bytes)}"


def _draw_status(out: Output, found: Status) -> None:
    from sbhooks.output import Column
    from sbhooks.wording import count, moment, size

    behind = "" if found.version == found.head else f" of {found.head}: run sbhooks db migrate"
    fields = [
        ("file", found.path),
        ("schema", f"version {found.version}{behind}"),
        ("size", f"{size(found.size_bytes)}, of which {size(found.free_bytes)} free"),
    ]
    if found.oldest is not None:
        fields.append(("events", f"{moment(found.oldest)} to {moment(found.newest)}"))
        fields.append(("growth", _growth(found)))
    elif not behind:
        fields.append(("events", "none yet"))
    if found.archived_months:
        months = count(found.archived_months, "month")
        fields.append(("archive", f"{months}, {size(found.archive_bytes)}"))
    fields.append(("backup", moment(found.newest_backup) if found.newest_backup else
                   "none beside it: run sbhooks db backup"))  # fmt: skip
    out.fields(fields)
    out.line("")
    out.table(
        [Column("table"), Column("rows", right=True)],
        [[table.name, f"{table.rows:,}"] for table in found.tables if table.rows],
    )
