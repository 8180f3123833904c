"""Commands about what is recorded: collect, status, privacy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, Reading, json_option, reading

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks.runtime import Runtime
    from sbhooks.status import Status


@click.command()
@click.option("--store", "store_url", metavar="URL", help="Collect into this store.")
@json_option
@click.pass_obj
def collect(line: CommandLine, store_url: str | None, as_json: bool) -> None:
    """Move what has been recorded into the store, or to the server of 'forward_to'.

    Every command that reads does this first; call it where nobody reads, as in a nightly job,
    or at the end of a CI job.
    """
    from sbhooks.output import show
    from sbhooks.progress import Progress
    from sbhooks.wording import count

    line.use_store(store_url)
    with Progress("collecting", quiet=as_json) as progress:
        done = line.runtime.collect(progress, at_once=True)

    def draw(out: Output) -> None:
        out.line(f"{count(done.events, 'new event')} from {count(done.segments, 'segment')}.")
        if done.killed:
            out.line(f"{count(done.killed, 'run')} had been killed; what they recorded is kept.")
        if done.open:
            out.line(f"{count(done.open, 'run')} going on.")
        if done.unknown or done.invalid:
            lines = count(done.unknown + done.invalid, "line")
            out.line(f"Kept aside, because nobody understands it: {lines}. Run: sbhooks doctor")

    show(done, draw, as_json=as_json)


@click.command()
@click.option("--store", "store_url", metavar="URL", help="Look at this store.")
@json_option
@click.pass_obj
def status(line: CommandLine, store_url: str | None, as_json: bool) -> None:
    """Say where data are, whether it records, and what waits."""
    from sbhooks.output import show
    from sbhooks.status import status as current

    line.use_store(store_url)
    found = current(line.runtime)
    show(found, lambda out: _draw_status(out, found), as_json=as_json)


@click.group(cls=CommandGroup)
def privacy() -> None:
    """What is recorded about people: show, export, re-key, erase."""


@privacy.command()
@reading
def preview(reading: Reading) -> None:
    """Print what is recorded, to the letter: the events of the newest run.

    Nothing leaves the machine unless you set 'forward_to'. The events go to standard output,
    one JSON document per line; the explanation goes to standard error.
    """
    from sbhooks.output import safe_json
    from sbhooks.privacy import preview as newest

    found = newest(reading.store, reading.runtime, reading.query())
    if reading.as_json:
        reading.show(found, lambda _: None)
        return
    for event in found.events:
        click.echo(safe_json(bytes(event).decode()))
    sys.stdout.flush()
    what = f"The run {found.session}." if found.session else "No run is recorded yet."
    goes_to = reading.runtime.config.forward_to
    where = "Nothing leaves this machine." if goes_to is None else f"Events are sent to {goes_to}."
    for text in (f"{what} {where}", *found.explanation):
        click.echo(text, err=True)


@privacy.command()
@json_option
@click.pass_obj
def rotate(line: CommandLine, as_json: bool) -> None:
    """Make a new key, and give everybody in the store a new pseudonym.

    Whoever holds data from before, such as a copy, can no longer tell that they are about
    the same people. Runs that are going on finish under the old key.
    """
    from sbhooks.output import show
    from sbhooks.privacy import Rotated
    from sbhooks.privacy import rotate as new_key
    from sbhooks.wording import count

    changed = new_key(line.runtime)
    what = f"New key and new pseudonyms, in {count(changed, 'run')}."
    show(Rotated(sessions=changed), lambda out: out.line(what), as_json=as_json)


_user_option = click.option(
    "--user",
    metavar="NAME",
    help="An account of this machine, or a pseudonym (user-…).  [default: yourself]",
)


@privacy.command()
@_user_option
@click.pass_obj
def export(line: CommandLine, user: str | None) -> None:
    """Print everything that is recorded of a user, one JSON document per line."""
    from sbhooks.output import safe_json
    from sbhooks.privacy import export as events_of

    runtime = line.runtime
    pseudonym, store = _meant(runtime, user), runtime.store
    for event in events_of(store, pseudonym, runtime.codec):
        sys.stdout.write(safe_json(runtime.codec.encode(event).decode()) + "\n")


@privacy.command()
@_user_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def erase(line: CommandLine, user: str | None, yes: bool, as_json: bool) -> None:
    """Remove every run of a user from the store, and every event that names them, for good."""
    from sbhooks.errors import SbhooksError
    from sbhooks.output import show
    from sbhooks.privacy import Erased, sessions_of
    from sbhooks.privacy import erase as erase_all
    from sbhooks.privacy import named as events_naming
    from sbhooks.wording import count

    runtime = line.runtime
    pseudonym, store = _meant(runtime, user), runtime.store
    sessions = sessions_of(store, pseudonym)
    runs = count(len(sessions), "run")
    named = sum(e.session not in sessions for e in events_naming(store, pseudonym, runtime.codec))
    more = f" and {count(named, 'other event')}" if named else ""
    question = f"Erase {runs}{more} of {pseudonym} for good?"
    if not yes and not (sys.stdin.isatty() and click.confirm(question, err=True)):
        raise SbhooksError("nothing was erased, because nobody confirmed. Give --yes to go ahead")
    erased = erase_all(runtime, pseudonym)
    what = f"Erased {runs}, {count(erased, 'event')}."
    show(Erased(user=pseudonym, events=erased), lambda out: out.line(what), as_json=as_json)


COMMANDS = (collect, status, privacy)


def _meant(runtime: Runtime, user: str | None) -> str:
    """Whose data are meant, with everything collected that is recorded of them."""
    from sbhooks.privacy import pseudonym_of

    runtime.collect()
    return pseudonym_of(runtime, user)


def _draw_status(out: Output, found: Status) -> None:
    from sbhooks.events import utc_now
    from sbhooks.wording import ago, count

    lines = {
        "home": found.home,
        "recording": f"{'on' if found.recording else 'off'}: {found.reason}",
        "store": found.store,
        "": _stored(found),
        "spool": f"{count(found.spool.waiting, 'segment')} waiting, {found.spool.open} being "
        f"written, {count(found.spool.set_aside_lines, 'line')} set aside",
        "last run": "none yet: run your tests as always"
        if found.last_run is None
        else f"{found.last_run.source} of {found.last_run.project or 'no project'}, "
        f"{ago(found.last_run.started_at, utc_now())}",
        "problems": "none"
        if not found.problems
        else f"{count(found.problems, 'problem')}, {count(found.lost_events, 'lost event')}. "
        "Run: sbhooks doctor",
    }
    out.fields(list(lines.items()))


def _stored(found: Status) -> str:
    """What the store holds, and what is wrong with it."""
    from sbhooks.wording import count, size

    if found.events is None:
        return f"cannot be used: {found.trouble}"
    held = f"{count(sum(found.events.values()), 'event')}, {size(found.store_size_bytes)}"
    return held if found.trouble is None else f"{held}; only to be read: {found.trouble}"
