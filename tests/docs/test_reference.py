"""Nothing that users can meet is missing from the reference, and the reference is fresh."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pluggy
import pytest

import sbhooks
from sbhooks import hookspecs
from sbhooks.cli import root
from sbhooks.cli_options import CommandLine
from sbhooks.config import KEYS, PrivacyConfig
from sbhooks.errors import SbhooksError
from sbhooks.events import BUILTIN_KINDS, Event, kind_of
from sbhooks.insights import Insight

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_every_page_says_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_found_and_named(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "docs" / "generate.py"),
        *("hooks.md", "events.md"),
        "--into",
        str(tmp_path / "reference"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    page = tmp_path / "reference" / "hooks.md"
    page.write_text(page.read_text(encoding="utf-8").replace("event", "incident"))
    done = subprocess.run(
        [*command, "--check"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "hooks.md" in done.stderr
    assert "events.md" not in done.stderr


@pytest.mark.parametrize("hook", sorted(h for h in vars(hookspecs) if h.startswith("sbhooks_")))
def test_every_hook_is_there_with_its_arguments(hook: str) -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    spec = getattr(manager.hook, hook).spec
    text = _page("hooks")
    assert f"### `{hook}`" in text
    assert f"{hook}({', '.join(spec.argnames)})" in text


@pytest.mark.parametrize("kind", BUILTIN_KINDS, ids=kind_of)
def test_every_kind_of_event_is_there_with_every_field(kind: type[Event]) -> None:
    section = _section("events", kind.__name__) + _section("events", "Fields of every event")
    assert f"`{kind_of(kind)}`" in section
    assert _unexplained(section, kind.__struct_fields__) == []


@pytest.mark.parametrize("part", ["Vcs", "Ci", "Failure"])
def test_every_part_of_an_event_is_there_with_every_field(part: str) -> None:
    fields = getattr(sbhooks, part).__struct_fields__
    assert _unexplained(_section("events", part), fields) == []


@pytest.mark.parametrize("name", ["Outcome", "Detail"])
def test_every_value_is_there(name: str) -> None:
    section = _section("events", name)
    assert _unexplained(section, [value.value for value in getattr(sbhooks, name)]) == []


@pytest.mark.parametrize(
    "kind",
    [kind for kind in Insight.__subclasses__() if kind.__module__.startswith("sbhooks.")],
    ids=lambda kind: kind.__name__,
)
def test_every_built_in_insight_is_there_with_every_field(kind: type[Insight]) -> None:
    section = _section("insights", kind.__name__) + _section("insights", "Fields of every insight")
    assert _unexplained(section, kind.__struct_fields__) == []


@pytest.mark.parametrize("key", [*KEYS, *PrivacyConfig.__struct_fields__])
def test_every_setting_is_there(key: str) -> None:
    assert f"`{key}`" in _page("settings") or f"`[{key}]`" in _page("settings")


def test_every_environment_variable_that_the_code_reads_is_there() -> None:
    text = _page("settings")
    assert [name for name in sorted(_variables()) if f"`{name}`" not in text] == []


def test_every_error_is_there() -> None:
    for module in pkgutil.iter_modules(sbhooks.__path__, "sbhooks."):
        if module.name not in {"sbhooks.__main__", "sbhooks.testing"}:
            importlib.import_module(module.name)
    text = _page("errors")
    assert [e.__name__ for e in _errors(SbhooksError) if f"## `{e.__name__}`" not in text] == []


def test_every_command_is_there_with_every_option() -> None:
    missing = []
    for path, command in _commands():
        section = _section("cli", f"`{path}`")
        shared = "reading options" in section
        if shared:
            section += _section("cli", "Options of commands that read")
        options = [o for p in command.params for o in p.opts if o.startswith("-")]
        missing += [f"{path} {option}" for option in options if f"`{option}" not in section]
    assert missing == []


def test_every_json_document_is_described() -> None:
    told = "`--json` prints one document"
    able = [path for path, c in _commands() if any("--json" in p.opts for p in c.params)]
    assert [path for path in able if told not in _section("cli", f"`{path}`")] == []


def test_every_option_of_the_pytest_plugin_is_told() -> None:
    source = (ROOT / "adapters" / "sbhooks_pytest" / "pytest_sbhooks.py").read_text("utf-8")
    names = {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"add", "ini"}
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"--no-sbhooks", "--sbhooks-experiment", "sbhooks", "sbhooks_nested"} <= names
    for page in ("docs/how-to/record-pytest.md", "adapters/sbhooks_pytest/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in names if f"`{name}" not in text] == []


def _page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def _section(page: str, title: str) -> str:
    """What stands under a heading, up to the next."""
    match = re.search(
        rf"^#+ {re.escape(title)}\n(?P<text>.*?)(?=^#|\Z)", _page(page), re.DOTALL | re.MULTILINE
    )
    assert match, f"{page}.md has no section {title!r}"
    return match["text"]


def _unexplained(section: str, names: Iterator[str] | list[str] | tuple[str, ...]) -> list[str]:
    """Names that have no row, or a row without a meaning."""
    rows = {line.split(" | ")[0].strip("| `"): line for line in section.splitlines()}
    return [n for n in names if n not in rows or rows[n].rstrip("| ").endswith("–")]


def _errors(kind: type[SbhooksError]) -> Iterator[type[SbhooksError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _errors(child)


def _commands() -> list[tuple[str, click.Command]]:
    """Every command of ours with its full name, as the command line itself finds them."""
    cli = root()
    return list(_below(cli, click.Context(cli, info_name="sbhooks", obj=CommandLine())))


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def _variables() -> set[str]:
    """Every name ``SBHOOKS_…`` that stands as a text in the shipped code."""
    found: set[str] = set()
    for room in ("sbhooks", "plugins", "adapters"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= set(re.findall(r"\bSBHOOKS_[A-Z_]*[A-Z]\b", node.value))
    return found
