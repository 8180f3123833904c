import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from sbhooks import hookimpl, plugins, problems
from sbhooks.config import Config
from sbhooks.errors import PluginError, StoreError
from sbhooks.events import BUILTIN_KINDS, Codec, Event, Invocation, Outcome, PhaseChange
from sbhooks.insights import Insight, InsightQuery
from sbhooks.plugin import Plugin
from sbhooks.plugins import Hooks
from sbhooks.testing.memory import MemoryEventStore

EVENT = Invocation(source="test", session="s", skill="x", outcome=Outcome.SUCCESS)
QUERY = InsightQuery(now=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def hooks(home: Path) -> Hooks:
    return Hooks(home=str(home))


def plugin_with(**functions: Callable[..., Any]) -> SimpleNamespace:
    """A plugin of the given hook implementations."""
    made = {name: hookimpl(function) for name, function in functions.items()}
    return SimpleNamespace(**made)


def raising(error: BaseException) -> Callable[..., Any]:
    def implementation(event: Event) -> None:
        raise error

    return implementation


def told(home: Path) -> list[tuple[str, str]]:
    return [(problem.where, problem.what) for problem in problems.read(str(home))]


def listening_to(events: list[Event]) -> SimpleNamespace:
    """A plugin that keeps what it hears."""

    @hookimpl
    def sbhooks_invocation(event: Event) -> None:
        events.append(event)

    return SimpleNamespace(sbhooks_invocation=sbhooks_invocation)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a text")


def insight(subject: str, score: float) -> Insight:
    return Insight(subject=subject, summary="s", score=score, n=1, method="m")


class TestRegistering:
    def test_a_plugin_is_listed_with_its_hooks(self, hooks: Hooks) -> None:
        module = plugin_with(
            sbhooks_invocation=lambda event: None, sbhooks_commands=lambda cli: None
        )
        plugin = hooks.register(module, "acme", "sbhooks-acme 1.0")
        assert (plugin.status, plugin.detail) == ("loaded", "")
        assert plugin.hooks == ("sbhooks_commands", "sbhooks_invocation")
        assert hooks.plugins == {"acme": plugin}
        assert plugin.distribution == "sbhooks-acme 1.0"

    def test_a_plugin_without_hooks_is_harmless(self, hooks: Hooks) -> None:
        assert hooks.register(SimpleNamespace(), "empty").hooks == ()

    def test_a_second_plugin_of_the_same_name_is_refused_naming_the_first(
        self, hooks: Hooks, home: Path
    ) -> None:
        hooks.register(plugin_with(), "acme", "first 1.0")
        second = hooks.register(plugin_with(), "acme", "second 2.0")
        assert second.status == "clash"
        assert "taken by first 1.0: uninstall one of the two" in second.detail
        assert hooks.plugins["acme"].distribution == "first 1.0"
        assert told(home) == [("plugin acme", second.detail)]

    def test_the_name_of_a_plugin_that_is_not_loaded_stays_taken(self, hooks: Hooks) -> None:
        first = SimpleNamespace(REQUIRES={"absent_library": "x"})
        assert hooks.register(first, "storage", "ours").status == "missing-extra"
        assert hooks.register(plugin_with(), "storage", "theirs").status == "clash"

    def test_the_same_module_under_two_names_is_refused(self, hooks: Hooks) -> None:
        module = plugin_with(sbhooks_invocation=lambda event: None)
        assert hooks.register(module, "one").status == "loaded"
        assert hooks.register(module, "two").status == "broken"
        assert list(hooks.plugins) == ["one"]

    def test_a_missing_extra_is_named_with_the_command(self, hooks: Hooks, home: Path) -> None:
        module = SimpleNamespace(REQUIRES={"json": "x", "absent_library": "sbhooks-acme[fast]"})
        plugin = hooks.register(module, "acme")
        assert plugin.status == "missing-extra"
        assert "pip install 'sbhooks-acme[fast]'" in plugin.detail
        assert told(home) == []  # a choice of the user's, not a mishap

    @pytest.mark.parametrize(
        "requires", [["json"], {"": "x"}, {5: "x"}, "json", 5, {"__main__": "x", None: "y"}]
    )
    def test_requirements_of_another_shape_break_only_their_plugin(
        self, hooks: Hooks, requires: object
    ) -> None:
        assert hooks.register(SimpleNamespace(REQUIRES=requires), "odd").status == "broken"
        assert hooks.register(plugin_with(), "fine").status == "loaded"

    @pytest.mark.parametrize(
        ("module", "said"),
        [
            (plugin_with(sbhooks_invocation=lambda event, extra: None), "extra"),
            (plugin_with(sbhooks_unheard_of=lambda: None), "sbhooks_unheard_of"),
            (
                SimpleNamespace(sbhooks_invocation=hookimpl(wrapper=True)(lambda event: (yield))),
                "wrapper",
            ),
            (
                SimpleNamespace(
                    sbhooks_invocation=hookimpl(hookwrapper=True)(lambda event: (yield))
                ),
                "wrapper",
            ),
        ],
        ids=["signature", "unknown", "wrapper", "old wrapper"],
    )
    def test_what_does_not_fit_is_refused_whole(
        self, hooks: Hooks, home: Path, module: SimpleNamespace, said: str
    ) -> None:
        calls: list[Event] = []
        module.sbhooks_phase_change = hookimpl(lambda event: calls.extend([event]))
        plugin = hooks.register(module, "acme")
        assert plugin.status == "broken"
        assert said in plugin.detail
        assert "\n" not in plugin.detail
        assert told(home) == [("plugin acme", plugin.detail)]
        hooks.deliver(PhaseChange(source="t", session="s", workflow="w"))
        hooks.deliver(EVENT)
        assert calls == []
        assert hooks.plugins == {}

    def test_a_module_that_fails_when_it_is_looked_at_is_refused(self, hooks: Hooks) -> None:
        class Explosive:
            def __getattr__(self, name: str) -> object:
                raise SystemExit(5)

        assert hooks.register(Explosive(), "acme").status == "broken"


class TestCalling:
    def test_an_implementation_gets_the_arguments_it_names(self, hooks: Hooks) -> None:
        got: list[object] = []
        hooks.register(plugin_with(sbhooks_events_stored=lambda: got.append("none")), "a")
        hooks.register(plugin_with(sbhooks_events_stored=lambda store: got.extend([store])), "b")
        hooks.register(
            plugin_with(sbhooks_events_stored=lambda store, events: got.append((events, store))),
            "c",
        )
        store = MemoryEventStore()
        hooks.events_stored([EVENT], store)
        assert got == [((EVENT,), store), store, "none"]  # the last registered first

    def test_order_can_be_asked_for(self, hooks: Hooks) -> None:
        got: list[str] = []
        for name, options in (("a", {"tryfirst": True}), ("b", {}), ("c", {"trylast": True})):
            implementation = hookimpl(**options)(lambda event, name=name: got.append(name))
            hooks.register(SimpleNamespace(sbhooks_invocation=implementation), name)
        hooks.deliver(EVENT)
        assert got == ["a", "b", "c"]

    def test_each_kind_of_event_reaches_its_hook(self, hooks: Hooks) -> None:
        got: list[str] = []
        functions = {
            kind.hook: (lambda event, name=kind.hook: got.append(name)) for kind in BUILTIN_KINDS
        }
        hooks.register(plugin_with(**functions), "all")
        hooks.deliver(EVENT)
        hooks.deliver(PhaseChange(source="t", session="s", workflow="w"))

        class Silent(Event, frozen=True, kw_only=True, tag="silent"):
            pass

        hooks.deliver(Silent(source="t", session="s"))
        assert got == ["sbhooks_invocation", "sbhooks_phase_change"]

    @pytest.mark.parametrize(
        "error", [ValueError("oh"), SystemExit(3), Mute(), RecursionError(), AssertionError("x\ny")]
    )
    def test_what_fails_is_recorded_and_the_others_are_called(
        self, hooks: Hooks, home: Path, error: BaseException
    ) -> None:
        got: list[Event] = []
        hooks.register(listening_to(got), "first")
        bad = hooks.register(plugin_with(sbhooks_invocation=raising(error)), "bad")
        hooks.register(listening_to(got), "last")
        hooks.deliver(EVENT)
        assert got == [EVENT, EVENT]
        assert (bad.errors, bad.calls, bad.status) == (1, 1, "loaded")
        ((where, what),) = told(home)
        assert where == "plugin bad"
        assert what.startswith(f"sbhooks_invocation failed: {type(error).__name__}")
        assert "\n" not in what

    def test_a_long_text_of_an_error_is_cut(self, hooks: Hooks) -> None:
        bad = hooks.register(
            plugin_with(sbhooks_invocation=raising(ValueError("x" * 1_000_000))), "bad"
        )
        for _ in range(3):
            hooks.deliver(EVENT)
        assert bad.detail.endswith("ValueError: " + "x" * 500)
        assert "xx" not in bad.detail[:-500]
        assert bad.distribution == ""

    def test_three_strikes_and_out(self, hooks: Hooks, home: Path) -> None:
        bad = hooks.register(plugin_with(sbhooks_invocation=raising(ValueError("oh"))), "bad")
        for _ in range(5):
            hooks.deliver(EVENT)
        assert (bad.errors, bad.calls, bad.status) == (3, 3, "out")
        assert bad.detail == (
            "left out after 3 errors, the last: sbhooks_invocation failed: ValueError: oh"
        )
        assert told(home)[-1] == ("plugin bad", bad.detail)

    def test_being_out_counts_for_every_hook(self, hooks: Hooks) -> None:
        called: list[str] = []
        bad = plugin_with(
            sbhooks_invocation=raising(ValueError()),
            sbhooks_phase_change=lambda event: called.append("phase"),
        )
        hooks.register(bad, "bad")
        for _ in range(3):
            hooks.deliver(EVENT)
        hooks.deliver(PhaseChange(source="t", session="s", workflow="w"))
        assert called == []

    def test_keyboard_interrupt_passes(self, hooks: Hooks) -> None:
        plugin = hooks.register(
            plugin_with(sbhooks_invocation=raising(KeyboardInterrupt())), "slow"
        )
        with pytest.raises(KeyboardInterrupt):
            hooks.deliver(EVENT)
        assert plugin.errors == 0

    def test_a_generator_that_fails_late_is_caught_and_gives_nothing(
        self, hooks: Hooks, home: Path
    ) -> None:
        def late(query: InsightQuery) -> Iterator[Insight]:
            yield insight("good", 1)
            raise SystemExit("late")

        bad = hooks.register(plugin_with(sbhooks_insights=late), "late")
        assert hooks.insights(QUERY, MemoryEventStore()) == []
        assert bad.errors == 1
        assert "SystemExit: late" in told(home)[0][1]

    def test_an_endless_answer_ends(self, hooks: Hooks) -> None:
        def endless(query: InsightQuery) -> Iterator[Insight]:
            while True:
                yield insight("x", 0)

        hooks.register(plugin_with(sbhooks_insights=endless), "endless")
        assert len(hooks.insights(QUERY, MemoryEventStore())) == 10_000

    def test_calls_and_time_are_counted(self, hooks: Hooks, home: Path) -> None:
        plugin = hooks.register(plugin_with(sbhooks_invocation=lambda event: None), "a")
        hooks.deliver(EVENT)
        hooks.deliver(EVENT)
        assert plugin.calls == 2
        assert plugin.seconds > 0

    def test_tracing_prints_every_call_on_stderr(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hooks = Hooks(home=str(home), trace=True)
        hooks.register(plugin_with(sbhooks_invocation=lambda event: None), "a")
        hooks.deliver(EVENT)
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("sbhooks: a.sbhooks_invocation 0.")
        assert err.endswith(" ms\n")


class TestAnswers:
    def test_insights_come_most_important_first(self, hooks: Hooks) -> None:
        hooks.register(
            plugin_with(sbhooks_insights=lambda: [insight("b", 0.5), insight("c", 0.9)]), "x"
        )
        hooks.register(plugin_with(sbhooks_insights=lambda: [insight("a", 0.5)]), "y")
        hooks.register(plugin_with(sbhooks_insights=lambda: None), "z")
        found = hooks.insights(QUERY, MemoryEventStore())
        assert [each.subject for each in found] == ["c", "a", "b"]

    @pytest.mark.parametrize("answer", [5, True, [5], "text", [None], {"a": 1}])
    def test_what_is_no_insight_is_a_strike(self, hooks: Hooks, answer: object) -> None:
        bad = hooks.register(plugin_with(sbhooks_insights=lambda: answer), "bad")
        hooks.register(plugin_with(sbhooks_insights=lambda: [insight("a", 0.5)]), "good")
        assert [e.subject for e in hooks.insights(QUERY, MemoryEventStore())] == ["a"]
        assert bad.errors >= 1

    def test_declared_kinds_are_listed(self, hooks: Hooks) -> None:
        class Deployment(Event, frozen=True, kw_only=True, tag="acme-deployment"):
            target: str

        class Special(Invocation, frozen=True, kw_only=True, tag="acme-special"):
            pass

        hooks.register(plugin_with(sbhooks_event_types=lambda: (Deployment, Special)), "acme")
        assert hooks.event_types() == [Deployment, Special]
        codec = Codec([*BUILTIN_KINDS, *hooks.event_types()])
        event = Deployment(source="a", session="s", target="t")
        assert codec.decode(codec.encode(event)) == event

    def test_what_cannot_be_a_kind_is_left_out_and_told(self, hooks: Hooks, home: Path) -> None:
        class Stolen(Event, frozen=True, kw_only=True, tag="invocation"):
            pass

        class Number(Event, frozen=True, kw_only=True, tag=5):
            pass

        class Path_(Event, frozen=True, kw_only=True, tag="../x"):
            pass

        class Hook(Event, frozen=True, kw_only=True, tag="acme-hook"):
            hook: ClassVar[str] = "sbhooks_open_store"

        class Other(Event, frozen=True, kw_only=True, tag="acme-other"):
            hook: ClassVar[str] = "sbhooks_invocation"

        class Undecodable(Event, frozen=True, kw_only=True, tag="acme-undecodable"):
            thing: dict[int, list[str]] | dict[str, int]

        class Fine(Event, frozen=True, kw_only=True, tag="acme-fine"):
            pass

        for number, kind in enumerate([5, str, Stolen, Number, Path_, Hook, Other, Undecodable]):
            bad = hooks.register(
                plugin_with(sbhooks_event_types=lambda kind=kind: [kind]), f"bad{number}"
            )
            assert hooks.event_types() == [], kind
            assert bad.errors == 1, kind
            bad.status = "out"
        assert len(told(home)) == 8
        hooks.register(plugin_with(sbhooks_event_types=lambda: [Fine, Fine]), "fine")
        assert hooks.event_types() == [Fine]

    def test_commands_are_added_to_the_group(self, hooks: Hooks) -> None:
        import click

        group = click.Group()
        hooks.register(
            plugin_with(sbhooks_commands=lambda cli: cli.add_command(click.Command("hello"))), "a"
        )
        hooks.commands(group)
        assert list(group.commands) == ["hello"]


class TestOpeningAStore:
    CONFIG = Config(home=Path("/nowhere"), store="acme:///x")

    def test_the_first_answer_wins(self, hooks: Hooks) -> None:
        store, asked = MemoryEventStore(), []
        hooks.register(plugin_with(sbhooks_open_store=lambda: asked.append("last")), "last")
        hooks.register(plugin_with(sbhooks_open_store=lambda: store), "middle")
        hooks.register(
            plugin_with(sbhooks_open_store=lambda config: asked.extend([config])), "first"
        )
        assert hooks.open_store(self.CONFIG, Codec()) is store
        assert asked == [self.CONFIG]

    def test_nobody_may_know_the_store(self, hooks: Hooks) -> None:
        hooks.register(plugin_with(sbhooks_open_store=lambda: None), "a")
        assert hooks.open_store(self.CONFIG, Codec()) is None

    def test_why_there_is_none_is_told(self, hooks: Hooks) -> None:
        def refuse(config: Config, codec: Codec) -> None:
            raise StoreError("the database is from the future")

        hooks.register(plugin_with(sbhooks_open_store=refuse), "a")
        with pytest.raises(StoreError, match="from the future"):
            hooks.open_store(self.CONFIG, Codec())

    @pytest.mark.parametrize("error", [ValueError("oh"), SystemExit(3), Mute()])
    def test_any_other_failure_names_the_plugin(self, hooks: Hooks, error: BaseException) -> None:
        def fail() -> None:
            raise error

        hooks.register(plugin_with(sbhooks_open_store=fail), "rude")
        with pytest.raises(PluginError, match="plugin rude cannot open 'acme' stores: ") as caught:
            hooks.open_store(self.CONFIG, Codec())
        assert caught.value.__cause__ is error


class TestInline:
    @pytest.fixture
    def live(self, home: Path) -> Hooks:
        return Hooks(home=str(home), inline=["a", "b"], live=True)

    def test_an_event_is_delivered_in_one_place_only(self, home: Path, live: Hooks) -> None:
        got: list[str] = []
        cold = Hooks(home=str(home), inline=["a"])
        for place, hooks in (("live", live), ("cold", cold)):
            for name in ("a", "c"):
                function = lambda event, said=f"{place} {name}": got.append(said)  # noqa: E731
                hooks.register(plugin_with(sbhooks_invocation=function), name)
        live.plugins.pop("c")
        live._manager.unregister(name="c")  # a host loads only what is inline
        live.deliver(EVENT)
        cold.deliver(EVENT)
        assert got == ["live a", "cold c"]

    def test_other_hooks_of_inline_plugins_run_cold(self, home: Path) -> None:
        cold = Hooks(home=str(home), inline=["a"])
        cold.register(plugin_with(sbhooks_insights=lambda: [insight("a", 0.5)]), "a")
        assert len(cold.insights(QUERY, MemoryEventStore())) == 1

    def test_a_hanging_plugin_is_left_out_afterwards(
        self, live: Hooks, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 0

        def passes(seconds: float) -> Callable[[Event], None]:
            def implementation(event: Event) -> None:
                nonlocal now
                now += int(seconds * 1e9)

            return implementation

        monkeypatch.setattr(plugins, "monotonic_ns", lambda: now)
        hung = live.register(plugin_with(sbhooks_invocation=passes(0.6)), "a")
        quick = live.register(plugin_with(sbhooks_invocation=passes(0.25)), "b")
        for _ in range(4):
            live.deliver(EVENT)
        assert (hung.status, hung.calls) == ("out", 2)
        assert hung.detail == "inline for 1.2 s: left out until the process ends"
        assert (quick.status, quick.calls) == ("loaded", 4)  # exactly one second
        assert ("plugin a", hung.detail) in told(home)

    @pytest.mark.parametrize(("each_us", "is_slow"), [(49, False), (51, True)])
    def test_a_slow_plugin_is_reported_but_stays(
        self,
        live: Hooks,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        each_us: int,
        is_slow: bool,
    ) -> None:
        now = 0

        def implementation(event: Event) -> None:
            nonlocal now
            now += each_us * 1_000

        monkeypatch.setattr(plugins, "monotonic_ns", lambda: now)
        plugin = live.register(plugin_with(sbhooks_invocation=implementation), "a")
        for _ in range(99):
            live.deliver(EVENT)
        assert told(home) == []
        for _ in range(5):
            live.deliver(EVENT)
        assert plugin.status == "loaded"
        assert len(told(home)) == is_slow
        assert all("take it out of the setting 'inline'" in what for _, what in told(home))

    def test_time_is_not_limited_in_our_own_processes(
        self, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticks = iter(range(0, 10**12, 10**10))
        monkeypatch.setattr(plugins, "monotonic_ns", lambda: next(ticks))
        plugin = hooks.register(plugin_with(sbhooks_invocation=lambda event: None), "a")
        hooks.deliver(EVENT)
        assert (plugin.status, plugin.seconds) == ("loaded", 10)


class TestInstalled:
    def entry(self, site: Path, name: str) -> str:
        """What the distribution of a plugin declares."""
        return f"{name} = installed_{name}"

    @pytest.fixture
    def install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str, str], None]:
        """Install a distribution with one plugin named like it, from source text."""
        site = tmp_path / "site"
        monkeypatch.syspath_prepend(site)

        def install(name: str, source: str, entry: str | None = None) -> None:
            info = site / f"{name}-1.0.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            entry = f"[sbhooks]\n{self.entry(site, name)}\n" if entry is None else entry
            (info / "entry_points.txt").write_text(entry)
            (site / f"installed_{name}.py").write_text(textwrap.dedent(source))
            for module in (f"installed_{name}", f"bundle_{name}"):
                monkeypatch.delitem(sys.modules, module, raising=False)

        return install

    def load(self, home: Path, **options: Any) -> dict[str, Plugin]:
        hooks = Hooks.load(home=str(home), **options)
        return {plugin.name: plugin for plugin in [*hooks.rejected, *hooks.plugins.values()]}

    def test_what_is_installed_is_loaded_with_its_distribution(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        install("acme", "from sbhooks import hookimpl\n@hookimpl\ndef sbhooks_commands(): ...\n")
        found = self.load(home)["acme"]
        assert (found.status, found.distribution) == ("loaded", "acme 1.0")
        assert found.hooks == ("sbhooks_commands",)

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("raise ValueError('oh')", "ValueError: oh"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("import absent_library", "absent_library"),
            ("def (", "SyntaxError"),
            ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"),
        ],
    )
    def test_what_cannot_be_imported_is_broken_and_named(
        self, home: Path, install: Callable[..., None], source: str, said: str
    ) -> None:
        install("bad", source)
        install("good", "")
        found = self.load(home)
        assert found["good"].status == "loaded"
        assert found["bad"].status == "broken"
        assert found["bad"].detail.startswith("installed_bad cannot be imported: ")
        assert said in found["bad"].detail
        assert ("plugin bad", found["bad"].detail) in told(home)

    @pytest.mark.parametrize(
        "entry",
        [
            "[sbhooks]\nbad = no such module\n",
            "[sbhooks]\nbad = installed_bad:absent\n",
            "[sbhooks]\nbad = :\n",
        ],
    )
    def test_an_entry_point_that_leads_nowhere_is_broken(
        self, home: Path, install: Callable[..., None], entry: str
    ) -> None:
        install("bad", "", entry)
        install("good", "")
        found = self.load(home)
        assert (found["bad"].status, found["good"].status) == ("broken", "loaded")

    @pytest.mark.parametrize("entry", ["[sbhooks]\nno equal sign\n", "[sbhooks]\nbad =\n"])
    def test_a_damaged_list_of_entry_points_is_told_and_stops_nobody_else(
        self, home: Path, install: Callable[..., None], entry: str
    ) -> None:
        install("aaa", "", entry)
        install("good", "")
        assert self.load(home)["good"].status == "loaded"
        ((where, what),) = told(home)
        assert where == "plugins"
        assert "aaa-1.0.dist-info" in what

    @pytest.mark.parametrize("entry", ["[sbhooks\nx", "\0", "[other]\nno equal sign\n"])
    def test_a_list_without_our_group_is_not_our_business(
        self, home: Path, install: Callable[..., None], entry: str
    ) -> None:
        install("aaa", "", entry)
        install("good", "")
        assert self.load(home)["good"].status == "loaded"
        assert told(home) == []

    def test_what_is_switched_off_is_not_even_imported(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        install("acme", "raise AssertionError")
        found = self.load(home, disabled=["acme"])["acme"]
        assert (found.status, found.detail) == (
            "disabled",
            "switched off by the setting 'disable'",
        )
        assert told(home) == []

    def test_a_host_imports_nothing_but_what_is_inline(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        install("acme", "")
        install("other", "raise AssertionError")
        assert list(self.load(home, live=True, inline=["acme"])) == ["acme"]
        assert self.load(home, live=True) == {}

    def test_built_in_plugins_keep_their_names(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        install("aaa", "", "[sbhooks]\nstorage = installed_aaa\n")
        hooks = Hooks.load(home=str(home))
        assert hooks.plugins["storage"].distribution.startswith("sbhooks ")
        assert [(p.name, p.distribution, p.status) for p in hooks.rejected] == [
            ("storage", "aaa 1.0", "clash")
        ]

    def test_what_is_printed_while_importing_and_calling_stays_out_of_standard_output(
        self, home: Path, install: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = """
            import sys
            from sbhooks import hookimpl
            print("imported")
            @hookimpl
            def sbhooks_invocation(event):
                print("called")
                sys.stderr.write("error")
        """
        install("noisy", source)
        Hooks.load(home=str(home)).deliver(EVENT)
        assert capsys.readouterr() == ("", "imported\ncalled\nerror")
        sys.modules.pop("installed_noisy")
        Hooks.load(home=str(home), live=True, inline=["noisy"]).deliver(EVENT)
        assert capsys.readouterr() == ("", "")


def test_threads_can_call_hooks_at_the_same_time(hooks: Hooks, fast_switching: None) -> None:
    got: list[Event] = []
    hooks.register(listening_to(got), "a")
    threads = [
        threading.Thread(target=lambda: [hooks.deliver(EVENT) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 400


def test_the_first_embedder_with_an_answer_of_the_right_length_is_taken(home: Path) -> None:
    hooks = Hooks(home=str(home))
    assert not hooks.can_embed
    with pytest.raises(PluginError, match="as many vectors"):
        hooks.embed(["a"])
    hooks.register(
        plugin_with(sbhooks_embed=lambda texts: [[float(len(t))] for t in texts]), "good"
    )
    hooks.register(plugin_with(sbhooks_embed=lambda: [[0.0]]), "short")
    assert hooks.can_embed
    assert hooks.embed(["a", "bcd"]) == [[1.0], [3.0]]


class TestInBundles(TestInstalled):
    """All that holds for a plugin with an entry of its own holds for one in a bundle."""

    def entry(self, site: Path, name: str) -> str:
        table = f"PLUGINS = {{{name!r}: 'installed_{name}'}}\n"
        (site / f"bundle_{name}.py").write_text(table)
        return f"all-of-{name} = bundle_{name}:PLUGINS"


class TestBundles:
    ENTRY = "[sbhooks]\nall = installed_acme:PLUGINS\n"
    TABLE = "PLUGINS = {'one': 'installed_one', 'two': 'installed_two'}\n"

    install = TestInstalled.install
    entry = TestInstalled.entry
    load = TestInstalled.load

    @pytest.fixture
    def two(self, install: Callable[..., None]) -> Callable[[str], None]:
        """Install a bundle of two plugins, of which the first has this source text."""

        def two(source: str) -> None:
            for name, text in {"acme": self.TABLE, "one": source, "two": ""}.items():
                install(name, text, self.ENTRY if name == "acme" else "")

        return two

    def test_each_plugin_is_one_by_itself(self, home: Path, two: Callable[[str], None]) -> None:
        two("from sbhooks import hookimpl\n@hookimpl\ndef sbhooks_commands(): ...\n")
        found = self.load(home)
        assert (found["one"].distribution, found["one"].hooks) == (
            "acme 1.0",
            ("sbhooks_commands",),
        )
        assert (found["two"].distribution, found["two"].status) == ("acme 1.0", "loaded")
        assert "all" not in found

    def test_one_that_is_broken_or_switched_off_leaves_the_other_alone(
        self, home: Path, two: Callable[[str], None]
    ) -> None:
        two("raise ValueError('oh')")
        off = self.load(home, disabled=["one"])
        assert (off["one"].status, off["two"].status) == ("disabled", "loaded")
        found = self.load(home)
        assert (found["one"].status, found["two"].status) == ("broken", "loaded")
        assert [where for where, _ in told(home)] == ["plugin one"]

    def test_the_name_of_the_bundle_switches_all_of_it_off_unread(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        install("acme", "raise AssertionError", self.ENTRY)
        found = self.load(home, disabled=["all"])
        assert (found["all"].status, found["all"].distribution) == ("disabled", "acme 1.0")
        assert found["storage"].status == "loaded"
        assert told(home) == []

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("raise ValueError('oh')", "ValueError: oh"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("", "has no attribute 'PLUGINS'"),
            ("PLUGINS = ['one']", "no dict of at most 100 plugins"),
            ("class PLUGINS(dict): __len__ = None\nPLUGINS = PLUGINS()", "TypeError"),
        ],
    )
    def test_a_bundle_that_cannot_be_read_is_broken_and_named(
        self, home: Path, install: Callable[..., None], source: str, said: str
    ) -> None:
        install("acme", source, self.ENTRY)
        found = self.load(home)
        assert (found["all"].status, found["storage"].status) == ("broken", "loaded")
        assert found["all"].detail.startswith("installed_acme:PLUGINS cannot be imported: ")
        assert said in found["all"].detail
        assert told(home) == [("plugin all", found["all"].detail)]

    @pytest.mark.parametrize("disabled", [[], ["storage"]])
    def test_a_bundle_that_cannot_be_read_takes_no_plugins_name(
        self, home: Path, install: Callable[..., None], disabled: list[str]
    ) -> None:
        install("acme", "raise ValueError('oh')", "[sbhooks]\nstorage = installed_acme:PLUGINS\n")
        hooks = Hooks.load(home=str(home), disabled=disabled)
        assert ("storage" in hooks.plugins) is (not disabled)
        assert [p.status for p in hooks.rejected if p.distribution == "acme 1.0"] == [
            "disabled" if disabled else "broken"
        ]
        assert "clash" not in {p.status for p in hooks.rejected}

    def test_a_host_reads_a_strangers_bundle_only_when_it_may_have_what_is_inline(
        self, home: Path, two: Callable[[str], None], install: Callable[..., None]
    ) -> None:
        two("")
        install("single", "")
        for inline in (["single"], ["storage"], ["single", "storage"]):
            assert set(self.load(home, live=True, inline=inline)) == set(inline)
            assert "installed_acme" not in sys.modules
        assert list(self.load(home, live=True, inline=["one"])) == ["one"]
        assert "installed_two" not in sys.modules

    def test_built_in_plugins_keep_their_names(
        self, home: Path, install: Callable[..., None]
    ) -> None:
        table = "PLUGINS = {'storage': 'installed_acme', 'acme': 'installed_acme'}"
        install("acme", table, self.ENTRY)
        hooks = Hooks.load(home=str(home))
        assert hooks.plugins["storage"].distribution.startswith("sbhooks ")
        assert hooks.plugins["acme"].distribution == "acme 1.0"
        assert [(p.name, p.distribution, p.status) for p in hooks.rejected] == [
            ("storage", "acme 1.0", "clash")
        ]
