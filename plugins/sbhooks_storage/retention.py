"""How long events are kept: the setting ``storage.retention`` and the option ``--keep``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from sbhooks.config import Config
from sbhooks.errors import ConfigError
from sbhooks.settings import layers, working_folder

_DAYS = {"d": 1, "w": 7, "y": 365}
_AGE = re.compile(r"([1-9]\d{0,4})([dwy])")


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[storage]`` of the settings.

    Attributes:
        retention: Kind of event → how long its events are kept, as in ``{test-result = "365d"}``.
    """

    retention: dict[str, str] = {}


def retention(
    config: Config, options: Iterable[str], environ: Mapping[str, str] = os.environ
) -> dict[str, timedelta]:
    """Kind → how long its events are kept; options win over settings.

    Args:
        config: All settings.
        options: ``KIND=AGE``.
        environ: The environment.

    Raises:
        ConfigError: An age cannot be read, or a project tries to say what is deleted.
    """
    for layer in layers(working_folder(), environ):
        if layer.kind == "project" and "storage" in layer.table:
            raise ConfigError(
                f"{layer.name}: [storage] cannot be set by a project, because it decides what is "
                "deleted. Set it in your own configuration file"
            )
    found = dict(config.section("storage", StorageConfig).retention)
    for option in options:
        kind, equals, age = option.partition("=")
        if not equals:
            raise ConfigError(f"--keep {option}: write KIND=AGE, for example test-result=365d")
        found[kind] = age
    return {kind: _age(kind, text) for kind, text in found.items()}


def _age(kind: str, text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise ConfigError(f"{kind}: {text!r} is no age. Write days, weeks or years: 365d, 52w, 2y")
    return timedelta(days=int(match[1]) * _DAYS[match[2]])
