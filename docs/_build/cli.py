"""The page of commands: usage, options, and the JSON document of each."""

from __future__ import annotations

import enum
import importlib
import inspect
import pkgutil
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import msgspec
import sbhooks
import sbhooks.cli
from msgspec import inspect as shapes
from sbhooks.cli_options import CommandLine
from sbhooks.events import SessionStart, TestResult, Vcs
from sbhooks.insights import SlowTest
from sbhooks.plugins import Hooks

from _build import prose, structs

_PRINTS = re.compile(r"^What `sbhooks ([\w -]+?) --json` prints([.,;] *)?")
_ALSO = re.compile(r"((?:`sbhooks [\w -]+`(?: and )?)+) prints? the same")
_ROOT = Path(__file__).parents[2]
_PACKAGES = (
    "sbhooks",
    *sorted(
        path.parent.name
        for room in ("plugins", "adapters")
        for path in _ROOT.glob(f"{room}/sbhooks_*/__init__.py")
    ),
)
_SAME_EVERYWHERE: dict[type[msgspec.Struct], tuple[str, ...]] = {
    SessionStart: ("session", "source", "project", "tool", "tool_version", "python", "platform", "ci"),
    Vcs: ("commit", "branch"),
    TestResult: ("test", "params", "attempt", "subtest", "worker", "failure"),
    SlowTest: ("p50_s", "p95_s"),
}
_COMMON = {"--json", "--project", "--since", "--store", "--help"}


def page() -> str:
    """Every command."""
    cli = sbhooks.cli.root()
    found = list(commands(cli))
    printed = documents()
    shared = _shared_options(found)
    return "\n\n".join(
        [
            "# Commands",
            f"{cli.help} {cli.epilog}",
            prose.table(
                ["Command", "What it does"],
                [
                    (f"[`{path}`](#{path.replace(' ', '-')})", command.get_short_help_str(200))
                    for path, command, _ in found
                    if not isinstance(command, click.Group)
                ],
            ),
            "## Exit status",
            prose.docstring(sbhooks.cli).text.partition("\n\n")[2].split("\n\nImporting")[0],
            "## Options of commands that read",
            "Most commands that answer a question know these; below, *reading options* stands "
            "for them.",
            prose.table(["Option", "Meaning"], [_option(option, ctx) for option, ctx in shared]),
            "Every document of `--json` is a promise: fields may be added, none is renamed or "
            "removed. How to use them: [Read JSON](../how-to/read-json.md).",
            *(_entry(path, command, ctx, printed.get(path)) for path, command, ctx in found),
            "## Parts of documents",
            *(_part(part) for part in _parts(list(printed.values()))),
        ]
    )


