"""Every built-in plugin keeps the promises that a stranger's is held to."""

import pytest

from sbhooks.events import kind_of
from sbhooks.plugins import Hooks
from sbhooks.testing.plugin_contract import BundleContract, PluginContract


class TestAnalytics(PluginContract):
    name = "analytics"
    module = "sbhooks_analytics.plugin"


class TestCi(PluginContract):
    name = "ci"
    module = "sbhooks_ci.plugin"


class TestCrackerjack(PluginContract):
    name = "crackerjack"
    module = "sbhooks_crackerjack.plugin"


class TestDemo(PluginContract):
    name = "demo"
    module = "sbhooks_demo.plugin"


class TestExperiments(PluginContract):
    name = "experiments"
    module = "sbhooks_experiments.plugin"

    def test_its_kinds_of_event_begin_with_its_name(self, hooks: Hooks) -> None:
        """But for two whose names are part of the system's vocabulary of events."""
        kinds = {kind_of(kind) for kind in hooks.event_types()}
        assert {kind for kind in kinds if not kind.startswith("experiments-")} == {
            "exposure", "outcome",
        }  # fmt: skip


class TestMonitoring(PluginContract):
    name = "monitoring"
    module = "sbhooks_monitoring.plugin"


class TestServer(PluginContract):
    name = "server"
    module = "sbhooks_server.plugin"


class TestStorage(PluginContract):
    name = "storage"
    module = "sbhooks_storage.plugin"


class TestTaxonomy(PluginContract):
    name = "taxonomy"
    module = "sbhooks_taxonomy.plugin"


class TestBuiltin(BundleContract):
    table = "sbhooks_builtin:PLUGINS"


def test_every_built_in_plugin_is_here() -> None:
    from sbhooks import entries

    (bundle,) = [e for e in entries.installed("sbhooks").entries if e.distribution == "sbhooks"]
    assert bundle.value == TestBuiltin.table
    ours = {plugin.name: plugin.value for plugin in bundle.plugins()}
    assert ours == {kind.name: kind.module for kind in PluginContract.__subclasses__()
                    if kind.__module__ == __name__}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("from sbhooks import hookimpl\n@hookimpl\ndef sbhooks_nope(): ...", "is_accepted"),
        ("import html.parser", "is_accepted"),
        ("import rich", "importing_it_is_light_and_silent"),
        ("import sys; print('x', file=sys.stderr)", "importing_it_is_light_and_silent"),
        ("REQUIRES = {'json': ''}", "what_it_requires_is_a_table_of_texts"),
        ("REQUIRES = ['json']", "what_it_requires_is_a_table_of_texts"),
        (
            "from sbhooks import Event, hookimpl\n"
            "class E(Event, frozen=True, kw_only=True, tag='other-e'): ...\n"
            "@hookimpl\ndef sbhooks_event_types(): return [E]",
            "its_kinds_of_event_begin_with_its_name",
        ),
        (
            "from sbhooks import hookimpl\n@hookimpl\n"
            "def sbhooks_open_store():\n"
            "    from sbhooks.testing.memory import MemoryEventStore\n"
            "    return MemoryEventStore()",
            "it_leaves_stores_alone_that_are_not_its_own",
        ),
        (
            "from sbhooks import hookimpl\n@hookimpl\ndef sbhooks_events_stored(events): events[0]",
            "it_survives_an_empty_store",
        ),
        (
            "from sbhooks import hookimpl\n@hookimpl\n"
            "def sbhooks_test_result(event): 1 / (event.attempt - 1)",
            "it_survives_every_kind_of_event_even_twice",
        ),
        (
            "from sbhooks import hookimpl\n@hookimpl\n"
            "def sbhooks_commands(cli):\n"
            "    import click\n"
            "    cli.add_command(click.Command('mute'))",
            "its_commands_say_what_they_do",
        ),
    ],
)
def test_a_plugin_that_breaks_a_promise_fails_its_test(
    pytester: pytest.Pytester, source: str, test: str
) -> None:
    pytester.makepyfile(
        wrong_plugin=source,
        test_it=(
            "from sbhooks.testing.plugin_contract import PluginContract\n"
            "class TestIt(PluginContract):\n"
            "    name, module = 'wrong', 'wrong_plugin'\n"
        ),
    )
    pytester.syspathinsert()
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", test)
    failed = [line for line in ran.outlines if line.startswith("FAILED")]
    assert any(test in line for line in failed), ran.outlines


@pytest.mark.parametrize(
    ("source", "table", "test"),
    [
        ("PLUGINS = {'json': 'json'}", "wrong_bundle:plugins", "are_there"),
        ("PLUGINS = ['json']", "wrong_bundle:PLUGINS", "are_there"),
        ("PLUGINS = {'nowhere': 'nowhere_at_all'}", "wrong_bundle:PLUGINS", "are_there"),
        ("import wave\nPLUGINS = {'a': 'wave'}", "wrong_bundle:PLUGINS", "imports_none"),
        ("PLUGINS = {'a': 'wave'}\nprint('x')", "wrong_bundle:PLUGINS", "imports_none"),
    ],
)
def test_a_bundle_that_breaks_a_promise_fails_its_test(
    pytester: pytest.Pytester, source: str, table: str, test: str
) -> None:
    pytester.makepyfile(
        wrong_bundle=source,
        test_it=(
            "from sbhooks.testing.plugin_contract import BundleContract\n"
            "class TestIt(BundleContract):\n"
            f"    table = {table!r}\n"
        ),
    )
    pytester.syspathinsert()
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", test)
    failed = [line for line in ran.outlines if line.startswith("FAILED")]
    assert any(test in line for line in failed), ran.outlines
