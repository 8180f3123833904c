"""The taxonomy as tables, for readers with SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbhooks.events import from_us
from sbhooks.store import KeepsResults, ShowsResults, SqlValue
from sbhooks_taxonomy.catalog import builtin
from sbhooks_taxonomy.taxonomy import Taxonomy

Tables = dict[str, Sequence[Mapping[str, SqlValue]]]
ALWAYS = from_us(0).isoformat()  #: When what is built in was made: marks rows as not people's.


def tables(found: Taxonomy) -> Tables:
    """All rows; the same taxonomy gives the same rows."""
    numbers = {category.name: number for number, category in enumerate(found.categories, start=1)}
    categories: list[Mapping[str, SqlValue]] = [
        {
            "category_id": numbers[category.name], "category_name": category.name,
            "description": category.description, "domain": category.domain, "created_at": ALWAYS,
        }
        for category in found.categories
    ]  # fmt: skip
    mapping: list[Mapping[str, SqlValue]] = [
        {
            "skill_name": skill.skill_name,
            "category_id": numbers[place.category],
            "confidence_score": place.confidence,
            "assigned_at": skill.since.isoformat() if skill.since else ALWAYS,
        }
        for skill in found.skills
        for place in skill.places
    ]
    return {"skill_categories": categories, "skill_category_mapping": mapping, **_builtin()}


def keep(store: object, found: Taxonomy) -> bool:
    """Write the tables, if the store has any; says whether it has."""
    if not isinstance(store, KeepsResults):
        return False
    made = tables(found)
    if isinstance(store, ShowsResults):
        theirs = [row for row in store.kept_results("skill_modalities") if is_theirs(row)]
        known = {row["skill_name"] for row in theirs}
        ours = [row for row in made["skill_modalities"] if row["skill_name"] not in known]
        made["skill_modalities"] = [*theirs, *ours]
    store.keep_results(made)
    return True


def is_theirs(row: Mapping[str, SqlValue]) -> bool:
    """Whether people have written a row of categories or modalities, or the old system has."""
    return row.get("created_at") != ALWAYS


def _builtin() -> Tables:
    """What no event can change; observed dependencies take the place of expected ones."""
    modalities: list[Mapping[str, SqlValue]] = [
        {
            "skill_name": item.skill, "modality_type": item.type, "input_format": item.input,
            "output_format": item.output, "requires_human_review": item.human_review,
            "created_at": ALWAYS,
        }
        for item in builtin().modalities
    ]  # fmt: skip
    expected: list[Mapping[str, SqlValue]] = []
    for item in builtin().dependencies:
        left, right = sorted((item.first, item.second))
        expected.append(
            {
                "skill_a": left, "skill_b": right, "co_occurrence_count": 0,
                "lift_score": item.lift, "last_updated": ALWAYS,
            }
        )  # fmt: skip
    return {"skill_modalities": modalities, "skill_dependencies": expected}
