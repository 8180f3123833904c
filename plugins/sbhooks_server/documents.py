"""The documents that answers share, and how OpenAPI tells of them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not served (RFC 9457).

    Attributes:
        type: Always ``"about:blank"``: the status says what kind of problem it is.
        title: The status in words.
        status: Of HTTP.
        detail: What is wrong and what to do.
    """

    type: str
    title: str
    status: int
    detail: str


#: What each status that is not a good one says.
MEANINGS = {
    400: "Something in the request cannot be read",
    401: "A token is needed, or is not known",
    403: "The token is not good for this, or a page of another site asks",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is of a kind that is not read",
    421: "The name in Host is none of this server's",
    429: "Too many requests; Retry-After says when to come again",
    503: "The store cannot be used at present",
}
#: What the guard may answer, whatever is asked.
ALWAYS = (400, 401, 403, 421, 429)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """What can go wrong with a route, for OpenAPI: the given, and what the guard refuses."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=MEANINGS[status],
            media_type="application/problem+json",
            generate_examples=False,
        )
        for status in sorted({*statuses, *ALWAYS})
    }


Json = dict[str, Any]
