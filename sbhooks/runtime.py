"""Settings, plugins and the open store together: what outputs are handed.

The one place where the parts are put together. Everything else gets what it needs as
an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Self

from sbhooks.collector import Collected, Collector
from sbhooks.config import Config, check_sections
from sbhooks.errors import ForwardError, StoreError
from sbhooks.events import BUILTIN_KINDS, Codec
from sbhooks.insights import Insight, InsightQuery
from sbhooks.plugins import Hooks
from sbhooks.store import EventStore, MayRefuse

if TYPE_CHECKING:
    from sbhooks.forwarder import Forwarder


class Runtime:
    """A process of sbhooks itself: the command line, a server, a scheduled job.

    Opens nothing before it is needed. Use it as a context manager, or close it.

    Args:
        config: All settings.
        hooks: The loaded plugins.

    Raises:
        ConfigError: The settings have a table that no plugin reads.
    """

    def __init__(self, config: Config, hooks: Hooks) -> None:
        check_sections(config, frozenset(hooks.plugins) | {p.name for p in hooks.rejected})
        self.config = config
        self.hooks = hooks

    @classmethod
    def start(cls, config: Config) -> Runtime:
        """Load the plugins that are installed and not switched off."""
        hooks = Hooks.load(
            home=str(config.home),
            inline=config.inline,
            disabled=config.disable,
            trace=config.trace,
        )
        return cls(config, hooks)

    @cached_property
    def codec(self) -> Codec:
        """Reads every kind of event that is declared."""
        return Codec([*BUILTIN_KINDS, *self.hooks.event_types()])

    @cached_property
    def store(self) -> EventStore:
        """The store that ``config.store`` names.

        Raises:
            StoreError: It cannot be opened, or no plugin knows this kind of store.
        """
        store = self.hooks.open_store(self.config, self.codec)
        if store is None:
            raise StoreError(self._no_store())
        return store

    @property
    def refusal(self) -> StoreError | None:
        """Why the store can be read but not written; ``None`` when it can be.

        Raises:
            StoreError: It cannot be opened.
        """
        store = self.store
        return store.refusal if isinstance(store, MayRefuse) else None

    @cached_property
    def forwarder(self) -> Forwarder | None:
        """Where events go instead of into the store, with the setting ``forward_to``.

        Raises:
            ConfigError: The setting cannot be used.
        """
        config = self.config
        if config.forward_to is None:
            return None
        from sbhooks.forwarder import Forwarder

        return Forwarder(config.forward_to, config.token, config.home, self.codec)

    def collect(
        self, progress: Callable[[int, int], None] | None = None, *, at_once: bool = False
    ) -> Collected:
        """Move what the spool holds into the store, or to a server; see ``Collector.collect``.

        Args:
            progress: Called with (segments done, segments in all).
            at_once: Send to a server even if that has failed a short time ago.

        Raises:
            SpoolError: The spool cannot be read.
            StoreError: The store cannot be written, even if there is nothing to collect.
            ForwardError: The server cannot be reached, or it is too early to try again.
        """
        if self.forwarder is not None:
            wait_s = 0.0 if at_once else self.forwarder.wait_s()
            if wait_s:
                raise ForwardError(
                    f"cannot send to {self.forwarder.url} at present: next attempt in "
                    f"{wait_s:.0f} s, or at once with: sbhooks collect"
                )
            return self._collector.collect(progress)
        if (refusal := self.refusal) is not None:
            raise refusal
        return self._collector.collect(progress)

    def insights(self, query: InsightQuery) -> list[Insight]:
        """Ask every plugin, most important finding first; collects nothing."""
        return self.hooks.insights(query, self.store)

    def close(self) -> None:
        """Close the store, if it was opened."""
        if "store" in self.__dict__:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _collector(self) -> Collector:
        if self.forwarder is not None:  # plugins are told where the events are stored
            return Collector(self.config.home, self.forwarder, self.codec)
        return Collector(self.config.home, self.store, self.codec, self.hooks)

    def _no_store(self) -> str:
        scheme = self.config.store.partition(":")[0]
        for plugin in self.hooks.rejected:
            if plugin.status == "missing-extra" and plugin.opens_stores:
                return f"cannot open a {scheme} store: {plugin.detail}"
        return (
            f"cannot open the store: no plugin knows {scheme!r}. "
            "Run: sbhooks plugins, and check the setting 'store'"
        )
