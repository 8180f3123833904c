"""What is recorded about people: show it, hand it out, re-key it, erase it.

Everything here works on pseudonyms (see :mod:`sbhooks.identity`): the store holds no names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from sbhooks import hints, variants
from sbhooks.errors import SbhooksError
from sbhooks.events import Codec, Event, SessionStart, names_person
from sbhooks.identity import (
    Key,
    forget_old_key,
    host_name,
    is_user,
    load_key,
    pseudonym,
    replace_key_keeping_old,
    user_name,
)
from sbhooks.store import EventQuery

if TYPE_CHECKING:
    from sbhooks.runtime import Runtime
    from sbhooks.store import EventReader

#: How people are protected; printed by ``sbhooks privacy preview``.
EXPLANATION = (
    "user and host are pseudonyms: HMAC-SHA256 under a key that only this installation has. "
    "'sbhooks privacy rotate' replaces the key.",
    "Paths of tests are relative to the project. Messages, parameters and queries had "
    "everything that looks like a secret, an e-mail address or a private URL replaced.",
    "Source code, environment variables and output of tests are never recorded.",
)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks privacy preview --json`` prints.

    Attributes:
        session: The run that serves as the example; ``None`` when nothing is recorded.
        events: Its events, exactly as they are recorded.
        explanation: What was done to protect people.
    """

    session: str | None
    events: list[msgspec.Raw]
    explanation: tuple[str, ...] = EXPLANATION


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks privacy rotate --json`` prints.

    Attributes:
        sessions: How many runs carry new pseudonyms.
    """

    sessions: int


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks privacy erase --json`` prints.

    Attributes:
        user: Whose runs were removed.
        events: How many events that were.
    """

    user: str
    events: int


def preview(store: EventReader, runtime: Runtime, query: EventQuery) -> Preview:
    """The events of the newest run that ``query`` allows, as lines of JSON.

    Args:
        store: After collecting.
        runtime: Knows how events are written.
        query: Projects and times to choose from.
    """
    chosen = msgspec.structs.replace(query, kinds=("session-start",), newest_first=True, limit=1)
    start = next(iter(store.events(chosen)), None)
    session = None if start is None else start.session
    found = store.events(EventQuery(sessions=(session,))) if session is not None else ()
    return Preview(
        session=session,
        events=[msgspec.Raw(runtime.codec.encode(event)) for event in found],
    )


def pseudonym_of(runtime: Runtime, user: str | None) -> str:
    """The pseudonym that is meant.

    Args:
        runtime: Knows where the key is.
        user: A pseudonym, the name of an account of this machine, or ``None`` for the
            current user.

    Raises:
        SbhooksError: The key cannot be read.
    """
    home = str(runtime.config.home)
    try:
        key = load_key(home)
    except (OSError, ValueError) as error:
        raise SbhooksError(f"cannot tell who is meant: {error}. Run: sbhooks doctor") from error
    name = user_name() if user is None else user
    return name if name.startswith("user-") else pseudonym(key, "user", name)


def export(store: EventReader, user: str, codec: Codec) -> Iterator[Event]:
    """Every event of every session of a user, and every other event that names them.

    Args:
        store: After collecting.
        user: A pseudonym.
        codec: Knows which kinds may name people.
    """
    sessions = sessions_of(store, user)
    for session in sessions:
        yield from store.events(EventQuery(sessions=(session,)))
    own = frozenset(sessions)
    yield from (event for event in named(store, user, codec) if event.session not in own)


def named(store: EventReader, user: str, codec: Codec) -> Iterator[Event]:
    """Events of plugins' kinds that name a user, such as what an experiment gave them."""
    if kinds := _kinds_with_people(codec):
        found = store.events(EventQuery(kinds=kinds))
        yield from (event for event in found if names_person(event, user))


def _kinds_with_people(codec: Codec) -> tuple[str, ...]:
    return tuple(name for name, kind in codec.kinds.items() if kind.people)


def erase(runtime: Runtime, user: str) -> int:
    """Remove what is recorded of a user, here and in the recorders' files; returns the events.

    Raises:
        SbhooksError: Something cannot be written.
    """
    home = str(runtime.config.home)
    erased = runtime.store.erase_user(user)
    hints.forget(home)
    try:
        variants.forget(home, user)
    except OSError as error:
        raise SbhooksError(f"cannot write {home}: {error.strerror}. Erase once more") from error
    return erased


def sessions_of(store: EventReader, user: str) -> list[str]:
    """The sessions of a user, oldest first."""
    query = EventQuery(kinds=("session-start",), users=(user,))
    return list(dict.fromkeys(event.session for event in store.events(query)))


def rotate(runtime: Runtime) -> int:
    """Replace the key, and every pseudonym in the store with it; returns the sessions changed.

    What is in the spool is collected first, so that no old pseudonym comes in later, except
    from runs that are going on. People other than the current user are known by pseudonym
    only; theirs become pseudonyms of pseudonyms, so nobody can link old and new.

    Raises:
        SbhooksError: The key or the store cannot be written. The old key is then kept aside,
            and the next call finishes the work.
    """
    home = str(runtime.config.home)
    store = runtime.store
    runtime.collect()
    try:
        old, new = replace_key_keeping_old(home)
    except (OSError, ValueError) as error:
        raise SbhooksError(f"cannot replace the key: {error}. Run: sbhooks doctor") from error
    everybody = _people(store, runtime.codec)
    people = {name: _again(new, name) for name in everybody if not _is_under(new, name)}
    own = (("user", user_name()), ("host", host_name()))
    people.update({pseudonym(old, kind, name): pseudonym(new, kind, name) for kind, name in own})
    changed = store.rename_people(people)
    try:
        variants.rename(home, people)
    except OSError as error:
        raise SbhooksError(f"cannot write {home}: {error.strerror}. Rotate once more") from error
    forget_old_key(home)
    return changed


def _people(store: EventReader, codec: Codec) -> set[str]:
    """Every pseudonym that any session has, or any event that names people."""
    found: set[str | None] = set()
    for event in store.events(EventQuery(kinds=("session-start", *_kinds_with_people(codec)))):
        if isinstance(event, SessionStart):
            found |= {event.user, event.host}
        found.update(name for field in event.people if is_user(name := getattr(event, field)))
    return {name for name in found if name}


def _again(key: Key, old: str) -> str:
    return pseudonym(key, "host" if old.startswith("host-") else "user", old)


def _is_under(key: Key, name: str) -> bool:
    return name.split("-")[1:2] == [key.id]
