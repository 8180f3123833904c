"""``sbhooks taxonomy``: which kind of work each skill is for.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, reading

_DOMAINS = ("code", "documentation", "testing", "deployment")


@click.group(cls=CommandGroup)
def taxonomy() -> None:
    """Categories of skills: what each skill is for."""


@taxonomy.command("init")
@reading
def taxonomy_init(reading: Reading) -> None:
    """Put categories, skills and expectations into the tables for SQL.

    May be run again at any time: what people have decided stays, and what they or the old system
    had put into the tables by SQL becomes a decision. From then on, skills that were never seen
    before are put into the tables when they are collected.
    """
    from sbhooks_taxonomy import draw
    from sbhooks_taxonomy.newcomers import refresh

    found, kept = refresh(reading.store, str(reading.runtime.config.home))
    document = draw.initialised(found, kept=kept)
    reading.show(document, lambda out: draw.draw_initialised(out, document))


@taxonomy.command("list")
@click.option("--category", metavar="NAME", help="Only skills of this category or domain.")
@click.option("--all", "everything", is_flag=True, help="Also known skills that nobody has used.")
@reading
def taxonomy_list(reading: Reading, category: str | None, everything: bool) -> None:
    """List skills with their categories, and how sure these are.

    "confidence" of a guess is made of the words in the name, its likeness to known skills, and
    the skills it is used with; without clear evidence a skill has no category.
    """
    from sbhooks_taxonomy import draw
    from sbhooks_taxonomy.taxonomy import read

    found = draw.chosen(read(reading.store), reading.skills_of(category), everything=everything)
    reading.show(found, lambda out: draw.draw_list(out, found))


@taxonomy.command("auto")
@reading
def taxonomy_auto(reading: Reading) -> None:
    """Guess the categories of all skills that are neither known nor decided, and say why."""
    from sbhooks_taxonomy import draw
    from sbhooks_taxonomy.newcomers import refresh

    found, _ = refresh(reading.store, str(reading.runtime.config.home))
    guessed = draw.guessed(found)
    reading.show(guessed, lambda out: draw.draw_guessed(out, guessed))


@taxonomy.command("assign")
@click.argument("skill")
@click.argument("categories", nargs=-1, metavar="[CATEGORY]...")
@click.option("--none", "nowhere", is_flag=True, help="The skill belongs to no category.")
@click.option("--undo", is_flag=True, help="Take back what was decided about the skill.")
@reading
def taxonomy_assign(
    reading: Reading, *, skill: str, categories: tuple[str, ...], nowhere: bool, undo: bool
) -> None:
    """Decide where a skill belongs; this wins over everything else, for ever.

    CATEGORY is a name as 'sbhooks taxonomy list' shows it, such as "Code Quality" or
    code-quality; several may be given.
    """
    from sbhooks_taxonomy import draw
    from sbhooks_taxonomy.catalog import find
    from sbhooks_taxonomy.decisions import decide
    from sbhooks_taxonomy.taxonomy import read

    if bool(categories) + nowhere + undo != 1:
        raise click.UsageError("give categories, or --none, or --undo")
    known = read(reading.store).categories
    chosen = None if undo else [find(known, text).name for text in categories]
    decided = decide(reading.runtime, skill, chosen)
    reading.show(draw.Decided(skill=decided), lambda out: draw.draw_decided(out, decided))


@taxonomy.command("add")
@click.argument("name")
@click.option("--domain", type=click.Choice(_DOMAINS), required=True, help="What it is about.")
@click.option("--description", default="", metavar="TEXT", help="One sentence.")
@reading
def taxonomy_add(reading: Reading, name: str, domain: str, description: str) -> None:
    """Make a category of your own."""
    from sbhooks_taxonomy.decisions import make
    from sbhooks_taxonomy.draw import Made

    made = make(reading.runtime, name, domain, description, reading.store)
    reading.show(Made(category=made), lambda out: out.line(f"{made.name} ({made.slug}) is there."))
