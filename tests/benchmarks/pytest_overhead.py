"""P1, P2, P2b: what recording costs pytest, in instructions, and a run in the database."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from bars import Bar, run, say

ROOT = Path(__file__).parents[2]
#: Lengths of the name of a suite's folder, and how many variables the environment has besides.
#: Both are all over a process: they decide when garbage is collected, and that is worth as much as
#: 0.001 × of a short run, with and without the plugin. What the plugin costs is the mean.
_PLACES = ((5, 0), (12, 1), (19, 13), (26, 3), (33, 8), (40, 0), (47, 5), (60, 2))
_QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly")


def measure() -> list[Bar]:
    """All bars of the pytest adapter."""
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as name:
        bench = _Bench(Path(name))
        return [*bench.instructions(), bench.workers(), bench.bytes_per_test()]


class _Bench:
    """Two environments that differ in nothing but sbhooks, and suites of trivial tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.besides: dict[str, str] = {}
        say("bench: making two environments, without and with sbhooks")
        wheels = sorted((ROOT / ".build").glob("*.whl"))
        parts = ["pytest", "pytest-xdist", "click", "msgspec", "pluggy", "rich", "sqlite-utils"]
        self.bare = self._environment("bare", parts)
        self.ours = self._environment("ours", parts)
        run([self.ours, "-m", "pip", "-q", "install", "--no-deps", *wheels])

    def instructions(self) -> list[Bar]:
        small, large = self._suite(50), self._suite(1_000)
        bare_small, bare_large = self._count(self.bare, small), self._count(self.bare, large)
        on_small, on_large = self._count(self.ours, small), self._count(self.ours, large)
        junit = self._count(self.bare, large, f"--junitxml={self.folder / 'junit.xml'}")
        each = (on_large - on_small - bare_large + bare_small) / 950
        return [
            Bar(
                id="P1",
                work="pytest, 1,000 trivial tests, recording: instructions against bare pytest",
                bar=1.03,
                reached=on_large / bare_large,
                note=f"{each:,.0f} instructions per test; `--junitxml` {junit / bare_large:.4f} ×",
            ),
            Bar(
                id="P2",
                work="the same with 50 tests, where the start-up shows",
                bar=1.04,
                reached=on_small / bare_small,
                note=f"{(on_small - bare_small) / 1e6:,.1f} million instructions more",
            ),
            self.off(),
        ]

    def off(self) -> Bar:
        ratios = []
        for length, variables in _PLACES:
            suite = self._suite(50, name="s" * length)
            self.besides = {f"BESIDES_{n}": "x" * 50 for n in range(variables)}
            bare = self._count(self.bare, suite)
            ratios.append(self._count(self.ours, suite, "--no-sbhooks") / bare)
        self.besides = {}
        return Bar(
            id="P2b off",
            work="installed but off (`--no-sbhooks`), 50 tests",
            bar=1.005,
            reached=fmean(ratios),
            note=f"mean of {len(ratios)} folders and environments, {min(ratios):.4f} to "
            f"{max(ratios):.4f}: garbage is collected at other moments in each",
        )

    def workers(self) -> Bar:
        suite = self._suite(200)
        bare = self._count_workers(self.bare, suite)
        ours = self._count_workers(self.ours, suite)
        return Bar(
            id="P2b xdist",
            work="`-n 2`, 200 tests: instructions in the workers against bare pytest",
            bar=1.005,
            reached=ours / bare,
            note="nothing of the recorder is loaded there; what remains is finding and importing "
            "the entry point",
        )

    def bytes_per_test(self) -> Bar:
        suite, tests, runs = self._suite(1_000), 1_000, 12
        home = self.folder / "bytes"
        sizes = []
        for number in range(runs):
            self._pytest(self.ours, suite, home=home)
            run([self.ours, "-m", "sbhooks", "collect"], env=self._environ(home))
            if number in {1, runs - 1}:
                sizes.append(_size(home / "sbhooks.db"))
        return Bar(
            id="P2b bytes",
            work="SQLite bytes per passing test and run, all indexes included",
            bar=90,
            reached=(sizes[1] - sizes[0]) / (tests * (runs - 2)),
            unit="bytes",
            note=f"growth over {runs - 2} recorded runs of {tests:,} tests",
        )

    def _environment(self, name: str, parts: list[str]) -> Path:
        run([sys.executable, "-m", "venv", self.folder / name])
        python = self.folder / name / "bin" / "python"
        run([python, "-m", "pip", "-q", "install", *parts])
        return python

    def _suite(self, tests: int, *, name: str = "") -> Path:
        folder = self.folder / (name or f"suite{tests}")
        if not folder.exists():
            folder.mkdir()
            (folder / "pytest.ini").write_text("[pytest]\n")
            for number in range(tests // 50):
                body = "".join(f"def test_{i}():\n    assert 1 + 1 == 2\n" for i in range(50))
                (folder / f"test_{number:03}.py").write_text(body)
        return folder

    def _environ(self, home: Path) -> dict[str, str]:
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("SBHOOKS_", "PYTEST_", "PYTHON"))
        }
        return {**kept, **self.besides, "SBHOOKS_HOME": str(home), "PYTHONHASHSEED": "0"}

    def _pytest(self, python: Path, suite: Path, *options: str, home: Path) -> None:
        command = [python, "-P", "-m", "pytest", *_QUIET, *options]
        run(command, cwd=suite, env=self._environ(home))

    def _count(self, python: Path, suite: Path, *options: str) -> int:
        """Instructions of one run, after one that fills all caches."""
        home = self.folder / "home"
        self._pytest(python, suite, *options, home=home)
        return sum(self._valgrind(python, suite, *options).values())

    def _count_workers(self, python: Path, suite: Path) -> int:
        """Instructions of the two worker processes."""
        self._pytest(python, suite, "-n", "2", home=self.folder / "home")
        counts = self._valgrind(python, suite, "-n", "2")
        return sum(counts.values()) - counts[min(counts)]  # the controller was first

    def _valgrind(self, python: Path, suite: Path, *options: str) -> dict[int, int]:
        """Process → instructions."""
        if shutil.which("valgrind") is None:
            raise RuntimeError("valgrind is not installed: apt-get install valgrind")
        say(f"bench: counting {python.parent.parent.name} {suite.name} {' '.join(options)}")
        logs = self.folder / "valgrind"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes"]
        files = [f"--log-file={logs}/%p.log", "--cachegrind-out-file=/dev/null"]
        command = [*valgrind, *files, python, "-P", "-m", "pytest", *_QUIET, *options]
        run(command, cwd=suite, env=self._environ(self.folder / "home"))
        return {int(path.stem): _refs(path) for path in logs.glob("*.log") if _refs(path)}


def _refs(log: Path) -> int:
    found = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text())
    return int(found[1].replace(",", "")) if found else 0


def _size(database: Path) -> int:
    """Bytes in use, without the free pages and the write-ahead log."""
    import sqlite3

    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    return int((pages - free) * size)
