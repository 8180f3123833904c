"""Skills that are seen for the first time, and categories that somebody asks for.

``sbhooks taxonomy init`` leaves a file with the names of the skills that are in the tables. When
a batch of events holds another one, the tables are made anew: nobody has to remember to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sbhooks.events import Event, Invocation
from sbhooks.folders import make_private
from sbhooks.store import EventReader
from sbhooks.whole_files import replace
from sbhooks_taxonomy import tables
from sbhooks_taxonomy.adopted import adopt
from sbhooks_taxonomy.catalog import slug
from sbhooks_taxonomy.taxonomy import Taxonomy, read

_FILE = "taxonomy.json"
_MOST = 10_000  # names in the file


def update(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Bring the tables up to date if a batch holds a skill that is not in them.

    Raises:
        OSError: The file cannot be written.
        StoreError: The tables cannot be written.
    """
    used = {event.skill for event in events if isinstance(event, Invocation)}
    known = _known(home)
    if known is None or used <= known or len(known) >= _MOST:
        return
    refresh(store, home)


def refresh(store: EventReader, home: str) -> tuple[Taxonomy, bool]:
    """Make the tables anew; returns what is in them, and whether the store has such tables.

    What people have written into them is taken over first.
    """
    adopt(store)
    found = read(store)
    kept = tables.keep(store, found)
    names = [skill.skill_name for skill in found.skills][:_MOST]
    make_private(home)
    replace(str(Path(home, _FILE)), json.dumps({"skills": names}).encode())
    return found, kept


def skills_of(category: str, store: EventReader) -> Iterable[str] | None:
    """The skills of a category, or of a domain; ``None`` when there is no such thing."""
    found = read(store)
    wanted = [c.name for c in found.categories if c.slug == slug(category)] or [
        c.name for c in found.categories if c.domain == slug(category)
    ]
    if not wanted:
        return None
    return sorted({skill for name in wanted for skill in found.members(name)})


def _known(home: str) -> set[str] | None:
    """The names in the file; ``None`` when nobody has asked for tables."""
    try:
        data = json.loads(Path(home, _FILE).read_text(encoding="utf-8"))
        return {str(name) for name in data["skills"]}
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return set()  # damaged: as good as empty
