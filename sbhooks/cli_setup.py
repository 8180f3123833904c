"""Commands about the installation itself: init, doctor, plugins, config, completion."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, json_option

if TYPE_CHECKING:
    from sbhooks.doctor import Examination
    from sbhooks.inventory import PluginList, Setting
    from sbhooks.output import Output, Row

COMPLETE = "_SBHOOKS_COMPLETE"  #: Environment variable through which a shell asks for words.
_SHELLS = ("bash", "zsh", "fish")


@click.command()
@json_option
@click.pass_obj
def init(line: CommandLine, as_json: bool) -> None:
    """Make the home, the key and the store, and say what to do next.

    Recording needs no init: the first recorded run makes what it needs. Running it again
    changes nothing.
    """
    from sbhooks.errors import SbhooksError
    from sbhooks.folders import ELSEWHERE, make_private, obstacle
    from sbhooks.identity import load_key
    from sbhooks.inventory import Ready
    from sbhooks.output import show
    from sbhooks.status import recorder, without_password

    config = line.config
    try:
        make_private(str(config.home))
        load_key(str(config.home))
    except (OSError, ValueError) as error:
        why = obstacle(str(config.home)) or error
        raise SbhooksError(f"cannot make the home {config.home}: {why}. {ELSEWHERE}") from error
    if (refusal := line.runtime.refusal) is not None:
        raise refusal
    recording, reason = recorder(config)
    found = Ready(
        home=str(config.home),
        store=without_password(config.store),
        recording=recording,
        reason=reason,
    )

    def draw(out: Output) -> None:
        state = f"{'on' if recording else 'off'}: {reason}"
        out.fields([("home", found.home), ("store", found.store), ("recording", state)])
        out.line("")
        out.line("Run your tests as always, then: sbhooks runs, sbhooks tests slow, sbhooks top")

    show(found, draw, as_json=as_json)


@click.command()
@click.option("--strict", is_flag=True, help="End with status 1 if anything is wrong (✗).")
@click.option("--clear", is_flag=True, help="Forget the noted problems, after showing them.")
@click.option(
    "--deployment",
    is_flag=True,
    help="Go through the checklist for serving others instead; implies --strict.",
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    type=click.IntRange(1, 65_535),
    metavar="N",
    help="With --deployment: a port to look at.  [default: 8765, 9090]",
)
@json_option
@click.pass_context
def doctor(
    ctx: click.Context,
    *,
    strict: bool,
    clear: bool,
    deployment: bool,
    ports: tuple[int, ...],
    as_json: bool,
) -> None:
    """Say what is missing or broken, and what to do about it.

    Marks: ✓ fine, ! works, but look at it, ✗ does not work. The exit status is 0 whatever is
    found, unless --strict or --deployment is given: then it is 1 if anything is wrong.
    """
    from sbhooks import problems
    from sbhooks.deployment import examine_deployment
    from sbhooks.doctor import examine
    from sbhooks.output import show
    from sbhooks.settings import here

    found = examine_deployment(ctx.obj, ports) if deployment else examine(ctx.obj)
    show(found, lambda out: _draw_examination(out, found), as_json=as_json)
    if clear:
        problems.forget(here().home)
    if (strict or deployment) and not found.ok:
        ctx.exit(1)


@click.command()
@json_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the plugins: their hooks, what they cost, errors and problems.

    Calls, times and errors are those of this process, in which what is recorded is collected
    first, and every plugin asked for its commands. "noted" counts the problems with a plugin
    that 'sbhooks doctor' knows of, from all processes.
    """
    from sbhooks.errors import SbhooksError
    from sbhooks.inventory import plugin_list
    from sbhooks.output import show
    from sbhooks.status import problems_of_plugins

    line: CommandLine = ctx.obj
    root = ctx.find_root()
    if isinstance(root.command, click.Group):
        root.command.list_commands(root)
    trouble = None
    try:
        line.runtime.collect()
    except SbhooksError as error:
        trouble = str(error)
    known = [*line.hooks.plugins.values(), *line.hooks.rejected]
    found = plugin_list(known, problems_of_plugins(line.hooks.home))
    show(found, lambda out: _draw_plugins(out, found, trouble), as_json=as_json)


@click.group(cls=CommandGroup)
def config() -> None:
    """Settings."""


