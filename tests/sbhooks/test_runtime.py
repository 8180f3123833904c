from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from sbhooks import hookimpl
from sbhooks.collector import Collected
from sbhooks.config import Config, load_config
from sbhooks.emitter import Emitter
from sbhooks.errors import ConfigError, StoreError
from sbhooks.events import BUILTIN_KINDS, Event, Invocation, Outcome
from sbhooks.insights import Insight, InsightQuery
from sbhooks.plugins import Hooks
from sbhooks.runtime import Runtime
from sbhooks.testing.memory import MemoryEventStore


class Deployment(Event, frozen=True, kw_only=True, tag="acme-deployment"):
    pass


class Acme:
    """A plugin with a store, a kind of event and an insight."""

    def __init__(self) -> None:
        self.opened: list[MemoryEventStore] = []
        self.closed = 0

    @hookimpl
    def sbhooks_open_store(self) -> MemoryEventStore:
        outer = self

        class Counting(MemoryEventStore):
            def close(self) -> None:
                outer.closed += 1
                super().close()

        self.opened.append(Counting())
        return self.opened[-1]

    @hookimpl
    def sbhooks_event_types(self) -> list[type[Event]]:
        return [Deployment]

    @hookimpl
    def sbhooks_insights(self, query: InsightQuery) -> list[Insight]:
        return [Insight(subject="x", summary="s", score=query.limit / 100, n=1, method="m")]


@pytest.fixture
def acme() -> Acme:
    return Acme()


@pytest.fixture
def config(home: Path, tmp_path: Path) -> Config:
    return load_config(tmp_path)


@pytest.fixture
def runtime(config: Config, acme: Acme) -> Runtime:
    hooks = Hooks(home=str(config.home))
    hooks.register(acme, "acme")
    return Runtime(config, hooks)


def test_nothing_is_opened_before_it_is_needed(runtime: Runtime, acme: Acme) -> None:
    runtime.close()
    assert (acme.opened, acme.closed) == ([], 0)


def test_the_store_is_opened_once_and_closed_at_the_end(runtime: Runtime, acme: Acme) -> None:
    with runtime as entered:
        assert entered is runtime
        assert runtime.store is runtime.store
    assert (len(acme.opened), acme.closed) == (1, 1)


def test_it_is_closed_after_an_error_too(runtime: Runtime, acme: Acme) -> None:
    with pytest.raises(ZeroDivisionError), runtime:
        _ = 1 / len(list(runtime.store.tail(0).events))
    assert acme.closed == 1


def test_it_knows_built_in_and_declared_kinds(runtime: Runtime) -> None:
    assert set(runtime.codec.kinds.values()) == {*BUILTIN_KINDS, Deployment}
    assert runtime.codec is runtime.codec


def test_it_collects_from_the_home_into_the_store(runtime: Runtime, config: Config) -> None:
    emitter = Emitter.start("test", {"SBHOOKS_HOME": str(config.home)})
    for event in (
        Invocation(source="test", session="s", skill="x", outcome=Outcome.SUCCESS),
        Deployment(source="test", session="s"),
    ):
        emitter.emit(event)
    emitter.close()
    told: list[tuple[int, int]] = []
    assert runtime.collect(lambda *p: told.append(p)) == Collected(events=2, segments=1)
    assert told == [(1, 1)]
    assert len(runtime.store.tail(0).events) == 2
    assert runtime.collect() == Collected()


def test_a_store_that_refuses_leaves_the_spool_alone(config: Config) -> None:
    class Closed(MemoryEventStore):
        refusal = StoreError("cannot write to it")

    @hookimpl
    def sbhooks_open_store() -> Closed:
        return Closed()

    hooks = Hooks(home=str(config.home))
    hooks.register(SimpleNamespace(sbhooks_open_store=sbhooks_open_store), "closed")
    runtime = Runtime(config, hooks)
    assert runtime.refusal is Closed.refusal
    with pytest.raises(StoreError, match="cannot write to it"):
        runtime.collect()
    assert not config.home.exists()
    assert hooks.plugins["closed"].calls == 1


def test_a_store_that_says_nothing_of_refusing_can_be_written(runtime: Runtime) -> None:
    assert runtime.refusal is None


def test_it_asks_for_insights(runtime: Runtime) -> None:
    (found,) = runtime.insights(InsightQuery(now=datetime(2026, 1, 1, tzinfo=UTC), limit=50))
    assert found.score == 0.5


def test_without_a_plugin_for_the_store_the_error_says_what_to_do(home: Path) -> None:
    runtime = Runtime(Config(home=home, store="acme:///x"), Hooks(home=str(home)))
    with pytest.raises(StoreError, match=r"no plugin knows 'acme'\. Run: sbhooks plugins"):
        _ = runtime.store
    runtime.close()


def test_a_missing_extra_is_named_as_the_reason(home: Path) -> None:
    hooks = Hooks(home=str(home))
    hooks.register(SimpleNamespace(REQUIRES=5), "broken")
    # What another plugin misses is no reason: installing that would not help.
    hooks.register(SimpleNamespace(REQUIRES={"absent_framework": "sbhooks[server]"}), "server")
    storage = SimpleNamespace(
        REQUIRES={"absent_library": "sbhooks[sqlite]"},
        sbhooks_open_store=lambda config, codec: None,
    )
    hooks.register(storage, "storage")
    runtime = Runtime(Config(home=home, store="sqlite:///x"), hooks)
    with pytest.raises(StoreError, match=r"cannot open a sqlite store: .*'sbhooks\[sqlite\]'"):
        _ = runtime.store


@pytest.mark.parametrize("loaded", [True, False])
def test_a_table_needs_a_plugin_be_it_loaded_or_not(home: Path, loaded: bool) -> None:
    hooks = Hooks(home=str(home))
    hooks.register(SimpleNamespace(REQUIRES={} if loaded else {"absent_library": "x"}), "acme")
    config = Config(home=home, store="x:", sections={"acme": {}}, origins={"acme": "file"})
    Runtime(config, hooks)
    with pytest.raises(ConfigError, match="file: unknown key or plugin 'acme'"):
        Runtime(config, Hooks(home=str(home)))


def test_start_loads_what_is_installed_and_not_switched_off(
    home: Path, collect: Callable[..., Collected]
) -> None:
    config = Config(home=home, store=f"sqlite:///{home}/x.db", disable=("demo",), trace=True)
    runtime = Runtime.start(config)
    assert runtime.hooks.plugins["storage"].status == "loaded"
    assert [plugin.name for plugin in runtime.hooks.rejected] == ["demo"]
    assert runtime.hooks._trace
