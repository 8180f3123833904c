"""The page of the spool: what lies on disk between a host tool and the store."""

from __future__ import annotations

from sbhooks import spool
from sbhooks.spool import SpoolWriter

from _build import prose


def page() -> str:
    """The format of the spool."""
    notes = prose.comments(spool)
    limits = [(f"{getattr(spool, n):,}", notes[n]) for n in ("SLOT_BYTES", "MAX_LINE_BYTES")]
    return "\n\n".join(
        [
            "# The spool on disk",
            prose.for_users(spool),
            "Why it is made like this: [Why a spool](../explanation/why-a-spool.md). What a line "
            "holds: [Events](events.md).",
            "## Lines",
            prose.docstring(SpoolWriter.append).text,
            "## The last will",
            prose.docstring(SpoolWriter.will).text,
            prose.table(["Bytes", "What"], limits),
        ]
    )
