"""Commands that change the schema of a database: ``sbhooks db plan|dry-run|migrate``.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sbhooks.cli_options import CommandLine, json_option
from sbhooks_storage.options import db_option, path_of

if TYPE_CHECKING:
    from sbhooks.output import Output

_to_option = click.option(
    "--to", "target", type=click.IntRange(0), metavar="N",
    help="Version of the schema to reach.  [default: the newest]",
)  # fmt: skip
_loss_option = click.option(
    "--allow-data-loss", is_flag=True, help="Go down although tables with data are dropped."
)


@click.command("plan")
@db_option
@_to_option
@json_option
@click.pass_obj
def db_plan(line: CommandLine, file: str | None, target: int | None, as_json: bool) -> None:
    """List what 'sbhooks db migrate' would do."""
    from sbhooks.output import show
    from sbhooks_migrations import HEAD
    from sbhooks_storage.migrate import plan
    from sbhooks_storage.opening import opened
    from sbhooks_storage.reports import Plan

    path = path_of(line, file)
    with opened(path, "read", "ro") as connection:
        version, steps = plan(connection, path, HEAD if target is None else target)
    found = Plan(version=version, steps=steps)
    show(found, lambda out: _draw_steps(out, found.steps, "To do"), as_json=as_json)


@click.command("dry-run")
@db_option
@_to_option
@_loss_option
@json_option
@click.pass_obj
def db_dry_run(
    line: CommandLine, file: str | None, target: int | None, allow_data_loss: bool, as_json: bool
) -> None:
    """Do what 'sbhooks db migrate' would do, and undo it: says whether it will work."""
    from sbhooks.output import show
    from sbhooks_migrations import HEAD
    from sbhooks_storage.archive_catalog import check_way_down
    from sbhooks_storage.migrate import rehearse
    from sbhooks_storage.opening import opened
    from sbhooks_storage.reports import DryRun

    path = path_of(line, file)
    with opened(path, "migrate") as connection:
        check_way_down(connection, path, target, allow_data_loss=allow_data_loss)
        steps = rehearse(connection, path, HEAD if target is None else target,
                         allow_data_loss=allow_data_loss)  # fmt: skip
    show(
        DryRun(steps=steps), lambda out: _draw_steps(out, steps, "Works, and undone"),
        as_json=as_json,
    )  # fmt: skip


@click.command("migrate")
@db_option
@_to_option
@_loss_option
@json_option
@click.pass_obj
def db_migrate(
    line: CommandLine, file: str | None, target: int | None, allow_data_loss: bool, as_json: bool
) -> None:
    """Bring the schema to the newest version, or to another one, up or down.

    A backup is made beside the file first. Databases of the old system are taken over in place.
    The way down is refused when it would delete data, unless --allow-data-loss is given.
    """
    from sbhooks.output import show
    from sbhooks_storage.reports import Migrated

    path = path_of(line, file)
    before = set(path.parent.glob(f"{path.name}.V*.backup"))
    steps = _migrate(path, target, allow_data_loss=allow_data_loss)
    kept = sorted(set(path.parent.glob(f"{path.name}.V*.backup")) - before)
    found = Migrated(steps=steps, backup=str(kept[-1]) if kept else None)

    def draw(out: Output) -> None:
        _draw_steps(out, steps, "Done")
        if found.backup is not None:
            out.line(f"As it was before: {found.backup}")

    show(found, draw, as_json=as_json)


COMMANDS = (db_plan, db_dry_run, db_migrate)


def _migrate(path: Path, target: int | None, *, allow_data_loss: bool) -> list[str]:
    from sbhooks_migrations import HEAD
    from sbhooks_storage.archive_catalog import check_way_down
    from sbhooks_storage.migrate import migrate
    from sbhooks_storage.opening import opened
    from sbhooks_storage.sqlite import add_up

    with opened(path, "migrate") as connection:
        target = HEAD if target is None else target
        check_way_down(connection, path, target, allow_data_loss=allow_data_loss)
        steps = migrate(connection, path, target, allow_data_loss=allow_data_loss)
        if target == HEAD:
            add_up(connection)
    return steps


def _draw_steps(out: Output, steps: list[str], what: str) -> None:
    out.line(f"{what}: {', '.join(steps)}." if steps else "Nothing to do.")
