"""Which entry points are installed, read straight from the folders of the distributions.

``importlib.metadata`` answers the same, but importing it (with ``email``, ``zipfile`` and
``tempfile`` behind it) costs more than everything else that ``sbhooks --help`` does. It is
asked where distributions may be that are no folders: in zip files, eggs and the care of
foreign import hooks.

An entry may lead to a *bundle*, a table of several plugins: ``name = "package:PLUGINS"``. Every
tool that looks for plugins of its own in this way reads the lines of all distributions each time
it starts; a bundle costs it one line. What is a bundle shows in the entry, so that no plugin has to
be imported to learn that it is none.

Standard library only: host processes may import this module.
"""

from __future__ import annotations

import os
import sys
from os.path import isfile, join
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "PLUGINS"  #: What the table of a bundle is called in its module.
_MOST_PLUGINS = 100  #: Of one bundle.
_ENDINGS = (".dist-info", ".egg-info")
_MAX_FILE_BYTES = 1 << 20


class Entry(NamedTuple):
    """One entry point.

    Attributes:
        name: What it is called in its group.
        value: Where the object is: ``"package.module"`` or ``"package.module:name"``.
        distribution: Name of the distribution that brings it.
        version: Its version.
    """

    name: str
    value: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import the module, and pick the object out of it.

        Raises:
            Exception: Whatever a stranger's module raises.
        """
        from importlib import import_module

        module, _, path = self.value.partition("[")[0].partition(":")
        found: Any = import_module(module.strip())
        for name in path.strip().split(".") if path.strip() else ():
            found = getattr(found, name)
        return found

    @property
    def source(self) -> str:
        """What to ``pip uninstall``, with its version."""
        return f"{self.distribution} {self.version}".rstrip()

    @property
    def is_bundle(self) -> bool:
        """Whether it leads to a table of plugins."""
        return self.value.partition("[")[0].partition(":")[2].strip() == TABLE

    def plugins(self) -> list[Entry]:
        """The plugins of a bundle, as if each had an entry point of its own.

        Imports the module of the bundle and none of theirs.

        Raises:
            PluginError: It is no table.
            Exception: Whatever a stranger's module raises.
        """
        table = self.load()
        if not _is_table(table):
            from sbhooks.errors import PluginError

            raise PluginError(
                f"it is no dict of at most {_MOST_PLUGINS} plugins, from names to modules"
            )
        return [self._replace(name=name, value=value) for name, value in table.items()]


class Installed(NamedTuple):
    """What was found.

    Attributes:
        entries: In the order of ``sys.path``; of a distribution that is there twice the first.
        troubles: Lists of entry points that cannot be read, in words.
    """

    entries: list[Entry]
    troubles: list[str]


def installed(group: str) -> Installed:
    """List the entry points of a group."""
    if _is_plain():
        return _from_folders(group)
    return _from_metadata(group)


def _is_plain() -> bool:
    """Whether every distribution is a folder that we can find ourselves."""
    from importlib.machinery import PathFinder

    foreign = any(
        hasattr(finder, "find_distributions") and finder is not PathFinder
        for finder in sys.meta_path
    )
    return not foreign and not any(p.endswith(".egg") or isfile(p) for p in sys.path)


def _from_folders(group: str) -> Installed:
    found = Installed([], [])
    seen: set[str] = set()
    header = f"[{group}]".encode()
    for folder, stem, ending in _distributions():
        name, _, rest = stem.partition("-")
        if name.lower() in seen:
            continue  # shadowed by one that is found earlier
        seen.add(name.lower())
        path = join(folder, stem + ending, "entry_points.txt")
        try:
            with open(path, "rb", buffering=0) as file:
                text = file.read(_MAX_FILE_BYTES)
            if header in text:
                version = rest.partition("-")[0]
                pairs = _section(text.decode(), group)
                found.entries.extend(Entry(*p, name.replace("_", "-"), version) for p in pairs)
        except (FileNotFoundError, NotADirectoryError):
            continue  # most distributions have none
        except (OSError, ValueError) as error:
            found.troubles.append(f"{path}: entry points cannot be read: {error}")
    return found


def _distributions() -> Iterator[tuple[str, str, str]]:
    """Yield folder, name with version, and ending of everything installed."""
    for folder in dict.fromkeys(path or os.curdir for path in sys.path):
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.endswith(_ENDINGS):
                stem, dot, ending = name.rpartition(".")
                yield folder, stem, dot + ending


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line in a section.

    Raises:
        ValueError: A line is no pair.
    """
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith(("#", ";")):
            name, equals, value = line.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise ValueError(f"{line!r} is no 'name = value'")
            yield name.strip(), value.strip()


def _is_table(table: object) -> bool:
    """Whether it is name → module, and none of the modules a table again."""
    if not isinstance(table, dict) or len(table) > _MOST_PLUGINS:
        return False
    texts = (text for pair in table.items() for text in pair)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return False
    return not any(Entry(name, value, "", "").is_bundle for name, value in table.items())


def _from_metadata(group: str) -> Installed:
    from importlib.metadata import distributions

    found = Installed([], [])
    seen: set[str] = set()
    for distribution in distributions():
        try:
            name, version = str(distribution.metadata["Name"]), distribution.version
            if name.lower() not in seen:
                seen.add(name.lower())
                points = distribution.entry_points.select(group=group)
                found.entries.extend(Entry(p.name, p.value, name, version) for p in points)
        except Exception as error:  # noqa: BLE001 - a stranger's files
            where = getattr(distribution, "_path", "a distribution")
            found.troubles.append(f"{where}: entry points cannot be read: {error!r}")
    return found
