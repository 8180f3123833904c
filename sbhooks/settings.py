"""Where settings come from; what a host process may know of them.

Later sources override earlier ones:

1. the project: ``[tool.sbhooks]`` of the nearest ``pyproject.toml``, or a ``sbhooks.toml``,
   walking up from the working directory;
2. the user: ``config.toml`` in the platform's configuration folder;
3. the environment: ``SBHOOKS_HOME``, ``SBHOOKS_STORE``, ...;
4. the command line.

A project's file comes with the project, perhaps from a stranger. It therefore cannot
say where data go or what code runs.

This module only finds and merges; it is standard library only and never raises, because
host processes use it. :mod:`sbhooks.config` checks what it finds, strictly.
"""

from __future__ import annotations

import os
from os.path import dirname, expanduser, join
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sbhooks.folders import default_home, user_file

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Keys that only the user may set: they decide where data go and what code runs.
PERSONAL = frozenset({"home", "store", "forward_to", "token", "inline", "trace"})

#: Privacy settings by which more would be recorded; a project can only ask for less.
LOOSER = {"redact": False, "failure_messages": True, "queries": True}

#: Environment variable → key. Lists are separated by commas.
ENVIRONMENT = {
    "SBHOOKS_HOME": "home",
    "SBHOOKS_STORE": "store",
    "SBHOOKS_FORWARD_TO": "forward_to",
    "SBHOOKS_TOKEN": "token",
    "SBHOOKS_DISABLE": "disable",
    "SBHOOKS_INLINE": "inline",
    "SBHOOKS_PROJECT": "project",
    "SBHOOKS_TRACE": "trace",
}
LISTS = frozenset({"disable", "inline"})
_MAX_FILE_BYTES = 1 << 20


# Namespaces rather than named tuples: making a class of those compiles code, which costs each
# host as much as two more modules.
class Layer(SimpleNamespace):
    """What one source says.

    Attributes:
        kind: ``"project"``, ``"user"``, ``"environment"`` or ``"command line"``.
        name: The file, or the kind again.
        table: Its settings as they stand there.
        trouble: Why the source could not be read; then ``table`` holds only what a host must
            take for granted.
    """

    kind: str
    name: str
    table: dict[str, Any]
    trouble: str | None

    def __init__(
        self, kind: str, name: str, table: dict[str, Any], trouble: str | None = None
    ) -> None:
        super().__init__(kind=kind, name=name, table=table, trouble=trouble)


class HostSettings(SimpleNamespace):
    """The few settings that matter inside a host process; all are given by name."""

    home: str
    enabled: bool
    disabled: frozenset[str]
    inline: tuple[str, ...]
    project: str | None
    redact: bool
    failure_messages: bool
    trouble: tuple[str, ...]
    trace: bool


def layers(start: str, environ: Mapping[str, str]) -> list[Layer]:
    """Read every source, weakest first.

    Args:
        start: Absolute folder from which to look for the project's file.
        environ: The environment.
    """
    found = (_project_layer(start), _user_layer(environ), _environment_layer(environ))
    return [layer for layer in found if layer is not None]


def merge(sources: list[Layer]) -> dict[str, Any]:
    """Combine sources into one table; tables inside merge key by key, lists replace."""
    merged: dict[str, Any] = {}
    for layer in sources:
        for key, value in layer.table.items():
            if layer.kind == "project" and key in PERSONAL:
                continue
            if layer.kind == "project" and key == "privacy" and isinstance(value, dict):
                value = {k: v for k, v in value.items() if v is not LOOSER.get(k)}  # noqa: PLW2901
            old: Any = merged.get(key)
            both = isinstance(old, dict) and isinstance(value, dict)
            merged[key] = {**old, **value} if both else value
    return merged


