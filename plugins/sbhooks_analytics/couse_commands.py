"""The commands ``baselines``, ``deps``, ``clusters`` and ``search``; imports stand inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbhooks.cli_options import Reading, limit_option, reading

if TYPE_CHECKING:
    from sbhooks_analytics.couse import Book


def book_of(reading: Reading) -> Book:
    """What was used together: kept between calls for the whole store, made anew for a part."""
    from sbhooks.progress import Progress
    from sbhooks_analytics.couse import follow, gather

    query = reading.query()
    if reading.foreign or query.projects or query.since is not None:
        return gather(reading.store, query)
    config, store = reading.runtime.config, reading.store
    with Progress("reading sessions", quiet=reading.as_json) as progress:
        return follow(store, config.home, name=config.store, progress=progress)


@click.command()
@reading
@click.option("--user", metavar="USER", help="Compare a user with all: 'me', or a pseudonym.")
@limit_option(50, "skills")
def baselines(reading: Reading, user: str | None, limit: int) -> None:
    """Show how each skill does across all users: what one user can compare with.

    The percentile says how many of the other skills do worse, after smoothing. Nothing leaves
    this machine.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.baselines import Baselines, compared
    from sbhooks_analytics.baselines import baselines as look
    from sbhooks_analytics.draw_couse import draw_baselines

    book = book_of(reading)
    every = look(reading.store, reading.query(), book)
    shown, who = every[:limit], _pseudonym(reading, user)
    if who is not None:
        shown = compared(reading.store, reading.query(), shown, who)
    found = Baselines(
        baselines=shown, skills=len(every), skills_in_all=book.skills_in_all, user=who
    )
    reading.show(found, lambda out: draw_baselines(out, found), empty=not every)


def _pseudonym(reading: Reading, user: str | None) -> str | None:
    """Whom a user means; their own pseudonym for ``me``."""
    if user != "me":
        return user
    from sbhooks.errors import SbhooksError
    from sbhooks.identity import who

    try:
        return who(str(reading.runtime.config.home))[0]
    except (OSError, ValueError) as error:
        raise SbhooksError(f"cannot tell who you are: {error}") from error


@click.command()
@click.argument("skill", required=False)
@reading
@click.option("--all", "everything", is_flag=True, help="Also what chance explains (p > 0.05).")
@limit_option(30, "pairs")
def deps(reading: Reading, skill: str | None, everything: bool, limit: int) -> None:
    """Show which skills are used together more (or less) often than by chance.

    SKILL restricts it to pairs with one skill. Counted are sessions that hold both; the pairs
    share one budget of false findings. Which comes first, and the median time between, is said
    as well.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.dependencies import Dependencies, dependencies
    from sbhooks_analytics.draw_couse import draw_dependencies
    from sbhooks_analytics.trends import known_skill

    book = book_of(reading)
    name = None if skill is None else known_skill(reading.store, reading.query(), skill)
    every = [d for d in dependencies(book) if name in {None, d.skill_a, d.skill_b}]
    some = [one for one in every if everything or one.p_value <= 0.05]
    reason = "" if every else "not enough data: no session holds two of the skills"
    found = Dependencies(
        dependencies=some[:limit], sessions=len(book.visits), pairs=len(every),
        skills=len(book.skills), skills_in_all=book.skills_in_all, reason=reason,
    )  # fmt: skip
    reading.show(found, lambda out: draw_dependencies(out, found))


@click.command()
@reading
def clusters(reading: Reading) -> None:
    """Show groups of skills that are used in the same sessions.

    Where a plugin offers embeddings (sbhooks_embed), skills that mean much the same are nearer.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.clusters import clusters as look
    from sbhooks_analytics.draw_couse import draw_clusters
    from sbhooks_analytics.refresh import names_before
    from sbhooks_analytics.search import vectors_of

    hooks, before = reading.runtime.hooks, names_before(reading.runtime.config.home)
    embedder = hooks.embed if hooks.can_embed else None
    vectors = vectors_of(reading.store, reading.query(), embedder)
    found = look(book_of(reading), before, vectors)
    reading.show(found, lambda out: draw_clusters(out, found))


@click.command()
@click.argument("words", nargs=-1, required=True)
@reading
@click.option("--phase", metavar="PHASE", help="Prefer skills that are used in this phase.")
@click.option(
    "--phase-weight",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    metavar="W",
    help="How much the phase counts.",
)
@limit_option(10, "skills")
def search(
    reading: Reading, words: tuple[str, ...], phase: str | None, phase_weight: float, limit: int
) -> None:
    """Find skills by what they are for: sbhooks search "run tests".

    Looks at names, descriptions and what users asked for, by words and by meaning. A plugin can
    offer a better sense of meaning with the hook sbhooks_embed.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.draw_couse import draw_hits
    from sbhooks_analytics.search import search as look

    hooks = reading.runtime.hooks
    found = look(
        reading.store, reading.query(), " ".join(words), limit=limit, phase=phase,
        phase_weight=phase_weight, embedder=hooks.embed if hooks.can_embed else None,
    )  # fmt: skip
    reading.show(found, lambda out: draw_hits(out, found), empty=not found.skills)


COMMANDS = (baselines, deps, clusters, search)
