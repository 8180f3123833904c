"""All settings, checked: what is unknown or of the wrong type is refused by file and key.

Where they come from and which source wins is told in :mod:`sbhooks.settings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sbhooks.errors import ConfigError
from sbhooks.folders import default_home
from sbhooks.settings import LOOSER, PERSONAL, Layer, layers, merge, working_folder

T = TypeVar("T")
SECRET = frozenset({"token"})  #: Keys whose values are never shown.


class PrivacyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be recorded."""

    redact: bool = True  #: Replace what looks like a secret in messages, parameters, queries.
    failure_messages: bool = True  #: Record the first line of failure messages.
    queries: bool = True  #: Record what users asked for.


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's own keys with their types; each source is checked against it."""

    home: str | None = None
    store: str | None = None
    forward_to: str | None = None
    token: str | None = None
    disable: list[str] = []
    inline: list[str] = []
    project: str | None = None
    trace: bool = False
    privacy: PrivacyConfig = PrivacyConfig()


KEYS: tuple[str, ...] = _Known.__struct_fields__


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set.

    Attributes:
        home: Folder of spool, database, key and problems.
        store: URL of the store; ``sqlite:///`` and a path by default.
        forward_to: URL of a server to which events are sent, instead of into the store.
        token: Secret that this server knows this installation by.
        disable: Plugins and adapters that are switched off; ``all`` stops all recording.
        inline: Plugins that run inside host processes.
        project: Name of the project; by default that of the repository or its folder.
        trace: Print every hook call on stderr.
        privacy: What may be recorded.
        sections: Tables of plugins; see :meth:`section`.
        origins: Key → the file or source that its value came from; ``table.key`` for what is
            in a table.
    """

    home: Path
    store: str
    forward_to: str | None = None
    token: str | None = None
    disable: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    project: str | None = None
    trace: bool = False
    privacy: PrivacyConfig = PrivacyConfig()
    sections: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}

    @property
    def store_file(self) -> Path | None:
        """The file of a local database; ``None`` for other stores."""
        scheme = "sqlite:///"
        return (
            self.home / self.store.removeprefix(scheme) if self.store.startswith(scheme) else None
        )

    def section(self, name: str, kind: type[T]) -> T:
        """The settings of a plugin.

        Args:
            name: The plugin's entry-point name, which is also its table's.
            kind: A Struct with defaults; make it ``forbid_unknown_fields``.

        Raises:
            ConfigError: The table does not fit.
        """
        try:
            return msgspec.convert(self.sections.get(name, {}), kind)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.origins.get(name, name)}: [{name}] {error}") from error


def load_config(
    start: Path | None = None,
    environ: Mapping[str, str] | None = None,
    command_line: Mapping[str, Any] | None = None,
) -> Config:
    """Read and check all settings.

    Args:
        start: Folder from which the project's file is looked for; the working directory
            by default.
        environ: The environment; the process's own by default.
        command_line: Key → value, for keys that were given there.

    Raises:
        ConfigError: A source cannot be read, or a key is unknown, misplaced or of the
            wrong type. The message names source and key.
    """
    environ = os.environ if environ is None else environ
    sources = layers(str(start or working_folder()), environ)
    if command_line:
        sources.append(Layer("command line", "command line", dict(command_line)))
    for source in sources:
        _check(source)
    table = merge(sources)
    known = msgspec.convert({key: table[key] for key in KEYS if key in table}, _Known)
    home = Path(known.home or default_home(environ)).expanduser().absolute()
    return Config(
        home=home,
        store=known.store or f"sqlite:///{home / 'sbhooks.db'}",
        forward_to=known.forward_to,
        token=known.token,
        disable=tuple(known.disable),
        inline=tuple(known.inline),
        project=known.project,
        trace=known.trace,
        privacy=known.privacy,
        sections={key: table[key] for key in table if key not in KEYS},
        origins=_origins(sources),
    )


def check_sections(config: Config, plugins: frozenset[str]) -> None:
    """Refuse tables that no installed plugin reads.

    Raises:
        ConfigError: Names the file and the table.
    """
    for name in config.sections:
        if name not in plugins:
            known = ", ".join(sorted({*KEYS, *plugins}))
            raise ConfigError(
                f"{config.origins[name]}: unknown key or plugin {name!r}. Known: {known}"
            )


def _origins(sources: list[Layer]) -> dict[str, str]:
    """Which source the value of each key came from, also of those in tables."""
    found: dict[str, str] = {}
    for source in sources:
        for key, value in source.table.items():
            found[key] = source.name
            if isinstance(value, dict):
                found |= {f"{key}.{inner}": source.name for inner in value}
    return found


def _check(source: Layer) -> None:
    """Refuse what one source may not say."""
    if source.trouble:
        raise ConfigError(source.trouble)
    for key, value in source.table.items():
        if source.kind == "project" and key in PERSONAL:
            raise ConfigError(
                f"{source.name}: {key!r} cannot be set by a project, because it decides where "
                "data go or what code runs. Set it in your own configuration file or as "
                f"SBHOOKS_{key.upper()}"
            )
        if source.kind == "project" and key == "privacy" and isinstance(value, dict):
            _check_privacy(source.name, value)
        if key not in KEYS and not isinstance(value, dict):
            known = ", ".join(KEYS)
            raise ConfigError(f"{source.name}: unknown key {key!r}. Known: {known}")
    try:
        msgspec.convert({k: v for k, v in source.table.items() if k in KEYS}, _Known)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source.name}: [tool.sbhooks] {error}") from error


def _check_privacy(file: str, privacy: Mapping[str, Any]) -> None:
    """A project may ask its users to record less, never more."""
    for key, value in privacy.items():
        if key in LOOSER and value is LOOSER[key]:
            said = str(value).lower()
            raise ConfigError(
                f"{file}: 'privacy.{key} = {said}' cannot be set by a project, because more would "
                "be recorded. Set it in your own configuration file"
            )
