"""The taxonomy as tables, for readers with SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbhooks.events import from_us
from sbhooks.store import KeepsResults, SqlValue
from sbhooks_taxonomy.catalog import builtin
from sbhooks_taxonomy.taxonomy import Taxonomy

Tables = dict[str, Sequence[Mapping[str, SqlValue]]]
_ALWAYS = from_us(0).isoformat()  # when what is built in was assigned


def tables(found: Taxonomy) -> Tables:
    """All rows; the same taxonomy gives the same rows."""
    numbers = {category.name: number for number, category in enumerate(found.categories, start=1)}
    categories: list[Mapping[str, SqlValue]] = [
        {
            "category_id": numbers[category.name], "category_name": category.name,
            "description": category.description, "domain": category.domain, "created_at": _ALWAYS,
        }
        for category in found.categories
    ]  # fmt: skip
    mapping: list[Mapping[str, SqlValue]] = [
        {
            "skill_name": skill.skill_name,
            "category_id": numbers[place.category],
            "confidence_score": place.confidence,
            "assigned_at": skill.since.isoformat() if skill.since else _ALWAYS,
        }
        for skill in found.skills
        for place in skill.places
    ]
    return {"skill_categories": categories, "skill_category_mapping": mapping, **_builtin()}


def keep(store: object, found: Taxonomy) -> bool:
    """Write the tables, if the store has any; says whether it has."""
    if not isinstance(store, KeepsResults):
        return False
    store.keep_results(tables(found))
    return True


def _builtin() -> Tables:
    """What no event can change; observed dependencies take the place of expected ones."""
    modalities: list[Mapping[str, SqlValue]] = [
        {
            "skill_name": item.skill, "modality_type": item.type, "input_format": item.input,
            "output_format": item.output, "requires_human_review": item.human_review,
            "created_at": _ALWAYS,
        }
        for item in builtin().modalities
    ]  # fmt: skip
    expected: list[Mapping[str, SqlValue]] = []
    for item in builtin().dependencies:
        left, right = sorted((item.first, item.second))
        expected.append(
            {
                "skill_a": left, "skill_b": right, "co_occurrence_count": 0,
                "lift_score": item.lift, "last_updated": _ALWAYS,
            }
        )  # fmt: skip
    return {"skill_modalities": modalities, "skill_dependencies": expected}
