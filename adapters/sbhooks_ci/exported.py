"""What was exported, and its way out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks_ci import cdevents, otlp
from sbhooks_ci.finished import Finished
from sbhooks_ci.sending import checked, send

T = TypeVar("T")

_SESSIONS = 20  #: In one request of OTLP.
_EVENTS = 200  #: CloudEvents in one batch.


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks export otlp --json` prints.

    Attributes:
        sessions: Number of sessions.
        sent: Number of spans or events.
        to: Where to; ``None`` for standard output.
    """

    sessions: int
    sent: int
    to: str | None


class ExportedEvents(Exported, frozen=True, kw_only=True):
    """What `sbhooks export cdevents --json` prints."""


def export_otlp(
    sessions: Iterable[Finished], url: str | None, headers: Mapping[str, str]
) -> Exported:
    """Send traces, or print one request per line.

    Raises:
        SbhooksError: The receiver did not take them, or not all of them.
    """
    target = checked(url, path="/v1/traces") if url else None
    number = sent = 0
    for some in _batches(sessions, _SESSIONS):
        body = otlp.request(some)
        number += len(some)
        sent += sum(len(r["scopeSpans"][0]["spans"]) for r in body["resourceSpans"])
        if target is None:
            _print(body)
            continue
        answer = send(target, body, "application/json", headers)
        partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
        if isinstance(partial, dict) and int(partial.get("rejectedSpans") or 0):
            raise SbhooksError(
                f"{target} refused {partial['rejectedSpans']} spans: {partial.get('errorMessage')}"
            )
    return Exported(sessions=number, sent=sent, to=target)


def export_cdevents(
    sessions: Iterable[Finished], url: str | None, headers: Mapping[str, str]
) -> ExportedEvents:
    """Send CloudEvents in batches, or print one per line.

    Raises:
        SbhooksError: The receiver did not take them.
    """
    target = checked(url) if url else None
    number = sent = 0
    for session in sessions:
        number += 1
        for some in _batches(cdevents.cloud_events(session), _EVENTS):
            sent += len(some)
            if target is None:
                for event in some:
                    _print(event)
            else:
                send(target, some, "application/cloudevents-batch+json", headers)
    return ExportedEvents(sessions=number, sent=sent, to=target)


def _print(body: object) -> None:
    sys.stdout.write(json.dumps(body, separators=(",", ":")) + "\n")


def _batches(items: Iterable[T], most: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, most)):
        yield some
