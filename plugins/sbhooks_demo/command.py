"""``sbhooks demo``: record real runs, then ask the real commands about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from sbhooks.cli_options import CommandLine

MARKER = ".sbhooks-demo"  #: Tells a folder that the demo made from one that it must not empty.

QUESTIONS = (
    ("What ran?", "runs"),
    ("What is used most, and does it end well?", "top"),
    ("Where does the time go?", "tests slow --limit 5"),
    ("What passes and fails on the same code?", "tests flaky"),
    ("How did the slow test develop?", "tests history test_every_name_finds_itself"),
    ("What was running when a run was killed?", "show {killed}"),
    ("In which state are the tests?", "tests health --limit 6"),
)
#: These need the extra ``analytics``.
FURTHER = (
    ("What became slower, and with which commit?", "changes"),
    ("How often would the detectors alarm for nothing?", "analytics calibrate"),
)
EXPERIMENT = ("Are two processes faster than one?", "experiment analyze parallel")


@click.command(short_help="Record real runs of a sample project, and ask about them.")
@click.option(
    "--home",
    type=click.Path(file_okay=False),
    help="Folder for the demo's data, emptied first.  [default: 'demo' in the home of sbhooks]",
)
@click.pass_obj
def demo(line: CommandLine, home: str | None) -> None:
    """Record real test runs of a small sample project and show what can be learned.

    Makes a scratch git repository with two commits, the second of which breaks one test and
    slows another down, and runs its tests with pytest: several times at each commit, once on
    two processes, once with reruns, once killed half way. An experiment then compares runs on one
    process with runs on two. Your own data are not touched.

    On a terminal it goes on to serve what it recorded, at http://127.0.0.1:8765 or another free
    port, with a run that moves on the page, until Ctrl-C.
    """
    import shlex
    from importlib.util import find_spec
    from pathlib import Path

    from sbhooks_demo.live import serve
    from sbhooks_demo.record import record

    folder = _empty(line.config.home / "demo" if home is None else Path(home))
    say("Recording real pytest runs of a sample project …", bold=True)
    done = record(folder, say)
    say("")
    more = FURTHER if find_spec("scipy") and find_spec("sklearn") else ()
    last = [EXPERIMENT] if done.experiment else []
    for question, command in (*QUESTIONS, *more, *last):
        _ask(question, command.format(killed=done.killed), folder)
    say("")
    say("These data stay, to look around:", bold=True)
    say(f"  export SBHOOKS_HOME={shlex.quote(str(folder))}")
    say(f"  {_program()} tests list")
    say("")
    serve(folder, say, watched=sys.stdout.isatty())


def _program() -> str:
    """How to start ``sbhooks`` from here: by its name, or by its path where that finds nothing."""
    import shlex
    import shutil

    return "sbhooks" if shutil.which("sbhooks") else shlex.quote(sys.argv[0])


def say(text: str, *, bold: bool = False) -> None:
    """Print a line for people."""
    click.secho(text, bold=bold)


def _ask(question: str, command: str, home: Path) -> None:
    """Show a question, the command that answers it, and its answer."""
    import shlex
    import subprocess

    from sbhooks_demo.record import environment

    say("")
    say(f"{question}", bold=True)
    say(f"$ sbhooks {command}")
    sys.stdout.flush()
    arguments = [sys.executable, "-m", "sbhooks", *shlex.split(command)]
    done = subprocess.run(arguments, env=environment(home), check=False)  # noqa: S603 - our own
    if done.returncode:
        raise click.ClickException(f"'sbhooks {command}' failed with {done.returncode}")


def _empty(home: Path) -> Path:
    """Make an empty folder for the demo's data; refuses to empty anything else."""
    import shutil

    from sbhooks.folders import make_private

    home = home.absolute()
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise click.UsageError(
                f"cannot use {home} for the demo: it is not empty and not of an earlier demo. "
                "Give an empty folder with --home"
            )
        shutil.rmtree(home)
    make_private(str(home))
    (home / MARKER).touch()
    return home
