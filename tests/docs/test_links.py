"""Links lead somewhere, and every page can be found."""

from __future__ import annotations

import re
from pathlib import Path

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
#: Pages and images that another program makes; they need not be there yet.
_MADE = {"benchmarks.md"}


def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in _links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if there.name in _MADE:
            continue
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            broken.append(target)
    assert broken == []


def test_links_to_other_sites_are_encrypted(page: Path) -> None:
    assert [t for t in _all_links(page) if t.startswith("http:")] == []


def test_every_page_can_be_reached_from_the_readme(root: Path) -> None:
    seen: set[Path] = set()
    waiting = [root / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        waiting += [(page.parent / t.partition("#")[0]).resolve() for t in _links(page)]
    assert set((root / "docs").rglob("*.md")) - seen - {root / "docs/reference/benchmarks.md"} == (
        set()
    )


def test_a_page_has_one_title_and_it_comes_first(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^# .+$", text, re.MULTILINE)
    assert len(titles) == 1
    first = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).strip().splitlines()[0]
    assert first == titles[0]


def _links(page: Path) -> list[str]:
    return [t for t in _all_links(page) if not re.match(r"[a-z]+:", t)]


def _all_links(page: Path) -> list[str]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [match["target"] for match in _LINK.finditer(re.sub(r"`[^`\n]*\]\([^`\n]*`", "", text))]


def _anchors(page: Path) -> set[str]:
    """Anchors as GitHub makes them from headings."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(unique)
    return found
