"""The root of the command line: exit statuses, one line of complaint, plugins' commands."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest

from sbhooks import cli, problems
from sbhooks.cli import main, root
from sbhooks.cli_options import CommandLine

SBHOOKS = [sys.executable, "-P", "-m", "sbhooks"]
COMMANDS = {
    "collect", "completion", "config", "demo", "doctor", "init", "plugins", "privacy", "runs",
    "show", "status", "tests", "top",
}  # fmt: skip


def with_plugin(
    monkeypatch: pytest.MonkeyPatch,
    *commands: click.Command,
    distribution: str = "sbhooks-acme 1.0",
) -> None:
    """Let the plugins add these commands instead of their own."""

    class Plugin:
        @staticmethod
        def sbhooks_commands(cli: click.Group) -> None:
            for command in commands:
                cli.add_command(command)

    from sbhooks.hookspecs import hookimpl
    from sbhooks.plugins import Hooks

    Plugin.sbhooks_commands = staticmethod(hookimpl(Plugin.sbhooks_commands))  # type: ignore[assignment]
    hooks = Hooks(home=os.environ["SBHOOKS_HOME"])
    assert hooks.register(Plugin(), "acme", distribution).status == "loaded"
    monkeypatch.setattr(CommandLine, "hooks", hooks)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert {line.split()[0] for line in listed if line.strip()} >= COMMANDS


@pytest.mark.parametrize("path", [[], ["db"], ["tests"], ["ci"], ["ci", "import"]])
def test_help_cuts_off_no_description(capsys: pytest.CaptureFixture[str], path: list[str]) -> None:
    assert main([*path, "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert listed.count("\n") > 1
    assert "..." not in listed


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands:" in capsys.readouterr().out
    assert main(["tests"]) == 0
    assert "history" in capsys.readouterr().out


def _all_commands() -> list[list[str]]:
    cli_root = root()
    ctx = click.Context(cli_root, obj=CommandLine())
    found = []
    for name in cli_root.list_commands(ctx):
        command = cli_root.get_command(ctx, name)
        if isinstance(command, click.Group):
            found += [[name, inner] for inner in command.commands]
        found.append([name])
    return found


def test_help_begins_with_what_needs_no_setting_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert "Run your tests as always, then: sbhooks runs." in told
    assert "Begin with" not in told


def test_every_command_explains_itself_within_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path in _all_commands():
        assert main([*path, "--help"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        assert any(line.startswith("  ") for line in lines[1:3])


def test_help_needs_no_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbhooks.toml").write_text("unknown_key = 1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["top", "--help"]) == 0
    assert main(["top"]) == 2
    assert "unknown_key" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from sbhooks import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sbhooks {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nonsense"], "No such command 'nonsense'. Run: sbhooks --help"),
        (["rusn"], "Did you mean 'runs'? Run: sbhooks --help"),
        (["top", "--nonsense"], "No such option"),
        (["top", "--limit", "0"], "Run: sbhooks top --help"),
        (["top", "--since", "yesterday"], "'yesterday' is no time"),
        (["show"], "Missing argument 'RUN'"),
        (["show", "nothing"], "no run 'nothing' is recorded"),
        (["show", ""], "no run was named"),
        (["show", "last", "--project", "nosuch"], "no run of 'nosuch' is recorded"),
        (["tests", "history", "x"], "no test 'x' is recorded"),
        (["top", "--store", "redis://user:secret@host/1"], "no plugin knows 'redis'"),
        (["top", "--store", "sqlite:////nonexistent/x.db"], "does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("sbhooks: ")
    assert what in told.err
    assert told.err.count("\n") == 1
    assert "secret" not in told.err


def test_a_command_of_a_plugin_that_lacks_a_library_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sbhooks.plugins import Hooks

    class Plugin:
        REQUIRES: ClassVar = {"library_of_nobody": "sbhooks[server]"}

    def load(**options: Any) -> Hooks:
        hooks = Hooks(home=options["home"])
        hooks.register(Plugin, "server", "sbhooks 0.1.0")
        return hooks

    monkeypatch.setattr(Hooks, "load", load)
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "sbhooks: No such command 'serve'. Run: sbhooks --help. Is it a command of server, "
        "which lacks a library? Run: pip install 'sbhooks[server]'\n"
    )
    for slip in ("--serve", "statsu"):
        assert main([slip]) == 2
        assert "lacks" not in capsys.readouterr().err


def test_a_bug_shows_where_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def bug() -> None:
        raise KeyError("x\x1b[31m")

    with_plugin(monkeypatch, bug, distribution="sbhooks 0.1.0")
    assert main(["bug"]) == cli.BUG
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("sbhooks: this is a bug in sbhooks")


def test_a_bug_of_a_plugin_names_the_plugin_and_is_kept_for_the_doctor(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.group()
    def streak() -> None: ...

    @streak.command()
    def longest() -> None:
        raise KeyError("x\x1b[31m")

    with_plugin(monkeypatch, streak)
    assert main(["streak", "longest"]) == cli.BUG
    told = capsys.readouterr().err
    assert told.startswith("sbhooks: plugin acme failed: KeyError: 'x\\x1b[31m' (test_cli.py:")
    assert told.endswith("). Run: sbhooks doctor\n")
    assert told.count("\n") == 1
    (problem,) = problems.read(str(home))
    assert problem.where == "plugin acme"
    assert problem.what.startswith("a command failed: KeyError")
    assert main(["plugins", "--json"]) == 0
    (plugin,) = json.loads(capsys.readouterr().out)["plugins"]
    assert (plugin["name"], plugin["errors"], plugin["problems"]) == ("acme", 1, 1)
    assert main(["doctor"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "! plugin acme loaded (sbhooks-acme 1.0), 1 problem noted" in shown


def test_whoever_writes_a_plugin_can_ask_for_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def bug() -> None:
        raise KeyError("x")

    with_plugin(monkeypatch, bug)
    monkeypatch.setenv("SBHOOKS_TRACE", "1")
    assert main(["bug"]) == cli.BUG
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "this is a bug in sbhooks" not in told


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_an_interruption_is_silent_and_130(
    error: type[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command()
    def wait() -> None:
        raise error

    with_plugin(monkeypatch, wait)
    assert main(["wait"]) == cli.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_an_operating_system_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def full() -> None:
        raise OSError(28, "No space left on device")

    with_plugin(monkeypatch, full)
    assert main(["full"]) == 2
    assert capsys.readouterr().err == (
        "sbhooks: cannot write: No space left on device. Make room, or send the output elsewhere\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["runs", "runs --json", "--help", "completion bash", "doctor"])
def test_output_that_cannot_be_written_is_one_line_and_status_2(words: str, home: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            [sys.executable, "-m", "sbhooks", *words.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith("sbhooks: cannot write: No space left on device. ")


@pytest.mark.parametrize("words", ["init", "demo", "token create laptop", "server start"])
def test_a_home_that_is_in_the_way_is_named_with_what_to_do(
    words: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")
    monkeypatch.setenv("SBHOOKS_HOME", str(home / "below"))
    assert main(words.split()) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{home} is no folder. Set SBHOOKS_HOME to a folder that you can write" in told
    assert "Errno" not in told


def test_foreign_text_in_a_complaint_is_made_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "\x1b[31m\nred"]) == 2
    assert capsys.readouterr().err.rstrip("\n").isprintable()


def test_a_plugin_cannot_take_the_name_of_a_command(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command("status")
    def stolen() -> None:
        raise AssertionError("a stranger's")

    with_plugin(monkeypatch, stolen)
    assert main(["--help"]) == 0
    assert main(["status", "--json"]) == 0
    assert any("'status'" in problem.what for problem in problems.read(str(home)))


def test_ctrl_c_ends_a_real_process_with_130(tmp_path: Path) -> None:
    program = """
        import sys, click, sbhooks.cli
        from sbhooks.cli_data import status
        @click.pass_context
        def wait(ctx, **options):
            print("ready", flush=True)
            import time
            time.sleep(60)
        status.callback = wait
        sys.exit(sbhooks.cli.main(["status"]))
    """
    import textwrap

    process = subprocess.Popen(
        [sys.executable, "-P", "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["doctor", "--json"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*SBHOOKS, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_bug(closed: str, home: Path) -> None:
    for arguments in ("doctor", "top --json", "show nothing"):
        command = f'"{sys.executable}" -P -m sbhooks {arguments} {closed}'
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == (2 if "show" in arguments else 0), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_poor_terminal_gets_plainer_signs(encoding: str, home: Path) -> None:
    done = subprocess.run(
        [*SBHOOKS, "doctor"], capture_output=True, timeout=60, check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.decode("ascii").startswith("+ python")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert "_SBHOOKS_COMPLETE" in capsys.readouterr().out


def test_a_shell_gets_the_words_it_asks_for() -> None:
    asked = {"_SBHOOKS_COMPLETE": "bash_complete", "COMP_WORDS": "sbhooks te", "COMP_CWORD": "1"}
    done = subprocess.run(
        SBHOOKS, capture_output=True, text=True, env={**os.environ, **asked}, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stdout == "plain,tests\n"


def test_colours_need_a_terminal_and_consent(home: Path) -> None:
    import pty

    def shown(**variables: str) -> bytes:
        ours, theirs = pty.openpty()
        environ = {**os.environ, "TERM": "xterm-256color", **variables}
        done = subprocess.run(
            [*SBHOOKS, "doctor"], stdout=theirs, stderr=theirs, timeout=60, check=True, env=environ
        )
        os.close(theirs)
        output = io.BytesIO()
        while chunk := _read(ours):
            output.write(chunk)
        os.close(ours)
        assert done.returncode == 0
        return output.getvalue()

    assert b"\x1b[" in shown()
    assert b"\x1b" not in shown(NO_COLOR="1")
    piped = subprocess.run([*SBHOOKS, "doctor"], capture_output=True, timeout=60, check=True)
    assert b"\x1b" not in piped.stdout


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""  # the other end is closed


def test_json_stands_alone_on_standard_output(home: Path) -> None:
    for arguments in (
        ["init"], ["collect"], ["status"], ["plugins"], ["doctor"], ["config", "show"],
        ["privacy", "preview"], ["top"], ["runs"], ["tests", "list"], ["tests", "slow"],
        ["tests", "flaky"],
    ):  # fmt: skip
        done = subprocess.run(
            [*SBHOOKS, *arguments, "--json"], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr == ""
        assert isinstance(json.loads(done.stdout), dict)
