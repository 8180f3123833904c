"""The messages of the live WebSocket: JSON objects with a ``type``, encoded once for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sbhooks.events import Event, utc_now
from sbhooks_server.shapes import Skill

TOP = 10  #: Skills in an update of all.
_encode = msgspec.json.Encoder().encode


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a client may say; each kind is a subclass."""


class Authenticate(Ask, frozen=True, kw_only=True, tag="authenticate"):
    """Show a token, first of all, where one is needed."""

    token: str  #: As ``sbhooks token create`` printed it.


class Subscribe(Ask, frozen=True, kw_only=True, tag="subscribe"):
    """Ask to be told what changes.

    Attributes:
        skill_name: Of this skill; ``None`` for the most used ones.
        events: Whether to be sent the events themselves too, as they are stored.
        after: Position from which on events are sent; ``None`` for those to come.
    """

    skill_name: str | None = None
    events: bool = False
    after: int | None = None


class Unsubscribe(Ask, frozen=True, kw_only=True, tag="unsubscribe"):
    """Ask to be told no more."""

    skill_name: str | None = None  #: About this skill; ``None`` about anything, events included.


class GetMetrics(Ask, frozen=True, kw_only=True, tag="get_metrics"):
    """Ask about one skill, once."""

    skill_name: str  #: The skill.


class Ping(Ask, frozen=True, kw_only=True, tag="ping"):
    """Ask whether the server is there."""


ASKS = (Authenticate, Subscribe, Unsubscribe, GetMetrics, Ping)
Any_ = Authenticate | Subscribe | Unsubscribe | GetMetrics | Ping
_decoder: msgspec.json.Decoder[Any_] = msgspec.json.Decoder(Any_)


class BadAsk(Exception):
    """A message that cannot be served.

    Args:
        code: One word for programs.
        message: Why, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read(text: str | None) -> Any_:
    """Understand a message.

    Args:
        text: What came; ``None`` for one that is not text.

    Raises:
        BadAsk: It is none that is known.
    """
    if text is None:
        raise BadAsk("not_text", "send JSON as text")
    try:
        return _decoder.decode(text)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _explained(text, error) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadAsk("bad_json", "this is no JSON") from error


def _explained(text: str, error: Exception) -> BadAsk:
    """Why something that is JSON is no message."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return BadAsk("bad_json", "this is no JSON, or nested too deeply")
    if not isinstance(document, dict):
        return BadAsk("not_an_object", "send a JSON object with a 'type'")
    known = {kind.__struct_config__.tag for kind in ASKS}
    if document.get("type") not in known:
        return BadAsk("unknown_type", f"'type' is one of: {', '.join(sorted(map(str, known)))}")
    return BadAsk("bad_request", str(error)[:300])


def frame(kind: str, **fields: Any) -> str:
    """A message of the server."""
    return _encode({"type": kind, **fields}).decode()


def update(
    skills: Sequence[Skill],
    anomalies: Sequence[Any],
    *,
    position: int,
    skill_name: str | None = None,
) -> str:
    """What changed: the figures of the most used skills, or of one."""
    fields: dict[str, Any] = {} if skill_name is None else {"skill_name": skill_name}
    data = {"top_skills": skills, "anomalies": anomalies}
    return frame("metrics_update", timestamp=utc_now(), position=position, **fields, data=data)


def events(batch: Sequence[Event], position: int) -> str:
    """Events that have been stored, and the position behind them."""
    return frame("event", position=position, data=batch)


def metrics(name: str, known: Mapping[str, Skill]) -> str:
    """The figures of one skill.

    Raises:
        BadAsk: It was never invoked.
    """
    if name not in known:
        raise BadAsk("unknown_skill", f"{name[:200]!r} was never invoked")
    return frame("metrics", timestamp=utc_now(), data=known[name])
