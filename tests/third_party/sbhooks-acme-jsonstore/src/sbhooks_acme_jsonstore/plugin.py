"""The hook: a store for ``jsonl:///PATH``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbhooks import hookimpl

if TYPE_CHECKING:
    from sbhooks import Config, EventStore
    from sbhooks.events import Codec

SCHEME = "jsonl:///"


@hookimpl
def sbhooks_open_store(config: Config, codec: Codec) -> EventStore | None:
    """Open the file; every other scheme is another plugin's business."""
    if not config.store.startswith(SCHEME):
        return None
    from sbhooks_acme_jsonstore.store import JsonEventStore

    return JsonEventStore(config.home / config.store.removeprefix(SCHEME), codec)
