"""What commands share: settings and plugins when needed, the options of reading commands.

A plugin's command that reads the store looks like this::

    @click.command()
    @reading
    def cost(reading: Reading) -> None:
        found = reading.store.rollup(reading.query("invocation"), by=["skill"])
        reading.show(CostDocument(...), draw)

Importing this module costs no more than click: the command line is read before anybody
knows which command it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from datetime import datetime

    from sbhooks.config import Config
    from sbhooks.output import Output
    from sbhooks.plugins import Hooks
    from sbhooks.runtime import Runtime
    from sbhooks.store import EventQuery, EventReader

P = ParamSpec("P")
R = TypeVar("R")

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,6})([mhdw])")


class CommandLine:
    """What ``ctx.obj`` of every command is: settings, plugins and the runtime.

    Each is made when it is first asked for, so that ``--help`` needs no settings and
    ``doctor`` works with broken ones.

    Attributes:
        overrides: Settings that were given as options, by key.
    """

    def __init__(self) -> None:
        self.overrides: dict[str, Any] = {}

    @cached_property
    def hooks(self) -> Hooks:
        """The plugins that are installed and not switched off."""
        from sbhooks.plugins import Hooks
        from sbhooks.settings import here

        settings = here()
        return Hooks.load(
            home=settings.home,
            inline=settings.inline,
            disabled=settings.disabled,
            trace=settings.trace,
        )

    @cached_property
    def config(self) -> Config:
        """All settings.

        Raises:
            ConfigError: They cannot be used.
        """
        from sbhooks.config import load_config

        return load_config(command_line=self.overrides)

    @cached_property
    def runtime(self) -> Runtime:
        """Settings, plugins and, when asked for, the open store.

        Raises:
            ConfigError: The settings cannot be used.
        """
        from sbhooks.runtime import Runtime

        return Runtime(self.config, self.hooks)

    def use_store(self, url: str | None) -> bool:
        """Take a store that was given as an option; says whether it is another one."""
        if url is None or url == self.config.store:
            return False
        self.overrides["store"] = url
        del self.config
        return True

    def close(self) -> None:
        """Release what was opened."""
        if "runtime" in self.__dict__:
            self.runtime.close()


class Reading:
    """One reading command at work: what it may look at, and how it answers.

    Attributes:
        runtime: Settings, plugins and store.
        as_json: Whether a program asks.
        projects: The projects that were named; empty for all.
        since: First time that counts, UTC; ``None`` for everything.
        now: The time that "ago" refers to, UTC.
        foreign: Whether the store is another than the configured one: then it is read as it
            is, because what is recorded belongs into the configured one.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        as_json: bool = False,
        projects: tuple[str, ...] = (),
        since: datetime | None = None,
        foreign: bool = False,
    ) -> None:
        from sbhooks.events import utc_now

        self.runtime = runtime
        self.as_json = as_json
        self.projects = projects
        self.since = since
        self.foreign = foreign
        self.now = utc_now()

    @cached_property
    def store(self) -> EventReader:
        """The store, with everything in it that has been recorded up to now.

        One that cannot be written, as when a newer sbhooks made it, is read as it is; a line
        on standard error says so.
        """
        from sbhooks.errors import ForwardError
        from sbhooks.progress import Progress

        if self.foreign:
            return self._existing()
        store, refusal = self.runtime.store, self.runtime.refusal
        if refusal is not None:
            warn(f"answers from what is stored, without what has been recorded since: {refusal}")
            return store
        try:
            with Progress("collecting", quiet=self.as_json) as progress:
                self.runtime.collect(progress)
        except ForwardError as error:
            warn(str(error))
        return store

    def query(self, *kinds: str, **fields: Any) -> EventQuery:
        """What to read: the given kinds, in the projects and the time that were asked for.

        Args:
            kinds: Tags such as ``"invocation"``.
            fields: Further fields of ``EventQuery``.
        """
        from sbhooks.store import EventQuery

        chosen: dict[str, Any] = {"projects": self.projects, "since": self.since, **fields}
        return EventQuery(kinds=kinds, **chosen)

    def skills_of(self, category: str | None) -> tuple[str, ...]:
        """The skills of a category, for the field ``skills`` of a query; empty for all.

        Raises:
            SbhooksError: No plugin knows a skill of it.
        """
        from sbhooks.errors import SbhooksError

        if category is None:
            return ()
        skills = self.runtime.hooks.skills(category, self.store)
        if not skills:
            raise SbhooksError(
                f"no skill is in the category {category!r}. Run: sbhooks taxonomy list"
            )
        return tuple(skills)

    def show(
        self,
        document: Any,
        draw: Callable[[Output], None],
        *,
        empty: bool = False,
        nothing: str = "Nothing is recorded yet. Run your tests as always, then ask again.",
    ) -> None:
        """Answer: the document for programs, a drawing for people.

        Args:
            document: A Struct; its fields are a promise, they are only ever added to.
            draw: Called for people, with where to draw.
            empty: Whether there is nothing to draw; people are then told what to do.
            nothing: What to do when nothing is recorded at all.
        """
        from sbhooks.output import show

        show(
            document,
            (lambda out: out.line(self._nothing(nothing))) if empty else draw,
            as_json=self.as_json,
        )

    def _nothing(self, nothing: str) -> str:
        """Why an answer may be empty."""
        if self.runtime.config.forward_to is not None:
            return f"What is recorded here goes to {self.runtime.config.forward_to}: ask there."
        if self.projects or self.since is not None:
            return "Nothing that is recorded matches. Leave out --project and --since to see all."
        return nothing

    def _existing(self) -> EventReader:
        """The store that was named, if there is one: reading must not make it."""
        from sbhooks.errors import StoreError

        path = self.runtime.config.store_file
        if path is not None and not path.is_file():
            raise StoreError(
                f"cannot read the store {self.runtime.config.store}: {path} does not exist. "
                "Write sqlite:/// and the path of a database"
            )
        return self.runtime.store