@config.command("show")
@json_option
@click.pass_obj
def config_show(line: CommandLine, as_json: bool) -> None:
    """Print each setting and where its value comes from; secrets are masked.

    Later sources win: defaults, the project's [tool.sbhooks] or sbhooks.toml, your own
    config.toml, the environment (SBHOOKS_...), options.
    """
    from sbhooks.inventory import DEFAULT, setting_list
    from sbhooks.output import FAINT, Cell, show

    found = setting_list(line.config)

    def draw(out: Output) -> None:
        rows: list[tuple[str | Cell, str | Cell]] = []
        for setting in found.settings:
            rows.append((setting.key, _value(setting.value)))
            if setting.origin != DEFAULT:
                rows.append(("", Cell(f"from {_origin(setting)}", FAINT)))
        out.fields(rows)
        out.line("")
        out.note("What names no source has its default.")

    show(found, draw, as_json=as_json)


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options.

    In ~/.bashrc: eval "$(sbhooks completion bash)"

    In ~/.zshrc: eval "$(sbhooks completion zsh)"

    In ~/.config/fish/config.fish: sbhooks completion fish | source
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    if kind := get_completion_class(shell):
        sys.stdout.write(kind(root, {}, "sbhooks", COMPLETE).source())


_MARKS = {"ok": "✓", "doubt": "!", "wrong": "✗"}

COMMANDS = (init, doctor, plugins, config, completion)


def _draw_examination(out: Output, found: Examination) -> None:
    from sbhooks.doctor import newest
    from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell
    from sbhooks.wording import count

    styles = {"ok": GOOD, "doubt": DOUBT, "wrong": BAD}
    rows: list[tuple[str | Cell, str | Cell]] = []
    for check in found.checks:
        rows.append((Cell(f"{_MARKS[check.state]} {check.area}", styles[check.state]), check.what))
        if check.advice:
            rows.append(("", Cell(f"→ {check.advice}", FAINT)))
    out.fields(rows)
    for problem in newest(found.problems):
        out.line("")
        out.line(f"{problem.at:%Y-%m-%d %H:%M:%S} UTC  {problem.where}: {problem.what}")
    wrong = sum(check.state == "wrong" for check in found.checks)
    out.line("")
    doubts = sum(check.state == "doubt" for check in found.checks)
    to_look_at = f"; {count(doubts, 'thing')} to look at" if doubts else ""
    out.line(f"{'Nothing is' if found.ok else count(wrong, 'thing')} wrong{to_look_at}.")


def _draw_plugins(out: Output, found: PluginList, trouble: str | None) -> None:
    from sbhooks.output import BAD, GOOD, Cell, Column
    from sbhooks.plugins import STRIKES
    from sbhooks.wording import duration

    rows: list[Row] = [
        [
            plugin.name,
            Cell(plugin.status, GOOD if plugin.status == "loaded" else BAD),
            plugin.distribution,
            f"{plugin.calls:,}",
            duration(plugin.seconds),
            f"{plugin.errors} of {STRIKES}" if plugin.errors else "0",
            Cell(f"{plugin.problems:,}", BAD if plugin.problems else ""),
        ]
        for plugin in found.plugins
    ]
    columns = [
        Column("plugin"),
        Column("status"),
        Column("distribution", least=12),
        Column("calls", right=True, optional=True),
        Column("time", right=True),
        Column("errors", right=True),
        Column("noted", right=True),
    ]
    out.table(columns, rows)
    out.line("")
    for plugin in found.plugins:
        hooks = ", ".join(name.removeprefix("sbhooks_") for name in plugin.hooks)
        out.line(f"{plugin.name}: {plugin.detail or hooks or 'implements no hook'}")
    if trouble is not None:
        out.line("")
        out.note(f"Nothing was collected: {trouble}")


def _origin(setting: Setting) -> str:
    """Where a setting comes from; of a table that several sources share, key by key."""
    if len(set(setting.origins.values())) < 2:
        return setting.origin
    return "; ".join(f"{origin}: {key}" for key, origin in setting.origins.items())


def _value(value: Any, *, inside: bool = False) -> str:
    """A setting on one line."""
    if isinstance(value, dict):
        told = ", ".join(f"{key} = {_value(item, inside=True)}" for key, item in value.items())
        return f"{{{told}}}" if inside else told or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
