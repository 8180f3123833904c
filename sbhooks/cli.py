"""The command ``sbhooks``: its root, its exit statuses, and what goes wrong on the way.

==========  ================================================================================
status      meaning
==========  ================================================================================
0           done
1           the answer is "no" or "failed", where a gate was asked for (``--strict``)
2           the user must change something: one line on standard error says what
70          a bug: in a plugin that is named, or in sbhooks, with a traceback for the report
130         interrupted with Ctrl-C
==========  ================================================================================

When the reader of a pipe goes away (``| head``), the command ends silently with 0.

Importing this module costs no more than click, and ``sbhooks --help`` no more than the
entry modules of the plugins: everything else is imported by the command that needs it.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sbhooks import __version__, cli_data, cli_setup
from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, warn
from sbhooks.errors import PluginError, SbhooksError

if TYPE_CHECKING:
    from sbhooks.plugins import Hooks

BUG = 70  #: Exit status; ``EX_SOFTWARE`` of ``sysexits.h``.
INTERRUPTED = 130
#: Stand-ins on a standard output that cannot write our signs.
_PLAIN = str.maketrans("✓✗•–…·→≥━▁▂▃▄▅▆▇█", "+x*-~.>>=_.:-=+*#")


class Root(CommandGroup):
    """The root group: plugins add their commands when one is looked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._asked = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, the plugins' included."""
        self._ask_plugins(ctx)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; plugins are asked when the kernel does not have it."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            self._ask_plugins(ctx)
            found = super().get_command(ctx, cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for; one that is missing may be a plugin's that is out.

        Raises:
            click.UsageError: There is none; a note names the plugins that lack something.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            is_slip = bool(getattr(error, "possibilities", None))  # since click 8.4
            if not args[0].startswith("-") and not is_slip:
                error.add_note(_lacking(ctx.ensure_object(CommandLine).hooks))
            raise

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command under a name that is free.

        Raises:
            PluginError: The name is taken.
        """
        name = name or cmd.name
        if name in self.commands:
            raise PluginError(f"cannot add the command {name!r}: there is one of that name")
        super().add_command(cmd, name)

    def _ask_plugins(self, ctx: click.Context) -> None:
        if not self._asked:
            self._asked = True
            ctx.ensure_object(CommandLine).hooks.commands(self)


def root() -> Root:
    """Make the command line anew, without anything remembered from an earlier use."""

    @click.group(
        "sbhooks",
        cls=Root,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog="Run your tests as always, then: sbhooks runs. 'sbhooks doctor' says what is wrong.",
    )
    @click.version_option(__version__, message="sbhooks %(version)s")
    def sbhooks() -> None:
        """Flight recorder and analyst of developer tools."""

    for command in (*cli_setup.COMMANDS, *cli_data.COMMANDS):
        sbhooks.add_command(command)
    return sbhooks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    _forgive_streams()
    line = CommandLine()
    try:
        return _guarded(list(sys.argv[1:] if arguments is None else arguments), line)
    except BrokenPipeError:
        _drop_output()
        return 0
    finally:
        line.close()


def _guarded(arguments: list[str], line: CommandLine) -> int:
    """Run one command; what goes wrong becomes one line and a status."""
    try:
        status = _run(arguments, line)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        return _complain(_usage(error))
    except SbhooksError as error:
        return _complain(str(error))
    except OSError as error:
        return _out_of_order(error)
    except Exception as error:  # noqa: BLE001 - the last place to give it a status of its own
        return _bug(error, line)


def _out_of_order(error: OSError) -> int:
    """Say what the operating system refused; what cannot be printed is dropped."""
    from sbhooks.os_errors import explained
    from sbhooks.settings import here

    status = _complain(explained(error, here().home))
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()
    return status


def _bug(error: Exception, line: CommandLine) -> int:
    """Say who is to blame: the plugin of a stranger, or us."""
    import traceback

    from sbhooks.settings import here

    try:
        blamed = line.hooks.blame(error)
    except Exception:  # noqa: BLE001 - whatever is wrong with the plugins, the first error counts
        blamed = ""
    if not blamed or here().trace:
        traceback.print_exception(error)
    if blamed:
        _complain(f"{blamed}. Run: sbhooks doctor")
    else:
        _complain("this is a bug in sbhooks, please report it with the lines above")
    return BUG


def _run(arguments: list[str], line: CommandLine) -> int:
    cli = root()
    if instruction := os.environ.get(cli_setup.COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {"obj": line}, "sbhooks", cli_setup.COMPLETE, instruction)
    try:
        with cli.make_context("sbhooks", arguments or ["--help"], obj=line) as ctx:
            cli.invoke(ctx)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return 0


def _usage(error: click.ClickException) -> str:
    """What is wrong with the arguments, and where to read about them."""
    what = " ".join(error.format_message().split())
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return what
    end = "" if what.endswith("?") else "."
    notes = " ".join(getattr(error, "__notes__", ()))
    return f"{what.rstrip('.')}{end} Run: {ctx.command_path} --help{notes}"


def _lacking(hooks: Hooks) -> str:
    """Which plugins are not loaded for want of a library, and how to get it."""
    lacking = [plugin for plugin in hooks.rejected if plugin.status == "missing-extra"]
    if not lacking:
        return ""
    names = ", ".join(plugin.name for plugin in lacking)
    installs = dict.fromkeys(plugin.detail.rpartition("Run: ")[2] for plugin in lacking)
    return f". Is it a command of {names}, which lacks a library? Run: {' && '.join(installs)}"


def _complain(what: str) -> int:
    warn(what)
    return 2


def _forgive_streams() -> None:
    """A terminal that cannot show a sign gets a plainer one, a closed stream is no bug."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started with the stream closed
            setattr(sys, name, io.StringIO())
    codecs.register_error("sbhooks", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="sbhooks")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "replace").decode(), error.end


def _drop_output() -> None:
    """Nobody reads any more: keep the interpreter from complaining when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