def warn(what: str) -> None:
    """Say one line on standard error, with nothing in it that a terminal would obey."""
    from sbhooks.wording import clean

    click.echo(f"sbhooks: {clean(' '.join(what.splitlines()))}", err=True)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--json``, handed over as ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
    )(command)


def reading(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of reading commands; the command gets a :class:`Reading` first."""

    def wrapper(line: CommandLine, /, **options: Any) -> R:
        foreign = line.use_store(options.pop("store_url"))
        made = Reading(
            line.runtime,
            as_json=options.pop("as_json"),
            projects=options.pop("project"),
            since=options.pop("since"),
            foreign=foreign,
        )
        return command(made, **options)

    made: Callable[..., R] = click.pass_obj(update_wrapper(wrapper, command))
    for option in reversed(_READING_OPTIONS):
        made = option(made)
    return made


category_option = click.option(
    "--category", metavar="NAME",
    help="Only skills of this category or domain; 'sbhooks taxonomy list' shows them.",
)  # fmt: skip


def limit_option(default: int, what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add ``--limit``.

    Args:
        default: How many when nothing is said.
        what: What is counted, in the plural.
    """
    return click.option(
        "--limit",
        type=click.IntRange(1, 100_000),
        metavar="N",
        default=default,
        show_default=True,
        help=f"At most that many {what}.",
    )


class Since(click.ParamType[Any]):
    """A time in the past: ``30m``, ``24h``, ``7d``, ``2w``, or an ISO 8601 date or time."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the option; a date or time without a zone is the reader's own."""
        from datetime import UTC, datetime, timedelta

        text = str(value).strip()
        try:
            if span := _SPAN.fullmatch(text):
                seconds = int(span[1]) * _UNITS[span[2]]
                return datetime.now(UTC) - timedelta(seconds=seconds)
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is no time. Write 30m, 24h, 7d, 2w, 2026-11-20 or 2026-11-20T14:00",
                param,
                ctx,
            )


_READING_OPTIONS = (
    json_option,
    click.option(
        "--project", multiple=True, metavar="NAME",
        help="Only this project; can be given several times.  [default: all]",
    ),
    click.option(
        "--since", type=Since(), metavar="WHEN",
        help="Only what happened since: 30m, 24h, 7d, 2w, or an ISO 8601 date or time.",
    ),
    click.option(
        "--store", "store_url", metavar="URL",
        help="Read this store, as it is, instead of the configured one.",
    ),
)  # fmt: skip
