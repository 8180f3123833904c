"""Takes in events that others recorded: the spool's own lines, over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, post
from litestar.exceptions import HTTPException
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from sbhooks_server import batches
from sbhooks_server.batches import Batch, BatchError, Rejected
from sbhooks_server.documents import problems
from sbhooks_server.site import site_of

_LARGE_BYTES = 256 << 10


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of events.

    Attributes:
        accepted: Events that were new and are stored now.
        duplicates: Events that were there already; nothing was changed.
        rejected: Events that cannot be taken, by their place in the batch. Sending them again
            does not help.
    """

    accepted: int
    duplicates: int
    rejected: list[Rejected]


@dataclass
class _TakesEvents(Operation):
    """Tells OpenAPI of the body, which the handler reads itself: that halves the cost."""

    def __post_init__(self) -> None:
        event = Schema(
            description="An event as the reference of events describes it; 'kind' says which. "
            "What is none is rejected by its place.",
        )
        self.request_body = RequestBody(
            required=True,
            description="A JSON array of events, or one event per line.",
            content={
                "application/json": OpenAPIMediaType(
                    schema=Schema(type=OpenAPIType.ARRAY, items=event)
                ),
                "application/x-ndjson": OpenAPIMediaType(
                    schema=Schema(type=OpenAPIType.STRING, description="One event per line.")
                ),
            },
        )


@post(
    "/api/v1/events",
    status_code=200,
    tags=["events"],
    operation_class=_TakesEvents,
    responses=problems(400, 408, 413, 415, 503),
)
async def ingest(request: Request[Any, Any, Any]) -> Ingested:
    """Store events, each once however often it is sent; durable when this is answered.

    The body may be compressed (``Content-Encoding: gzip`` or ``zstd``). What is no event is
    rejected by its place, and does not harm the others.
    """
    site = site_of(request)
    body = await request.body()
    encoding = request.headers.get("content-encoding", "")
    is_lines = "ndjson" in request.headers.get("content-type", "")

    def read() -> Batch:
        return batches.parse(batches.unpacked(body, encoding), site.runtime.codec, lines=is_lines)

    try:
        # A large body takes long enough to make others wait.
        is_large = len(body) > _LARGE_BYTES or encoding
        batch = await asyncio.to_thread(read) if is_large else read()
    except BatchError as error:
        site.rejected["unreadable"] += 1
        raise HTTPException(status_code=error.status, detail=error.detail) from error
    kept = await site.keeper.keep(batch.events)
    poison = [Rejected(index=batch.places[at], error=why) for at, why in kept.poison.items()]
    site.rejected["invalid"] += len(batch.rejected)
    site.rejected["unstorable"] += len(poison)
    rejected = sorted([*batch.rejected, *poison], key=lambda one: one.index)
    return Ingested(accepted=kept.new, duplicates=kept.known, rejected=rejected)


ROUTES = (ingest,)
