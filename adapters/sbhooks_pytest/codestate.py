"""Whether two runs saw the same code, although somebody edits between commits.

A test that fails and then passes on the same code is flaky; on edited code it is just
repaired. The commit does not tell: most local runs are of uncommitted work. So the state of
the files is hashed, by name, size and time of change, without reading them: before the first
test and after the last one. Where the two differ, somebody edited while the tests ran, and
nobody knows which test saw what.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from os import scandir, stat
from time import time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import DirEntry

MAX_ENTRIES = 3_000  #: Directory entries looked at; a larger tree is judged by its modules.
_CODE = (
    ".py", ".pyx", ".pyi", ".c", ".h", ".cc", ".cpp", ".rs", ".so", ".pyd",
    ".toml", ".cfg", ".ini",
)  # fmt: skip
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})


class CodeState:
    """The files of code at one moment.

    A plain class: making a named tuple would cost as much as looking at a hundred files.

    Args:
        method: ``"tree"`` for all files below the root, ``"modules"`` for the imported ones.
        files: Relative path → time of change in nanoseconds, and size.
        taken_ns: When they were looked at, by the clock that stamps files.
    """

    __slots__ = ("files", "method", "taken_ns")

    def __init__(self, method: str, files: dict[str, tuple[int, int]], taken_ns: int) -> None:
        self.method = method
        self.files = files
        self.taken_ns = taken_ns

    def holds(self, after: CodeState) -> bool:
        """Whether nothing changed until a later state.

        Modules may be imported in between; then they must be older than this state.
        """
        if self.method != after.method:
            return False
        if self.method == "tree":
            return self.files == after.files
        return all(
            self.files.get(path, seen) == seen and seen[0] <= self.taken_ns
            for path, seen in after.files.items()
        )

    def digest(self, commit: str | None) -> str:
        """A short hash of the state.

        Args:
            commit: What is checked out.
        """
        files = sorted(f"{path} {at} {size}" for path, (at, size) in self.files.items())
        told = "\n".join([self.method, commit or "", *files])
        return sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def code_state(root: str, *, imported: bool) -> CodeState | None:
    """The state of the code below a folder; ``None`` when it cannot be known cheaply.

    Args:
        root: Root folder of the tests.
        imported: Whether this process imported the tested code, so that its modules tell
            when the tree is too large; under xdist it did not.
    """
    now = time_ns()
    files = _tree(root)
    if files is not None:
        return CodeState("tree", files, now)
    return CodeState("modules", _modules(root), now) if imported else None


def _tree(root: str) -> dict[str, tuple[int, int]] | None:
    """Every file of code below the root, or ``None`` if there are too many entries."""
    found: dict[str, tuple[int, int]] = {}
    folders = [root]
    entries = 0
    while folders:
        for entry in _entries(folders.pop()):
            entries += 1
            if entries > MAX_ENTRIES:
                return None
            name = entry.name
            if name.endswith(_CODE):
                status = entry.stat(follow_symlinks=False)
                found[entry.path[len(root) :]] = status.st_mtime_ns, status.st_size
            elif name[0] != "." and name not in _SKIPPED and _is_folder(entry):
                folders.append(entry.path)
    return found


def _entries(folder: str) -> Iterator[DirEntry[str]]:
    try:
        with scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in found):
        return  # a virtual environment: other people's code
    yield from found


def _is_folder(entry: DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _modules(root: str) -> dict[str, tuple[int, int]]:
    """Every imported module that lies below the root."""
    found: dict[str, tuple[int, int]] = {}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.startswith(root) and "site-packages" not in path:
            try:
                status = stat(path)
            except OSError:
                continue
            found[path[len(root) :]] = status.st_mtime_ns, status.st_size
    return found
