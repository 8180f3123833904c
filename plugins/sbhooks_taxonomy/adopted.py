"""Takes over what people have put into the tables by SQL, or the old system has, as decisions.

The tables are made anew whenever something is decided or a new skill is seen. What stands in
them and nowhere else would be gone then; as an event it stays for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbhooks.events import Event
from sbhooks.ids import new_id
from sbhooks.store import EventStore, ShowsResults, SqlValue
from sbhooks_taxonomy.catalog import DOMAINS, slug
from sbhooks_taxonomy.events import Assignment, NewCategory
from sbhooks_taxonomy.tables import is_theirs
from sbhooks_taxonomy.taxonomy import Taxonomy, read

_SOURCE = "sbhooks"
Rows = Sequence[Mapping[str, SqlValue]]


def adopt(store: object) -> int:
    """Write people's rows down as events; returns how many that took.

    Categories that nobody knows are made. A skill is assigned where its rows say something else
    than what is known of it. Once sbhooks has filled the tables, only skills of categories that
    it did not know count: it cannot tell its own guesses from what people add to them.

    Raises:
        StoreError: The store cannot be read or written.
    """
    if not (isinstance(store, ShowsResults) and isinstance(store, EventStore)):
        return 0
    categories = store.kept_results("skill_categories")
    theirs = [row for row in categories if is_theirs(row)]
    if not theirs:
        return 0
    known = read(store)
    names = {category.slug: category.name for category in known.categories}
    made = [_category(row) for row in theirs if _slug(row) and _slug(row) not in names]
    names |= {slug(event.name): event.name for event in made}
    trusted = {row["category_id"]: names[_slug(row)] for row in theirs if _slug(row) in names}
    every = len(theirs) == len(categories)
    mine = {event.name for event in made}
    wanted: dict[str, list[str]] = {}
    for row in store.kept_results("skill_category_mapping"):
        name = trusted.get(row["category_id"])
        if name is not None and (every or name in mine):
            wanted.setdefault(str(row["skill_name"]), []).append(name)
    events: list[Event] = [*made, *_assignments(known, wanted, every=every)]
    store.append(events)
    return len(events)


def _assignments(
    known: Taxonomy, wanted: Mapping[str, list[str]], *, every: bool
) -> list[Assignment]:
    found = []
    placed = {skill.skill_name: skill for skill in known.skills}
    for name, chosen in wanted.items():
        skill = placed.get(name)
        before = [place.category for place in skill.places] if skill else []
        is_decided = skill is not None and skill.how == "by hand"
        all_of_them = chosen if every else [*dict.fromkeys([*before, *chosen])]
        if name.strip() and not is_decided and sorted(before) != sorted(all_of_them):
            found.append(Assignment(source=_SOURCE, session=new_id(), skill=name,
                                    categories=all_of_them))  # fmt: skip
    return found


def _category(row: Mapping[str, SqlValue]) -> NewCategory:
    domain = row.get("domain")
    return NewCategory(
        source=_SOURCE, session=new_id(), name=str(row["category_name"]),
        domain=domain if domain in DOMAINS else "code",
        description=str(row.get("description") or ""),
    )  # fmt: skip


def _slug(row: Mapping[str, SqlValue]) -> str:
    return slug(str(row["category_name"]))
