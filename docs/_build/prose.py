"""Docstrings and comments as Markdown."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import NamedTuple

_FOR_AUTHORS = ("This module", "Standard library only")
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields|References):$")
_ITEM = re.compile(r"^(\*{0,2}\w+): (.*)$")
_ROLE = re.compile(r":(?:func|class|meth|data|mod|attr):`~?(?:[\w.]*\.)?(\w+)`")


class Docstring(NamedTuple):
    """A Google-style docstring.

    Attributes:
        text: What stands before the sections, as Markdown.
        items: Section → name → text; for ``Args``, ``Attributes`` and ``Raises``.
        texts: Section → text; for all others.
    """

    text: str
    items: dict[str, dict[str, str]]
    texts: dict[str, str]


def docstring(source: object) -> Docstring:
    """Read the docstring of a module, class or function, or a text that is one."""
    raw = source if isinstance(source, str) else getattr(source, "__doc__", None) or ""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(raw).splitlines():
        heading = _SECTION.match(line)
        if heading:
            current = heading[1]
            parts[current] = []
        else:
            parts[current].append(line)
    lists = {"Args", "Attributes", "Raises"}
    return Docstring(
        text=markdown("\n".join(parts.pop(""))),
        items={name: _items(lines) for name, lines in parts.items() if name in lists},
        texts={name: _joined(lines) for name, lines in parts.items() if name not in lists},
    )


def for_users(source: object) -> str:
    """The text of a module's docstring without the paragraphs that only its authors need."""
    paragraphs = docstring(source).text.split("\n\n")
    return "\n\n".join(p for p in paragraphs if not p.startswith(_FOR_AUTHORS))


def markdown(text: str) -> str:
    """Turn the little reStructuredText that our docstrings use into Markdown."""
    blocks: list[str] = []
    rest = text.strip().splitlines()
    while rest:
        taken = _table(rest) or _literal(rest) or _plain(rest)
        blocks.append(taken[0])
        rest = rest[taken[1] :]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip()


def inline(text: str) -> str:
    """Turn roles and double backquotes into Markdown's single ones."""
    return _ROLE.sub(r"`\1`", text).replace("``", "`")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """A value as code, or a dash for nothing."""
    return f"`{text}`" if text not in {None, ""} else "–"


def comments(module: ModuleType) -> dict[str, str]:
    """What ``#:`` comments say of names: ``"NAME"`` and ``"Class.field"`` → text.

    A comment stands behind the assignment or on the lines above it.
    """
    source = inspect.getsource(module)
    lines = source.splitlines()
    found: dict[str, str] = {}
    for prefix, body in _bodies(ast.parse(source)):
        for node in body:
            name = _assigned(node)
            text = _comment(lines, node.lineno, node.end_lineno or node.lineno) if name else ""
            if text:
                found[prefix + name] = inline(text)
    return found


def _bodies(tree: ast.Module) -> Iterable[tuple[str, list[ast.stmt]]]:
    yield "", tree.body
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield f"{node.name}.", node.body


def _assigned(node: ast.stmt) -> str:
    if isinstance(node, ast.AnnAssign):
        target: ast.expr = node.target
    elif isinstance(node, ast.Assign):
        target = node.targets[0]
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _comment(lines: list[str], first: int, last: int) -> str:
    behind = lines[last - 1].partition("#: ")[2]
    above: list[str] = []
    for line in reversed(lines[: first - 1]):
        if not line.strip().startswith("#: "):
            break
        above.insert(0, line.strip()[3:])
    return behind.strip() or " ".join(above)


def _items(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        item = _ITEM.match(line)
        if item:
            name = item[1]
            found[name] = item[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return {name: inline(text) for name, text in found.items()}


def _joined(lines: list[str]) -> str:
    return inline(" ".join(line.strip() for line in lines).strip())


def _table(lines: list[str]) -> tuple[str, int] | None:
    """A simple table: two rules of ``===`` around its rows, and a third under its head, if any."""
    if not re.fullmatch(r"=+( +=+)+", lines[0]):
        return None
    blank = lines.index("") if "" in lines else len(lines)
    rules = [number for number, line in enumerate(lines[:blank]) if line == lines[0]]
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    ends = [*starts[1:], None]
    rows = [
        [inline(line[a:b].strip()) for a, b in zip(starts, ends, strict=True)]
        for number, line in enumerate(lines[: rules[-1]])
        if number not in rules
    ]
    head = rows.pop(0) if len(rules) == 3 else [""] * len(starts)
    return table(head, rows), rules[-1] + 1


def _literal(lines: list[str]) -> tuple[str, int] | None:
    """A block of code behind a line that ends with ``::``."""
    if not lines[0].rstrip().endswith("::"):
        return None
    end = 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    body = textwrap.dedent("\n".join(lines[1:end])).strip()
    language = "toml" if body.startswith("[") else "python" if " = " in body else "text"
    lead = inline(lines[0].rstrip()[:-1]) if lines[0].strip() != "::" else ""
    return f"{lead}\n\n```{language}\n{body}\n```\n", end


def _plain(lines: list[str]) -> tuple[str, int]:
    return inline(lines[0].rstrip()), 1


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
