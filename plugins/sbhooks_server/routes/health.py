"""Is it alive, can it work, and what is wrong if not."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get

from sbhooks import __version__
from sbhooks.errors import SbhooksError
from sbhooks_server.documents import problems
from sbhooks_server.site import Site, site_of

Verdict = Literal["healthy", "degraded"]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/livez`` and ``/readyz`` say.

    Attributes:
        status: ``"healthy"`` or ``"degraded"``.
    """

    status: Verdict


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name: ``"store"``, ``"collecting"`` or ``"plugins"``.
        status: How it fares.
        detail: What is wrong; empty when nothing is.
    """

    name: str
    status: Verdict
    detail: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/health`` says.

    Attributes:
        status: ``"healthy"`` when every check is.
        version: Of sbhooks.
        checks: What was looked at.
    """

    status: Verdict
    version: str
    checks: list[Check]


@get("/livez", sync_to_thread=False, tags=["health"], responses=problems())
def livez() -> Alive:
    """Say that the process answers."""
    return Alive(status="healthy")


@get("/readyz", sync_to_thread=True, tags=["health"], responses=problems(503))
def readyz(request: Request[Any, Any, Any]) -> Response[Alive]:
    """Say whether events can be stored and questions answered: 200, or 503 if not."""
    verdict = _store(site_of(request)).status
    return Response(Alive(status=verdict), status_code=200 if verdict == "healthy" else 503)


@get("/health", sync_to_thread=True, tags=["health"], responses=problems())
def health(request: Request[Any, Any, Any]) -> Health:
    """Say what is wrong, part by part; always 200, so that a page can show it."""
    found = checks(site_of(request))
    is_well = all(check.status == "healthy" for check in found)
    return Health(status="healthy" if is_well else "degraded", version=__version__, checks=found)


def checks(site: Site) -> list[Check]:
    """Look at every part."""
    return [_store(site), _collecting(site), _plugins(site)]


def _store(site: Site) -> Check:
    try:
        refusal = site.runtime.refusal
        site.runtime.store.high_water()
    except SbhooksError as error:
        refusal = error  # type: ignore[assignment]
    return _check("store", "" if refusal is None else str(refusal))


def _collecting(site: Site) -> Check:
    return _check("collecting", site.keeper.trouble or "")


def _plugins(site: Site) -> Check:
    hooks = site.runtime.hooks
    bad = [p for p in (*hooks.rejected, *hooks.plugins.values()) if p.status in _TROUBLED]
    return _check("plugins", "; ".join(f"{p.name}: {p.detail}" for p in bad))


_TROUBLED = {"broken", "clash", "out"}


def _check(name: str, detail: str) -> Check:
    return Check(name=name, status="degraded" if detail else "healthy", detail=detail)


ROUTES = (livez, readyz, health)
