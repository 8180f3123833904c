"""The hook: what has been stored, and whether somebody is to hear of it."""

from __future__ import annotations

from collections.abc import Sequence

from sbhooks import Event, EventReader, SessionEnd, hookimpl
from sbhooks_acme_notify.message import is_failure


@hookimpl
def sbhooks_events_stored(events: Sequence[Event], store: EventReader) -> None:
    """Send one message for each run that failed."""
    failed = [event for event in events if isinstance(event, SessionEnd) and is_failure(event)]
    if not failed:
        return
    from sbhooks_acme_notify.chat import load_chat, send
    from sbhooks_acme_notify.message import message

    chat = load_chat()
    for end in failed:
        if chat.url:
            send(chat, text=message(end, store), id=end.id)
