"""Writes down what people decide, as events, and brings the tables up to date."""

from __future__ import annotations

from typing import cast

from sbhooks.errors import SbhooksError
from sbhooks.ids import new_id
from sbhooks.runtime import Runtime
from sbhooks.store import EventReader
from sbhooks_taxonomy.catalog import Category, Domain, slug
from sbhooks_taxonomy.events import Assignment, NewCategory
from sbhooks_taxonomy.newcomers import refresh
from sbhooks_taxonomy.taxonomy import Skill, read

_SOURCE = "sbhooks"


def decide(runtime: Runtime, skill: str, categories: list[str] | None) -> Skill:
    """Write down where a skill belongs; returns how it stands now.

    Args:
        runtime: Its store has been brought up to date.
        skill: Its name; it need not have been used yet.
        categories: Names of categories that exist; ``None`` takes a decision back.

    Raises:
        SbhooksError: The skill has no name.
        StoreError: The store cannot be written.
    """
    if not skill.strip():
        raise SbhooksError("a skill has a name. Give it first")
    event = Assignment(source=_SOURCE, session=new_id(), skill=skill, categories=categories)
    runtime.store.append([event])
    found, _ = refresh(runtime.store, str(runtime.config.home))
    known = {item.skill_name: item for item in found.skills}
    return known.get(skill) or Skill(skill_name=skill, invocation_count=0, places=[], how="unknown")


def make(
    runtime: Runtime, name: str, domain: str, description: str, store: EventReader
) -> Category:
    """Make a category.

    Raises:
        SbhooksError: There is one of that name, or the name has no letter.
        StoreError: The store cannot be written.
    """
    if not slug(name):
        raise SbhooksError(f"{name!r} cannot name a category: it has no letter or digit")
    if slug(name) in {category.slug for category in read(store).categories}:
        raise SbhooksError(f"there is a category {slug(name)!r} already. Choose another name")
    event = NewCategory(
        source=_SOURCE, session=new_id(), name=name, domain=cast(Domain, domain),
        description=description,
    )  # fmt: skip
    runtime.store.append([event])
    refresh(runtime.store, str(runtime.config.home))
    return Category(name=name, domain=event.domain, description=description)