def commands(cli: click.Group) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command of ours with its full name, groups before their members."""
    line = CommandLine()
    strangers = [e.name for e in entry_points(group="sbhooks") if not _is_ours(e)]
    with tempfile.TemporaryDirectory() as home:
        line.hooks = Hooks.load(home=home, disabled=strangers)
        context = click.Context(cli, info_name="sbhooks", obj=line)
        yield from _below(cli, context)


def documents() -> dict[str, type[msgspec.Struct]]:
    """Command → the Struct that its ``--json`` prints, as its docstring says."""
    found: dict[str, type[msgspec.Struct]] = {}
    for module in _modules():
        for item in vars(importlib.import_module(module)).values():
            if inspect.isclass(item) and issubclass(item, msgspec.Struct):
                text = prose.docstring(item).text
                match = _PRINTS.match(text)
                if match and item.__module__ == module:
                    found[f"sbhooks {match[1]}"] = item
                    also = _ALSO.search(text)
                    names = re.findall("`(.+?)`", also[1]) if also else []
                    found |= dict.fromkeys(names, item)
    return found


def _is_ours(entry: Any) -> bool:
    return entry.dist is not None and entry.dist.name == "sbhooks"


def _modules() -> Iterator[str]:
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(package.__path__, f"{name}."):
            if not module.ispkg and not module.name.endswith("__main__"):
                yield module.name


def _below(
    group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, command, inner
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def _shared_options(
    found: list[tuple[str, click.Command, click.Context]],
) -> list[tuple[click.Option, click.Context]]:
    """The reading options, from the first command that has all of them."""
    for _, command, context in found:
        if _is_reading(command):
            options = [p for p in command.params if isinstance(p, click.Option)]
            return [(option, context) for option in options if option.opts[0] in _COMMON]
    return []


def _is_reading(command: click.Command) -> bool:
    return {"--json", "--project", "--since", "--store"} <= {o for p in command.params for o in p.opts}


def _entry(
    path: str,
    command: click.Command,
    context: click.Context,
    document: type[msgspec.Struct] | None,
) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"### `{path}`", f"```text\n{usage}\n```", _help(command)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    if _is_reading(command):
        options = [option for option in options if option.opts[0] not in _COMMON]
        parts.append("Takes the [reading options](#options-of-commands-that-read).")
    if options:
        parts.append(prose.table(["Option", "Meaning"], [_option(o, context) for o in options]))
    if document is not None:
        parts += [_printed(document), _fields(document)]
    return "\n\n".join(part for part in parts if part)


def _printed(document: type[msgspec.Struct]) -> str:
    """The docstring's first sentence, said of the command that stands above it."""
    match = _PRINTS.match(text := prose.docstring(document).text)
    assert match
    mark = ". " if (match[2] or ".").startswith(".") else ", "
    return f"`--json` prints one document{mark}{text[match.end() :]}".strip()


def _help(command: click.Command) -> str:
    """The help text; what stands behind ``\\b`` keeps its lines."""
    blocks = []
    for block in inspect.cleandoc(command.help or "").split("\n\n"):
        verbatim = block.startswith("\b\n")
        blocks.append(f"```text\n{block[2:]}\n```" if verbatim else prose.inline(block))
    return "\n\n".join(blocks)


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    default = f" Default: {option.default}." if option.show_default is True else ""
    return f"`{names}{value}`", " ".join((option.help or "").split()) + default


def _fields(document: type[msgspec.Struct]) -> str:
    known = _known_words()
    rows = [
        (f"`{f.name}`", f.kind, f.meaning or known.get(f.name, "–"))
        for f in structs.fields(document)
    ]
    return prose.table(["Field", "Type", "Meaning"], rows)


def _known_words() -> dict[str, str]:
    """What some fields mean wherever they stand: one word for one thing."""
    return {
        name: structs.meanings_of(kind)[name]
        for kind, names in _SAME_EVERYWHERE.items()
        for name in names
    }


def _part(part: type[msgspec.Struct] | type[enum.Enum]) -> str:
    if issubclass(part, enum.Enum):
        text = prose.docstring(part).text
        return "\n\n".join([f"### {part.__name__}", text, structs.enum_table(part)])
    return "\n\n".join([f"### {part.__name__}", prose.docstring(part).text, _fields(part)])


def _parts(found: list[type[msgspec.Struct]]) -> list[type[msgspec.Struct] | type[enum.Enum]]:
    """The Structs and enumerations inside documents, each once, in the order of appearance."""
    seen: dict[type[msgspec.Struct] | type[enum.Enum], None] = {}
    waiting = list(found)
    while waiting:
        for inner in _inside(waiting.pop(0)):
            if inner not in seen and inner not in found:
                seen[inner] = None
                if not issubclass(inner, enum.Enum):
                    waiting.append(inner)
    return list(seen)


def _inside(
    struct: type[msgspec.Struct],
) -> Iterator[type[msgspec.Struct] | type[enum.Enum]]:
    shape = shapes.type_info(struct)
    assert isinstance(shape, shapes.StructType)
    for field in shape.fields:
        waiting: list[shapes.Type] = [field.type]
        while waiting:
            match waiting.pop():
                case shapes.StructType(cls=cls) | shapes.EnumType(cls=cls):
                    yield cls
                case shapes.UnionType(types=types):
                    waiting += types
                case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
                    waiting.append(item)
                case shapes.DictType(value_type=value):
                    waiting.append(value)
