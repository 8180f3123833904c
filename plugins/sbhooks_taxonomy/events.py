"""What people decide about categories; kept in the log like everything else."""

from __future__ import annotations

from sbhooks.events import Event, Name
from sbhooks_taxonomy.catalog import Domain


class Assignment(Event, frozen=True, kw_only=True, tag="taxonomy-assignment"):
    """Somebody has said where a skill belongs; wins over everything else, for ever.

    Attributes:
        skill: Its name.
        categories: Names of all its categories; empty when it belongs to none, ``None`` when
            the decision is taken back.
    """

    skill: Name
    categories: list[str] | None = None


class NewCategory(Event, frozen=True, kw_only=True, tag="taxonomy-category"):
    """Somebody has made a category of their own.

    Attributes:
        name: For people.
        domain: What the work is about.
        description: One sentence.
    """

    name: Name
    domain: Domain
    description: str = ""