def host_settings(start: str, environ: Mapping[str, str]) -> HostSettings:
    """Read what a host needs, forgiving: an unusable value counts as not given.

    Except where it may have asked for less to be recorded: then less is.
    """
    sources = layers(start, environ)
    table = merge(sources)
    privacy = table.get("privacy")
    privacy = privacy if isinstance(privacy, dict) else {"failure_messages": privacy is None}
    disable = table.get("disable")
    disabled = frozenset(["all"] if disable is True else _names(disable))
    home, project = table.get("home"), table.get("project")
    given = expanduser(home) if isinstance(home, str) and home else default_home(environ)
    return HostSettings(
        home=join(start, given),  # absolute: tests change the working directory
        enabled="all" not in disabled,
        disabled=disabled,
        inline=tuple(name for name in _names(table.get("inline")) if name not in disabled),
        project=project if isinstance(project, str) and project else None,
        redact=privacy.get("redact") is not False,
        failure_messages=privacy.get("failure_messages", True) is True,
        trouble=tuple(layer.trouble for layer in sources if layer.trouble),
        trace=table.get("trace") is True,
    )


def _project_layer(start: str) -> Layer | None:
    """The nearest file with settings, walking up; a ``sbhooks.toml`` wins in its folder."""
    folder = start
    while True:
        own = join(folder, "sbhooks.toml")
        data = _read(own)
        if data is not None:
            return _parsed("project", own, data, ())
        shared = join(folder, "pyproject.toml")
        data = _read(shared)
        if data is not None and _may_have_table(data):
            layer = _parsed("project", shared, data, ("tool", "sbhooks"))
            if layer is not None:
                return layer
        parent = dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _user_layer(environ: Mapping[str, str]) -> Layer | None:
    path = user_file(environ)
    data = _read(path)
    return None if data is None else _parsed("user", path, data, ())


def _environment_layer(environ: Mapping[str, str]) -> Layer | None:
    table: dict[str, Any] = {}
    for variable, key in ENVIRONMENT.items():
        text = environ.get(variable, "")
        if not text:
            continue
        if key in LISTS:
            table[key] = [name.strip() for name in text.split(",") if name.strip()]
        elif key == "trace":
            table[key] = text not in {"0", "false", "no", "off"}
        else:
            table[key] = text
    return Layer("environment", "environment", table) if table else None


def _read(path: str) -> bytes | None:
    """The content of a file, or ``None`` when it cannot be had."""
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return None


def _may_have_table(data: bytes) -> bool:
    """Whether a ``pyproject.toml`` can have our table; spares the parser for nearly all others."""
    if b"tool.sbhooks" in data:
        return True
    if b"sbhooks" not in data:
        return False
    import re

    # The less usual ways to write it: ["tool"."sbhooks"], or below [tool] sbhooks.key = ...
    return re.search(rb"""(?<![\w-])sbhooks["' \t]{0,99}[].=]""", data) is not None


def _parsed(kind: str, path: str, data: bytes, keys: tuple[str, ...]) -> Layer | None:
    """The table at ``keys`` of a file, or ``None`` when the file has no such table."""
    import tomllib

    try:
        if len(data) > _MAX_FILE_BYTES:
            raise ValueError(f"larger than {_MAX_FILE_BYTES} bytes")
        table: Any = tomllib.loads(data.decode())
        for key in keys:
            if not isinstance(table, dict) or key not in table:
                return None
            table = table[key]
        if not isinstance(table, dict):
            raise TypeError("[tool.sbhooks] is not a table")
    except (ValueError, TypeError, RecursionError) as error:
        trouble = f"{path}: cannot be read as settings: {error}"
        return Layer(kind, path, _cautious(data), trouble)
    return Layer(kind, path, table)


def _cautious(data: bytes) -> dict[str, Any]:
    """What holds while a file cannot be read: it may ask for no messages, or for silence."""
    table: dict[str, Any] = {"privacy": {"failure_messages": False}}
    if b"disable" in data:
        table["disable"] = ["all"]
    return table


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def here(environ: Mapping[str, str] | None = None) -> HostSettings:
    """The settings of this process at its working directory, wherever that is."""
    return host_settings(working_folder(), os.environ if environ is None else environ)


def working_folder() -> str:
    """The working directory, or the root of the file system when it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep
