"""Finds articles by name."""

from __future__ import annotations


def index(names: list[str]) -> dict[str, set[str]]:
    """Map each run of three letters to the names that contain it."""
    found: dict[str, set[str]] = {}
    for name in names:
        for start in range(len(name) - 2):
            found.setdefault(name[start : start + 3], set()).add(name)
    return found


def search(text: str, grams: dict[str, set[str]]) -> set[str]:
    """Names that contain every run of three letters of ``text``."""
    wanted = [text[start : start + 3] for start in range(len(text) - 2)]
    matches = [grams.get(gram, set()) for gram in wanted]
    return set.intersection(*matches) if matches else set()
