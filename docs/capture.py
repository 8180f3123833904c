"""Refreshes what commands print on our pages, by running them.

A block that begins with ```` ```console title="demo" ```` holds commands that are run on what
``sbhooks demo`` records; one with ``title="first-run"`` those of the first tutorial, in a folder
with the files that stand on its page. Everything behind a ``$`` is run, and what it prints
replaces what was there. Nothing is edited afterwards: what pages show has happened.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    "demo": [ROOT / "README.md", ROOT / "docs" / "how-to" / "read-json.md"],
    "first-run": [ROOT / "docs" / "tutorials" / "first-run.md"],
}
_BLOCK = '(?P<head>^```console title="{scenario}"\n)(?P<text>.*?)(?P<tail>^```$)'
_FILE = re.compile(
    r'^```\w+ title="(?P<name>\S+\.\w+)"\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)

Run = Callable[[str], str]


def main() -> int:
    """Refresh every page."""
    with tempfile.TemporaryDirectory(prefix="sbhooks-capture-") as scratch:
        for scenario, begin in {"demo": _demo, "first-run": _first_run}.items():
            folder = Path(scratch, scenario)
            folder.mkdir()
            run = begin(folder)
            for page in PAGES[scenario]:
                _refresh(page, scenario, run)
    return 0


def _demo(folder: Path) -> Run:
    """The data of the demo."""
    _call(["sbhooks", "demo", "--home", str(folder / "home")], folder, folder / "home")
    return lambda command: _call(shlex.split(command), folder, folder / "home")


def _first_run(folder: Path) -> Run:
    """A folder with the files of the tutorial, and an empty home."""
    shop = folder / "shop"
    shop.mkdir()
    for match in _FILE.finditer(PAGES["first-run"][0].read_text(encoding="utf-8")):
        (shop / match["name"]).write_text(match["text"], encoding="utf-8")
    return lambda command: _call(shlex.split(command), shop, folder / "home")


def _refresh(page: Path, scenario: str, run: Run) -> None:
    pattern = re.compile(_BLOCK.format(scenario=scenario), re.DOTALL | re.MULTILINE)

    def again(match: re.Match[str]) -> str:
        commands = [line for line in match["text"].splitlines() if line.startswith("$ ")]
        answers = [f"{command}\n{run(command[2:])}" for command in commands]
        separate = "\n".join(answers)
        return f"{match['head']}{separate}{match['tail']}"

    text = page.read_text(encoding="utf-8")
    page.write_text(pattern.sub(again, text), encoding="utf-8")
    print(f"refreshed {page.relative_to(ROOT)}")


def _call(words: list[str], folder: Path, home: Path) -> str:
    """What a command prints, without colours, 80 columns wide, with our folder's name left out."""
    words = list(words)
    given = {}
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, given[name] = words.pop(0).partition("=")
    kept = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
    done = subprocess.run(  # noqa: S603 - commands of our own pages
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        stdin=subprocess.DEVNULL,
        env={
            **kept, **given, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SBHOOKS_HOME": str(home), "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1",
            # What else is installed for development would speak up, too.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_sbhooks",
        },
    )  # fmt: skip
    if done.returncode not in {0, 1, -9, 137}:  # 137, -9: killed, as the page wants it
        raise RuntimeError(f"{shlex.join(words)} failed: {done.stdout}{done.stderr}")
    lines = (done.stdout + done.stderr).replace(str(folder), "~/shop").splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
