"""Finds installed plugins, imports them and checks them, each guarded by itself.

pluggy validates and orders the implementations; its own loader stops all plugins when one fails,
so the loop stands here, on pluggy's public attributes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import pluggy

from sbhooks import entries, hookspecs, problems
from sbhooks.blame import said
from sbhooks.entries import Entry
from sbhooks.errors import PluginError
from sbhooks.hookspecs import PROJECT
from sbhooks.lazy import missing
from sbhooks.plugin import Plugin
from sbhooks.quiet import Quiet


class Loaded:
    """The plugins of a process, those that could not be loaded among them.

    Args:
        home: Where problems are kept.
        inline: Names of the plugins that hear of events live, in the host process.
        live: Whether this is a host process: then only ``inline`` plugins are loaded, their
            time is limited, and what they print is dropped.
        trace: Print every hook call on stderr.
    """

    def __init__(
        self, *, home: str, inline: Iterable[str] = (), live: bool = False, trace: bool = False
    ) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.rejected: list[Plugin] = []
        self.home = home
        self._inline = frozenset(inline)
        self._live = live
        self._trace = trace
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    @classmethod
    def load(
        cls,
        *,
        home: str,
        inline: Iterable[str] = (),
        disabled: Iterable[str] = (),
        live: bool = False,
        trace: bool = False,
    ) -> Self:
        """Load what is installed; a plugin that fails is reported and left out."""
        hooks = cls(home=home, inline=inline, live=live, trace=trace)
        off = frozenset(disabled)
        for entry in hooks._installed(off):
            if not live or entry.name in hooks._inline:
                hooks._load_entry(entry, off=entry.name in off)
        return hooks

    def register(self, module: object, name: str, distribution: str = "") -> Plugin:
        """Add a plugin that is already imported; what is wrong with it is in its status."""
        plugin = Plugin(name, distribution)
        taken = self._holder_of(name)
        if taken is not None:
            return self._reject(
                plugin,
                "clash",
                f"the name {name!r} is taken by {taken.distribution}: uninstall one of the two",
            )
        try:
            plugin.opens_stores = hasattr(module, "sbhooks_open_store")
            absent = missing(getattr(module, "REQUIRES", {}))
            if absent:
                return self._reject(plugin, "missing-extra", str(absent[0]))
            self._manager.register(module, name)
            self._check(module, name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return self._reject(plugin, "broken", said(error))
        callers = self._manager.get_hookcallers(module) or []
        plugin.hooks = tuple(sorted(caller.name for caller in callers))
        self.plugins[name] = plugin
        return plugin

    def _holder_of(self, name: str) -> Plugin | None:
        """The plugin that a name belongs to, be it loaded or not; no bundle takes one."""
        rejected = {p.name: p for p in reversed(self.rejected) if not p.is_bundle}
        return self.plugins.get(name) or rejected.get(name)

    def _installed(self, off: frozenset[str]) -> list[Entry]:
        """What is to be loaded, those in bundles among them.

        A host reads the table of a stranger's bundle only when it may be the one that names an
        inline plugin.
        """
        found = entries.installed(PROJECT)
        for trouble in found.troubles:
            problems.record(self.home, "plugins", trouble)
        single = [entry for entry in found.entries if not entry.is_bundle]
        for entry in sorted((each for each in found.entries if each.is_bundle), key=_rank):
            foreign = entry.distribution != PROJECT
            if self._live and foreign and self._inline <= {each.name for each in single}:
                break
            for plugins in self._import(entry, Entry.plugins, off=entry.name in off):
                single += plugins
        return sorted(single, key=_rank)

    def _load_entry(self, entry: Entry, *, off: bool) -> None:
        for module in self._import(entry, Entry.load, off=off):
            self.register(module, entry.name, entry.source)

    def _import(self, entry: Entry, load: Callable[[Entry], Any], *, off: bool) -> tuple[Any, ...]:
        """What an entry leads to; nothing when it is switched off or cannot be had."""
        plugin = Plugin(entry.name, entry.source, is_bundle=entry.is_bundle)
        if off:
            self._reject(plugin, "disabled", "switched off by the setting 'disable'")
            return ()
        try:
            with Quiet(inside_host=self._live):
                return (load(entry),)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module
            what = f"{entry.value} cannot be imported: {said(error)}"
            self._reject(plugin, "broken", what)
            return ()

    def _check(self, module: object, name: str) -> None:
        """Refuse what pluggy accepts and we do not."""
        for caller in self._manager.get_hookcallers(module) or []:
            for impl in caller.get_hookimpls():
                if impl.plugin is module and (impl.wrapper or impl.hookwrapper):
                    raise PluginError(f"{caller.name} is a wrapper: sbhooks refuses wrappers")
            if not caller.has_spec():
                raise PluginError(
                    f"{name} implements {caller.name}, which is no hook of this version of sbhooks"
                )

    def _reject(self, plugin: Plugin, status: str, detail: str) -> Plugin:
        plugin.status, plugin.detail = status, detail
        self.rejected.append(plugin)
        if status in {"broken", "clash"}:
            problems.record(self.home, f"plugin {plugin.name}", detail)
        return plugin


def _rank(entry: Entry) -> tuple[bool, str, str]:
    """Ours first, so that a stranger cannot take the name of a built-in."""
    return (entry.distribution != PROJECT, entry.name, entry.value)
