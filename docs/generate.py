"""Writes the reference pages from the code; with ``--check`` only says whether they are fresh.

A page is a function that returns Markdown. The runbooks beside the reference are written from the
alerts. What a page says is read from docstrings,
``#:`` comments, types and parsers, never from a second list that could fall behind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from _build import cli, errors, events, hooks, http, insights, schema, settings, spool

from sbhooks_monitoring import catalog, runbooks

REFERENCE = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli.page,
    "errors.md": errors.page,
    "events.md": events.page,
    "hooks.md": hooks.page,
    "http.md": http.page,
    "insights.md": insights.page,
    "schema.md": schema.page,
    "settings.md": settings.page,
    "spool.md": spool.page,
}
NOTE = "<!-- Written by docs/generate.py. Change the code, then run: make docs -->\n\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check every page.

    Returns:
        0 when all is well, 1 when ``--check`` found a page that is not what the code says.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a stale page")
    parser.add_argument(
        "--into", type=Path, default=REFERENCE,
        help="folder of the pages; the runbooks go into a folder beside it",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", help="pages of the reference; all by default")
    options = parser.parse_args(arguments)
    texts = {options.into / name: PAGES[name]() for name in options.names or PAGES}
    for name, text in runbooks.pages(() if options.names else catalog.groups()).items():
        texts[options.into.parent / "runbooks" / name] = text
    pages = {path: NOTE + text.rstrip() + "\n" for path, text in texts.items()}
    stale = [path for path, text in pages.items() if _read(path) != text]
    if options.check:
        for path in stale:
            print(f"{path} is not what the code says. Run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
