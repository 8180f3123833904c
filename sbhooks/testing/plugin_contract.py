"""Tests to inherit: whoever writes a plugin proves with them that it gets on with everybody."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sbhooks import problems
from sbhooks.config import Config
from sbhooks.entries import Entry
from sbhooks.events import Codec, kind_of
from sbhooks.insights import InsightQuery
from sbhooks.plugins import Hooks
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore

#: What a plugin module may import at its top, beside the standard library and its own package.
LIGHT = frozenset({"sbhooks", "msgspec", "pluggy"})
_NEW_MODULES = """
import sys
import sbhooks.plugins, sbhooks.events, sbhooks.insights, sbhooks.store
before = set(sys.modules)
import {module}
print(*{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""
_READS_A_TABLE = """
import sys
from sbhooks.entries import Entry
before = set(sys.modules)
plugins = Entry("", {table!r}, "", "").plugins()
modules = {{plugin.value.partition(":")[0] for plugin in plugins}}
print(*sorted(modules & (set(sys.modules) - before)))
"""


class PluginContract:
    """One test per promise that a plugin module makes.

    Inherit, and set :attr:`name` and :attr:`module`.
    """

    name: ClassVar[str]  #: The entry point's name.
    module: ClassVar[str]  #: The module that it leads to.

    @pytest.fixture
    def hooks(self, tmp_path: Path) -> Hooks:
        """The plugin, alone."""
        hooks = Hooks(home=str(tmp_path / "home"))
        hooks.register(import_module(self.module), self.name, "under test")
        return hooks

    def test_it_is_accepted(self, hooks: Hooks) -> None:
        """Its hooks exist, take known arguments and are no wrappers; what it requires is there."""
        refused = [(plugin.status, plugin.detail) for plugin in hooks.rejected]
        assert refused == [], refused
        assert hooks.plugins[self.name].hooks, "it implements no hook"

    def test_importing_it_is_light_and_silent(self) -> None:
        """The command line imports every plugin, even to print its help."""
        program = _NEW_MODULES.format(module=self.module)
        ran = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        own = self.module.partition(".")[0]
        foreign = set(ran.stdout.split()) - LIGHT - sys.stdlib_module_names - {own}
        assert foreign == set(), f"import inside the functions that need them: {sorted(foreign)}"

    def test_what_it_requires_is_a_table_of_texts(self) -> None:
        """``REQUIRES`` is import name → what to pip install."""
        requires: Any = getattr(import_module(self.module), "REQUIRES", {})
        assert isinstance(requires, dict)
        assert all(isinstance(text, str) and text for pair in requires.items() for text in pair)

    def test_its_kinds_of_event_begin_with_its_name(self, hooks: Hooks) -> None:
        """So that no two plugins declare the same."""
        kinds = hooks.event_types()
        assert self._errors(hooks) == 0, self._told(hooks)
        others = [kind_of(k) for k in kinds if not kind_of(k).startswith(f"{self.name}-")]
        assert others == [], others

    def test_it_leaves_stores_alone_that_are_not_its_own(
        self, hooks: Hooks, tmp_path: Path
    ) -> None:
        """``None`` lets the next plugin try."""
        config = Config(home=tmp_path, store="unheard-of:///x")
        assert hooks.open_store(config, Codec()) is None

    def test_it_survives_an_empty_store(self, hooks: Hooks) -> None:
        """The first command of every new user meets one."""
        hooks.insights(InsightQuery(now=NOON), MemoryEventStore())
        hooks.events_stored((), MemoryEventStore())
        assert self._errors(hooks) == 0, self._told(hooks)

    def test_it_survives_every_kind_of_event_even_twice(self, hooks: Hooks) -> None:
        """After a crash the same batch comes again."""
        store, events = MemoryEventStore(), Timeline().one_of_each()
        for _ in range(2):
            store.append(events)
            for event in events:
                hooks.deliver(event)
            hooks.events_stored(events, store)
            hooks.insights(InsightQuery(now=NOON), store)
        assert self._errors(hooks) == 0, self._told(hooks)

    def test_its_commands_say_what_they_do(self, hooks: Hooks) -> None:
        """The help of ``sbhooks`` shows the first line of each."""
        import click

        root = click.Group()
        hooks.commands(root)
        assert self._errors(hooks) == 0, self._told(hooks)
        assert all(command.get_short_help_str() for command in root.commands.values())

    def _errors(self, hooks: Hooks) -> int:
        return hooks.plugins[self.name].errors

    def _told(self, hooks: Hooks) -> list[str]:
        """What was noted about it, for the report of a failed test."""
        return [problem.what for problem in problems.read(hooks.home)]


class BundleContract:
    """One test per promise of a bundle: an entry point that leads to a table of plugins.

    Inherit, and set :attr:`table`; each of the plugins has a :class:`PluginContract` of its own.
    """

    table: ClassVar[str]  #: What the entry point leads to, such as ``"sbhooks_acme:PLUGINS"``.

    def test_its_plugins_are_there(self) -> None:
        """It is a table, and what it leads to can be imported."""
        entry = Entry("bundle", self.table, "under test", "")
        assert entry.is_bundle, f"{self.table!r} does not end with ':PLUGINS'"
        assert [plugin.name for plugin in entry.plugins() if plugin.load() is None] == []

    def test_reading_it_imports_none_of_its_plugins(self) -> None:
        """Whoever looks for one plugin of a bundle must not pay for the others."""
        program = _READS_A_TABLE.format(table=self.table)
        ran = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, [], "")
