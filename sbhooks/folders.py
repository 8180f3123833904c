"""Where a user's files lie: data, settings, and a private place when there is no other.

Standard library only: host processes import this module. Nothing here raises.
"""

from __future__ import annotations

import os
import sys
from os.path import dirname, expanduser, isdir, join, lexists
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What to do where the home cannot be made or written.
ELSEWHERE = "Set SBHOOKS_HOME to a folder that you can write"


def default_home(environ: Mapping[str, str]) -> str:
    """The platform's folder for a user's data, so that one database serves all projects."""
    return _platform_folder(environ, "XDG_DATA_HOME", ".local/share", "Application Support")


def user_file(environ: Mapping[str, str]) -> str:
    """The user's own configuration file."""
    folder = _platform_folder(environ, "XDG_CONFIG_HOME", ".config", "Application Support")
    return join(folder, "config.toml")


def temporary() -> str:
    """A folder of this user alone below the folder for temporary files.

    Its name is known to all, so a stranger may have made it first. Then the answer is a place
    that nobody can write.
    """
    import tempfile

    nowhere = join(os.devnull, "sbhooks")
    try:
        owner = str(os.getuid()) if hasattr(os, "getuid") else "user"
        folder = join(tempfile.gettempdir(), f"sbhooks-{owner}")
        return folder if is_mine(folder) else nowhere
    except FileNotFoundError:
        return folder
    except (OSError, ValueError):
        return nowhere


def is_mine(file: str | int) -> bool:
    """Whether a file or folder belongs to this user and is no link.

    Raises:
        OSError: There is no such file.
    """
    if not hasattr(os, "getuid"):
        return True
    status = os.lstat(file) if isinstance(file, str) else os.fstat(file)
    return status.st_uid == os.geteuid()  # under which files are made


def make_private(
    folder: str,
    # Bound here, out of reach of tools that replace functions in the name spaces of modules.
    _mkdir: Callable[[str, int], None] = os.mkdir,
    _chmod: Callable[[str, int], None] = os.chmod,
) -> None:
    """Make a folder and those above it, which nobody but its owner may enter.

    Raises:
        OSError: It cannot be made; some file systems never let anybody make a folder.
    """
    try:
        _make_one(folder, _mkdir, _chmod)
    except FileNotFoundError:
        parent = dirname(folder)
        if parent in {"", folder}:
            raise
        make_private(parent, _mkdir, _chmod)
        _make_one(folder, _mkdir, _chmod)


def _make_one(
    folder: str, mkdir: Callable[[str, int], None], chmod: Callable[[str, int], None]
) -> None:
    try:
        mkdir(folder, 0o700)
        chmod(folder, 0o700)  # whatever the umask says
    except FileExistsError:
        pass


def may_write(folder: str | os.PathLike[str]) -> bool:
    """Whether this process may make files in a folder, under the user it acts as."""
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=effective)


def obstacle(folder: str) -> str:
    """What keeps files from being made in a folder, in words; nothing where they can be.

    The folder itself need not be there. Whether a file system lets anybody make one shows only
    when it is tried, so in the nearest folder that is there, one is made and removed again.
    """
    nearest = folder
    while not lexists(nearest) and dirname(nearest) != nearest:
        nearest = dirname(nearest)
    if not isdir(nearest):
        return f"{nearest} is no folder"
    if not may_write(nearest):
        return f"{nearest} cannot be written"
    if nearest == folder:
        return ""
    trial = join(nearest, f".sbhooks-{os.getpid()}")
    try:
        os.mkdir(trial, 0o700)
        os.rmdir(trial)
    except FileExistsError:  # left by somebody who was killed; a folder could be made, it seems
        return ""
    except OSError as error:
        return f"nothing can be made in {nearest}: {error.strerror}"
    return ""


def _platform_folder(environ: Mapping[str, str], variable: str, unix: str, mac: str) -> str:
    if sys.platform == "win32":
        return join(environ.get("LOCALAPPDATA") or expanduser("~/AppData/Local"), "sbhooks")
    if sys.platform == "darwin":
        return join(_user_folder(environ), f"Library/{mac}/sbhooks")
    base = environ.get(variable, "")
    # The XDG specification: a relative path is invalid and must be ignored.
    return join(base if base.startswith("/") else join(_user_folder(environ), unix), "sbhooks")


def _user_folder(environ: Mapping[str, str]) -> str:
    """The user's home; where there is none, a private place that is not the working tree."""
    folder = environ.get("HOME", "")
    if folder.startswith("/"):
        return folder
    try:
        import pwd  # not expanduser("~"), which is "/" when HOME is empty

        folder = pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError, OSError):
        folder = ""
    return folder if folder.startswith("/") else temporary()
