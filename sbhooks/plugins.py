"""Calls the hooks of plugins, each plugin guarded by itself.

pluggy validates and orders the implementations; its own call loop stops all plugins when one
fails, so the loop stands here, on pluggy's public attributes only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from sbhooks import problems
from sbhooks.blame import owner, place, said
from sbhooks.errors import PluginError, SbhooksError
from sbhooks.hookspecs import PROJECT
from sbhooks.ids import monotonic_ns
from sbhooks.loading import Loaded
from sbhooks.plugin import Plugin
from sbhooks.quiet import Quiet

if TYPE_CHECKING:
    import click
    import pluggy

    from sbhooks.checks import Check
    from sbhooks.config import Config
    from sbhooks.events import Codec, Event
    from sbhooks.insights import Insight, InsightQuery
    from sbhooks.metrics import Metric
    from sbhooks.store import EventReader, EventStore

STRIKES = 3  #: Errors after which a plugin is left out until the process ends.
QUARANTINE_S = 1.0  #: Time that an inline plugin may use in one process.
REPORT_S_PER_1000 = 0.050  #: Time per 1,000 events from which an inline plugin is reported.
_MOST_ITEMS = 10_000  #: Items of one answer that are looked at.
_TIMED_FROM = 100  #: Calls before a rate says anything.


class Hooks(Loaded):
    """All loaded plugins, with one typed method per hook that the kernel calls."""

    def deliver(self, event: Event) -> None:
        """Tell every plugin whose turn it is here about one event."""
        if event.hook:
            self._call(event.hook, {"event": event}, skip_inline=not self._live)

    def event_types(self) -> list[type[Event]]:
        """Kinds of events that plugins declare; what is no kind of its own is left out."""
        from sbhooks.events import BUILTIN_KINDS, kind_of, why_not_a_kind

        hook = "sbhooks_event_types"
        kinds: dict[str, type[Event]] = {kind_of(kind): kind for kind in BUILTIN_KINDS}
        declared: list[type[Event]] = []
        for plugin, kind in self._answers(hook, {}):
            reason = why_not_a_kind(kind, kinds)
            if reason:
                self._strike(plugin, hook, PluginError(reason))
                continue
            kinds[kind_of(kind)] = kind
            declared.append(kind)
        return declared

    def open_store(self, config: Config, codec: Codec) -> EventStore | None:
        """The first store that a plugin opens; not guarded.

        Raises:
            StoreError: The plugin whose business it is cannot open it.
            PluginError: It failed otherwise; the message names it.
        """
        arguments: dict[str, Any] = {"config": config, "codec": codec}
        hook = "sbhooks_open_store"
        for function, names, name in self._implementations(hook):
            started = monotonic_ns()
            try:
                with Quiet(inside_host=self._live):
                    store: EventStore | None = function(*(arguments[each] for each in names))
            except SbhooksError:
                raise
            except (Exception, SystemExit) as error:
                raise PluginError(
                    f"plugin {name} cannot open {config.store.partition(':')[0]!r} stores: "
                    f"{said(error)}. Run: sbhooks doctor"
                ) from error
            finally:
                self._account(self.plugins[name], hook, started)
            if store is not None:
                return store
        return None

    def events_stored(self, events: Sequence[Event], store: EventReader) -> None:
        """Tell plugins about a batch that has been committed."""
        arguments = {"events": tuple(events), "store": store, "home": self.home}
        self._call("sbhooks_events_stored", arguments)

    def insights(self, query: InsightQuery, store: EventReader) -> list[Insight]:
        """All findings, most important first."""
        from sbhooks.insights import Insight

        hook = "sbhooks_insights"
        found: list[Insight] = []
        for plugin, insight in self._answers(hook, {"query": query, "store": store}):
            if isinstance(insight, Insight):
                found.append(insight)
            else:
                self._strike(plugin, hook, PluginError(f"{type(insight)} is no Insight"))
        return sorted(found, key=lambda insight: (-insight.score, insight.subject))

    def skills(self, category: str, store: EventReader) -> list[str]:
        """The skills of a category, by name."""
        answers = self._answers("sbhooks_skills", {"category": category, "store": store})
        return sorted({str(skill) for _, skill in answers})

    def deployment_checks(self, config: Config) -> list[Check]:
        """What plugins find when they look whether their part is fit to serve others."""
        from sbhooks.checks import Check

        hook = "sbhooks_deployment_checks"
        found: list[Check] = []
        for plugin, check in self._answers(hook, {"config": config}):
            if isinstance(check, Check):
                found.append(check)
            else:
                self._strike(plugin, hook, PluginError(f"{type(check)} is no Check"))
        return found

    @property
    def can_embed(self) -> bool:
        """Whether a plugin offers vectors for texts."""
        return any(True for _ in self._implementations("sbhooks_embed"))

    def embed(self, texts: Sequence[str]) -> list[Any]:
        """One vector per text, of the first plugin whose answer has the right length.

        Raises:
            PluginError: No plugin has one.
        """
        rows: dict[str, list[Any]] = {}
        for plugin, row in self._answers("sbhooks_embed", {"texts": texts}):
            rows.setdefault(plugin.name, []).append(row)
        for vectors in rows.values():
            if len(vectors) == len(texts):
                return vectors
        raise PluginError(
            f"no plugin turned {len(texts)} texts into as many vectors. Run: sbhooks doctor"
        )

    def metrics(self, store: EventReader, taken: Iterable[str] = ()) -> list[Metric]:
        """What plugins want monitored; names that are taken are left out."""
        from sbhooks.metrics import why_not_a_metric

        hook = "sbhooks_metrics"
        names = set(taken)
        found: list[Metric] = []
        for plugin, metric in self._answers(hook, {"store": store}):
            reason = why_not_a_metric(metric, frozenset(names))
            if reason:
                self._strike(plugin, hook, PluginError(reason))
                continue
            names.add(metric.name)
            found.append(metric)
        return found

    def routes(self) -> list[tuple[str, object]]:
        """What plugins add to a server: name of the plugin and route handler."""
        return [(plugin.name, route) for plugin, route in self._answers("sbhooks_routes", {})]

    def commands(self, cli: click.Group) -> None:
        """Let plugins add their commands."""
        self._call("sbhooks_commands", {"cli": cli})

    def blame(self, error: BaseException) -> str:
        """Note down an error in a stranger's command.

        Returns:
            What failed, in words; nothing when no stranger is to blame.
        """
        modules = {
            name: str(getattr(module, "__name__", type(module).__module__))
            for name, module in self._manager.list_name_plugin()
        }
        plugin = self.plugins.get(owner(error, modules) or "")
        if plugin is None or plugin.distribution.partition(" ")[0] == PROJECT:
            return ""
        plugin.errors += 1
        what = f"failed: {said(error)} ({place(error)})"
        problems.record(self.home, f"plugin {plugin.name}", f"a command {what}")
        return f"plugin {plugin.name} {what}"

    def _call(self, hook: str, arguments: dict[str, Any], *, skip_inline: bool = False) -> None:
        """Call every implementation that is still in; what they answer does not matter."""
        for _ in self._answers(hook, arguments, skip_inline=skip_inline):
            pass

    def _answers(
        self, hook: str, arguments: dict[str, Any], *, skip_inline: bool = False
    ) -> Iterator[tuple[Plugin, Any]]:
        """Call every implementation that is still in; yield the items of their answers."""
        for function, names, name in self._implementations(hook):
            plugin = self.plugins[name]
            if plugin.status != "loaded" or (skip_inline and name in self._inline):
                continue
            items: tuple[Any, ...] = ()
            started = monotonic_ns()
            try:
                with Quiet(inside_host=self._live):
                    answer = function(*(arguments[argument] for argument in names))
                    if answer is not None:
                        items = tuple(islice(answer, _MOST_ITEMS))  # generators fail here
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
                self._strike(plugin, hook, error)
            self._account(plugin, hook, started)
            for item in items:
                yield plugin, item

    def _implementations(self, hook: str) -> list[tuple[Callable[..., Any], tuple[str, ...], str]]:
        caller: pluggy.HookCaller | None = getattr(self._manager.hook, hook, None)
        if caller is None:
            return []
        return [
            (impl.function, tuple(impl.argnames), impl.plugin_name)
            for impl in reversed(caller.get_hookimpls())
        ]

    def _strike(self, plugin: Plugin, hook: str, error: BaseException) -> None:
        plugin.errors += 1
        plugin.use(hook).errors += 1
        what = f"{hook} failed: {said(error)}"
        if plugin.errors >= STRIKES:
            plugin.status = "out"
            plugin.detail = f"left out after {STRIKES} errors, the last: {what}"
            what = plugin.detail
        problems.record(self.home, f"plugin {plugin.name}", what)

    def _account(self, plugin: Plugin, hook: str, started_ns: int) -> None:
        seconds = (monotonic_ns() - started_ns) / 1e9
        plugin.calls += 1
        plugin.seconds += seconds
        use = plugin.use(hook)
        use.calls += 1
        use.seconds += seconds
        if self._trace:
            print(f"sbhooks: {plugin.name}.{hook} {seconds * 1e3:.2f} ms", file=sys.stderr)
        if not self._live or plugin.status != "loaded":
            return
        if plugin.seconds > QUARANTINE_S:
            plugin.status = "out"
            plugin.detail = f"inline for {plugin.seconds:.1f} s: left out until the process ends"
            problems.record(self.home, f"plugin {plugin.name}", plugin.detail)
        elif plugin.calls >= _TIMED_FROM and (
            plugin.seconds / plugin.calls * 1000 > REPORT_S_PER_1000
        ):
            problems.record(
                self.home, f"plugin {plugin.name}",
                f"inline and slow: over {REPORT_S_PER_1000 * 1e3:.0f} ms per 1,000 events; "
                "take it out of the setting 'inline', then it runs when events are collected",
            )  # fmt: skip
