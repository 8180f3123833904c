"""What ``sbhooks taxonomy`` prints: documents for programs, drawings for people."""

from __future__ import annotations

import msgspec

from sbhooks.output import FAINT, Cell, Column, Output
from sbhooks.wording import NOTHING, count, percent
from sbhooks_taxonomy.catalog import Category, builtin
from sbhooks_taxonomy.taxonomy import Skill, Taxonomy

_NARROW = 14


class Initialised(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks taxonomy init --json`` prints.

    Attributes:
        categories: How many there are.
        skills: How many have a category.
        modalities: For how many it is known what they take and give.
        expected_dependencies: Pairs that are expected to be used together.
        guessed: Of the skills in use, how many were categorised automatically.
        unknown: Of the skills in use, how many have no category.
        has_tables: Whether the store has tables to put them in.
    """

    categories: int
    skills: int
    modalities: int
    expected_dependencies: int
    guessed: int
    unknown: int
    has_tables: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks taxonomy list --json`` prints.

    Attributes:
        categories: All of them.
        skills: Those that were asked for, by name.
    """

    categories: list[Category]
    skills: list[Skill]


class Guessed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks taxonomy auto --json`` prints.

    Attributes:
        guessed: Skills that were categorised automatically, by name.
        unknown: Names of skills for whose category nothing speaks clearly.
    """

    guessed: list[Skill]
    unknown: list[str]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks taxonomy assign --json`` prints.

    Attributes:
        skill: How it stands now.
    """

    skill: Skill


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks taxonomy add --json`` prints.

    Attributes:
        category: The new one.
    """

    category: Category


def initialised(found: Taxonomy, *, kept: bool) -> Initialised:
    """Count what there is."""
    return Initialised(
        categories=len(found.categories),
        skills=sum(bool(skill.places) for skill in found.skills),
        modalities=len(builtin().modalities),
        expected_dependencies=len(builtin().dependencies),
        guessed=sum(skill.how == "automatic" for skill in found.skills),
        unknown=sum(skill.how == "unknown" for skill in found.skills),
        has_tables=kept,
    )


def chosen(found: Taxonomy, skills: tuple[str, ...], *, everything: bool) -> Listed:
    """The skills that were asked for."""
    return Listed(
        categories=found.categories,
        skills=[
            skill
            for skill in found.skills
            if (not skills or skill.skill_name in skills)
            and (everything or skill.invocation_count or skill.how == "by hand")
        ],
    )


def guessed(found: Taxonomy) -> Guessed:
    """The skills that were guessed, and those that could not be."""
    return Guessed(
        guessed=[skill for skill in found.skills if skill.how == "automatic"],
        unknown=[skill.skill_name for skill in found.skills if skill.how == "unknown"],
    )


def draw_initialised(out: Output, found: Initialised) -> None:
    """Say what is in the tables."""
    out.line(
        f"{found.categories} categories, {count(found.skills, 'skill')} in them, "
        f"{found.modalities} modalities, {found.expected_dependencies} expected dependencies."
    )
    if found.guessed or found.unknown:
        out.line(
            f"Of the skills in use, {found.guessed} were categorised automatically and "
            f"{found.unknown} have no category. See: sbhooks taxonomy auto"
        )
    if not found.has_tables:
        out.note("This store has no tables for SQL; everything else works without them.")


def draw_list(out: Output, found: Listed) -> None:
    """Draw skills under their categories, then the categories without any."""
    rows = []
    for category in [*found.categories, None]:
        for skill in found.skills:
            places = {place.category: place.confidence for place in skill.places}
            if (category.name in places) if category else not places:
                sure = percent(places[category.name]) if category else NOTHING
                name = category.name if category else Cell("none", FAINT)
                rows.append([name, skill.skill_name, sure, skill.how,
                             f"{skill.invocation_count:,}"])  # fmt: skip
    if rows:
        out.table(
            [Column("category", least=_NARROW), Column("skill", least=_NARROW),
             Column("confidence", right=True), Column("how", optional=True),
             Column("used", right=True)],
            rows,
        )  # fmt: skip
    else:
        out.line("No skill has been used yet; --all shows those that are known.")
    out.line("")
    used = {place.category for skill in found.skills for place in skill.places}
    empty = [c.slug for c in found.categories if c.name not in used]
    if empty:
        out.note(f"Without a skill here: {', '.join(empty)}.")
    out.note("To correct one: sbhooks taxonomy assign SKILL CATEGORY")


def draw_guessed(out: Output, found: Guessed) -> None:
    """Draw guesses with what speaks for them."""
    if found.guessed:
        out.table(
            [Column("skill", least=_NARROW), Column("category", least=_NARROW),
             Column("confidence", right=True), Column("words", right=True, optional=True),
             Column("name", right=True, optional=True),
             Column("company", right=True, optional=True)],
            [
                [skill.skill_name, skill.places[0].category, percent(skill.places[0].confidence),
                 *(percent((skill.evidence or {}).get(part))
                   for part in ("words", "name", "company"))]
                for skill in found.guessed
            ],
        )  # fmt: skip
    else:
        out.line("No skill had to be guessed.")
    if found.unknown:
        out.line("")
        out.line(f"Not enough to go by: {', '.join(found.unknown)}.")
    if found.guessed or found.unknown:
        out.note("To decide yourself: sbhooks taxonomy assign SKILL CATEGORY")


def draw_decided(out: Output, skill: Skill) -> None:
    """Say where a skill belongs now, and why."""
    where = ", ".join(place.category for place in skill.places) or "no category"
    out.line(f"{skill.skill_name}: {where} ({skill.how}).")
