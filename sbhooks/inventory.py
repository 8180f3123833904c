"""What is set up, set and installed, as the commands about the installation print it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sbhooks.config import KEYS, SECRET
from sbhooks.plugins import STRIKES
from sbhooks.redact import redact
from sbhooks.status import without_password

if TYPE_CHECKING:
    from sbhooks.config import Config
    from sbhooks.plugin import Plugin

DEFAULT = "default"  #: Origin of what nobody has set.
MASK = "•••"  #: In place of what must not be shown.
_MAY_BE_SECRET = re.compile(
    r"token|secret|pass|pwd|\bpin\b|key|credential|auth|bearer|cookie|webhook", re.I
)


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks init --json`` prints.

    Attributes:
        home: Folder of everything that is recorded.
        store: URL of the store, without credentials.
        recording: Whether host tools record.
        reason: Why they do, or do not.
    """

    home: str
    store: str
    recording: bool
    reason: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    Attributes:
        key: Its name.
        value: As it stands; ``•••`` where it must not be shown.
        origin: The file or source that it came from, or ``"default"``; of a table, the last that
            has a say.
        origins: Of a table: key → the same; those that are not named have their default.
    """

    key: str
    value: Any
    origin: str
    origins: dict[str, str] = {}


class SettingList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks config show --json`` prints.

    Attributes:
        settings: The kernel's own keys, then the tables of plugins.
    """

    settings: list[Setting]


class PluginState(msgspec.Struct, frozen=True, kw_only=True):
    """How a plugin fares in this process.

    Attributes:
        name: Of its entry point.
        distribution: What to ``pip uninstall``, with version.
        status: ``loaded``, ``disabled``, ``missing-extra``, ``broken``, ``clash`` or ``out``.
        detail: Why it is not loaded, and what to do; empty when all is well.
        hooks: Names of the hooks that it implements.
        calls: How often one of them was called.
        seconds: Time spent in them.
        errors: How many of the calls failed.
        strikes_left: Errors that it may still make.
        problems: How many problems with it ``sbhooks doctor`` knows of, from all processes.
    """

    name: str
    distribution: str
    status: str
    detail: str
    hooks: tuple[str, ...]
    calls: int
    seconds: float
    errors: int
    strikes_left: int
    problems: int = 0


class PluginList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks plugins --json`` prints.

    Attributes:
        plugins: Those that are loaded, then those that are not.
    """

    plugins: list[PluginState]


def setting_list(config: Config) -> SettingList:
    """Every key with its value and origin, as it may be shown."""
    found = [_setting(config, key, _shown(key, getattr(config, key))) for key in KEYS]
    tables = [_setting(config, key, _of_plugin(key, t)) for key, t in config.sections.items()]
    return SettingList(settings=found + tables)


def plugin_list(plugins: Iterable[Plugin], noted: Mapping[str, int]) -> PluginList:
    """Plugins as JSON has them.

    Args:
        plugins: All of them.
        noted: Name → number of problems that are kept.
    """
    return PluginList(
        plugins=[
            PluginState(
                name=plugin.name,
                distribution=plugin.distribution,
                status=plugin.status,
                detail=plugin.detail,
                hooks=plugin.hooks,
                calls=plugin.calls,
                seconds=plugin.seconds,
                errors=plugin.errors,
                strikes_left=max(0, STRIKES - plugin.errors),
                problems=noted.get(plugin.name, 0),
            )
            for plugin in plugins
        ]
    )


def _setting(config: Config, key: str, value: Any) -> Setting:
    inner = value if isinstance(value, dict) else {}
    each = {name: config.origins.get(f"{key}.{name}") for name in inner}
    return Setting(
        key=key,
        value=value,
        origin=config.origins.get(key, DEFAULT),
        origins={name: origin for name, origin in each.items() if origin},
    )


def _of_plugin(key: str, value: Any) -> Any:
    """A plugin's setting; only the plugin knows what is secret, so what may be one is masked."""
    if _MAY_BE_SECRET.search(key):
        return MASK  # a table below such a name as a whole
    if isinstance(value, dict):
        return {name: _of_plugin(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_of_plugin(key, item) for item in value]
    if isinstance(value, bool | int | float):
        return value
    return _address(str(value)) if "://" in str(value) else redact(str(value))


def _address(url: str) -> str:
    """Scheme and host of an address; behind them may stand what opens it, as in a webhook."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host, question, query = host.partition("?")
    who, at, host = host.rpartition("@")  # a name alone may be a token
    who = MASK if who else ""
    return f"{scheme}://{who}{at}{host}{slash or question}{MASK if path or query else ''}"


def _shown(key: str, value: Any) -> Any:
    """A value as JSON has it, without what must not be shown."""
    if key in SECRET and value is not None:
        return MASK
    if isinstance(value, str) and "://" in value:
        return without_password(value)
    return str(value) if isinstance(value, Path) else msgspec.to_builtins(value)
