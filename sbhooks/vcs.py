"""Where the work stands in git, read from its files: no subprocess, microseconds.

Understands linked worktrees and submodules (``.git`` files), packed references, detached
heads and bare folder names. Whether files are modified is not known here: that needs git.

Standard library only: host processes import this module. Nothing here raises.
"""

from __future__ import annotations

import os
from os.path import basename, dirname, isfile, join, normpath
from types import SimpleNamespace

_MAX_PACKED_REFS = 16 << 20
_MAX_SYMBOLIC = 5  # as git
_ORIGIN = {'[remote "origin"]', '[Remote "origin"]', '[REMOTE "origin"]'}
_IN_REFTABLE = "refs/heads/.invalid"  # what HEAD says where references are not files


class Checkout(SimpleNamespace):  # a named tuple would compile code in each host
    """A working tree.

    Attributes:
        root: Its top folder.
        commit: Full hash, or ``None`` before the first commit.
        branch: ``None`` on a detached head.
        remote: Name of the repository at its origin, for example ``"pluggy"``.
    """

    root: str
    commit: str | None
    branch: str | None
    remote: str | None

    def __init__(
        self, root: str, commit: str | None, branch: str | None, remote: str | None
    ) -> None:
        super().__init__(root=root, commit=commit, branch=branch, remote=remote)


def checkout(start: str) -> Checkout | None:
    """Find the working tree that holds a folder, or ``None`` outside of any."""
    found = _find(start)
    if found is None:
        return None
    root, git = found
    common = _common(git)
    head = _text(join(git, "HEAD"))
    remote = _remote_name(join(common, "config"))
    if not head.startswith("ref:"):
        return Checkout(root, _hash(head), None, remote)
    reference = head[4:].strip()
    if reference == _IN_REFTABLE:
        return Checkout(root, None, None, remote)
    branch = _readable(reference.removeprefix("refs/heads/"))
    return Checkout(root, _resolve(git, common, reference), branch, remote)


def _find(start: str) -> tuple[str, str] | None:
    folder = start
    while True:
        git = join(folder, ".git")
        if isfile(join(git, "HEAD")):  # as git does, an empty folder of that name is passed by
            return folder, git
        pointer = _text(git)
        if pointer.startswith("gitdir:"):
            return folder, normpath(join(folder, pointer[7:].strip()))
        parent = dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _common(git: str) -> str:
    """The folder that linked worktrees share."""
    pointer = _text(join(git, "commondir"))
    return normpath(join(git, pointer)) if pointer else git


def _resolve(git: str, common: str, reference: str) -> str | None:
    """The commit of a reference, which may name another one."""
    for _ in range(_MAX_SYMBOLIC):
        text = _text(join(git, reference)) or _text(join(common, reference))
        if not text.startswith("ref:"):
            return _hash(text) or _packed(common, reference)
        reference = text[4:].strip()
    return None


def _packed(common: str, reference: str) -> str | None:
    try:
        with open(join(common, "packed-refs"), "rb") as file:
            data = file.read(_MAX_PACKED_REFS)
    except (OSError, ValueError):
        return None
    end = data.find(b" " + os.fsencode(reference) + b"\n")
    start = data.rfind(b"\n", 0, end) + 1 if end >= 0 else 0
    return _hash(data[start:end].decode("ascii", "replace")) if end >= 0 else None


def _remote_name(config: str) -> str | None:
    """The last part of the origin's URL: no host, no owner, no credentials."""
    section = ""
    for raw in _text(config, limit=1 << 16).splitlines():
        line = raw.strip()
        key, _, value = line.partition("=")
        if line.startswith("["):
            section = line
        elif section in _ORIGIN and key.strip().lower() == "url":
            url = value.strip().strip('"').rstrip("/").removesuffix("/.git")
            url = url.partition("?")[0].partition("#")[0]  # may hold a token
            name = basename(url.rstrip("/").replace(":", "/")).rpartition("@")[2]
            return _readable(name.removesuffix(".git")) or None
    return None


def _readable(name: str) -> str:
    """A name that was not UTF-8, with marks in place of what cannot be shown."""
    return os.fsencode(name).decode("utf-8", "replace")


def _hash(text: str) -> str | None:
    """A full SHA-1 or SHA-256 name, or nothing."""
    text = text.strip()
    is_hash = len(text) in {40, 64} and all(c in "0123456789abcdef" for c in text)
    return text if is_hash else None


def _text(path: str, *, limit: int = 4096) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(limit)).strip()
    except (OSError, ValueError):
        return ""
