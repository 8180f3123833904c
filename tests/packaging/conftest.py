"""Environments with exactly the distributions that a test names, made without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest


class Environment:
    """A virtual environment; copies of installed distributions can be put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self.site = next((folder / "lib").glob("python*")) / "site-packages"

    def install(self, *names: str) -> None:
        """Copy distributions, files and metadata, from the environment that runs the tests."""
        for name in names:
            for file in distribution(name).files or ():
                source = Path(str(distribution(name).locate_file(file)))
                if ".." in file.parts or not source.is_file() or source.suffix == ".pyc":
                    continue  # scripts outside of site-packages, caches
                target = self.site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def run(self, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
        """Run its Python with nothing of ours in the environment but the home."""
        kept = {k: os.environ[k] for k in ("PATH", "LANG", "TMPDIR") if k in os.environ}
        return subprocess.run(
            [str(self.python), "-P", *arguments],
            env={**kept, "SBHOOKS_HOME": str(home), "HOME": str(home)},
            capture_output=True, text=True, check=False, timeout=120, cwd=self.folder,
        )  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Environment]:
    """Makes an environment with the named distributions."""
    if _is_editable():
        pytest.skip("needs the installed wheel: run 'make test'")

    def make(*names: str) -> Environment:
        made = Environment(tmp_path / "environment")
        made.install(*names)
        return made

    return make


def _is_editable() -> bool:
    import sbhooks

    return Path(sys.prefix).resolve() not in Path(sbhooks.__file__).resolve().parents
