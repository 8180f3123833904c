"""The pages, and what stands in them, as parameters of tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "adapters" / "sbhooks_pytest" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
_DATA = {"json", "python", "toml"}
_COMMAND = re.compile(r"(?<!`)`(?P<command>(?:sbhooks|pytest|make) [^=`\s][^`\n]*)`(?!`)")


class Block(NamedTuple):
    """A fenced block; ``title`` is the file that it would be."""

    where: str
    language: str
    title: str | None
    text: str


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            where=f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}",
            language=match["language"],
            title=match["title"],
            text=re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
        )
        for match in _BLOCK.finditer(text)
    ]


def without_blocks(text: str) -> str:
    """A page's text without its fenced blocks."""
    return _BLOCK.sub("", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``page``, ``block`` and ``command`` their values."""
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
    everything = {block.language for page in PAGES for block in blocks_of(page)}
    kinds = {"block": everything, "data_block": _DATA, "settings_block": {"toml"}}
    for fixture, languages in kinds.items():
        if fixture in metafunc.fixturenames:
            found = [b for page in PAGES for b in blocks_of(page) if b.language in languages]
            if fixture == "settings_block":
                found = [block for block in found if _is_settings(block)]
            metafunc.parametrize(fixture, found, ids=[block.where for block in found])
    if "program" in metafunc.fixturenames:
        programs = {str(page.relative_to(ROOT)): _program(page) for page in PAGES}
        programs = {name: code for name, code in programs.items() if code}
        metafunc.parametrize("program", programs.values(), ids=programs)
    if "command" in metafunc.fixturenames:
        metafunc.parametrize("command", _commands())


def _is_settings(block: Block) -> bool:
    own = block.title in {"sbhooks.toml", "config.toml"}
    return own or "[tool.sbhooks" in block.text


def _program(page: Path) -> str:
    """The Python of a page as one program; blocks with a title are files of their own."""
    parts = [b.text for b in blocks_of(page) if b.language == "python" and b.title is None]
    return "\n".join(parts)


def _commands() -> list[str]:
    """Every command that a page shows: at a prompt, or as code within its text."""
    found: dict[str, None] = {}
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "console":
                lines = block.text.replace("\\\n", " ").splitlines()
                found |= dict.fromkeys(line[2:] for line in lines if line.startswith("$ "))
        text = without_blocks(page.read_text(encoding="utf-8"))
        found |= dict.fromkeys(match["command"] for match in _COMMAND.finditer(text))
    return list(found)


@pytest.fixture
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture
def added() -> set[str]:
    """Commands that plugins on the pages add."""
    files = [b.text for page in PAGES for b in blocks_of(page) if b.title is not None]
    return set(re.findall(r'@cli\.command\("([\w-]+)"\)', "".join(files)))
