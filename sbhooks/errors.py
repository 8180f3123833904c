"""Every error that sbhooks raises on purpose.

::

    SbhooksError
    ├── ConfigError            a setting: names the file and the key
    ├── ExperimentError        an experiment: names it; nothing was stored
    ├── PluginError            a plugin: names it
    │   └── MissingExtraError  a library is not installed: gives the command (also an ImportError)
    ├── ForwardError           a server that events are sent to: says what to check
    ├── SpoolError             the spool: names the folder
    └── StoreError             the database: wraps the driver's error
        └── MigrationError     its schema: says which side is newer, and what to run

A message has three parts: what was tried, what is wrong, what to do. Too little
data is never an error but an answer with a reason.
"""

from __future__ import annotations


class SbhooksError(Exception):
    """The base of all errors raised on purpose; the CLI prints it as one line."""


class ConfigError(SbhooksError):
    """A setting cannot be used."""


class ExperimentError(SbhooksError):
    """Something about an experiment cannot be done; nothing was stored."""


class PluginError(SbhooksError):
    """A plugin cannot take part."""


class MissingExtraError(PluginError, ImportError):
    """A library that an optional part of sbhooks needs is not installed.

    Args:
        module: The import name that was not found.
        install: What to hand to ``pip install``.
    """

    def __init__(self, module: str, *, install: str) -> None:
        super().__init__(
            f"{module!r} is needed here but is not installed. Run: pip install '{install}'"
        )
        self.module = module
        self.install = install


class ForwardError(SbhooksError):
    """Events could not be sent to a server; they are kept, and sent again."""


class SpoolError(SbhooksError):
    """The spool folder cannot be read or written."""


class StoreError(SbhooksError):
    """The store cannot be opened, read or written."""


class MigrationError(StoreError):
    """The schema of a database does not fit this version of sbhooks."""
