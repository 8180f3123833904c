"""``/metrics``, in the format that the asker understands."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from prometheus_client.exposition import choose_encoder

from sbhooks_server.documents import problems
from sbhooks_server.site import site_of


@get(
    "/metrics",
    tags=["health"],
    sync_to_thread=True,
    media_type="text/plain",
    responses=problems(503),
)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Say how everything is going, for Prometheus; as OpenMetrics if it asks for that."""
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(site_of(request).exposition), headers={"content-type": kind})


ROUTES = (metrics,)
