"""Puts the application together; it runs under any ASGI server."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from sbhooks import __version__, problems
from sbhooks.errors import SbhooksError
from sbhooks_server.admission import Admission
from sbhooks_server.asgi import Application
from sbhooks_server.guard import Guard
from sbhooks_server.policy import Policy
from sbhooks_server.refusals import problem
from sbhooks_server.routes import found, health, ingest, live, metrics, page, read
from sbhooks_server.site import Site

if TYPE_CHECKING:
    from sbhooks.plugins import Hooks
    from sbhooks.runtime import Runtime

_log = logging.getLogger("sbhooks.server")
_TOPICS = (health, ingest, read, found, live, metrics, page)
_BUG = "something in the server failed; its log says what"


def create_app(runtime: Runtime, policy: Policy | None = None) -> Guard:
    """Make the whole application, guarded.

    Args:
        runtime: Settings, plugins and store; the application does not close it.
        policy: What it lets in; by default only what comes from this machine, without tokens.

    Returns:
        An ASGI application. Its life span must be run: it collects meanwhile.
    """
    site = Site(runtime, policy or Policy())

    @asynccontextmanager
    async def alive(_: Litestar) -> AsyncIterator[None]:
        await site.hub.start()
        await site.keeper.start()
        try:
            yield
        finally:
            await site.keeper.stop()
            await site.hub.stop()
            await asyncio.to_thread(site.findings.stop)
            await asyncio.to_thread(site.detected.stop)

    litestar = Litestar(
        route_handlers=[
            *(route for topic in _TOPICS for route in topic.ROUTES),
            *_of_plugins(runtime.hooks),
        ],
        lifespan=[alive],
        state=State({"site": site}, deep_copy=False),
        openapi_config=_openapi(),
        exception_handlers={HTTPException: _http, SbhooksError: _ours, Exception: _bug},
        logging_config=None,
        request_max_body_size=None,  # the guard has read and measured it
    )
    admission = Admission(site.policy, site.tokens, site.audit)
    return Guard(cast("Application", litestar), site.policy, admission, _takers(litestar))


def described() -> dict[str, Any]:
    """The OpenAPI document of every server, without the routes of plugins."""
    routes = [route for topic in _TOPICS for route in topic.ROUTES]
    litestar = Litestar(routes, openapi_config=_openapi(), logging_config=None)
    return litestar.openapi_schema.to_schema()


def _takers(litestar: Litestar) -> Callable[[str], bool]:
    """Which paths take ``POST``."""
    shapes = [
        re.sub(r"\\\{[^}]*\}", "[^/]+", re.escape(route.path_format))
        for route in litestar.routes
        if "POST" in getattr(route, "methods", ())
    ]
    any_of = re.compile("|".join(shapes))
    return lambda path: any_of.fullmatch(path) is not None


def _of_plugins(hooks: Hooks) -> list[Router]:
    """Routes of plugins, each below the plugin's own path; what is none is reported."""
    found = []
    for name, handler in hooks.routes():
        try:
            router = Router(f"/plugins/{name}", route_handlers=[cast("Any", handler)])
            Litestar([router], openapi_config=None, logging_config=None)
        except Exception as error:  # noqa: BLE001 - a stranger's handler
            problems.record(hooks.home, f"plugin {name}", f"sbhooks_routes failed: {error}")
        else:
            found.append(Router(f"/plugins/{name}", route_handlers=[cast("Any", handler)]))
    return found


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="sbhooks",
        version=__version__,
        description="What developer tools did, and what can be learned from it.",
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/")],  # pages would load scripts of others
        use_handler_docstrings=True,
    )


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the client did wrong."""
    detail = error.detail
    if isinstance(error.extra, list):
        said = [f"{e.get('key')}: {e.get('message')}" for e in error.extra if isinstance(e, dict)]
        detail = "; ".join([detail, *said])
    return _response(error.status_code, detail, dict(error.headers or {}))


def _ours(_: Request[Any, Any, Any], error: SbhooksError) -> Response[bytes]:
    """Answer what the operator must look after: nothing was stored, so it can be sent again."""
    _log.warning("cannot serve: %s", error)
    return _response(503, str(error), {"retry-after": "5"})


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _response(500, _BUG, {})


def _response(status: int, detail: str, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        msgspec.json.encode(problem(status, detail)),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )
