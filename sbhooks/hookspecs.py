"""The hooks of sbhooks: every place where a plugin can take part.

A plugin is a module with functions named like the ones below, each marked
with :data:`hookimpl`, and listed under the entry-point group ``sbhooks``::

    [project.entry-points.sbhooks]
    acme = "sbhooks_acme.plugin"

A distribution with several plugins may have one line for all of them, a *bundle*. It
leads to a table, which must be called ``PLUGINS``::

    [project.entry-points.sbhooks]
    acme = "sbhooks_acme:PLUGINS"

And in ``sbhooks_acme/__init__.py``::

    PLUGINS = {
        "acme-notify": "sbhooks_acme.notify",
        "acme-digest": "sbhooks_acme.digest",
    }

Each of them is a plugin like all others, with a name, settings, errors and a switch
of its own; to ``disable`` the name of the bundle switches off all. The module with
the table should hold nothing else: it is imported whoever of them is needed.
Entry points are read by every tool that looks for its own, such as pytest at each
start, so a line fewer is a gift to all.

The built-in plugins use the same group and nothing else. An implementation
declares only the arguments it needs. Arguments are how a plugin gets at the
rest of the system; there is no global object to ask.

The hooks are listed in the order in which an event meets them.

* **Event** hooks deliver each event to each plugin in exactly one place: inside
  the host tool (such as pytest) right after the event is on disk, for plugins
  that the setting ``inline`` names; for all others when the event is collected,
  at least once. Inline plugins must be quick: the host waits.
* **Cold** hooks run in processes of sbhooks itself, such as its command line.
  All enabled plugins take part.

An exception (or ``SystemExit``) in an implementation is recorded for
``sbhooks doctor`` and counts as "no answer"; after three of them the plugin is
left out until the process ends. The one exception to this rule is
:func:`sbhooks_open_store`. Wrappers (``hookimpl(wrapper=True)``) are refused:
they would couple plugins that must be able to fail one by one.

A plugin module may say what it needs beyond its own distribution's base
dependencies, checked without importing anything::

    REQUIRES = {"numba": "sbhooks-acme[fast]"}  # import name → what to pip install
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from sbhooks.checks import Check
    from sbhooks.config import Config
    from sbhooks.events import (
        Codec,
        Event,
        Invocation,
        PhaseChange,
        PipelineStage,
        SessionEnd,
        SessionStart,
        TestResult,
    )
    from sbhooks.insights import Insight, InsightQuery
    from sbhooks.metrics import Metric
    from sbhooks.store import EventReader, EventStore

PROJECT = "sbhooks"  #: Name of the pluggy project and of the entry-point group.

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)  #: Marks a plugin's implementation of a hook.


# --- Event: something has happened -------------------------------------------


@hookspec
def sbhooks_session_start(event: SessionStart) -> None:
    """A run of a tool has begun.

    Args:
        event: Where, by whom and on what it runs.
    """


@hookspec
def sbhooks_phase_change(event: PhaseChange) -> None:
    """A workflow moved from one phase to the next.

    Args:
        event: The change. An empty ``phase_from`` marks the start of the
            workflow, an empty ``phase_to`` its end.
    """


@hookspec
def sbhooks_test_result(event: TestResult) -> None:
    """One attempt at a test has ended.

    Args:
        event: The attempt; a test that is rerun gives one event per attempt.
    """


@hookspec
def sbhooks_invocation(event: Invocation) -> None:
    """A tool, check or agent skill was called and has ended.

    Args:
        event: The finished call. Its ``duration_s`` is wall-clock time.
    """


@hookspec
def sbhooks_pipeline_stage(event: PipelineStage) -> None:
    """A stage of a CI pipeline has ended.

    Args:
        event: The finished stage; time in the queue is not in ``duration_s``.
    """


@hookspec
def sbhooks_session_end(event: SessionEnd) -> None:
    """A run of a tool has ended, or the collector found that it was killed.

    Args:
        event: How it ended, with ``reason`` in words.
    """


# --- Cold: from the spool into the store --------------------------------------


@hookspec
def sbhooks_event_types() -> Iterable[type[Event]]:
    """Declare kinds of events beyond the built-in ones.

    Called once per process, before the first event is read. A spooled event of
    a kind that nobody declares is set aside, not dropped, and is taken in as
    soon as somebody declares it.

    Returns:
        Subclasses of :class:`~sbhooks.events.Event`, each with a ``tag`` that
        starts with the plugin's name, such as ``"acme-deployment"``. A kind whose fields
        may hold a user's pseudonym names them in ``people: ClassVar[tuple[str, ...]]``.
    """
    return ()


@hookspec(firstresult=True)
def sbhooks_open_store(config: Config, codec: Codec) -> EventStore | None:
    """Open the store that ``config.store`` names.

    Called once per process; the first answer that is not ``None`` wins. This
    hook is not guarded: whoever asks for a store must learn why there is none.

    Args:
        config: All settings.
        codec: Knows every declared kind; what reads stored events back.

    Returns:
        A store with its schema up to date, or ``None`` when the URL scheme is
        another plugin's business.

    Raises:
        StoreError: The URL is ours but the database cannot be used.
    """


@hookspec
def sbhooks_events_stored(events: Sequence[Event], store: EventReader, home: str) -> None:
    """A batch of events has been committed to the store.

    Called at least once per batch: after a crash, or when two commands collect
    at the same time, the same batch can come again. ``Event.id`` tells
    repetitions apart.

    Args:
        events: The batch, in the order in which it was spooled.
        store: For looking up what came before; reading only.
        home: The folder of sbhooks' data, where a plugin may keep what it works out.
    """


# --- Cold: from the store to the reader ----------------------------------------


@hookspec
def sbhooks_insights(query: InsightQuery, store: EventReader) -> Iterable[Insight]:
    """Answer ``query`` from the stored events.

    The same store and query must give the same answer, so that callers may
    cache it.

    Args:
        query: What to look at. An implementation that has nothing to say
            about it returns nothing.
        store: The events; reading only.

    Returns:
        Findings in any order; callers sort by ``Insight.score``.
    """
    return ()


@hookspec
def sbhooks_skills(category: str, store: EventReader) -> Iterable[str]:
    """Name the skills that belong to a category.

    Called before a question about a category is asked: whoever answers it is asked about
    skills, and need not know that there are categories.

    Args:
        category: As somebody typed it.
        store: The events; reading only.

    Returns:
        Names of skills; nothing when the category is unknown or has none.
    """
    return ()


@hookspec
def sbhooks_deployment_checks(config: Config) -> Iterable[Check]:
    """Say whether your part is fit to serve others.

    Called by ``sbhooks doctor --deployment``. Look, and change nothing.

    Args:
        config: All settings.

    Returns:
        One finding per thing that was looked at.
    """
    return ()


@hookspec
def sbhooks_embed(texts: Sequence[str]) -> Sequence[Any] | None:
    """Turn texts into vectors, so that texts of like meaning point the same way.

    Asked by ``sbhooks search``. The first answer of the right length is taken; without any,
    analytics uses an embedder of its own.

    Args:
        texts: Any number of short texts, also empty ones.

    Returns:
        One vector of 384 numbers per text, in their order, such as a numpy array of float32
        with the shape ``(n, 384)``; ``None`` when there is nothing to offer.
    """
    return None


@hookspec
def sbhooks_metrics(store: EventReader) -> Iterable[Metric]:
    """Say what is the case now, for a monitoring system that asks a server.

    Called each time it asks, which may be every few seconds: answer from sums, and keep the
    number of different labels small.

    Args:
        store: The events; reading only.

    Returns:
        Figures under names of the plugin's own. A name that is taken is left out.
    """
    return ()


@hookspec
def sbhooks_routes() -> Iterable[object]:
    """Add routes to a server, below ``/plugins/`` and the plugin's name.

    Called once per server. What is added stands behind the same guard as everything else:
    names, origins, tokens (``read`` for ``GET``, ``admin`` for ``POST``) and sizes are checked
    before it is asked.

    Returns:
        Route handlers of Litestar, with paths relative to the plugin's own.
    """
    return ()


@hookspec
def sbhooks_commands(cli: click.Group) -> None:
    """Add sub-commands to ``sbhooks``.

    Called when the command line is read, so an implementation must not import
    anything heavy at its top. A command that reads the store is decorated with
    ``sbhooks.cli_options.reading``; others may ask for settings and plugins with
    ``@click.pass_obj``, which hands over a ``CommandLine``. A name that is taken
    is refused. A group of class ``sbhooks.cli_groups.CommandGroup`` lists its commands
    as the root does, with their whole descriptions.

    A command that runs another one in its place should not make it wait for all of
    this: where the first two words are the name of a plugin and ``run``, the module
    ``sbhooks_run`` beside the plugin's own is asked first, if there is one. Its ``main``
    gets the arguments after them and returns the exit status, or ``None`` to leave them
    to the command itself.

    Args:
        cli: The root group; ``@cli.command()`` or ``cli.add_command(group)``.
    """
