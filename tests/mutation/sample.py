"""How many small faults the tests notice: ``make mutants``.

    python tests/mutation/sample.py kernel 60        sixty faults, drawn at random
    python tests/mutation/sample.py statistics 60 7  another draw (seed 7)

Each fault is put into a copy of the tree with an environment of its own, in ``.venv-mutants``. The
tests that speak of the module run first, then those of its room, until one fails. A fault that no
test notices is printed; some of them change nothing that anybody could see. Ends with 1 when fewer
than 80 % are noticed.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutants import Mutant, Place, mutant, places

HERE = Path(__file__).parents[2]
FOLDER = HERE / ".venv-mutants"
TREE = FOLDER / "tree"
PYTHON = FOLDER / "env" / "bin" / "python"
BAR = 0.8
# A fault may make a loop endless, which is noticed too.
PATIENCE_SECONDS = 900


@dataclass(frozen=True)
class Room:
    """Modules, the folders of tests that answer for them, and those that see them at work."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    neighbours: tuple[str, ...] = ()


ROOMS = {
    "kernel": Room(
        ("sbhooks/*.py",),
        ("tests/sbhooks", "tests/contracts"),
        ("tests/isolation", "tests/adapters", "tests/plugins/sbhooks_taxonomy"),
    ),
    "statistics": Room(
        (
            *(
                f"plugins/sbhooks_analytics/{name}.py"
                for name in (
                    "anomalies", "attempts", "broken", "budget", "change", "changes", "counts",
                    "couse", "daily", "dependence", "drift", "failures", "flaky",
                    "intervals", "newly_slow", "numbers", "posterior", "season", "surprise",
                    "trend",
                )
            ),
            *(
                f"plugins/sbhooks_experiments/{name}.py"
                for name in (
                    "analysis", "bandit", "comparison", "cuped", "decision", "figures", "health",
                    "power", "replay", "sequential", "skewness", "statistics",
                )
            ),
        ),
        ("tests/plugins/sbhooks_analytics", "tests/plugins/sbhooks_experiments"),
    ),
}  # fmt: skip


def main(room: str = "kernel", number: str = "60", seed: str = "1") -> int:
    """Draw faults, try each; returns 1 when too few were noticed."""
    _prepare()
    if _noticed(ROOMS[room], ""):
        print("the tests fail without any fault: nothing can be learned from them", file=sys.stderr)
        return 2
    drawn = _draw(ROOMS[room], int(number), int(seed))
    noticed = 0
    for count, (module, place) in enumerate(drawn, 1):
        fault, found, seconds = _try(ROOMS[room], module, place)
        noticed += found
        verdict = "noticed" if found else "MISSED "
        print(
            f"{count:3} {verdict} {module}:{fault.line} {fault.change} ({seconds:.0f} s)",
            flush=True,
        )
    share = noticed / len(drawn)
    print(f"{room}: {noticed} of {len(drawn)} faults noticed ({share:.0%}); the bar is {BAR:.0%}")
    return int(share < BAR)


def _prepare() -> None:
    """A fresh copy of what git knows, in an environment that imports it."""
    shutil.rmtree(TREE, ignore_errors=True)
    known = subprocess.run(
        ["git", "ls-files", "-z"], cwd=HERE, check=True, capture_output=True, text=True
    )
    for name in filter(None, known.stdout.split("\0")):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        if (HERE / name).is_file():
            shutil.copy2(HERE / name, TREE / name)
    if not PYTHON.exists():
        venv.create(FOLDER / "env", with_pip=True)
        _pip("--editable", f"{TREE}[dev]", "--editable", f"{TREE}/adapters/sbhooks_pytest")


def _pip(*what: str) -> None:
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-qq",
        *what,
    ]
    subprocess.run(command, check=True)


def _draw(room: Room, number: int, seed: int) -> list[tuple[str, Place]]:
    """Without repetition, every place of the room alike."""
    absent = [pattern for pattern in room.modules if not any(TREE.glob(pattern))]
    if absent:
        raise SystemExit(f"there is no {', '.join(absent)}")
    every = [
        (str(path.relative_to(TREE)), place)
        for pattern in room.modules
        for path in sorted(TREE.glob(pattern))
        for place in places(path.read_text(encoding="utf-8"))
    ]
    return random.Random(seed).sample(every, min(number, len(every)))


def _try(room: Room, module: str, place: Place) -> tuple[Mutant, bool, float]:
    path = TREE / module
    source = path.read_text(encoding="utf-8")
    fault = mutant(source, place)
    began = time.monotonic()
    path.write_text(fault.source, encoding="utf-8")
    try:
        return fault, _noticed(room, path.stem), time.monotonic() - began
    finally:
        path.write_text(source, encoding="utf-8")


def _noticed(room: Room, stem: str) -> bool:
    """Whether a test fails, or never ends."""
    return any(_fails(_files(folders, stem)) for folders in (room.tests, room.neighbours))


def _fails(files: list[str]) -> bool:
    if not files:
        return False
    command: list[str | Path] = [PYTHON, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *files], cwd=TREE, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def _files(folders: tuple[str, ...], stem: str) -> list[str]:
    """The tests of folders, those that speak most of the module first."""
    files = [path for folder in folders for path in sorted((TREE / folder).rglob("test_*.py"))]

    def distance(path: Path) -> tuple[bool, int]:
        return path.stem != f"test_{stem}", -path.read_text(encoding="utf-8").count(stem)

    return [str(path.relative_to(TREE)) for path in sorted(files, key=distance)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
