"""The commands of pipelines; what they need is imported when one is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, Reading, json_option, reading


@click.group("ci", cls=CommandGroup)
def ci() -> None:
    """Pipelines: record stages, import reports, tell the pull request."""


@ci.command()
@json_option
def explain(as_json: bool) -> None:
    """Say which CI run this is, and which variable says so.

    Prints what would be recorded: run, attempt, job, commit, branch, tag. Of a pull request the
    commit is its head, not the merge commit that the CI system makes. Credentials in URLs are
    left out. What no variable tells is looked up in git.
    """
    from sbhooks.output import show
    from sbhooks.settings import here, working_folder
    from sbhooks_ci.explain import draw
    from sbhooks_ci.explain import explain as explanation

    found = explanation(here(), working_folder(), os.environ)
    show(found, lambda out: draw(out, found), as_json=as_json)


@ci.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--stage", default="", metavar="NAME", help="Name of the stage.")
@click.option("--skill", default="", metavar="NAME", help="Name of what is invoked.")
@click.option(
    "--environment", default="", metavar="NAME", help="What is deployed to or tested: staging, …"
)
@click.option("--triggered-by", default="", metavar="NAME", help="What started the run: push, …")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, /, command: tuple[str, ...], **labels: str) -> None:
    """Run COMMAND, record it as a stage, and end with its exit status.

    Write -- before COMMAND. Its input, output and terminal are untouched, signals are passed on,
    and a status of 128 + n means signal n, as in a shell. Without --stage the stage is named as
    the CI system names it, or its job; without --skill the skill is the program's name.
    """
    for option, value in labels.items():
        if value == "--":  # what was meant to stand before the command
            raise click.UsageError(f"Option '--{option.replace('_', '-')}' requires an argument.")
    from sbhooks_ci.sbhooks_run import execute
    from sbhooks_ci.stage import Labels

    ctx.exit(execute(command, Labels(**labels)))


@ci.group("import")
def import_() -> None:
    """Take in what other tools have written."""


@import_.command("junit")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@json_option
@click.pass_obj
def junit(line: CommandLine, files: tuple[Path, ...], as_json: bool) -> None:
    """Record the test results of JUnit reports, of any language.

    Reruns and flaky tests are understood as Maven Surefire writes them. A file may be of any
    size. Importing it again changes nothing. Nothing is recorded unless all files can be read.
    """
    from sbhooks.output import show
    from sbhooks.settings import here, working_folder
    from sbhooks_ci.import_junit import import_junit
    from sbhooks_ci.imported import draw
    from sbhooks_ci.thisrun import ended_sessions

    def stored(sessions: Sequence[str]) -> set[str]:
        return ended_sessions(line, sessions)

    found = import_junit(list(files), here(), working_folder(), os.environ, stored)
    show(found, lambda out: draw(out, found), as_json=as_json)


@ci.group()
def export() -> None:
    """Write recorded runs for other tools."""


@export.command("junit")
@click.argument("run")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write there, not to stdout."
)
@reading
def export_junit(reading: Reading, run: str, output: Path | None) -> None:
    """Write the test results of a run as JUnit XML.

    RUN is "last" or a session, as 'sbhooks runs --json' names it. Reruns are written as Maven
    Surefire does. With --output it says how many test cases were written.
    """
    import io

    from sbhooks_ci.export_junit import export_junit as write
    from sbhooks_ci.thisrun import newest_session
    from sbhooks_ci.written import Written, write_file

    session = newest_session(reading.store, reading.query()) if run == "last" else run
    text = io.StringIO()
    number = write(reading.store, session, text)
    if output is None and not reading.as_json:
        sys.stdout.write(text.getvalue() + "\n")
        return
    if output is not None:
        write_file(output, text.getvalue() + "\n")
    written = Written(session=session, tests=number, file=str(output) if output else None)
    reading.show(written, lambda out: out.line(f"{output}: {number:,} test cases"))


@ci.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "github", "gitlab", "markdown"]),
    default="auto",
    show_default=True,
    help="For whom it is written.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there; GitHub's and Markdown are added to the end.",
)
@reading
def summary(reading: Reading, form: str, output: Path | None) -> None:
    """Tell the pull request what matters of this run.

    Looks at everything recorded in the CI run around this command; outside of CI at the newest
    test run. On GitHub it is added to the step's summary (at most 900 kB), and failed and flaky
    tests become at most ten annotations; for GitLab it is a Code Quality report; everywhere else
    Markdown.
    """
    from sbhooks_ci.report import report
    from sbhooks_ci.telling import tell
    from sbhooks_ci.thisrun import sessions_of_run

    found = report(reading.store, sessions_of_run(reading.store, reading.query(), os.environ))
    reading.show(found, lambda _: tell(found, form, output, os.environ))


@ci.command()
@click.option(
    "--fail-on",
    "conditions",
    multiple=True,
    required=True,
    metavar="CONDITION",
    help="failed, flaky, new-flaky, slower=20% or completion=95%; can be given several times.",
)
@reading
def gate(reading: Reading, conditions: tuple[str, ...]) -> None:
    """End with status 1 when this run is not good enough.

    "failed": a test or a stage failed. "flaky": a test failed and then passed. "new-flaky": one
    that never did so before. "slower=20%": a test took over 20 % (and 0.1 s) longer than the median
    of its earlier passes, at least five. "completion=95%": fewer of the tests passed. What cannot
    be judged yet does not fail.
    """
    from sbhooks_ci.gate import draw
    from sbhooks_ci.gate import gate as judge
    from sbhooks_ci.report import report
    from sbhooks_ci.thisrun import sessions_of_run

    run = report(reading.store, sessions_of_run(reading.store, reading.query(), os.environ))
    found = judge(run, conditions)
    reading.show(found, lambda out: draw(out, found))
    click.get_current_context().exit(0 if found.passed else 1)


COMMANDS = (ci,)
